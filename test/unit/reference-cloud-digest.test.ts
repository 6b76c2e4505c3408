/** How the reference cloud proves what it holds: counts and sums by day, and the entities of a day. */
import { createHash } from 'node:crypto';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { DigestAnswer, DigestEntitiesAnswer, WireBucket } from '../../src/cloud/wire.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { call, PretendOutlet, type Sent } from '../support/pretend-outlet.js';

const cloud = await startReferenceCloud({ apiKey: 'key', shared: ['product'] });
afterAll(() => cloud.stop());

let outlets = 0;
const newOutlet = () => new PretendOutlet(cloud.url, `outlet-${++outlets}`);

const fingerprint = (id: string, version: number) =>
  BigInt(`0x${createHash('md5').update(`${id}|${version}`).digest('hex').slice(0, 16)}`);
const bucketOf = (bucket: string, ...of: [id: string, version: number][]): WireBucket => ({
  bucket,
  count: of.length,
  sum: String(of.reduce((sum, [id, version]) => sum + fingerprint(id, version), 0n) % 2n ** 64n),
});
const JAKARTA = { entity_type: 'order', date_field: 'created_at', timezone: 'Asia/Jakarta' };

async function ask(outlet: PretendOutlet, path: string, question: unknown, given: Sent = {}) {
  const { 'idempotency-key': _, ...headers } = outlet.headers('');
  return call(`${outlet.url}${path}`, {
    method: 'POST',
    body: JSON.stringify(question),
    ...given,
    headers: { ...headers, ...given.headers },
  });
}

async function differing(outlet: PretendOutlet, given: object = {}, buckets: WireBucket[] = []) {
  const { status, text } = await ask(outlet, '/sync/digest', { ...JAKARTA, buckets, ...given });
  expect([status, text]).toEqual([200, expect.stringContaining('"differ"')]);
  return (JSON.parse(text) as DigestAnswer).differ;
}

async function entitiesOf(outlet: PretendOutlet, bucket: string, given: object = JAKARTA) {
  const question = { entity_type: 'order', bucket, ...given };
  const { status, text } = await ask(outlet, '/sync/digest/entities', question);
  expect([status, text]).toEqual([200, expect.stringContaining('"entities"')]);
  return (JSON.parse(text) as DigestEntitiesAnswer).entities;
}

/** Orders with these values of created_at as JSON texts, ids from 1. */
async function ordersOf(outlet: PretendOutlet, ...dates: string[]): Promise<void> {
  await outlet.push(
    dates.map((date, at) => outlet.create(String(at + 1), { data: `{"id":${at + 1},"created_at":${date}}` })),
  );
}

test('a bucket has the number of its entities and the sum of their fingerprints', async () => {
  const outlet = newOutlet();
  await ordersOf(outlet, '"2026-11-22T03:00:00+00:00"', '"2026-11-22T04:00:00+00:00"');
  await outlet.pushOne(outlet.update('2', { base_cloud_version: 1, data: '{"created_at":"2026-11-22T04:00:00Z"}' }));
  // md5 of "1|1" begins with d4dfe0d38ada1ffd, of "2|2" with 0d54d09954752e50: 15339226055019470845 + 960621977502297680.
  expect(await differing(outlet)).toEqual([{ bucket: '2026-11-22', count: 2, sum: '16299848032521768525' }]);
  expect(await entitiesOf(outlet, '2026-11-22')).toEqual([
    ['1', 1],
    ['2', 2],
  ]);
});

test('the sum of a thousand wraps at 2^64', async () => {
  const outlet = newOutlet();
  await outlet.push(Array.from({ length: 1000 }, (_, id) => outlet.create(String(id))));
  expect(await differing(outlet, { date_field: null })).toEqual([
    { bucket: '*', count: 1000, sum: '10881512458462372547' },
  ]);
});

test.each([
  ['before midnight in Jakarta', '"2026-11-22T16:59:59.999999+00:00"', '2026-11-22'],
  ['midnight in Jakarta', '"2026-11-22T17:00:00+00:00"', '2026-11-23'],
  ['an instant in another offset', '"2026-11-23T01:59:59+09:00"', '2026-11-22'],
  ['an offset with a minus', '"2026-11-22T12:00:00-05:00"', '2026-11-23'],
  ['an offset with seconds', '"1900-01-01T00:00:00+07:07:12"', '1900-01-01'],
  ['Z', '"2026-11-22T17:00:00Z"', '2026-11-23'],
  ['a timestamp without an offset', '"2026-11-22T23:59:59"', '2026-11-22'],
  ['a date', '"2026-11-22"', '2026-11-22'],
  ['the first year', '"0001-01-02T00:00:00+00:00"', '0001-01-02'],
  ['an instant that Jakarta has in year 10000', '"9999-12-31T20:00:00+00:00"', '*'],
  ['a year of five digits', '"10000-01-01T00:00:00+00:00"', '*'],
  ['a day before Christ', '"0044-03-15 BC"', '*'],
  ['an instant before Christ', '"0044-03-15T00:00:00+00:00 BC"', '*'],
  ['infinity', '"infinity"', '*'],
  ['a day that no calendar has', '"2026-13-01T00:00:00+00:00"', '*'],
  ['null', 'null', '*'],
  ['a number', '20261122', '*'],
  ['an object', '{"created_at":"2026-11-22"}', '*'],
  ['a later value under the same name', '"2026-11-21","created_at":"2026-11-22"', '2026-11-22'],
  ['a later null under the same name', '"2026-11-21","created_at":null', '*'],
  ['a name written with escapes', '1,"created\\u005fat":"2026-11-22"', '2026-11-22'],
])('%s has its day', async (_, date, day) => {
  const outlet = newOutlet();
  await ordersOf(outlet, date);
  expect(await differing(outlet)).toEqual([bucketOf(day, ['1', 1])]);
  expect(await entitiesOf(outlet, day)).toEqual([['1', 1]]);
});

test('a row without the column has no day', async () => {
  const outlet = newOutlet();
  await outlet.pushOne(outlet.create('1', { data: '{"n":{"created_at":"2026-11-22"}}' }));
  expect(await differing(outlet)).toEqual([bucketOf('*', ['1', 1])]);
});

test('a deleted entity counts for nothing, and one made again counts anew', async () => {
  const outlet = newOutlet();
  await ordersOf(outlet, '"2026-11-22"', '"2026-11-22"');
  await outlet.pushOne(outlet.remove('1', { base_cloud_version: 1 }));
  expect(await differing(outlet)).toEqual([bucketOf('2026-11-22', ['2', 1])]);
  await outlet.pushOne(outlet.create('1', { base_cloud_version: 2, data: '{"created_at":"2026-11-22"}' }));
  expect(await differing(outlet)).toEqual([bucketOf('2026-11-22', ['2', 1], ['1', 3])]);
});

test('an outlet is told of its own entities and of shared types, of this type alone', async () => {
  const [one, two] = [newOutlet(), newOutlet()];
  await ordersOf(one, '"2026-11-22"');
  await ordersOf(two, '"2026-11-22"', '"2026-11-22"');
  await two.pushOne(two.create('p', { entity_type: 'product' }));
  expect(await differing(one)).toEqual([bucketOf('2026-11-22', ['1', 1])]);
  expect(await differing(one, { entity_type: 'product' })).toEqual([bucketOf('*', ['p', 1])]);
  expect(await entitiesOf(one, '2026-11-22')).toEqual([['1', 1]]);
  expect(await differing(one, { entity_type: 'nothing' })).toEqual([]);
});

test('buckets that differ by count or by sum, that the cloud lacks or that were left out are named, by name', async () => {
  const outlet = newOutlet();
  await ordersOf(outlet, '"2026-11-22"', '"2026-11-22"', '"2026-11-23"', '"2026-11-24"', 'null');
  const equal = bucketOf('2026-11-23', ['3', 1]);
  const buckets = [
    bucketOf('2026-11-25', ['9', 1]),
    { ...bucketOf('2026-11-22', ['1', 1], ['2', 1]), count: 3 },
    equal,
    bucketOf('2026-11-24', ['4', 2]),
    { bucket: '2026-11-26', count: 0, sum: '0' },
  ];
  expect(await differing(outlet, {}, buckets)).toEqual([
    bucketOf('*', ['5', 1]),
    bucketOf('2026-11-22', ['1', 1], ['2', 1]),
    bucketOf('2026-11-24', ['4', 1]),
    { bucket: '2026-11-25', count: 0, sum: '0' },
  ]);
  const all = await differing(outlet);
  expect(all).toContainEqual(equal);
  expect(await differing(outlet, {}, all)).toEqual([]);
});

test('the entities of a day go by the request, else by the digest before it, else no row has a day', async () => {
  const outlet = newOutlet();
  await ordersOf(outlet, '"2026-11-22T17:30:00+00:00"');
  expect(await entitiesOf(outlet, '*', {})).toEqual([['1', 1]]);
  expect(await entitiesOf(outlet, '2026-11-23', {})).toEqual([]);
  const halved = { entity_type: 'order', bucket: '2026-11-23', date_field: 'created_at' };
  expect((await ask(outlet, '/sync/digest/entities', halved)).status).toBe(400);
  await differing(outlet);
  expect(await entitiesOf(outlet, '2026-11-23', {})).toEqual([['1', 1]]);
  expect(await entitiesOf(outlet, '2026-11-22', { timezone: 'UTC' })).toEqual([['1', 1]]);
  expect(await entitiesOf(outlet, '*', { date_field: null })).toEqual([['1', 1]]);
});

test('both answers carry the cloud epoch', async () => {
  const outlet = newOutlet();
  const { cloud_epoch } = JSON.parse((await outlet.get('/sync/capabilities')).text) as { cloud_epoch: string };
  const digest = await ask(outlet, '/sync/digest', { ...JAKARTA, buckets: [] });
  expect(JSON.parse(digest.text)).toEqual({ differ: [], cloud_epoch });
  const id = cloud.faults.add({ kind: 'epoch', cloud_epoch: 'other' });
  const entities = await ask(outlet, '/sync/digest/entities', { entity_type: 'order', bucket: '*' });
  expect(JSON.parse(entities.text)).toEqual({ entities: [], cloud_epoch: 'other' });
  cloud.faults.clear(id);
});

describe('what is refused', () => {
  const outlet = newOutlet();
  const good = { bucket: '*', count: 0, sum: '0' };
  test.each<[string, unknown]>([
    ['no object', []],
    ['a missing type', { ...JAKARTA, entity_type: undefined, buckets: [] }],
    ['a missing date_field', { ...JAKARTA, date_field: undefined, buckets: [] }],
    ['a date_field that is a number', { ...JAKARTA, date_field: 7, buckets: [] }],
    ['a timezone that is none', { ...JAKARTA, timezone: 'Asia/Atlantis', buckets: [] }],
    ['missing buckets', JAKARTA],
    ['a bucket that is a text', { ...JAKARTA, buckets: ['*'] }],
    ['a bucket that is no day', { ...JAKARTA, buckets: [{ ...good, bucket: '22.11.2026' }] }],
    ['a count below 0', { ...JAKARTA, buckets: [{ ...good, count: -1 }] }],
    ['a sum that is a number', { ...JAKARTA, buckets: [{ ...good, sum: 0 }] }],
    ['a sum with a leading zero', { ...JAKARTA, buckets: [{ ...good, sum: '01' }] }],
    ['a sum of 2^64', { ...JAKARTA, buckets: [{ ...good, sum: '18446744073709551616' }] }],
    ['a doubled bucket', { ...JAKARTA, buckets: [good, good] }],
  ])('%s is 400', async (_, question) => {
    expect((await ask(outlet, '/sync/digest', question)).status).toBe(400);
  });

  test.each([
    ['a missing bucket', { entity_type: 'order' }],
    ['a bucket that is no day', { entity_type: 'order', bucket: 'today' }],
    ['a timezone that is none', { entity_type: 'order', bucket: '*', timezone: 'Asia/Atlantis' }],
  ])('of the entities, %s is 400', async (_, question) => {
    expect((await ask(outlet, '/sync/digest/entities', question)).status).toBe(400);
  });

  test('a name that stands twice is 400', async () => {
    const body = JSON.stringify({ ...JAKARTA, buckets: [good] });
    const twice = [body.replace('{', '{"timezone":"UTC",'), body.replace('"count"', '"sum":"0","count"')];
    for (const one of twice) {
      const { status, text } = await ask(outlet, '/sync/digest', {}, { body: one });
      expect([status, text]).toEqual([400, expect.stringContaining('stands twice')]);
    }
  });

  test.each(['/sync/digest', '/sync/digest/entities'])('%s asks for a key, JSON and POST', async (path) => {
    expect((await ask(outlet, path, {}, { headers: { 'x-api-key': 'wrong' } })).status).toBe(401);
    expect((await ask(outlet, path, {}, { headers: { 'content-type': 'text/plain' } })).status).toBe(415);
    const { status, headers } = await outlet.get(path);
    expect([status, headers.allow]).toEqual([405, 'POST']);
  });

  test('a cloud without the digest has neither route', async () => {
    const without = await startReferenceCloud({ apiKey: 'key', capabilities: { digest: false } });
    const caller = new PretendOutlet(without.url);
    expect((await caller.get('/sync/capabilities')).text).toContain('"digest":false');
    expect((await ask(caller, '/sync/digest', { ...JAKARTA, buckets: [] })).status).toBe(404);
    expect((await ask(caller, '/sync/digest/entities', { entity_type: 'order', bucket: '*' })).status).toBe(404);
    await without.stop();
  });
});

test('a compressed question is taken, and counts as neither push nor pull', async () => {
  const outlet = newOutlet();
  const before = cloud.ledger.statistics();
  const body = JSON.stringify({ ...JAKARTA, buckets: [] });
  for (const [encoding, bytes] of [
    ['gzip', gzipSync(body)],
    ['br', brotliCompressSync(body)],
  ] as const) {
    const given = { body: bytes, headers: { 'content-encoding': encoding } };
    expect((await ask(outlet, '/sync/digest', {}, given)).status).toBe(200);
  }
  expect(cloud.ledger.requests.at(-1)).toMatchObject({ path: '/sync/digest', changes: 0, raw_bytes: body.length });
  const { pushes, wire_bytes, outcomes, requests } = cloud.ledger.statistics();
  expect({ pushes, wire_bytes, outcomes }).toEqual({
    pushes: before.pushes,
    wire_bytes: before.wire_bytes,
    outcomes: before.outcomes,
  });
  expect(requests).toBe(before.requests + 2);
});
