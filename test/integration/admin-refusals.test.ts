/** What the admin port refuses: every request of the table gets its status and its kind of problem, and changes nothing. */
import { connect } from 'node:net';
import { sql } from 'kysely';
import { Cluster } from '../../src/demo/postgres.js';
import { type Ask, openAdmin } from '../support/admin.js';
import { eventually } from '../support/eventually.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
let admin: Awaited<ReturnType<typeof openAdmin>>;

beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'admin_refusals');
  admin = await openAdmin(shop.settings);
  await shop.sql.query(`
    INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, status, settled_as, synced_at) VALUES
      ('order', '1', 'create', '{"id":1}', 'synced', 'accepted', now()), ('order', '2', 'create', '{"id":2}', 'synced', 'discarded', now()),
      ('order', '3', 'create', '{"id":3}', 'pending', NULL, NULL), ('order', '4', 'create', '{"id":4}', 'conflict', NULL, NULL)`);
});
afterAll(async () => {
  await admin?.close();
  await shop?.close();
  await cluster?.destroy();
});

const API = '/api/v1/sync';
const json = (body: string | Buffer): Ask => ({ body });
const typed = (type: string | undefined): Ask => ({ body: '{}', headers: { 'content-type': type } });
const from = (headers: Record<string, string | undefined>): Ask => ({ headers });
const forged = (parts: unknown) => Buffer.from(JSON.stringify(parts)).toString('base64url');

const REFUSED: [string, string, Ask, number, string][] = [
  ['a path of nothing', '/api/v1/sync/nothing', {}, 404, 'unknown-route'],
  ['the version to come', '/api/v2/sync/status', {}, 404, 'unknown-route'],
  ['a path with a slash at its end', `${API}/status/`, {}, 404, 'unknown-route'],
  ['two slashes', '//api/v1/sync/status', {}, 404, 'unknown-route'],
  ['a way up', `${API}/../sync/status`, {}, 404, 'unknown-route'],
  ['the webhooks’ path', '/api/v1/webhooks/cloud/update', json('{}'), 404, 'unknown-route'],
  ['an encoded route', '/api/v1/sync/st%61tus', {}, 404, 'unknown-route'],
  ['POST where one looks', `${API}/status`, json('{}'), 405, 'wrong-method'],
  ['GET where one acts', `${API}/trigger`, {}, 405, 'wrong-method'],
  ['DELETE', `${API}/queue`, { method: 'DELETE' }, 405, 'wrong-method'],
  ['PUT', `${API}/pause`, { method: 'PUT', body: '{}' }, 405, 'wrong-method'],
  ['OPTIONS', `${API}/trigger`, { method: 'OPTIONS' }, 405, 'wrong-method'],
  ['HEAD', `${API}/status`, { method: 'HEAD' }, 405, ''],
  ['an unknown parameter', `${API}/queue?colour=red`, {}, 400, 'bad-parameter'],
  ['a parameter on a route without any', `${API}/status?verbose=1`, {}, 400, 'bad-parameter'],
  ['a parameter twice', `${API}/queue?status=failed&status=pending`, {}, 400, 'bad-parameter'],
  ['an empty parameter', `${API}/queue?status=`, {}, 400, 'bad-parameter'],
  ['a prototype for a parameter', `${API}/queue?__proto__=1`, {}, 400, 'bad-parameter'],
  ['a status that no change has', `${API}/queue?status=lost`, {}, 400, 'bad-parameter'],
  ['an entity without a type', `${API}/queue?entity=/42`, {}, 400, 'bad-parameter'],
  ['an entity with U+0000', `${API}/queue?entity=order/%00`, {}, 400, 'bad-parameter'],
  ['a word for an instant', `${API}/logs?since=yesterday`, {}, 400, 'bad-parameter'],
  ['a span beyond every calendar', `${API}/logs?since=99999999999d`, {}, 400, 'bad-parameter'],
  ['31 June', `${API}/logs?since=2026-06-31`, {}, 400, 'bad-parameter'],
  ['a plus sign that became a blank', `${API}/logs?since=2026-06-01T00:00:00+07:00`, {}, 400, 'bad-parameter'],
  ['a limit of none', `${API}/queue?limit=0`, {}, 400, 'bad-parameter'],
  ['a limit above the most', `${API}/queue?limit=501`, {}, 400, 'bad-parameter'],
  ['a negative limit', `${API}/queue?limit=-1`, {}, 400, 'bad-parameter'],
  ['a limit in hexadecimal', `${API}/queue?limit=0x10`, {}, 400, 'bad-parameter'],
  ['a cursor of somebody’s own', `${API}/queue?cursor=hello`, {}, 400, 'bad-cursor'],
  [
    'a cursor with SQL in it',
    `${API}/queue?cursor=${forged(['x', '1; DROP TABLE orders', null])}`,
    {},
    400,
    'bad-cursor',
  ],
  ['a cursor with a date of nowhere', `${API}/queue?cursor=${forged(['x', '1', 'now'])}`, {}, 400, 'bad-cursor'],
  ['a cursor that fits no list', `${API}/queue?cursor=${forged(['x', '1', null])}`, {}, 400, 'bad-cursor'],
  ['no type of body', `${API}/trigger`, typed(undefined), 415, 'not-json'],
  ['a form', `${API}/trigger`, typed('application/x-www-form-urlencoded'), 415, 'not-json'],
  ['text', `${API}/trigger`, typed('text/plain'), 415, 'not-json'],
  ['JSON in UTF-16', `${API}/trigger`, typed('application/json; charset=utf-16'), 415, 'not-json'],
  ['a compressed body', `${API}/trigger`, { body: '{}', headers: { 'content-encoding': 'gzip' } }, 415, 'not-json'],
  ['a body that is no JSON', `${API}/trigger`, json('wait'), 400, 'bad-body'],
  ['half a body', `${API}/trigger`, json('{"wait":'), 400, 'bad-body'],
  ['a list for a body', `${API}/trigger`, json('[]'), 400, 'bad-body'],
  ['null for a body', `${API}/trigger`, json('null'), 400, 'bad-body'],
  ['bytes that are no UTF-8', `${API}/trigger`, json(Buffer.from([0x7b, 0xff, 0x7d])), 400, 'bad-body'],
  ['a key twice', `${API}/trigger`, json('{"wait":"1s","wait":"2s"}'), 400, 'bad-body'],
  [
    'a body as deep as the sea',
    `${API}/trigger`,
    json(`{"wait":${'['.repeat(5_000)}${']'.repeat(5_000)}}`),
    400,
    'bad-body',
  ],
  ['a body that is too large', `${API}/trigger`, json(`{"wait":"${'x'.repeat(20_000)}"}`), 413, 'body-too-large'],
  ['an unknown member', `${API}/trigger`, json('{"force":true}'), 400, 'bad-body'],
  ['a member that is a prototype', `${API}/trigger`, json('{"__proto__":{"wait":"1s"}}'), 400, 'bad-body'],
  ['a wait that is no span', `${API}/trigger`, json('{"wait":10}'), 400, 'bad-body'],
  ['a wait of a day', `${API}/trigger`, json('{"wait":"1d"}'), 400, 'bad-body'],
  ['a reason that is a list', `${API}/pause`, json('{"reason":["x"]}'), 400, 'bad-body'],
  ['a reason with U+0000', `${API}/pause`, json('{"reason":"\\u0000"}'), 400, 'bad-body'],
  ['a reason as long as a book', `${API}/pause`, json(`{"reason":"${'x'.repeat(1_001)}"}`), 400, 'bad-body'],
  ['a discard without a reason', `${API}/discard/3`, json('{}'), 400, 'bad-body'],
  ['a discard with a blank reason', `${API}/discard/3`, json('{"reason":" "}'), 400, 'bad-body'],
  ['an id that is a word', `${API}/retry/all`, json('{}'), 400, 'bad-path'],
  ['an id of zero', `${API}/retry/0`, json('{}'), 400, 'bad-path'],
  ['an id beyond all numbers', `${API}/retry/99999999999999999999`, json('{}'), 400, 'bad-path'],
  ['an id that no change has', `${API}/retry/9000000000000000000`, json('{}'), 404, 'unknown-change'],
  ['a retry of what is settled', `${API}/retry/1`, json('{}'), 409, 'not-possible'],
  ['a retry of what was discarded', `${API}/retry/2`, json('{}'), 409, 'not-possible'],
  ['a retry of what waits for its turn', `${API}/retry/3`, json('{}'), 409, 'not-possible'],
  ['a retry of a conflict', `${API}/retry/4`, json('{}'), 409, 'not-possible'],
  ['a discard of what is settled', `${API}/discard/1`, json('{"reason":"x"}'), 409, 'not-possible'],
  ['an entity of another shop', `${API}/entities/spaceship/1`, {}, 404, 'unknown-entity'],
  ['an entity that nobody knows', `${API}/entities/order/none`, {}, 404, 'unknown-entity'],
  ['an entity without an id', `${API}/entities/order/`, {}, 404, 'unknown-route'],
  ['half a percent sign', `${API}/entities/order/%E0%A4`, {}, 400, 'bad-path'],
  ['an id with U+0000', `${API}/entities/order/%00`, {}, 400, 'bad-path'],
  ['a push of another shop’s entity', `${API}/entities/spaceship/1/push`, json('{}'), 404, 'unknown-entity'],
  [
    'a push of a row that is not there',
    `${API}/entities/line/%5B%229%22,%229%22%5D/push`,
    json('{}'),
    404,
    'unknown-entity',
  ],
  ['a push of half a key', `${API}/entities/line/9/push`, json('{}'), 400, 'bad-parameter'],
  [
    'a push of a key of another type',
    `${API}/entities/line/%5B%22x%22,%22y%22%5D/push`,
    json('{}'),
    400,
    'bad-parameter',
  ],
  ['another machine’s name', `${API}/status`, from({ host: 'evil.example' }), 403, 'unknown-host'],
  [
    'a name that begins like this machine',
    `${API}/status`,
    from({ host: '127.0.0.1.evil.example' }),
    403,
    'unknown-host',
  ],
  ['a host with a login', `${API}/status`, from({ host: 'x@127.0.0.1' }), 403, 'unknown-host'],
  ['a page of another machine', `${API}/status`, from({ origin: 'http://evil.example' }), 403, 'foreign-origin'],
  ['a page of a file', `${API}/status`, from({ origin: 'null' }), 403, 'foreign-origin'],
  ['another page on this machine', `${API}/status`, from({ origin: 'http://127.0.0.1:1' }), 403, 'foreign-origin'],
];

test.each(REFUSED)('%s', async (_, path, ask, status, kind) => {
  const before = (await shop.sql.query('SELECT count(*)::int AS n FROM syncd.commands')).rows[0].n;
  const reply = await admin.ask(path, ask);
  expect({ status: reply.status, type: reply.json?.type ?? '' }).toEqual({
    status,
    type: kind && `urn:syncd:problem:${kind}`,
  });
  if (kind) {
    expect(reply.headers['content-type']).toBe('application/problem+json');
    expect(reply.json).toMatchObject({ status, title: expect.any(String), detail: expect.any(String) });
    expect(reply.json.detail).not.toMatch(/[.]$|syntax|relation |column "|undefined|\[object/);
  }
  if (status === 405) expect(reply.headers.allow).toMatch(/^(GET|POST)$/);
  expect((await shop.sql.query('SELECT count(*)::int AS n FROM syncd.commands')).rows[0].n).toBe(before);
});

test('a cursor holds for the filters that it was given out for', async () => {
  await shop.sql.query(
    `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation) SELECT 'shift', n::text, 'create' FROM generate_series(1, 3) n`,
  );
  const { next_cursor } = (await admin.ask(`${API}/queue?entity=shift&limit=1`)).json;
  expect((await admin.ask(`${API}/queue?entity=shift&limit=2&cursor=${next_cursor}`)).json.items).toHaveLength(2);
  for (const path of [
    `${API}/queue?cursor=${next_cursor}`,
    `${API}/queue?entity=line&cursor=${next_cursor}`,
    `${API}/logs?entity=shift&cursor=${next_cursor}`,
  ])
    expect((await admin.ask(path)).json.type).toBe('urn:syncd:problem:bad-cursor');
});

test.each([
  ['no host', 'GET /live HTTP/1.1\r\n\r\n'],
  ['two hosts', 'GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n'],
  ['no HTTP', 'hello\r\n\r\n'],
])('%s is refused on the wire', async (_, text) => {
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(admin.listener.port, '127.0.0.1', () => socket.write(text));
    let heard = '';
    socket.on('data', (piece) => {
      heard += piece;
      if (heard.includes('}')) socket.end();
    });
    socket.on('close', () => resolve(heard)).on('error', reject);
  });
  expect(answer).toMatch(/^HTTP\/1.1 40[03] /);
});

test('a question that takes the database too long ends with what to do, and so does a fault of its own', async () => {
  await shop.sql.query('BEGIN; LOCK TABLE syncd.sync_conflicts');
  const asked = admin.ask(`${API}/conflicts`);
  await eventually(
    async () =>
      (
        await shop.db
          .selectFrom(sql<{ query: string }>`pg_stat_activity`.as('a'))
          .select(sql<number>`pg_cancel_backend(pid)::int`.as('ended'))
          .where(sql<boolean>`a.wait_event_type = 'Lock' AND application_name = 'syncd admin'`)
          .execute()
      ).length,
    (ended) => ended === 1,
    'the question waits',
  );
  expect(await asked).toMatchObject({ status: 503, json: { hint: expect.stringMatching(/^Ask for less/) } });
  // Nobody cancels the next one: it waits for as long as a person may be kept, and says for what.
  expect(await admin.ask(`${API}/conflicts`)).toMatchObject({
    status: 503,
    json: { hint: expect.stringMatching(/^Try again when it is gone/) },
  });
  await shop.sql.query('ROLLBACK');
  expect((await admin.ask(`${API}/conflicts`)).status).toBe(200);
  await shop.sql.query('ALTER TABLE syncd.sync_conflicts RENAME COLUMN reason TO why');
  expect((await admin.ask(`${API}/conflicts`)).status).toBe(500);
  await shop.sql.query('ALTER TABLE syncd.sync_conflicts RENAME COLUMN why TO reason');
});

test('a database without our schema is told as such, by status too, and no log line names a row', async () => {
  await cluster.createDatabase('bare');
  const bare = await openAdmin({ ...shop.settings, database: { urls: [cluster.url('bare')] } });
  expect(await bare.ask(`${API}/status`)).toMatchObject({ status: 200, json: { state: 'unknown', pending: null } });
  expect(await bare.ask(`${API}/queue`)).toMatchObject({
    status: 503,
    json: { type: 'urn:syncd:problem:unavailable', hint: 'Run: sudo -u postgres syncd install' },
  });
  await bare.close();
  expect(admin.lines.filter(({ level }) => level === 'error')).toEqual([]);
});
