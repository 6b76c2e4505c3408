/** Every route of the admin port on its good day, with the shape of each answer as a golden file; and what it leaves on record. */
import { Cluster } from '../../src/demo/postgres.js';
import { monotonicMs } from '../../src/time.js';
import { openAdmin, type Reply } from '../support/admin.js';
import { eventually } from '../support/eventually.js';
import { golden } from '../support/golden.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
let admin: Awaited<ReturnType<typeof openAdmin>>;

const QUEUE = `
  INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, status, retry_count, next_attempt_at, error_message, settled_as, synced_at, batch_id) VALUES
    ('order', '1', 'create', '{"id":1}', 'synced', 0, NULL, NULL, 'accepted', now(), '00000000-0000-4000-8000-000000000001'),
    ('order', '1', 'update', '{"id":1}', 'failed', 4, NULL, 'bad_total: negative', NULL, NULL, NULL),
    ('order', '2', 'update', '{"id":2}', 'failed', 4, NULL, 'bad_total: negative', NULL, NULL, NULL),
    ('line', '["7","2"]', 'delete', NULL, 'pending', 2, now() + interval '1 hour', 'busy: later', NULL, NULL, NULL),
    ('shift', 'x', 'create', '{}', 'pending', 0, NULL, NULL, NULL, NULL, NULL)`;

beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'admin_api');
  admin = await openAdmin(shop.settings);
});
afterAll(async () => {
  await admin?.close();
  await shop?.close();
  await cluster?.destroy();
});

beforeEach(async () => {
  await shop.sql.query(
    'TRUNCATE syncd.sync_queue, syncd.sync_logs, syncd.entity_state, syncd.commands, syncd.incoming, syncd.daemon RESTART IDENTITY',
  );
  await shop.sql.query('TRUNCATE orders CASCADE');
  await shop.sql.query('UPDATE syncd.outlet_config SET sync_enabled = true');
  await shop.sql.query('TRUNCATE syncd.sync_queue');
  await shop.sql.query('DELETE FROM syncd.truncations');
  await shop.sql.query('ALTER TABLE syncd.sync_queue ALTER COLUMN id RESTART');
  await shop.sql.query(QUEUE);
  await shop.sql.query(`
    INSERT INTO syncd.sync_logs (direction, batch_id, outcome, http_status, changes, accepted, bytes, wire_bytes, duration_ms, error, change_ids, outcomes)
    SELECT 'push', batch_id, 'results', 200, 1, 1, 1234, 321, 41.5, NULL, ARRAY[change_id], ARRAY['accepted'] FROM syncd.sync_queue WHERE id = 1
    UNION ALL
    SELECT 'push', gen_random_uuid(), 'results', 200, 1, 0, 1200, 300, 40, NULL, ARRAY[change_id], ARRAY['rejected'] FROM syncd.sync_queue WHERE id = 2
    UNION ALL
    SELECT 'push', gen_random_uuid(), 'offline', NULL, 1, 0, 1200, 300, 40, 'connect ECONNREFUSED', ARRAY[change_id], ARRAY['unanswered'] FROM syncd.sync_queue WHERE id = 3`);
  await shop.sql.query(`
    INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version, cloud_id, sync_status, last_synced_at)
    VALUES ('order', '1', 2, 7, 'c-1', 'failed', now())`);
  await shop.sql.query(`
    INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, data, status, reason)
    VALUES (1, 'pull', 'order', '1', 'update', 9, '{"id":"x"}', 'parked', 'id: invalid input syntax')`);
  await shop.sql.query(`
    INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, online, clock_offset_ms)
    VALUES (gen_random_uuid(), 'till-7', 812, '0.1.0', 1, true, 12.5)`);
});

const API = '/api/v1/sync';

function shape(name: string, reply: Reply): void {
  const text = reply.text
    .replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"<instant>"')
    .replaceAll(/"[0-9a-f]{8}-[0-9a-f-]{27}"/g, '"<uuid>"');
  golden(`api-${name}.json`, `${JSON.stringify(JSON.parse(text), null, 2)}\n`);
}

const commands = async () =>
  (await shop.sql.query('SELECT command, args::text, requested_by FROM syncd.commands ORDER BY id')).rows;
const WHO = expect.stringMatching(/^admin token from 127\.0\.0\.1 \(\w+\)$/);

test.each([
  ['status', `${API}/status`],
  ['queue', `${API}/queue`],
  ['queue-synced', `${API}/queue?status=synced`],
  ['logs', `${API}/logs`],
  ['entity', `${API}/entities/order/1`],
  ['live', '/live'],
])('GET %s', async (name, path) => {
  const reply = await admin.ask(path);
  expect(reply).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } });
  shape(name, reply);
});

test('the filters are those of the command line', async () => {
  const ids = async (query: string) =>
    (await admin.ask(`${API}/queue?${query}`)).json.items.map((item: { entity_id: string }) => item.entity_id);
  expect(await ids('status=failed')).toEqual(['1', '2']);
  expect(await ids('entity=order')).toEqual(['1', '2']);
  expect(await ids('entity=line/%5B%227%22,%222%22%5D')).toEqual(['["7","2"]']);
  expect(await ids('since=2036-11-22')).toEqual([]);
  expect(await ids('since=1h&limit=1')).toEqual(['1']);
  expect(await ids('status=conflict')).toEqual([]);
  expect((await admin.ask(`${API}/logs?status=ofline`)).json.type).toBe('urn:syncd:problem:bad-parameter');
  const logs = await admin.ask(`${API}/logs?status=offline`);
  expect(logs.json.items).toEqual([expect.objectContaining({ outcome: 'offline', error: 'connect ECONNREFUSED' })]);
  expect((await admin.ask(`${API}/logs?entity=order/1`)).json.items).toHaveLength(2);
});

test('an entity that is unknown here but queued, or has a composite key, is found', async () => {
  expect((await admin.ask(`${API}/entities/shift/x`)).json).toMatchObject({ status: 'pending', version: null });
  const line = await admin.ask(`${API}/entities/line/${encodeURIComponent('["7","2"]')}`);
  expect(line.json).toMatchObject({ entity_id: '["7","2"]', status: 'pending', queue: [{ operation: 'delete' }] });
});

test('retry lets one go again, and leaves who asked', async () => {
  const reply = await admin.ask(`${API}/retry/2`, { body: '' });
  expect(reply.status).toBe(200);
  shape('retry', reply);
  expect(await commands()).toEqual([{ command: 'retry', args: '{"ids" : ["2"]}', requested_by: WHO }]);
  expect((await admin.ask(`${API}/queue?status=failed`)).json.items).toHaveLength(1);
});

test('retry of all lets every failed one go again', async () => {
  const reply = await admin.ask(`${API}/retry`, { body: {} });
  expect(reply.status).toBe(200);
  shape('retry-all', reply);
  expect((await admin.ask(`${API}/queue?status=failed`)).json.items).toEqual([]);
});

test('discard gives one up for good with the reason', async () => {
  const reply = await admin.ask(`${API}/discard/2`, { body: { reason: 'test order' } });
  expect(reply.status).toBe(200);
  shape('discard', reply);
  expect(await commands()).toMatchObject([{ command: 'discard', requested_by: WHO }]);
  expect(JSON.parse((await commands())[0].args)).toEqual({
    ids: ['2'],
    reason: 'test order',
    errors: { 2: 'bad_total: negative' },
    changes: [{ entity_type: 'order', entity_id: '1', change_ids: [expect.stringMatching(/^[0-9a-f-]{36}$/)] }],
  });
});

test('pause and resume say whether anything changed', async () => {
  const paused = await admin.ask(`${API}/pause`, { body: { reason: 'stock-taking' } });
  shape('pause', paused);
  expect((await admin.ask(`${API}/pause`, { body: {} })).json).toEqual({ enabled: false, changed: false });
  expect((await admin.ask(`${API}/status`)).json.enabled).toBe(false);
  expect((await admin.ask(`${API}/resume`, { body: {} })).json).toEqual({ enabled: true, changed: true });
  expect((await commands()).map(({ command }) => command)).toEqual(['pause', 'resume']);
});

test('trigger asks the daemon, and does not wait unless it is told to', async () => {
  const reply = await admin.ask(`${API}/trigger`, { body: {} });
  expect(reply.status).toBe(202);
  shape('trigger', reply);
  const waiting = admin.ask(`${API}/trigger`, { body: { wait: '10s' } });
  const answered = async () =>
    (await shop.sql.query("UPDATE syncd.commands SET finished_at = now(), outcome = 'done' WHERE id = 2 RETURNING id"))
      .rowCount;
  await eventually(answered, (rows) => rows === 1, 'the trigger that waits');
  expect(await waiting).toMatchObject({ status: 200, json: { finished: true, outcome: 'done', error: null } });
  await shop.sql.query('UPDATE syncd.outlet_config SET sync_enabled = false');
  expect(await admin.ask(`${API}/trigger`, { body: {} })).toMatchObject({
    status: 409,
    json: { detail: 'nothing can be sent now: syncing is paused' },
  });
  await shop.sql.query('TRUNCATE syncd.daemon');
  expect(await admin.ask(`${API}/trigger`, { body: {} })).toMatchObject({ status: 409 });
});

test('push queues one row as it is now', async () => {
  await shop.sql.query('INSERT INTO lines VALUES (3, 1, 1)');
  await shop.sql.query('TRUNCATE syncd.sync_queue');
  const reply = await admin.ask(`${API}/entities/line/${encodeURIComponent('["3","1"]')}/push`, { body: {} });
  expect(reply.status).toBe(202);
  golden('api-push.json', `${JSON.stringify({ ...reply.json, id: '<id>', change_id: '<uuid>' }, null, 2)}\n`);
  expect(await commands()).toMatchObject([{ command: 'push', requested_by: WHO }]);
});

test('ready while the database answers and every loop goes round', async () => {
  const notYet = await admin.ask('/ready', { token: null });
  expect(notYet).toMatchObject({ status: 503, json: { type: 'urn:syncd:problem:not-ready', database: false } });
  shape('not-ready', notYet);
  let progressAt = monotonicMs();
  const ends = ['supervision', 'push'].map((name) =>
    admin.vitals.watch(name, 60_000, () => ({ ok: true, detail: '', progressAt })),
  );
  const ready = await admin.ask('/ready', { token: null });
  expect(ready.status).toBe(200);
  shape('ready', ready);
  progressAt -= 61_000;
  expect(await admin.ask('/ready', { token: null })).toMatchObject({ status: 503, json: { loops: { push: false } } });
  for (const end of ends) end();
});

test('no answer may be kept, guessed at, framed or run', async () => {
  for (const path of ['/live', `${API}/status`, '/nowhere']) {
    expect((await admin.ask(path)).headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringMatching(/^default-src 'none'(?!.*unsafe)/),
    });
  }
});

test("the doctor's findings, the same for everybody who asks within half a minute", async () => {
  const [one, other] = await Promise.all([admin.ask(`${API}/doctor`), admin.ask(`${API}/doctor`)]);
  expect(one.status).toBe(200);
  expect(one.json.findings).toContainEqual(
    expect.objectContaining({ name: 'cloud', state: 'fail', what_to_type: expect.stringContaining('curl') }),
  );
  expect(other.json).toEqual(one.json);
  expect(JSON.stringify(one.json)).not.toContain('planted-');
});
