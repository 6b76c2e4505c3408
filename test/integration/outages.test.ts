/** The ledger of outages: when one begins and ends, what waited, when that was in the cloud, and how little a bad line writes. */
import { jest } from '@jest/globals';
import type { Standing } from '../../src/cloud/standing.js';
import { Cluster } from '../../src/demo/postgres.js';
import { beginOutage, endOutage, listOutages, noteDrained, OutageLedger } from '../../src/ops/figures/outages.js';
import { steadyMs } from '../../src/time.js';
import { addRows, emptyQueue, filler } from '../support/queue-rows.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'outages');
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});
beforeEach(async () => {
  await emptyQueue(shop);
  await shop.sql.query('TRUNCATE syncd.outages');
});

const outages = () => listOutages(shop.db, { spanMs: 7 * 86_400_000 });
const offline = (agoMs = 0): Standing => ({
  kind: 'offline',
  sinceMs: steadyMs() - agoMs,
  probes: 1,
  nextTryMs: 0,
  reason: 'no route',
});
const trial: Standing = { kind: 'trial', sinceMs: 0, probes: 1, reason: 'no route' };
const online: Standing = { kind: 'online' };
const settleAll = (where = 'true') =>
  shop.sql.query(
    `UPDATE syncd.sync_queue SET status = 'synced', synced_at = clock_timestamp(), settled_as = 'accepted' WHERE status = 'pending' AND ${where}`,
  );
/** Puts the ledger back by so much, as if that much time had passed. */
const pass = (seconds: number) =>
  shop.sql.query(
    "UPDATE syncd.outages SET began_at = began_at - $1 * interval '1 s', ended_at = ended_at - $1 * interval '1 s', drained_at = drained_at - $1 * interval '1 s'",
    [seconds],
  );

test('An outage lasts from the first call without an answer to the first answer, and is drained when what waited is settled', async () => {
  const ledger = new OutageLedger();
  ledger.note(offline(90_000));
  await addRows(shop, filler(412));
  await ledger.write(shop.db);
  expect(await outages()).toEqual([
    expect.objectContaining({ ended_at: null, waited: null, reason: 'no route', drained_at: null }),
  ]);
  // The health check answers; then the first push settles a part before anybody wrote the end down.
  ledger.note(trial);
  await settleAll("entity_id < 'f2'");
  ledger.note(online);
  await ledger.write(shop.db);
  const [ended] = await outages();
  expect(ended).toMatchObject({ waited: 412, drained_at: null, interruptions: 1 });
  expect(ended?.duration_ms).toBeGreaterThanOrEqual(90_000);
  expect(ended?.duration_ms).toBeLessThan(120_000);
  // What is sold from now on does not count.
  await addRows(shop, filler(5, 1000));
  await ledger.write(shop.db);
  expect((await outages())[0]?.drained_at).toBeNull();
  await settleAll('id <= (SELECT last_change FROM syncd.outages)');
  await ledger.write(shop.db);
  const [drained] = await outages();
  expect(drained).toMatchObject({ waited: 412, drained_changes: 412 });
  expect(drained?.drain_ms).toBeGreaterThanOrEqual(0);
});

test('An outage ends with the first sign of the cloud, though a call is answered only later', async () => {
  const ledger = new OutageLedger();
  ledger.note(offline(60_000));
  await addRows(shop, filler(20));
  await shop.sql.query("UPDATE syncd.sync_queue SET created_at = created_at - interval '30 s'");
  await ledger.write(shop.db);
  const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now() - 10_000);
  ledger.note(trial);
  clock.mockRestore();
  await settleAll("entity_id < 'f2'");
  await shop.sql.query(
    "UPDATE syncd.sync_queue SET synced_at = synced_at - interval '5 s' WHERE synced_at IS NOT NULL",
  );
  ledger.note(online);
  await ledger.write(shop.db);
  const [over] = await outages();
  expect(over?.waited).toBe(20);
  expect(over?.duration_ms).toBeGreaterThanOrEqual(49_000);
  expect(over?.duration_ms).toBeLessThan(58_000);
});

test('An outage outlives the daemon: the next run goes on with it, and its answer ends it', async () => {
  const first = new OutageLedger();
  first.note(offline(3_600_000));
  await first.write(shop.db);
  const second = new OutageLedger();
  second.note({ kind: 'unknown' });
  await second.write(shop.db);
  second.note(offline());
  await second.write(shop.db);
  expect(await outages()).toEqual([expect.objectContaining({ ended_at: null, interruptions: 1 })]);
  const third = new OutageLedger();
  third.note(online);
  await third.write(shop.db);
  const [over] = await outages();
  expect(over).toMatchObject({ waited: 0, drained_changes: 0, drain_ms: 0 });
  expect(over?.duration_ms).toBeGreaterThanOrEqual(3_600_000);
});

test.each<[string, Standing]>([
  ['a refusal', { kind: 'refused', failures: 1, nextTryMs: 0, reason: '401' }],
  ['a cloud that asks to wait', { kind: 'waiting', nextTryMs: 0, reason: '503' }],
  ['a stop', { kind: 'stopped', reason: 'fork' }],
  ['a probe that no call has followed', trial],
])('%s is no outage', async (_, standing) => {
  const ledger = new OutageLedger();
  ledger.note(standing);
  await ledger.write(shop.db);
  expect(await outages()).toEqual([]);
});

test('A refusal ends an outage, for somebody answers; a probe alone does not', async () => {
  const ledger = new OutageLedger();
  ledger.note(offline());
  await ledger.write(shop.db);
  ledger.note(trial);
  await ledger.write(shop.db);
  expect((await outages())[0]?.ended_at).toBeNull();
  ledger.note({ kind: 'refused', failures: 1, nextTryMs: 0, reason: '401' });
  await ledger.write(shop.db);
  expect((await outages())[0]?.ended_at).not.toBeNull();
});

test('A line that comes and goes two hundred times makes one outage; one that held for longer makes another', async () => {
  for (let time = 0; time < 200; time++) {
    await beginOutage(shop.db, steadyMs(), 'reset');
    await endOutage(shop.db, steadyMs());
  }
  expect(await outages()).toEqual([expect.objectContaining({ interruptions: 200 })]);
  await noteDrained(shop.db);
  await pass(61);
  await beginOutage(shop.db, steadyMs(), 'reset again');
  expect((await outages()).map(({ reason, ended_at }) => [reason, ended_at === null])).toEqual([
    ['reset again', true],
    ['reset', false],
  ]);
});

test('An outage that a wrong clock dated into the future takes no later one in', async () => {
  await beginOutage(shop.db, steadyMs(), 'first');
  await endOutage(shop.db, steadyMs());
  await pass(-86_400 * 365);
  await beginOutage(shop.db, steadyMs(), 'second');
  expect((await outages()).map(({ reason }) => reason).sort()).toEqual(['first', 'second']);
});

test('What cannot go holds no outage open: rejected, in conflict, behind such a change, or held with its table', async () => {
  await beginOutage(shop.db, steadyMs(), 'no route');
  await addRows(shop, [
    { entity: 'a' },
    { entity: 'b' },
    { entity: 'b' },
    { entity: 'c' },
    { entity: 'e', type: 'line' },
    { entity: 'd' },
    { entity: 'd' },
  ]);
  await endOutage(shop.db, steadyMs());
  await shop.sql.query("UPDATE syncd.sync_queue SET status = 'failed' WHERE entity_id = 'a'");
  await shop.sql.query(
    "UPDATE syncd.sync_queue SET status = 'conflict' WHERE id = (SELECT min(id) FROM syncd.sync_queue WHERE entity_id = 'b')",
  );
  await shop.sql.query(
    "UPDATE syncd.sync_queue SET next_attempt_at = clock_timestamp() + interval '1 h' WHERE id = (SELECT min(id) FROM syncd.sync_queue WHERE entity_id = 'd')",
  );
  expect(await noteDrained(shop.db)).toBe(true);
  await settleAll("entity_id = 'c'");
  expect(await noteDrained(shop.db)).toBe(true);
  await shop.sql.query("INSERT INTO syncd.truncations (entity_type, table_name) VALUES ('line', 'lines')");
  expect(await noteDrained(shop.db)).toBe(false);
  expect((await outages())[0]).toMatchObject({ waited: 7, drained_changes: 1 });
  await shop.sql.query('TRUNCATE syncd.truncations');
});

test('A second outage before the first is drained leaves both to be drained in their turn', async () => {
  await addRows(shop, filler(10));
  await beginOutage(shop.db, steadyMs(), 'first');
  await endOutage(shop.db, steadyMs());
  await pass(100);
  await addRows(shop, filler(10, 10));
  await beginOutage(shop.db, steadyMs(), 'second');
  expect(await noteDrained(shop.db)).toBe(true);
  await endOutage(shop.db, steadyMs());
  await settleAll('id <= (SELECT min(last_change) FROM syncd.outages)');
  expect(await noteDrained(shop.db)).toBe(true);
  await settleAll();
  expect(await noteDrained(shop.db)).toBe(false);
  expect((await outages()).map(({ reason, waited, drained_changes }) => [reason, waited, drained_changes])).toEqual([
    ['second', 20, 20],
    ['first', 10, 10],
  ]);
});
