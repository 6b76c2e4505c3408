/**
 * A day's load in a few minutes: 100,000 changes are captured, settled and leave again under a retention that is turned down,
 * while autovacuum works as it does by itself. Prints how large the tables and their indexes are as the day goes on; with
 * `--plain`, under PostgreSQL's own thresholds instead of the schema's. By hand:
 * `node --import ./test/bench/typescript.mjs test/soak/bloat.ts [--plain]`
 */
import { Cluster } from '../../src/demo/postgres.js';
import { retentionChore } from '../../src/ops/retention.js';
import { sleep } from '../../src/time.js';
import { openShop } from '../support/shop.js';

const STEPS = 200;
const ROWS = 500;
/** A quarter of the day is kept. */
const KEPT_MS = 30_000;
const TABLES = ['sync_queue', 'entity_state', 'sync_logs', 'inbox'];
const quiet = () => {};
const log = { error: quiet, warn: quiet, info: quiet, debug: quiet };

// A day passes some 700 times as fast as outside, and autovacuum comes once a second instead of once a minute.
const cluster = await Cluster.start({ settings: { autovacuum_naptime: '1s' } });
try {
  const { sql, db, close } = await openShop(cluster, 'bloat');
  // What went wrong is told by what was asked last, not by the end of the connection.
  sql.on('error', () => {});
  if (process.argv.includes('--plain'))
    for (const table of TABLES) {
      const reset = ['vacuum_scale_factor', 'vacuum_threshold', 'vacuum_insert_scale_factor'].map(
        (one) => `autovacuum_${one}`,
      );
      await sql.query(`ALTER TABLE syncd.${table} RESET (${reset.join(', ')})`);
    }
  const { signal } = new AbortController();
  for (let step = 1; step <= STEPS; step++) {
    const begun = performance.now();
    await sql.query(
      `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload)
       SELECT 'order', (random() * 20000)::int::text, 'update', json_build_object('id', n, 'note', repeat('x', 200)) FROM generate_series(1, ${ROWS}) n`,
    );
    // In pieces, as answers settle them.
    for (let piece = 0; piece < 5; piece++) {
      await sql.query(
        `WITH settled AS (
           UPDATE syncd.sync_queue SET status = 'synced', settled_as = 'accepted', synced_at = clock_timestamp(), batch_id = gen_random_uuid()
           WHERE id IN (SELECT id FROM syncd.sync_queue WHERE status = 'pending' AND next_attempt_at IS NULL ORDER BY id LIMIT ${ROWS / 5})
           RETURNING entity_type, entity_id, change_id
         ), state AS (
           INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version, last_synced_at)
           SELECT DISTINCT entity_type, entity_id, 1, 1, now() FROM settled
           ON CONFLICT (entity_id, entity_type) DO UPDATE SET version = entity_state.version + 1, last_synced_at = excluded.last_synced_at
         )
         INSERT INTO syncd.sync_logs (direction, outcome, changes, accepted, change_ids, outcomes)
         SELECT 'push', 'results', count(*), count(*), array_agg(change_id), array_agg('accepted'::text) FROM settled`,
      );
    }
    await sql.query(
      `INSERT INTO syncd.inbox (event_id, source, changes) SELECT gen_random_uuid(), 'webhook', 1 FROM generate_series(1, ${ROWS / 10})`,
    );
    // A new one each time, for between two rounds it rests for minutes.
    const retention = retentionChore({ db, log, retention: { queueMs: KEPT_MS, logsMs: KEPT_MS }, offsetMs: () => 0 });
    for (let turn = 0; turn < 6; turn++) await retention.run(signal);
    if (step % 20 === 0) {
      const { rows } = await sql.query(
        `SELECT relname AS name, (SELECT count(*)::int FROM syncd.sync_queue) AS queued, round(pg_table_size(c.oid) / 1048576.0, 1)::float8 AS heap,
                round(pg_indexes_size(c.oid) / 1048576.0, 1)::float8 AS indexes
         FROM pg_class c WHERE relnamespace = 'syncd'::regnamespace AND relname = ANY ($1) ORDER BY array_position($1, relname::text)`,
        [TABLES],
      );
      const sizes = rows.map(({ name, heap, indexes }) => `${name} ${heap}+${indexes} MB`);
      const fresh = await sql.query("SELECT pg_relation_size('syncd.sync_queue_fresh') / 1024 AS kb");
      console.log(
        `${step * ROWS} changes, ${rows[0]?.queued} kept: ${sizes.join(', ')}; index of what waits ${fresh.rows[0].kb} kB`,
      );
    }
    await sleep(Math.max(0, 500 - (performance.now() - begun)));
  }
  await close();
} finally {
  await cluster.destroy();
}
