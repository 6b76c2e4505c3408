/** Conflicts through the admin port: resolved one by one or many at once, with every digit, and refused with what stands against it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ask, openAdmin } from '../support/admin.js';
import { type ConflictStage, openConflictStage } from '../support/conflict-stage.js';
import { golden } from '../support/golden.js';

const API = '/api/v1/sync';
let stage: ConflictStage;
let admin: Awaited<ReturnType<typeof openAdmin>>;
let directory: string;

beforeAll(async () => {
  stage = await openConflictStage();
  directory = mkdtempSync(join(tmpdir(), 'syncd-admin-'));
  const database = { urls: [stage.cluster.url('pos', 'syncd')] };
  admin = await openAdmin({ ...stage.settings, state_dir: directory, database });
});
afterAll(async () => {
  await admin?.close();
  await stage?.close();
  rmSync(directory, { recursive: true });
});
beforeEach(() => stage.reset());

/** Both sides edited these products: the shop the price, the cloud the name. */
async function conflicts(...products: number[]): Promise<string[]> {
  for (const id of products) await stage.edits(`INSERT INTO products (id, price) VALUES (${id}, 1)`);
  await stage.agreed();
  const ids: string[] = [];
  for (const id of products) {
    await stage.edits(`UPDATE products SET price = 2 WHERE id = ${id}`);
    const data = { id, name: 'Teh', price: 1, qty: null, note: null };
    ids.push(await stage.meets({ version: 2, data }, 'manual', String(id)));
  }
  return ids;
}

test('one is ended by a strategy, and the record names the token and where it came from', async () => {
  const [id] = await conflicts(1);
  const reply = await admin.ask(`${API}/resolve/${id}`, {
    body: { strategy: 'cloud_wins', reason: 'head office knows' },
  });
  expect(reply).toMatchObject({
    status: 200,
    json: { done: true, id, entity_type: 'product', entity_id: '1', resolution: 'cloud' },
  });
  expect(await stage.one('SELECT name, price::float FROM products')).toEqual({ name: 'Teh', price: 1 });
  expect(await stage.one('SELECT status, resolved_by, reason FROM syncd.sync_conflicts')).toEqual({
    status: 'resolved',
    resolved_by: 'admin token from 127.0.0.1 (syncd)',
    reason: 'head office knows',
  });
});

test('what is given as the row reaches the table and the queue with every digit', async () => {
  const [id] = await conflicts(1);
  const body = '{"strategy":"data","data":{"price":12345678901234567890.1234567890}}';
  expect(await admin.ask(`${API}/resolve/${id}`, { body })).toMatchObject({
    status: 200,
    json: { resolution: 'data' },
  });
  expect(await stage.one('SELECT price::text FROM products')).toEqual({ price: '12345678901234567890.1234567890' });
  const sent = await stage.one("SELECT payload::text FROM syncd.sync_queue WHERE status = 'pending'");
  expect(sent.payload).toContain('12345678901234567890.1234567890');
});

test('many are ended at once, and each that is not says why', async () => {
  const [first, second] = await conflicts(1, 2);
  await admin.ask(`${API}/resolve/${first}`, { body: { strategy: 'local_wins' } });
  const { status, json } = await admin.ask(`${API}/resolve`, {
    body: { ids: [first, second, '999'], strategy: 'merge' },
  });
  expect(status).toBe(200);
  expect(json).toMatchObject({
    done: 1,
    items: [
      { id: first, done: false, why: 'resolved', resolved_by: 'admin token from 127.0.0.1 (syncd)' },
      { id: second, done: true },
      { id: '999', done: false, why: 'unknown' },
    ],
  });
});

test('what is over or unknown is told apart', async () => {
  const [id] = await conflicts(1);
  const body = { strategy: 'local_wins' };
  expect((await admin.ask(`${API}/resolve/${id}`, { body })).status).toBe(200);
  expect(await admin.ask(`${API}/resolve/${id}`, { body })).toMatchObject({
    status: 409,
    json: {
      type: 'urn:syncd:problem:not-possible',
      why: 'resolved',
      resolved_by: expect.any(String),
      resolved_at: expect.any(String),
    },
  });
  expect(await admin.ask(`${API}/resolve/999`, { body })).toMatchObject({
    status: 404,
    json: { type: 'urn:syncd:problem:unknown-conflict' },
  });
});

test('the open ones are listed with both sides to the last digit, page by page', async () => {
  const ids = await conflicts(1, 2, 3);
  const price = '12345678901234567890.1234567890';
  await stage.edits(`UPDATE syncd.sync_conflicts SET cloud = '{"id":1,"price":${price}}' WHERE id = ${ids[0]}`);
  const first = await admin.ask(`${API}/conflicts?limit=2`);
  expect(first.text).toContain(`"price":${price}`);
  expect(first.json.items.map((item: { id: string }) => item.id)).toEqual(ids.slice(0, 2));
  await admin.ask(`${API}/resolve/${ids[0]}`, { body: { strategy: 'local_wins' } });
  const second = await admin.ask(`${API}/conflicts?limit=2&cursor=${first.json.next_cursor}`);
  expect(second.json).toMatchObject({ items: [{ id: ids[2] }], next_cursor: null });
  const masked = second.text
    .replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"<instant>"')
    .replaceAll(/"id" ?: ?"\d+"/g, '"id":"<id>"');
  golden('api-conflicts.json', `${JSON.stringify(JSON.parse(masked), null, 2)}\n`);
  expect((await admin.ask(`${API}/conflicts?status=resolved&entity=product/1`)).json.items).toHaveLength(1);
  expect((await admin.ask(`${API}/conflicts?status=lost`)).json.type).toBe('urn:syncd:problem:bad-parameter');
  const { json: one, text } = await admin.ask(`${API}/entities/product/1`);
  expect(one.conflicts).toMatchObject([{ id: ids[0], status: 'resolved', resolution: 'local' }]);
  expect(text).toContain(`"price":${price}`);
  expect((await admin.ask(`${API}/entities/product/2`)).json).toMatchObject({
    status: 'conflict',
    conflicts: [{ status: 'open' }],
  });
});

test('an open one is listed with the shop’s side as it is now', async () => {
  const [id] = await conflicts(1);
  await stage.edits('UPDATE products SET price = 3 WHERE id = 1');
  const [item] = (await admin.ask(`${API}/conflicts`)).json.items;
  expect(item).toMatchObject({ id, local: { price: 3 }, base: { price: 1 } });
  expect((await admin.ask(`${API}/entities/product/1`)).json.conflicts).toMatchObject([{ local: { price: 3 } }]);
});

test('one is asked for at the cloud by a request in the tables, which the daemon takes up', async () => {
  const reply = await admin.ask(`${API}/entities/product/007/pull`, { body: {} });
  expect(reply.status).toBe(202);
  golden('api-pull.json', `${JSON.stringify({ ...reply.json, id: '<id>' }, null, 2)}\n`);
  expect(await stage.one('SELECT entity_id, operation FROM syncd.incoming')).toEqual({
    entity_id: '7',
    operation: 'hint',
  });
  expect(await stage.one("SELECT requested_by FROM syncd.commands WHERE command = 'pull'")).toEqual({
    requested_by: 'admin token from 127.0.0.1 (syncd)',
  });
});

test.each([
  ['what is only pushed', 'receipt/1', 404, 'unknown-entity'],
  ['what nobody knows', 'spaceship/1', 404, 'unknown-entity'],
  ['half a key', 'part/1', 400, 'bad-parameter'],
  ['a key of another type', 'product/x', 400, 'bad-parameter'],
])('a pull of %s is refused', async (_, path, status, kind) => {
  const reply = await admin.ask(`${API}/entities/${path}/pull`, { body: {} });
  expect([reply.status, reply.json.type]).toEqual([status, `urn:syncd:problem:${kind}`]);
  expect(await stage.all('SELECT FROM syncd.incoming')).toEqual([]);
});

const json = (body: string): Ask => ({ body });
test.each<[string, Ask, number, string]>([
  ['no strategy', json('{}'), 400, 'bad-body'],
  ['a strategy of nobody’s', json('{"strategy":"coin"}'), 400, 'bad-body'],
  ['manual, which is what it is', json('{"strategy":"manual"}'), 400, 'bad-body'],
  ['data without a row', json('{"strategy":"data"}'), 400, 'bad-body'],
  ['a list for a row', json('{"strategy":"data","data":[1]}'), 400, 'bad-body'],
  ['null for a row', json('{"strategy":"data","data":null}'), 400, 'bad-body'],
  ['a row with a strategy', json('{"strategy":"merge","data":{}}'), 400, 'bad-body'],
  ['a row with a key twice', json('{"strategy":"data","data":{"qty":1,"qty":2}}'), 400, 'bad-body'],
  ['a row with U+0000', json('{"strategy":"data","data":{"name":"\\u0000"}}'), 400, 'bad-body'],
  ['a column that the table has not', json('{"strategy":"data","data":{"colour":"red"}}'), 409, 'not-possible'],
  ['another type', json('{"strategy":"data","data":{"qty":"many"}}'), 409, 'not-possible'],
  ['a number out of range', json('{"strategy":"data","data":{"qty":9999999999}}'), 409, 'not-possible'],
  ['another key', json('{"strategy":"data","data":{"id":77}}'), 409, 'not-possible'],
])('one with %s is left open', async (_, ask, status, kind) => {
  const [id] = await conflicts(1);
  const reply = await admin.ask(`${API}/resolve/${id}`, ask);
  expect([reply.status, reply.json.type]).toEqual([status, `urn:syncd:problem:${kind}`]);
  expect(await stage.one('SELECT status FROM syncd.sync_conflicts')).toEqual({ status: 'open' });
  expect(await stage.one('SELECT name, price::float FROM products')).toEqual({ name: 'Kopi', price: 2 });
});

test.each<[string, string]>([
  ['no ids', '{"strategy":"merge"}'],
  ['an empty list', '{"ids":[],"strategy":"merge"}'],
  ['a word among them', '{"ids":["all"],"strategy":"merge"}'],
  ['half a number', '{"ids":[1.5],"strategy":"merge"}'],
  ['one text for a list', '{"ids":"1","strategy":"merge"}'],
  ['too many', JSON.stringify({ ids: Array.from({ length: 101 }, (_, n) => n + 1), strategy: 'merge' })],
  ['a row for many', '{"ids":[1],"strategy":"data","data":{}}'],
])('many with %s are refused', async (_, body) => {
  expect(await admin.ask(`${API}/resolve`, { body })).toMatchObject({
    status: 400,
    json: { type: 'urn:syncd:problem:bad-body' },
  });
});
