/**
 * D: how fast 50,000 rows of the cloud are applied, half of them new, the echo taken back. The inbox loop and the bare upsert
 * write the same rows into the same table with the capture triggers on, one after the other in turned order. The machine is
 * shared: the ratio of the CPU that server and program used is beside that of the wall's time.
 */

import { installCapture } from '../../src/capture/install.js';
import { openApplier } from '../../src/db/applier.js';
import { openDb, UNSCANNED } from '../../src/db/connect.js';
import type { Cluster } from '../../src/demo/postgres.js';
import { InboxLoop } from '../../src/inbox/loop.js';
import type { Log } from '../../src/log.js';
import { conflictBook } from '../../src/resolve/conflicts.js';
import { captureSettings } from '../support/capture.js';
import type { Measurement } from './measurement.js';
import { bareUpsert } from './references/bare-upsert.js';
import { figureOf } from './report.js';
import { cpuOf, onDatabase, serverCpuMs, startServer } from './server.js';
import { median, ratios, turned } from './statistics.js';
import { createShop } from './variants.js';

const DATABASE = 'apply';
const ROWS = 50_000;
const PAGE = 1_000;
/** So many of the shop's 100,000 products are older than what comes. */
const OLD = 25_000;
const FIRST = 100_000 - OLD + 1;
const PROGRAMS = ['syncd', 'bare'] as const;
const SETTINGS = captureSettings({ product: { table: 'public.products', direction: 'both' } });
const SILENT: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

type Sample = { ms: number; cpuMs: number };

export const apply: Measurement = {
  benches: ['D'],
  async measure(_wanted, options, progress) {
    const samples: Record<(typeof PROGRAMS)[number], Sample[]> = { syncd: [], bare: [] };
    const cluster = await startServer();
    try {
      await createShop(cluster, DATABASE);
      await installCapture({ adminUrl: cluster.url(DATABASE), settings: SETTINGS });
      const pages = await prepare(cluster);
      for (let round = 0; round < options.rounds; round++) {
        for (const program of turned([...PROGRAMS], round)) {
          await freshen(cluster);
          const sample = await measured(cluster, () =>
            program === 'bare' ? bareUpsert(cluster.url(DATABASE), pages) : applyAll(cluster),
          );
          await check(cluster, program === 'bare' ? ROWS : 0);
          samples[program].push(sample);
          progress(
            `round ${round + 1}, ${program}: ${Math.round(ROWS / (sample.ms / 1000))} rows/s, ${Math.round(sample.cpuMs)} ms of CPU`,
          );
        }
      }
    } finally {
      await cluster.destroy();
    }
    const speeds = (list: Sample[]) => list.map(({ ms }) => ROWS / (ms / 1000));
    const cpu = (list: Sample[]) => list.map(({ cpuMs }) => cpuMs);
    const detail = {
      rows_per_s: median(speeds(samples.syncd)),
      reference_rows_per_s: median(speeds(samples.bare)),
      cpu_us_per_row: (median(cpu(samples.syncd)) * 1000) / ROWS,
      reference_cpu_us_per_row: (median(cpu(samples.bare)) * 1000) / ROWS,
      cpu_ratio: median(ratios(cpu(samples.bare), cpu(samples.syncd))),
    };
    const bound = { must: 0.5, aim: 0.7, better: 'higher' as const };
    const what = `apply of ${ROWS} rows, half of them new`;
    return [
      figureOf(ratios(speeds(samples.syncd), speeds(samples.bare)), {
        bench: 'D',
        what,
        reference: 'bare upsert',
        unit: 'x',
        bound,
        detail,
      }),
    ];
  },
};

/** Keeps aside what comes in, and what the table was; returns the same rows as the bare upsert wants them. */
async function prepare(cluster: Cluster): Promise<string[]> {
  return onDatabase(cluster.url(DATABASE), async (client) => {
    // Through jsonb: a cloud writes the keys in its own order, and blanks where it likes.
    await client.query(`
      CREATE TABLE public.coming AS
      SELECT n AS id, jsonb_build_object('id', n, 'sku', 'SKU-' || lpad(n::text, 6, '0'), 'name', 'Kopi Susu Gula Aren Ukuran ' || n,
               'category', 'minuman', 'price', 9000 + n % 700, 'is_active', true, 'updated_at', '2026-11-22T08:00:00Z'::timestamptz)::text::json AS data
      FROM generate_series(${FIRST}, ${FIRST + ROWS - 1}) n`);
    await client.query('CREATE TABLE public.kept AS SELECT * FROM products ORDER BY id');
    const { rows } = await client.query<{ page: string }>(
      `SELECT json_agg(data ORDER BY id)::text AS page FROM public.coming GROUP BY (id - ${FIRST}) / ${PAGE} ORDER BY min(id)`,
    );
    return rows.map(({ page }) => page);
  });
}

async function freshen(cluster: Cluster): Promise<void> {
  await onDatabase(cluster.url(DATABASE), async (client) => {
    await client.query('ALTER TABLE products DISABLE TRIGGER USER');
    await client.query('TRUNCATE products CASCADE');
    await client.query('INSERT INTO products SELECT * FROM public.kept');
    await client.query('ALTER TABLE products ENABLE TRIGGER USER');
    await client.query(
      'TRUNCATE syncd.sync_queue, syncd.entity_state, syncd.sync_logs, syncd.incoming, syncd.daemon, syncd.truncations',
    );
    await client.query(
      "INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch) VALUES (gen_random_uuid(), 'bench', 1, 'bench', 1)",
    );
    await client.query(
      `INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version)
       SELECT 'product', id::text, 1, 1 FROM products`,
    );
    await client.query(
      `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, data)
       SELECT 1, 'pull', 'product', id::text, 'update', 2, data FROM public.coming ORDER BY id`,
    );
    await client.query('VACUUM (ANALYZE)');
    await client.query('CHECKPOINT');
  });
}

async function measured(cluster: Cluster, work: () => Promise<void>): Promise<Sample> {
  const used = async () => cpuOf(process.pid) + (await serverCpuMs(cluster.pid as number));
  const cpuBefore = await used();
  const before = performance.now();
  await work();
  const ms = performance.now() - before;
  return { ms, cpuMs: (await used()) - cpuBefore };
}

async function applyAll(cluster: Cluster): Promise<void> {
  const url = cluster.url(DATABASE, 'syncd');
  const [db, reader] = [await openApplier(url, 'applier'), openDb(url, { role: 'inbox', settings: UNSCANNED })];
  try {
    const loop = new InboxLoop({
      db,
      reader,
      settings: SETTINGS,
      leader_epoch: '1',
      conflicts: conflictBook,
      resolveOpen: async () => ({ minted: 0, busy: 0 }),
      fetchEntity: async () => ({ kind: 'later', delayMs: 1_000 }),
      onLocalChanges: () => {},
      log: SILENT,
    });
    while ((await loop.step()) === 0);
  } finally {
    await db.destroy();
    await reader.destroy();
  }
}

async function check(cluster: Cluster, captured: number): Promise<void> {
  await onDatabase(cluster.url(DATABASE), async (client) => {
    const { rows } = await client.query<{ written: number; queued: number }>(
      `SELECT (SELECT count(*)::int FROM products p JOIN public.coming c ON c.id = p.id WHERE p.name = c.data ->> 'name') AS written,
              (SELECT count(*)::int FROM syncd.sync_queue) AS queued`,
    );
    const { written, queued } = rows[0] as { written: number; queued: number };
    if (written !== ROWS || queued !== captured)
      throw new Error(`${written} rows written and ${queued} changes queued, where ${ROWS} and ${captured} were to be`);
  });
}
