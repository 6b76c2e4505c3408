/** One look at a daemon that works: what its process holds, what it holds at the server, what was written, how large that is, what waits. */
import { readdirSync, readFileSync } from 'node:fs';
import type pg from 'pg';
import { cpuOf } from '../bench/server.js';
import type { Bound } from './slope.js';
import { Cycles, walBetween, walPosition } from './wal.js';

export type Figure = { name: string; unit: string; bound: Bound };

/**
 * The bounds of a sound daemon. A heap that is collected now and then makes the memory's samples tremble by some ten MB.
 *
 * Images of pages grow with the tables, and come to rest where no two sales between two checkpoints meet on one page: in the first
 * hour from 3 to 12 kB. By then a sale has an image of each leaf where chance finds it a place in an index, four of the shop's own and
 * two of entity_state's, 30 kB, and 5 kB of the queue's pages that a vacuum goes over. What would make them grow beyond that is more
 * work, which `wal` shows, or space that nobody takes again, which `size` shows.
 */
export const FIGURES = [
  { name: 'memory', unit: 'MB', bound: { most: 200, growth: { by: 20, share: 0.15 } } },
  { name: 'files', unit: '', bound: { growth: { by: 4, share: 0 } } },
  { name: 'connections', unit: '', bound: { most: 20, growth: { by: 2, share: 0 } } },
  { name: 'cpu', unit: '%', bound: { growth: { by: 5, share: 0.5 } } },
  { name: 'wal', unit: 'kB/sale', bound: { growth: { by: 2, share: 0.15 } } },
  { name: 'images', unit: 'kB/sale', bound: { most: 50 } },
  { name: 'size', unit: 'kB/sale', bound: { growth: { by: 0.6, share: 0.15 } } },
  { name: 'latency', unit: 'ms', bound: { growth: { by: 50, share: 1 } } },
  { name: 'queue', unit: 'changes', bound: { growth: { by: 100, share: 0 } } },
] as const satisfies Figure[];

export type Name = (typeof FIGURES)[number]['name'];

/** Of which two looks give a rate. */
type Worked = { at: number; cpuMs: number };
type Written = { wal: string; bytes: number; sales: number };

export class Lookout {
  readonly #owner: pg.Client;
  readonly #cycles = new Cycles();
  #worked: Worked | undefined;
  #written: Written | undefined;
  #first: Written | undefined;

  /** @param owner a superuser's connection to a database for which `openWal` was called */
  constructor(owner: pg.Client) {
    this.#owner = owner;
  }

  /**
   * @param troubled the cloud has a fault. What was sold meanwhile is sent, and settled, after it: what was written is counted from
   * one quiet look to the next, so that it stands beside the sales that it belongs to
   */
  async look(pid: number, sales: number, troubled: boolean): Promise<Partial<Record<Name, number>>> {
    const rss = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const { rows } = await this.#owner.query<{ connections: number; waiting: string }>(
      `SELECT waiting, (SELECT count(*)::int FROM pg_stat_activity WHERE application_name LIKE 'syncd %') AS connections
       FROM syncd.sync_light`,
    );
    const [row] = rows as [{ connections: number; waiting: string }];
    return {
      memory: Number(rss) / 1024,
      files: readdirSync(`/proc/${pid}/fd`).length,
      connections: row.connections,
      queue: Number(row.waiting),
      ...this.#busy(pid),
      ...(!troubled && (await this.#costs(sales))),
    };
  }

  #busy(pid: number): Partial<Record<Name, number>> {
    const before = this.#worked;
    const now = { at: performance.now(), cpuMs: cpuOf(pid) };
    this.#worked = now;
    return before ? { cpu: ((now.cpuMs - before.cpuMs) / (now.at - before.at)) * 100 } : {};
  }

  async #costs(sold: number): Promise<Partial<Record<Name, number>>> {
    const before = this.#written;
    const now = { wal: await walPosition(this.#owner), bytes: await sizeOf(this.#owner), sales: sold };
    const sales = before ? now.sales - before.sales : 0;
    if (before && sales === 0) return {};
    this.#written = now;
    this.#first ??= now;
    if (!before) return {};
    const written = await walBetween(this.#owner, before.wal, now.wal);
    const cycle = this.#cycles.add(written, sales);
    return {
      wal: written.records / 1024 / sales,
      // All that is there, for all that was sold: from look to look it leaps, for it grows only until a vacuum was there.
      size: (now.bytes - this.#first.bytes) / 1024 / (now.sales - this.#first.sales),
      ...(cycle !== undefined && { images: cycle }),
    };
  }
}

/** What syncd's tables take with their indexes. */
async function sizeOf(owner: pg.Client): Promise<number> {
  const { rows } = await owner.query<{ bytes: number }>(
    `SELECT sum(pg_total_relation_size(oid))::float8 AS bytes FROM pg_class
     WHERE relnamespace = 'syncd'::regnamespace AND relkind = 'r'`,
  );
  return rows[0]?.bytes ?? 0;
}
