/** The daemon against a cloud with limits of its own, bad changes in good batches, sales that stay open, and rivals. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { runDaemon } from '../../src/daemon/daemon.js';
import { Cluster } from '../../src/demo/postgres.js';
import { discardChanges } from '../../src/queue/manage.js';
import { eventually } from '../support/eventually.js';
import { atOnce, type Outlet, openOutlet, statuses } from '../support/running-daemon.js';

let cluster: Cluster;
const open: Outlet[] = [];
let databases = 0;

beforeAll(async () => {
  cluster = await Cluster.start();
});
afterEach(async () => {
  for (const outlet of open.splice(0)) await outlet.close();
});
afterAll(() => cluster?.destroy());

async function start(options: Parameters<typeof openOutlet>[2] = {}): Promise<Outlet> {
  const outlet = await openOutlet(cluster, `limits${++databases}`, options);
  open.push(outlet);
  return outlet;
}
const insert = (outlet: Outlet, from: number, to: number) =>
  outlet.shop.sql.query('INSERT INTO exact SELECT n, n FROM generate_series($1::int, $2::int) n', [from, to]);

test('a cloud without capabilities gets the contract’s defaults: 500 changes, gzip', async () => {
  const outlet = await start({
    prepare: (cloud) => cloud.faults.add({ kind: 'status', status: 404, match: { path: '/sync/capabilities' } }),
  });
  await insert(outlet, 1, 1_300);
  await outlet.drained();
  const pushes = outlet.cloud.ledger.requests.filter((request) => request.path === '/sync/push');
  expect(Math.max(...pushes.map(({ changes }) => changes))).toBeLessThanOrEqual(500);
  expect(new Set(pushes.map((push) => push.content_encoding))).toEqual(new Set(['gzip']));
  expect(outlet.cloud.entities().length).toBe(1_300);
});

test('a cloud that takes fewer changes than it says gets halves, and all of them', async () => {
  const outlet = await start({ prepare: (cloud) => cloud.faults.add({ kind: 'limit', changes: 3 }) });
  await atOnce(outlet, () => insert(outlet, 1, 20));
  await outlet.drained();
  expect(outlet.cloud.entities().length).toBe(20);
  expect((await statuses(outlet)).filter(({ status }) => status !== 'synced')).toEqual([]);
});

test('a change that alone is too large fails with that reason and holds up nobody', async () => {
  const outlet = await start({ prepare: (cloud) => cloud.faults.add({ kind: 'limit', bytes: 3_000 }) });
  await atOnce(outlet, async () => {
    await insert(outlet, 1, 3);
    await outlet.shop.sql.query("INSERT INTO orders (status) VALUES (repeat('x', 5000))");
    await insert(outlet, 4, 6);
  });
  await outlet.drained();
  const failed = (await statuses(outlet)).filter(({ status }) => status !== 'synced');
  expect(failed).toMatchObject([{ status: 'failed', error_message: expect.stringMatching(/too large/) }]);
  expect(outlet.cloud.entities().length).toBe(6);
});

test('in a batch that is refused as a whole the bad changes are found, all others go through', async () => {
  const bad = ['4', '11', '17'];
  const outlet = await start({
    prepare: (cloud) => {
      for (const entity_id of bad) cloud.faults.add({ kind: 'status', status: 422, match: { entity_id } });
    },
  });
  await atOnce(outlet, () => insert(outlet, 1, 20));
  await outlet.drained();
  const failed = (await statuses(outlet)).filter(({ status }) => status === 'failed');
  expect(failed.map((row) => row.entity_id)).toEqual(bad);
  expect(outlet.cloud.entities().length).toBe(17);
});

test('a sale that the cloud has, and whose request it refused, is not taken off twice when its own news comes', async () => {
  const outlet = await start({
    cloud: { capabilities: { long_poll: true } },
    entities: { order: { direction: 'both', conflict: 'merge', delta: ['total'], exclude: ['secret_note'] } },
    sync: { longPollMs: 20_000 },
    retry: { initialBackoffMs: 1_000, maxBackoffMs: 1_000 },
  });
  const id = '00000000-0000-4000-8000-000000000001';
  await outlet.shop.sql.query("INSERT INTO orders (id, status, total) VALUES ($1, 'open', 100)", [id]);
  await outlet.drained();
  outlet.cloud.faults.add({ kind: 'status', status: 409, commit: true, times: 1, match: { path: '/sync/push' } });
  await outlet.shop.sql.query('UPDATE orders SET total = total - 5');
  await outlet.arrives('order', id, 2);
  await outlet.drained();
  const { rows } = await outlet.shop.sql.query(
    'SELECT total::int, (SELECT count(*)::int FROM syncd.sync_conflicts) AS conflicts FROM orders',
  );
  expect(rows).toEqual([{ total: 95, conflicts: 0 }]);
  expect(JSON.parse(outlet.entity('order', id)?.data ?? '{}')).toMatchObject({ total: 95 });
});

test('what a person discards while the cloud is slow to answer what came before it never gets there', async () => {
  const outlet = await start();
  const { sql } = outlet.shop;
  await insert(outlet, 1, 1);
  await outlet.drained();
  outlet.cloud.faults.add({ kind: 'latency', ms: 3_000, times: 1, match: { path: '/sync/push' } });
  await sql.query('UPDATE exact SET n = 2');
  await outlet.arrives('exact', '1', 2);
  await sql.query('UPDATE exact SET n = 3');
  // What came after it has left, so it was read.
  await insert(outlet, 2, 2);
  await outlet.arrives('exact', '2');
  const { id } = await outlet.one("SELECT max(id)::text AS id FROM syncd.unsettled WHERE entity_id = '1'");
  await discardChanges(outlet.shop.db, [id], 'budi', 'a mistake');
  await outlet.drained();
  await insert(outlet, 3, 3);
  await outlet.arrives('exact', '3');
  expect(outlet.deliveries('exact', '1').map(({ outcome }) => outcome)).toEqual(['accepted', 'accepted']);
});

test('a change that the cloud chokes on is set aside once another was accepted, and no other spends an attempt', async () => {
  const outlet = await start({
    prepare: (cloud) => cloud.faults.add({ kind: 'status', status: 500, match: { entity_id: '3' } }),
    retry: { maxRetries: 0 },
  });
  await atOnce(outlet, () => insert(outlet, 1, 4));
  await eventually(
    () => statuses(outlet),
    (rows) => rows.every(({ status, entity_id }) => status === (entity_id === '3' ? 'failed' : 'synced')),
    'all but the bad one are in the cloud',
    25_000,
  );
  const { rows } = await outlet.shop.sql.query("SELECT retry_count FROM syncd.sync_queue WHERE entity_id <> '3'");
  expect(rows).toEqual(Array(3).fill({ retry_count: 0 }));
});

test('what a person gives up while the cloud chokes on it is not sent once more', async () => {
  const outlet = await start();
  outlet.cloud.faults.add({ kind: 'status', status: 500, match: { path: '/sync/push' } });
  const tries = () => outlet.cloud.ledger.requests.filter(({ path }) => path.endsWith('/sync/push')).length;
  const triedBy = (count: number) => eventually(tries, (tried) => tried >= count, 'another try');
  await atOnce(outlet, () => insert(outlet, 1, 2));
  await triedBy(1);
  const first = await outlet.one("SELECT id FROM syncd.sync_queue WHERE entity_id = '1'");
  await discardChanges(outlet.shop.db, [first.id], 'budi', 'typed twice');
  // A request that is under way is made three times in all; the one after it was composed with the discard known.
  await triedBy(tries() + 3);
  outlet.cloud.faults.clear();
  await insert(outlet, 3, 3);
  for (const id of ['2', '3']) await outlet.arrives('exact', id);
  expect(outlet.entity('exact', '1')).toBeUndefined();
});

test('a transaction beyond the cloud’s maximum leaves in parts, in order', async () => {
  const outlet = await start({ cloud: { capabilities: { max_batch_changes: 50 } } });
  await insert(outlet, 1, 230);
  await outlet.drained();
  const arrived = outlet.cloud.ledger.accepted().map(({ entity_id }) => Number(entity_id));
  expect(arrived).toEqual(Array.from({ length: 230 }, (_, n) => n + 1));
});

test('while a sale that found the daemon asleep stays open, the sales after it arrive', async () => {
  const outlet = await start();
  const asleep = async () =>
    (await outlet.one("SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = 2 AND granted"))
      .n === 0;
  await outlet.drained();
  await eventually(asleep, (yes) => yes, 'asleep');
  const slow = new pg.Client(outlet.shop.url);
  await slow.connect();
  await slow.query('BEGIN; INSERT INTO exact (id) VALUES (1)');
  await insert(outlet, 2, 2);
  await eventually(
    () => outlet.entity('exact', '2'),
    (found) => found !== undefined,
    'the sale that woke it',
  );
  // It goes on looking, although it has long tried to sleep again and was refused.
  const looks = new Set<string>();
  const look = () =>
    outlet.one("SELECT query_start::text AS at FROM pg_stat_activity WHERE application_name = 'syncd reader'");
  await eventually(
    async () => looks.add((await look()).at).size,
    (count) => count > 25,
    'twenty-five looks',
    20_000,
  );
  await insert(outlet, 3, 3);
  await eventually(
    () => outlet.entity('exact', '3'),
    (found) => found !== undefined,
    'the sale after',
    5_000,
  );
  await slow.query('COMMIT');
  await eventually(
    () => outlet.entity('exact', '1'),
    (found) => found !== undefined,
    'the slow one',
    5_000,
  );
  await slow.end();
});

test('a fork stops pushing for good, also for the next run', async () => {
  const outlet = await start({
    prepare: (cloud) =>
      cloud.faults.add({ kind: 'status', status: 409, code: 'fork', times: 1, match: { path: '/sync/push' } }),
  });
  await insert(outlet, 1, 1);
  const stopped = () => outlet.one('SELECT stopped_code FROM syncd.outlet_config');
  await eventually(stopped, (row) => row.stopped_code === 'fork', 'stopped');
  await outlet.stop();
  const pushes = outlet.cloud.ledger.statistics().pushes;
  const stopping = new AbortController();
  const told: string[] = [];
  const note = (message: string) => void told.push(message);
  const again = runDaemon(outlet.settings, { error: note, warn: note, info: note, debug: note }, stopping.signal);
  await eventually(
    () => told,
    (lines) => lines.some((line) => line.includes('pushing has stopped')),
    'told again',
  );
  stopping.abort();
  await again;
  expect(outlet.cloud.ledger.statistics().pushes).toBe(pushes);
});

test('a fork that a person has settled in the database lets the running daemon go on', async () => {
  const outlet = await start({
    prepare: (cloud) =>
      cloud.faults.add({ kind: 'status', status: 409, code: 'fork', times: 1, match: { path: '/sync/push' } }),
  });
  await insert(outlet, 1, 1);
  const stopped = () => outlet.one('SELECT stopped_code FROM syncd.outlet_config');
  await eventually(stopped, (row) => row.stopped_code === 'fork', 'stopped');
  await outlet.shop.sql.query(
    'UPDATE syncd.outlet_config SET epoch = epoch + 1, stopped_code = NULL, stopped_reason = NULL, stopped_at = NULL',
  );
  await outlet.drained();
  expect(outlet.cloud.ledger.accepted().map((delivery) => delivery.epoch)).toEqual([2]);
});

test('a daemon that ends at work because waiting cannot help is not taken for a running one', async () => {
  const outlet = await start({
    prepare: (cloud) => cloud.faults.add({ kind: 'status', status: 409, code: 'fork', match: { path: '/sync/push' } }),
  });
  await insert(outlet, 1, 1);
  const stopped = () => outlet.one('SELECT stopped_code FROM syncd.outlet_config');
  await eventually(stopped, (row) => row.stopped_code === 'fork', 'stopped');
  // Once the stop is settled the memory is read again, and here it cannot be.
  const memory = join(outlet.settings.state_dir, 'identity.json');
  rmSync(memory);
  mkdirSync(memory);
  await outlet.shop.sql.query(
    'UPDATE syncd.outlet_config SET epoch = epoch + 1, stopped_code = NULL, stopped_reason = NULL, stopped_at = NULL',
  );
  await expect(outlet.running).rejects.toMatchObject({ code: 'configuration' });
  expect(
    await outlet.one('SELECT count(*)::int AS daemons, count(stopped_at)::int AS stopped FROM syncd.daemon'),
  ).toEqual({
    daemons: 1,
    stopped: 1,
  });
});

test('a second daemon, and one for another outlet, end and say why', async () => {
  const outlet = await start();
  await outlet.drained();
  const said: string[] = [];
  const quiet = { error() {}, warn() {}, info: (message: string) => void said.push(message), debug() {} };
  const signal = new AbortController().signal;
  await eventually(
    () => outlet.lines.some(({ message }) => message === 'working'),
    (yes) => yes,
    'working',
  );
  await expect(runDaemon(outlet.settings, quiet, signal)).rejects.toMatchObject({
    code: 'anotherDaemon',
    message: expect.stringContaining(`pid ${process.pid}`),
  });
  await outlet.stop();
  const other = { ...outlet.settings, outlet: { ...outlet.settings.outlet, id: 'outlet-8' } };
  await expect(runDaemon(other, quiet, signal)).rejects.toMatchObject({
    code: 'configuration',
    message: 'outlet.id is outlet-8, but the database belongs to outlet outlet-7',
  });
  // Nobody takes it for a running one, by its log or by the table.
  expect(said).toEqual(['starting', 'starting']);
  expect(
    await outlet.one('SELECT count(*)::int AS daemons, count(stopped_at)::int AS stopped FROM syncd.daemon'),
  ).toEqual({
    daemons: 2,
    stopped: 2,
  });
});
