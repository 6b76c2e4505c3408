/**
 * What the figures cost the shop's database: a sample, the status, a scrape, a look for alerts, the end of an outage, a chunk of retention,
 * beside an empty queue, beside a million changes that wait, and right after a million were settled. By hand:
 * `node --import ./test/bench/typescript.mjs test/soak/cost.ts`
 */
import { Cluster } from '../../src/demo/postgres.js';
import { AlertWatch } from '../../src/ops/alerts/watch.js';
import { Counted } from '../../src/ops/figures/gathered.js';
import { beginOutage, endOutage, noteDrained } from '../../src/ops/figures/outages.js';
import { takeSample } from '../../src/ops/figures/samples.js';
import { retentionChore } from '../../src/ops/retention.js';
import { statusOf } from '../../src/ops/status/report.js';
import { steadyMs } from '../../src/time.js';
import { openShop, type Shop } from '../support/shop.js';

const ROWS = 1_000_000;
const TIMES = 5;
const quiet = () => {};
const log = { error: quiet, warn: quiet, info: quiet, debug: quiet };

async function median(work: () => Promise<unknown>): Promise<string> {
  const took: number[] = [];
  for (let time = 0; time < TIMES; time++) {
    const begun = performance.now();
    await work();
    took.push(performance.now() - begun);
  }
  return `${(took.sort((a, b) => a - b)[Math.floor(TIMES / 2)] as number).toFixed(1)} ms`;
}

async function measure(about: string, { db, sql, settings }: Shop): Promise<void> {
  const counted = new Counted();
  const alerts = new AlertWatch({ db, settings, log, onMessages: quiet });
  const { signal } = new AbortController();
  const retention = retentionChore({ db, log, retention: { queueMs: 0, logsMs: 86_400_000 }, offsetMs: () => 0 });
  await retention.run(signal);
  console.table({
    about,
    sample: await median(async () => {
      await sql.query('TRUNCATE syncd.samples');
      await takeSample(db, true);
    }),
    status: await median(() => statusOf(db, settings)),
    scrape: await median(() => counted.gather(db, settings)),
    'look for alerts': await median(() => alerts.look()),
    'end of an outage': await median(async () => {
      await sql.query('TRUNCATE syncd.outages');
      await beginOutage(db, steadyMs(), 'x');
      await endOutage(db, steadyMs());
    }),
    'look whether it is drained': await median(() => noteDrained(db)),
    'chunk of 1,000 that leaves': await median(() => retention.run(signal)),
  });
}

const cluster = await Cluster.start();
try {
  const shop = await openShop(cluster, 'cost');
  // A million that came at once: no vacuum has been there.
  await shop.sql.query('ALTER TABLE syncd.sync_queue SET (autovacuum_enabled = false)');
  await measure('an empty queue', shop);
  await shop.sql.query(
    `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, created_at)
     SELECT (ARRAY['order', 'line', 'shift'])[1 + n % 3], n::text, 'create', json_build_object('id', n, 'status', 'paid', 'note', repeat('x', 200)),
            clock_timestamp() - (${ROWS} - n) * interval '10 ms' FROM generate_series(1, ${ROWS}) n`,
  );
  const { depth } = await new Counted().gather(shop.db, shop.settings);
  console.table(depth);
  await measure('a million wait', shop);
  await shop.sql.query("UPDATE syncd.sync_queue SET status = 'conflict' WHERE id % 5000 = 0");
  await measure('the same, 200 of them in conflict', shop);
  await shop.sql.query("UPDATE syncd.sync_queue SET status = 'pending' WHERE status = 'conflict'");
  await shop.sql.query('VACUUM ANALYZE syncd.sync_queue');
  await measure('the same, after a vacuum', shop);
  await shop.sql.query(
    "UPDATE syncd.sync_queue SET status = 'synced', settled_as = 'accepted', synced_at = date_trunc('minute', clock_timestamp()) - interval '30 s'",
  );
  await measure('a million were settled in the last minute', shop);
  await shop.close();
} finally {
  await cluster.destroy();
}
