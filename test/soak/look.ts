/** One look at a daemon that works: what its process holds, what it holds at the server, how much was written, what waits. */
import { readdirSync, readFileSync } from 'node:fs';
import type pg from 'pg';
import { cpuOf } from '../bench/server.js';
import type { Bound } from './slope.js';

export type Figure = { name: string; unit: string; bound: Bound };

/** The bounds of a sound daemon. A heap that is collected now and then makes the memory's samples tremble by some ten MB. */
export const FIGURES = [
  { name: 'memory', unit: 'MB', bound: { most: 200, growth: { by: 20, share: 0.15 } } },
  { name: 'files', unit: '', bound: { growth: { by: 4, share: 0 } } },
  { name: 'connections', unit: '', bound: { most: 20, growth: { by: 2, share: 0 } } },
  { name: 'cpu', unit: '%', bound: { growth: { by: 5, share: 0.5 } } },
  { name: 'wal', unit: 'kB/sale', bound: { growth: { by: 8, share: 0.5 } } },
  { name: 'latency', unit: 'ms', bound: { growth: { by: 50, share: 1 } } },
  { name: 'queue', unit: 'changes', bound: { growth: { by: 100, share: 0 } } },
] as const satisfies Figure[];

export type Name = (typeof FIGURES)[number]['name'];

/** The running totals of which two looks give a rate. */
export type Totals = { at: number; cpuMs: number; walBytes: number; sales: number };

export async function lookAt(
  pid: number,
  owner: pg.Client,
  sales: number,
  before: Totals | undefined,
): Promise<{ totals: Totals; figures: Partial<Record<Name, number>> }> {
  const rss = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  const { rows } = await owner.query<{ wal: string; connections: number; waiting: string }>(
    `SELECT pg_current_wal_insert_lsn() - '0/0' AS wal, (SELECT waiting FROM syncd.sync_light) AS waiting,
            (SELECT count(*)::int FROM pg_stat_activity WHERE application_name LIKE 'syncd %') AS connections`,
  );
  const [row] = rows as [{ wal: string; connections: number; waiting: string }];
  const totals = { at: performance.now(), cpuMs: cpuOf(pid), walBytes: Number(row.wal), sales };
  const figures: Partial<Record<Name, number>> = {
    memory: Number(rss) / 1024,
    files: readdirSync(`/proc/${pid}/fd`).length,
    connections: row.connections,
    queue: Number(row.waiting),
  };
  if (before) {
    figures.cpu = ((totals.cpuMs - before.cpuMs) / (totals.at - before.at)) * 100;
    if (sales > before.sales) figures.wal = (totals.walBytes - before.walBytes) / 1024 / (sales - before.sales);
  }
  return { totals, figures };
}
