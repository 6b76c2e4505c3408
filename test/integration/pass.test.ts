/**
 * A pass over a real queue while the world goes on: rows are answered, put off and released between its pages. Whatever
 * happens, no change leaves before an older one of its entity, and none twice.
 */
import type { KyselyPlugin } from 'kysely';
import { type Db, openDb } from '../../src/db/connect.js';
import { Cluster } from '../../src/demo/postgres.js';
import { Backlog, entityKey, type PendingChange } from '../../src/push/backlog.js';
import { Pass } from '../../src/push/pass.js';
import { QueueFloor } from '../../src/queue/floor.js';
import { retryChanges } from '../../src/queue/manage.js';
import { monotonicMs, sleep } from '../../src/time.js';
import { afterLook } from '../support/after-look.js';
import { agreed, makeLimits } from '../support/changes.js';
import { addRows, emptyQueue, filler } from '../support/queue-rows.js';
import { openShop, type Shop } from '../support/shop.js';

const limits = makeLimits(100, 1_000_000, 500, 4_000_000);
const key = entityKey('order', 'e');
const nothing: ReadonlySet<string> = new Set();

let cluster: Cluster;
let shop: Shop;
let db: Db;
let backlog: Backlog;
let pass: Pass;

beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'pass');
  db = openDb(shop.url, { role: 'test reader' });
});
afterAll(async () => {
  await db?.destroy();
  await shop?.close();
  await cluster?.destroy();
});
beforeEach(async () => {
  await emptyQueue(shop);
  backlog = new Backlog();
  pass = passOver(db);
});

const passOver = (special: Db, coalesced: string[] = [], reader = db, correctionMs = 0) =>
  new Pass({
    reader,
    special,
    backlog,
    floor: new QueueFloor(db, monotonicMs),
    coalesced: new Set(coalesced),
    correctionMs: () => correctionMs,
  });

function takeAll(): PendingChange[] {
  const taken: PendingChange[] = [];
  for (let batch = backlog.take(limits, nothing); batch; batch = backlog.take(limits, nothing)) taken.push(...batch);
  return taken;
}

async function readOn(): Promise<PendingChange[]> {
  const taken = takeAll();
  while (!pass.ended) {
    await pass.read(limits);
    taken.push(...takeAll());
  }
  return taken;
}
const idsOf = (changes: PendingChange[], entity = 'e') =>
  changes.filter((change) => change.entity_id === entity).map((change) => change.id);

test('a long queue comes in pages, in order, each row once', async () => {
  const ids = await addRows(shop, filler(2_300));
  pass.begin(false, nothing);
  const read = await readOn();
  expect(read.map((change) => change.id)).toEqual(ids);
});

test('names hold whatever a text can, and every change keeps its own', async () => {
  const names = ['a,b', '', '\u0001', 'é "x" \\ 😀', '\u0002', 'line\nend'];
  const given = names.map((entity, n) => ({ entity, payload: `{"id": ${n},\n "x": "${'é'.repeat(n)}"}`, tx: 50 }));
  for (const some of [given, given.filter(({ entity }) => entity !== '\u0001')]) {
    await emptyQueue(shop);
    await addRows(shop, [...some, { entity: 'gone', operation: 'delete', payload: null, tx: 50 }]);
    await shop.sql.query(`INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version, cloud_id)
                          VALUES ('order', 'a,b', 3, 4, 'c,1'), ('order', 'gone', 2, NULL, NULL)`);
    pass.begin(false, nothing);
    const read = await readOn();
    expect(read.map(({ entity_id, payload }) => ({ entity: entity_id, payload, tx: 50 }))).toEqual([
      ...some,
      { entity: 'gone', payload: null, tx: 50 },
    ]);
    expect(read[0]?.state).toEqual({ version: 3, cloudVersion: 4, cloudId: 'c,1' });
    expect(read.at(-1)).toMatchObject({ operation: 'delete', tx: '50', state: { version: 2, cloudVersion: null } });
  }
});

test('what follows a retry that is put off again waits with it, also on later pages', async () => {
  const [retry] = await addRows(shop, [{ entity: 'e', nextMs: -1_000, retries: 1 }, ...filler(1_200), { entity: 'e' }]);
  pass.begin(true, nothing);
  await pass.read(limits);
  expect(idsOf(takeAll())).toEqual([retry]);
  await shop.sql.query("UPDATE syncd.sync_queue SET next_attempt_at = now() + interval '1 h' WHERE id = $1", [retry]);
  pass.expectTrouble();
  pass.noteHeld(key);
  backlog.drop(key);
  expect(idsOf(await readOn())).toEqual([]);
});

test('what follows a change that a person releases in the middle of a pass does not overtake it', async () => {
  const rows = [{ entity: 'e', nextMs: 3_600_000, retries: 1 }, ...filler(1_200), { entity: 'e' }];
  const ids = await addRows(shop, rows);
  const [first, last] = [ids[0] as string, ids.at(-1) as string];
  pass.begin(true, nothing);
  await pass.read(limits);
  await retryChanges(shop.db, [first], 'budi');
  expect(idsOf(await readOn())).toEqual([]);
  // On a busy machine the first look may have taken so long that another one would rest.
  pass.lookAtAll();
  pass.begin(true, nothing);
  expect(idsOf(await readOn())).toEqual([first, last]);
});

test('a change that is released between the look for retries and the page is taken in once', async () => {
  const [failed, correction] = await addRows(shop, [{ entity: 'e', status: 'failed' }, { entity: 'e' }, ...filler(3)]);
  pass = passOver(db.withPlugin(afterLook(2, () => retryChanges(shop.db, [failed as string], 'budi'))));
  pass.begin(true, nothing);
  const taken = (await readOn()).filter((change) => change.entity_id === 'e');
  expect(taken.map(({ id, supersedes }) => [id, supersedes.map((older) => older.id)])).toEqual([
    [correction, [failed]],
  ]);
});

test.each([
  ['due', -1],
  ['not due', 60_000],
])(
  'what follows a deletion that is held, and %s, takes it along; alone it goes in its time',
  async (_title, nextMs) => {
    const held = { operation: 'delete', payload: null, holds: 2, nextMs } as const;
    const [a, b, c] = [{ entity: 'a' }, { entity: 'b' }, { entity: 'c', holds: 2, nextMs: 60_000 }];
    const [gone, anew, alone] = await addRows(shop, [{ ...a, ...held }, a, { ...b, ...held }, c, { entity: 'c' }]);
    pass.begin(true, nothing);
    const taken = (await readOn()).map(({ id, supersedes }) => [id, supersedes.map((older) => older.id)]);
    expect(taken).toEqual([[anew, [gone]], ...(nextMs < 0 ? [[alone, []]] : [])]);
  },
);

test('what was settled, agreed or held while a page was on its way is known when it arrives', async () => {
  const ids = await addRows(shop, [{ entity: 'a' }, { entity: 'b' }, { entity: 'e' }]);
  pass.begin(false, nothing);
  const reading = pass.read(limits);
  pass.noteSettled(ids[0] as string);
  pass.noteState(entityKey('order', 'b'), agreed(9, 4, 'c-9'));
  pass.noteHeld(key);
  expect(await reading).toBe(1);
  expect(takeAll()).toMatchObject([{ id: ids[1], state: { cloudVersion: 9, version: 4, cloudId: 'c-9' } }]);
});

test('what is in flight is not taken in again', async () => {
  const ids = await addRows(shop, filler(3));
  pass.begin(false, new Set([ids[1] as string]));
  expect((await readOn()).map((change) => change.id)).toEqual([ids[0], ids[2]]);
});

test('a pass that is abandoned while it reads yields nothing and has ended', async () => {
  await addRows(shop, filler(3));
  pass.begin(true, nothing);
  const reading = pass.read(limits);
  pass.abandon();
  expect([await reading, pass.ended, pass.reading, backlog.size]).toEqual([undefined, true, false, 0]);
  pass.begin(false, nothing);
  expect((await readOn()).length).toBe(3);
});

test.each([
  ['retries', 1],
  ['long transactions', 3],
])('one that is abandoned while it looks for %s takes in nothing', async (_what, nth) => {
  await addRows(shop, [{ entity: 'e', nextMs: -1 }, ...filler(600)]);
  const abandoned = afterLook(nth, () => {
    backlog.clear();
    pass.abandon();
  });
  pass = passOver(db.withPlugin(abandoned));
  pass.begin(true, nothing);
  expect([await pass.read(limits), backlog.size]).toEqual([undefined, 0]);
});

test('what follows a retry that is put off while it is looked for waits with it, also on later pages', async () => {
  await addRows(shop, [{ entity: 'e', nextMs: -1 }, ...filler(600), { entity: 'e' }]);
  pass = passOver(db.withPlugin(afterLook(1, () => pass.noteHeld(key))));
  pass.begin(true, nothing);
  expect(idsOf(await readOn())).toEqual([]);
});

test('a pass knows nothing of what the one before had taken ahead', async () => {
  const rows = [
    { entity: 'e', status: 'failed' as const },
    { entity: 'e' },
    { entity: 'r', nextMs: -1 },
    { entity: 'r' },
  ];
  const [failed, correction, retry, follower] = await addRows(shop, rows);
  pass.begin(true, nothing);
  expect((await readOn()).map(({ id }) => id)).toEqual([correction, retry, follower]);
  await retryChanges(shop.db, [failed as string], 'budi');
  await shop.sql.query("UPDATE syncd.sync_queue SET next_attempt_at = now() + interval '1 h' WHERE id = $1", [retry]);
  pass.begin(true, nothing);
  expect((await readOn()).map(({ id }) => id)).toEqual([failed, correction]);
});

test('a transaction whose rows lie far apart leaves whole', async () => {
  await addRows(shop, [{ entity: 'x1', tx: 5 }, ...filler(1_500), { entity: 'x2', tx: 5 }]);
  pass.begin(false, nothing);
  const batches: PendingChange[][] = [];
  while (!pass.ended) {
    await pass.read(limits);
    for (let batch = backlog.take(limits, nothing); batch; batch = backlog.take(limits, nothing)) batches.push(batch);
  }
  const [whole] = batches.filter((batch) => batch.some((change) => change.tx === '5'));
  expect(whole?.filter((change) => change.tx === '5').map((change) => change.entity_id)).toEqual(['x1', 'x2']);
});

test('of an entity that sends only its newest state one change is left, of the others all', async () => {
  const stock = { entity: 's', type: 'stock' };
  const ids = await addRows(shop, [stock, { entity: 'e' }, stock, { entity: 'e' }, stock]);
  pass = passOver(db, ['stock']);
  pass.begin(false, nothing);
  const taken = await readOn();
  expect(taken.map((change) => change.id)).toEqual([ids[1], ids[3], ids[4]]);
  expect(taken[2]?.supersedes.map(({ id }) => id)).toEqual([ids[0], ids[2]]);
});

test('instants travel as RFC 3339 with all their digits, corrected by the clock’s offset', async () => {
  await addRows(shop, filler(1));
  await shop.sql.query("UPDATE syncd.sync_queue SET created_at = '2026-11-22 15:00:00.123456+07'");
  pass.begin(false, nothing);
  expect((await readOn()).map((change) => change.changedAt)).toEqual(['2026-11-22T08:00:00.123456Z']);
  const ahead = passOver(db, [], db, 3_600_000);
  ahead.begin(false, nothing);
  await ahead.read(limits);
  expect(takeAll().map((change) => change.changedAt)).toEqual(['2026-11-22T09:00:00.123456Z']);
});

test('a long look for retries that finds nothing is not repeated at once, unless somebody asks', async () => {
  let looks = 0;
  const slow: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      looks++;
      await sleep(60);
      return result;
    },
  };
  pass = passOver(db.withPlugin(slow));
  const pair = async () => {
    pass.begin(true, nothing);
    await readOn();
    return looks;
  };
  await addRows(shop, [{ entity: 'e', status: 'failed' }]);
  expect([await pair(), await pair()]).toEqual([2, 2]);
  pass.lookAtAll();
  expect(await pair()).toBe(4);
  pass.lookAtAll();
  await addRows(shop, [{ entity: 'f', nextMs: -1 }]);
  expect([await pair(), await pair()]).toEqual([6, 8]);
});

test('what is seen before it is on disk is flushed before it may leave, and the retries of a pass count as taken in', async () => {
  const steps: string[] = [];
  const unflushed: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      const row = result.rows[0] ?? {};
      if ('pg_logical_emit_message' in row) {
        await sleep(20);
        steps.push('flushed');
      } else if ('unflushed' in row) {
        steps.push('page');
        Object.assign(row, { unflushed: true });
      } else if ('flushed' in row) {
        steps.push('retries');
        Object.assign(row, { flushed: false });
      }
      return result;
    },
  };
  const slow = db.withPlugin(unflushed);
  pass = passOver(slow, [], slow);
  await addRows(shop, [{ entity: 'e', nextMs: -1 }, { entity: 'f' }]);
  pass.begin(true, nothing);
  expect(await pass.read(limits)).toBe(2);
  expect(steps).toEqual(['retries', 'flushed', 'page', 'flushed']);
  expect(backlog.bytes).toBeGreaterThan(0);
});
