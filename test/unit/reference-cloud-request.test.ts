/** What the reference cloud asks of a request before it looks at any change: route, headers, encoding, size, form. */
import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { call, PretendOutlet, type TestChange } from '../support/pretend-outlet.js';

const cloud = await startReferenceCloud({
  apiKey: 'key',
  outlets: ['outlet-1'],
  capabilities: { max_batch_changes: 5, max_batch_bytes: 20_000, encodings: ['gzip', 'br'] },
});
afterAll(() => cloud.stop());

const outlet = new PretendOutlet(cloud.url);
const codeOf = (text: string) => (JSON.parse(text) as { error: { code: string } }).error.code;

describe('routes', () => {
  test('health answers without a key', async () => {
    expect((await call(`${cloud.url}/health`)).status).toBe(200);
  });

  test('capabilities tell the limits, the encodings and the cloud epoch', async () => {
    const { status, text } = await outlet.get('/sync/capabilities');
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({
      protocol: 1,
      max_batch_changes: 5,
      max_batch_bytes: 20_000,
      encodings: ['gzip', 'br'],
      cloud_epoch: expect.any(String) as string,
    });
  });

  test('an unknown route is 404, another method 405 with Allow', async () => {
    expect((await outlet.get('/sync/nothing')).status).toBe(404);
    expect((await call(cloud.url.replace('/api/v1', '/elsewhere'))).status).toBe(404);
    const { status, headers } = await outlet.get('/sync/push');
    expect([status, headers.allow]).toEqual([405, 'POST']);
  });

  test('an entity and its version can be read, its row as the text that came', async () => {
    const change = outlet.create('a/b "ü"', { data: '{"n": 1.10, "big":123456789012345678901234567890}' });
    await outlet.pushOne(change);
    const path = `/entities/order/${encodeURIComponent(change.entity_id)}`;
    const { text } = await outlet.get(path);
    expect(text).toContain(`"data":${change.data}}`);
    expect(JSON.parse(text)).toMatchObject({ cloud_version: 1, deleted: false, origin_outlet_id: 'outlet-1' });
    expect(JSON.parse((await outlet.get(`${path}/version`)).text)).toEqual({ cloud_version: 1 });
    expect((await outlet.get('/entities/order/none')).status).toBe(404);
  });
});

describe('headers', () => {
  test.each([
    ['a missing API key', { 'x-api-key': undefined }, 401, 'api_key'],
    ['a wrong API key', { 'x-api-key': 'wrong' }, 401, 'api_key'],
    ['a missing outlet', { 'x-outlet-id': undefined }, 400, 'outlet'],
    ['another user agent', { 'user-agent': 'curl/8' }, 400, 'user_agent'],
    ['a missing idempotency key', { 'idempotency-key': undefined }, 400, 'idempotency_key'],
    ['an idempotency key that is not the batch id', { 'idempotency-key': randomUUID() }, 400, 'idempotency_key'],
    ['a body that is not JSON by its type', { 'content-type': 'text/plain' }, 415, 'content_type'],
    ['another charset', { 'content-type': 'application/json; charset=latin1' }, 415, 'content_type'],
    ['an encoding that is not offered', { 'content-encoding': 'deflate' }, 415, 'encoding'],
  ])('%s is refused', async (_, headers, status, code) => {
    const reply = await outlet.push([outlet.create(randomUUID())], { headers });
    expect([reply.status, codeOf(reply.text)]).toEqual([status, code]);
  });

  test('an outlet that the cloud does not know is 403 everywhere', async () => {
    const stranger = new PretendOutlet(cloud.url, 'stranger');
    expect((await stranger.get('/sync/capabilities')).status).toBe(403);
    expect((await stranger.push([stranger.create('1')])).status).toBe(403);
  });

  test('an outlet_id in the body that is not the one in the header is 403', async () => {
    const change = outlet.create(randomUUID());
    const batchId = randomUUID();
    const body = outlet.body(batchId, [change]).replace('"outlet-1"', '"outlet-2"');
    expect((await outlet.push([change], { batchId, body })).status).toBe(403);
  });
});

describe('body', () => {
  test.each(['gzip', 'br'] as const)('%s is taken and counted as it travelled and as it was', async (encoding) => {
    const change = outlet.create(randomUUID(), { data: `{"note":"${'kopi '.repeat(500)}"}` });
    expect((await outlet.push([change], { encoding })).resultOf(change)).toMatchObject({ status: 'accepted' });
    const record = cloud.ledger.requests.at(-1);
    expect(record?.raw_bytes).toBeGreaterThan(2500);
    expect(record?.wire_bytes).toBeLessThan(800);
  });

  test('an answer over 1 KiB is compressed where the outlet takes it', async () => {
    await outlet.pushOne(outlet.create('long', { data: `{"note":"${'kopi '.repeat(500)}"}` }));
    const headers = { ...outlet.headers(randomUUID()), 'accept-encoding': 'gzip, br' };
    const reply = await call(`${cloud.url}/entities/order/long`, { headers });
    expect(reply.headers['content-encoding']).toBe('br');
    expect(reply.text).toContain('kopi kopi');
  });

  test('bytes that are not in their encoding are 400', async () => {
    const reply = await outlet.push([], { headers: { 'content-encoding': 'gzip' }, body: '{"changes":[]}' });
    expect([reply.status, codeOf(reply.text)]).toEqual([400, 'encoding']);
  });

  test('more bytes than the limit are 413, also when they only unfold to so many', async () => {
    const change = outlet.create(randomUUID(), { data: `{"note":"${'x'.repeat(20_000)}"}` });
    expect((await outlet.push([change])).status).toBe(413);
    expect((await outlet.push([change], { encoding: 'gzip' })).status).toBe(413);
    const bomb = { headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(50_000_000)) };
    expect((await outlet.push([], bomb)).status).toBe(413);
  });

  test('more changes than the limit are 413', async () => {
    const changes = Array.from({ length: 6 }, () => outlet.create(randomUUID()));
    expect((await outlet.push(changes)).status).toBe(413);
  });

  test.each([
    ['no JSON', '{"changes":['],
    ['no object', '[]'],
    ['a byte order mark', '\ufeff{"changes":[]}'],
    ['bytes that are not UTF-8', Buffer.from('{"changes":[],"x":"\xff"}', 'latin1')],
    ['no list of changes', '{"changes":{}}'],
    ['a change that is no object', '{"changes":[7]}'],
  ])('%s is 400', async (_, body) => {
    const reply = await outlet.push([], { body });
    expect([reply.status, codeOf(reply.text)]).toEqual([400, 'malformed']);
  });

  test.each<[string, Record<string, unknown>, number]>([
    ['change_id that is no uuid', { change_id: '7' }, 400],
    ['seq that is a number', { seq: 7 }, 400],
    ['tx with letters', { tx: '7a' }, 400],
    ['missing entity_type', { entity_type: undefined }, 400],
    ['empty entity_type', { entity_type: '' }, 400],
    ['entity_id that is a number', { entity_id: 7 }, 400],
    ['unknown operation', { operation: 'upsert' }, 400],
    ['version that is a text', { version: '1' }, 400],
    ['base_cloud_version with a fraction', { base_cloud_version: 1.5 }, 400],
    ['changed_at without a zone', { changed_at: '2026-11-22T01:02:03' }, 400],
    ['changed_at that is not UTC', { changed_at: '2026-11-22T01:02:03+07:00' }, 400],
    ['after that is no uuid', { after: 'x' }, 400],
    ['supersedes that is no list', { supersedes: 'x' }, 400],
    ['changed_fields with a number', { changed_fields: [1] }, 400],
    ['row that is a list', { data: '[]' }, 422],
    ['create without a row', { data: 'null' }, 422],
    ['delete with a row', { operation: 'delete' }, 422],
  ])('a %s is refused', async (_, given, status) => {
    const change = outlet.create(randomUUID(), given as Partial<TestChange>);
    const reply = await outlet.push([change]);
    expect(reply.status).toBe(status);
    expect(reply.text).toContain('changes[0].');
  });

  test('a change without data is refused', async () => {
    const batchId = randomUUID();
    const body = outlet.body(batchId, [outlet.create('1')]).replace(',"data":{"id":1}', '');
    expect((await outlet.push([], { batchId, body })).text).toContain('changes[0].data is missing');
  });

  test('a batch without changes, with one change twice or with a seq that does not rise is 422', async () => {
    const [one, two] = [outlet.create(randomUUID()), outlet.create(randomUUID())];
    expect((await outlet.push([])).status).toBe(422);
    expect((await outlet.push([one, { ...two, change_id: one.change_id }])).status).toBe(422);
    expect((await outlet.push([two, one])).status).toBe(422);
    expect((await outlet.push([one, { ...two, seq: one.seq }])).status).toBe(422);
  });

  test('a change that builds on itself is 422', async () => {
    const change = outlet.create(randomUUID());
    expect((await outlet.push([{ ...change, after: change.change_id }])).status).toBe(422);
    expect((await outlet.push([{ ...change, supersedes: [change.change_id] }])).status).toBe(422);
  });

  test('a name that stands twice outside a row is 400, inside a row it is data', async () => {
    const change = outlet.create(randomUUID(), { data: '{"a":1,"a":2}' });
    const batchId = randomUUID();
    const body = outlet.body(batchId, [change]).replace('"epoch":1', '"epoch":1,"epoch":1');
    expect((await outlet.push([change], { batchId, body })).status).toBe(400);
    const inner = outlet.body(batchId, [change]).replace('"seq":', '"seq":"1","seq":');
    expect((await outlet.push([change], { batchId, body: inner })).text).toContain('changes[0].seq stands twice');
    expect((await outlet.push([change], { batchId })).status).toBe(200);
  });

  test('a name may be written with escapes', async () => {
    const change = outlet.create(randomUUID(), { data: '{"n":1.10}' });
    const batchId = randomUUID();
    const body = outlet.body(batchId, [change]).replace('"data":', '"d\\u0061ta" :\t');
    expect((await outlet.push([change], { batchId, body })).status).toBe(200);
    expect(cloud.ledger.deliveries.at(-1)?.data).toBe('{"n":1.10}');
  });

  test('unknown fields are ignored', async () => {
    const change = outlet.create(randomUUID());
    const batchId = randomUUID();
    const body = outlet.body(batchId, [change]).replace('"epoch":1', '"epoch":1,"x":[{"changes":1}]');
    expect((await outlet.push([change], { batchId, body })).status).toBe(200);
  });

  test.each([
    '{}',
    ' {\n\t"a" : 1.0 }\r\n'.trim(),
    '{"t":"brackets ]} and \\"quotes\\" and a slash \\\\","u":"\\u0041é漢🎉"}',
    '{"n":[1e400,-0.0,30.10,123456789012345678901234567890.12345678901234567890],"o":{"data":{"data":null}}}',
    '{"nul":"\\u0000","lone":"\\ud800"}',
  ])('a row is kept as the text that came: %s', async (data) => {
    const change = outlet.create(randomUUID(), { data });
    expect((await outlet.push([change])).resultOf(change)).toMatchObject({ status: 'accepted' });
    expect(cloud.ledger.deliveries.at(-1)?.data).toBe(data);
    expect((await outlet.get(`/entities/order/${change.entity_id}`)).text).toContain(`"data":${data}}`);
  });
});
