/**
 * The queue's floor: a look begins behind what is done with for good, however long its entries stay in the index, and nothing
 * that commits late, becomes fresh again or waits behind another change is ever below it.
 */
import { type KyselyPlugin, sql } from 'kysely';
import pg from 'pg';
import { type Db, openDb } from '../../src/db/connect.js';
import { Cluster } from '../../src/demo/postgres.js';
import { seededRandom } from '../../src/demo/shop/random.js';
import { Backlog } from '../../src/push/backlog.js';
import { Pass } from '../../src/push/pass.js';
import { QueueFloor } from '../../src/queue/floor.js';
import { makeLimits } from '../support/changes.js';
import { addRows, emptyQueue, filler, type GivenRow } from '../support/queue-rows.js';

import { openShop, type Shop } from '../support/shop.js';

const limits = makeLimits(100, 1_000_000, 500, 4_000_000);
const MINUTE_MS = 60_000;

let cluster: Cluster;
let shop: Shop;
let db: Db;
let floor: QueueFloor;
let nowMs = 0;
let tills: pg.Client[] = [];

beforeAll(async () => {
  cluster = await Cluster.start({ settings: { max_prepared_transactions: '5' } });
  shop = await openShop(cluster, 'floor');
  db = openDb(cluster.url('floor', 'syncd'), { role: 'test reader' });
});
afterAll(async () => {
  await db?.destroy();
  await shop?.close();
  await cluster?.destroy();
});
beforeEach(async () => {
  await emptyQueue(shop);
  floor = new QueueFloor(db, () => nowMs);
});
afterEach(async () => {
  await Promise.all(tills.map((till) => till.end()));
  tills = [];
});

async function openTill(): Promise<pg.Client> {
  const till = new pg.Client(shop.url);
  await till.connect();
  tills.push(till);
  return till;
}

/** Both steps, each when it is due, behind the one that a look has begun. */
async function raise(): Promise<number> {
  for (let step = 0; step < 3; step++) {
    nowMs += MINUTE_MS;
    await floor.raise();
  }
  return Number(floor.id);
}

const settle = (ids: readonly string[]) =>
  shop.sql.query("UPDATE syncd.sync_queue SET status = 'synced', synced_at = now() WHERE id = ANY ($1::bigint[])", [
    ids,
  ]);
const synced = (count: number): GivenRow[] => filler(count).map((row) => ({ ...row, status: 'synced' }));
const last = (ids: readonly string[]) => Number(ids.at(-1));

const passOver = (reader: Db, backlog: Backlog) =>
  new Pass({ reader, special: reader, backlog, floor, coalesced: new Set(), correctionMs: () => 0 });

async function look(reader = db): Promise<string[]> {
  const backlog = new Backlog();
  const pass = passOver(reader, backlog);
  pass.begin(true, new Set());
  while (!pass.ended) await pass.read(limits);
  const ids: string[] = [];
  for (let batch = backlog.take(limits, new Set()); batch; batch = backlog.take(limits, new Set()))
    ids.push(...batch.map(({ id }) => id));
  return ids;
}

test('what is settled lies below it, what waits above', async () => {
  const done = await addRows(shop, synced(20));
  expect(await raise()).toBe(last(done));
  const waiting = await addRows(shop, filler(3));
  await addRows(shop, synced(5));
  expect(await raise()).toBe(last(done));
  expect(await look()).toEqual(waiting);
});

test('beside an old snapshot a look reads what is new and not what was settled since', async () => {
  const till = await openTill();
  await till.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  await till.query('SELECT count(*) FROM syncd.daemon');
  await settle(await addRows(shop, filler(5_000)));
  const [waiting] = await addRows(shop, filler(1));
  const read = () =>
    db.transaction().execute(async (trx) => {
      const before = await entriesRead(trx);
      expect(await look(trx)).toEqual([waiting]);
      return (await entriesRead(trx)) - before;
    });
  expect(await read()).toBeGreaterThan(5_000);
  await raise();
  expect(await read()).toBeLessThan(20);
});

/** Of the index of what may go at once, by this connection. */
async function entriesRead(trx: Db): Promise<number> {
  const { rows } = await sql<{ entries: number }>`
    SELECT pg_stat_get_xact_tuples_returned('syncd.sync_queue_fresh'::regclass)::int AS entries`.execute(trx);
  return rows[0]?.entries ?? 0;
}

test('an id that a running transaction owns is not passed, and is found once it has committed', async () => {
  const till = await openTill();
  await till.query('BEGIN');
  const [early] = await addRows(shop, filler(1), till);
  await settle(await addRows(shop, filler(20, 1)));
  expect(await raise()).toBe(0);
  await till.query('COMMIT');
  expect(await raise()).toBe(Number(early) - 1);
  expect(await look()).toEqual([early]);
});

test('nor is one that was drawn since the floor was proposed, where a later one has committed', async () => {
  await addRows(shop, synced(20));
  nowMs += MINUTE_MS;
  await floor.raise();
  const till = await openTill();
  await till.query('BEGIN');
  const [early] = await addRows(shop, filler(1), till);
  const [later] = await addRows(shop, filler(1, 1));
  nowMs += MINUTE_MS;
  await floor.raise();
  await till.query('COMMIT');
  expect(await look()).toEqual([early, later]);
});

test('a transaction that is prepared goes on owning its ids', async () => {
  const till = await openTill();
  await till.query('BEGIN');
  const [early] = await addRows(shop, filler(1), till);
  const later = await addRows(shop, synced(20));
  nowMs += MINUTE_MS;
  await floor.raise();
  await till.query("PREPARE TRANSACTION 'a till'");
  expect(await raise()).toBe(0);
  await till.query("COMMIT PREPARED 'a till'");
  expect(await raise()).toBe(Number(early) - 1);
  await settle([early as string]);
  expect(await raise()).toBe(last(later));
});

test('one that only reads, or writes elsewhere, for hours does not keep it down', async () => {
  const till = await openTill();
  await till.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await till.query('CREATE TEMP TABLE report AS SELECT 1');
  const done = await addRows(shop, synced(20));
  expect(await raise()).toBe(last(done));
});

test('what waits behind a change in trouble keeps it down', async () => {
  const [, behind] = await addRows(shop, [
    { entity: 'e', status: 'failed' },
    { entity: 'e', operation: 'update' },
  ]);
  await addRows(shop, synced(20));
  expect(await raise()).toBe(Number(behind) - 1);
});

const becomesFresh = (id: string | undefined) =>
  shop.sql.query("UPDATE syncd.sync_queue SET status = 'pending', synced_at = NULL WHERE id = $1", [id]);

test('a change that becomes fresh again below it is found within ten minutes', async () => {
  const [first] = await addRows(shop, synced(20));
  await raise();
  await becomesFresh(first);
  expect(await look()).toEqual([]);
  nowMs += 10 * MINUTE_MS;
  await raise();
  expect(await look()).toEqual([first]);
});

test('and at once when all is read anew, also where the floor is raised at that moment', async () => {
  const [first] = await addRows(shop, synced(20));
  await raise();
  await becomesFresh(first);
  expect(await look()).toEqual([]);
  passOver(db, new Backlog()).abandon();
  expect(await look()).toEqual([first]);
  await settle([first as string]);
  const meanwhile: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      if ('first' in (result.rows[0] ?? {})) {
        await becomesFresh(first);
        floor.forget();
      }
      return result;
    },
  };
  floor = new QueueFloor(db.withPlugin(meanwhile), () => nowMs);
  await floor.raise();
  nowMs += MINUTE_MS;
  await floor.raise();
  expect(await look()).toEqual([first]);
});

test('asks the database seldom, and not twice at once', async () => {
  await addRows(shop, synced(5));
  await raise();
  const done = await addRows(shop, synced(5));
  await Promise.all([floor.raise(), floor.raise()]);
  expect(Number(floor.id)).toBeLessThan(last(done));
  nowMs += MINUTE_MS;
  await Promise.all([floor.raise(), floor.raise()]);
  expect(Number(floor.id)).toBeLessThan(last(done));
});

test('whatever commits when, every change is read once and none stays behind', async () => {
  const random = seededRandom(20_261_123);
  const open = await Promise.all(Array.from({ length: 4 }, openTill));
  const owned = open.map(() => [] as string[]);
  const committed: string[] = [];
  const read: string[] = [];
  for (let step = 0; step < 250; step++) {
    const n = Math.floor(random.fraction() * open.length);
    const till = open[n] as pg.Client;
    const mine = owned[n] as string[];
    if (random.fraction() < 0.6) {
      if (mine.length === 0) await till.query('BEGIN');
      mine.push(...(await addRows(shop, [{ entity: `${n}-${step}` }], till)));
    } else if (mine.length > 0) {
      const keep = random.fraction() < 0.7;
      await till.query(keep ? 'COMMIT' : 'ROLLBACK');
      if (keep) committed.push(...mine);
      owned[n] = [];
    }
    if (random.fraction() < 0.3) {
      const found = await look();
      read.push(...found);
      await settle(found);
    }
    nowMs += 10_000 * random.fraction();
    await floor.raise();
  }
  for (const [n, till] of open.entries()) {
    if (owned[n]?.length) await till.query('COMMIT');
    committed.push(...(owned[n] as string[]));
  }
  read.push(...(await look()));
  expect(read.sort()).toEqual(committed.sort());
  expect(committed.length).toBeGreaterThan(80);
});
