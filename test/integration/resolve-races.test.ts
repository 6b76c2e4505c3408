/** Conflicts are resolved while others are at work: sales on the same row, another person, another daemon, a late answer. */
import pg from 'pg';
import type { ConflictBook } from '../../src/apply/chunk.js';
import { Horizon } from '../../src/apply/horizon.js';
import { applyRound, lookAhead } from '../../src/apply/round.js';
import { openApplier } from '../../src/db/applier.js';
import { conflictBook } from '../../src/resolve/conflicts.js';
import { type ConflictStage, openConflictStage } from '../support/conflict-stage.js';
import { eventually } from '../support/eventually.js';

let stage: ConflictStage;
beforeAll(async () => {
  stage = await openConflictStage();
}, 60_000);
afterAll(() => stage?.close());
beforeEach(() => stage.reset());

const MADE = `INSERT INTO products (id, name, price, qty, note, secret) VALUES (1, 'Kopi', 10, 5, 'here', 's')`;
/** Races of a sale with a resolution. */
const SOAK = process.env.SYNCD_SOAK === '1';
const ROUNDS = SOAK ? 5_000 : 40;
const CLOUD = { data: { id: 1, name: 'Cloud', price: 10, qty: 5 }, version: 7 };

/** Product 1 with a name of its own on each side, or gone in the shop. */
async function diverged(cloud: Parameters<ConflictStage['meets']>[0] = CLOUD, gone = false): Promise<string> {
  await stage.edits(MADE);
  await stage.agreed(6);
  await stage.edits(gone ? 'DELETE FROM products' : `UPDATE products SET name = 'Shop' WHERE id = 1`);
  return stage.meets(cloud, 'manual');
}

const connect = async () => {
  const client = new pg.Client(stage.pos.url);
  await client.connect();
  return client;
};

test('a sale that holds the row is waited for, and its value survives', async () => {
  const id = await diverged();
  const sale = await connect();
  try {
    await sale.query('BEGIN');
    await sale.query('UPDATE products SET qty = qty - 1 WHERE id = 1');
    for (const strategy of ['local_wins', 'cloud_wins']) {
      await stage.edits(`UPDATE syncd.sync_conflicts SET strategy = '${strategy}', reason = NULL`);
      expect(await stage.byRule()).toMatchObject({ busy: 1, resolved: 0, left: 0 });
    }
    const resolving = stage.byHand(id, { strategy: 'local_wins' });
    await sale.query('COMMIT');
    expect(await resolving).toMatchObject({ done: true });
    expect(await stage.product()).toMatchObject({ name: 'Shop', qty: 4 });
    const [sent, ...more] = await stage.pending();
    expect(more).toEqual([]);
    expect(sent.payload).toMatchObject({ name: 'Shop', qty: 4 });
    expect(sent.supersedes).toHaveLength(2);
  } finally {
    await sale.end();
  }
});

test(
  'sales and resolutions of one row side by side lose nothing: what both sides took and brought adds up',
  async () => {
    await stage.edits(MADE);
    await stage.agreed(1);
    const till = await connect();
    try {
      for (let version = 2; version <= 2 * ROUNDS; version += 2) {
        const { qty } = await stage.product();
        await stage.edits('UPDATE products SET qty = qty - 1 WHERE id = 1');
        await stage.meets({ data: { id: 1, name: 'Kopi', price: 10, qty: qty + 2 }, version }, 'merge');
        const selling = till.query('UPDATE products SET qty = qty - 1 WHERE id = 1');
        while ((await stage.byRule()).busy > 0);
        await selling;
        const [last] = (await stage.pending()).slice(-1);
        const now = await stage.product();
        expect([now.qty, last.payload.qty]).toEqual([qty, qty]);
        await stage.agreed(version + 1);
      }
    } finally {
      await till.end();
    }
  },
  SOAK ? 1_200_000 : 30_000,
);

test.each([
  [
    'changes a row that is only pushed',
    'receipt',
    'INSERT INTO receipts VALUES (1, 5)',
    'UPDATE receipts SET total = 6',
    'UPDATE receipts SET total = 7',
  ],
  [
    'makes the row anew that was deleted',
    'product',
    MADE,
    'DELETE FROM products',
    `INSERT INTO products (id, name) VALUES (1, 'Anew')`,
  ],
])('a sale that %s is not overtaken by an older state of it', async (_what, type, made, edit, sold) => {
  await stage.edits(made);
  await stage.agreed(1);
  await stage.edits(edit);
  const id = await stage.meets({ data: { id: 1, name: 'Cloud', total: 9 }, version: 2 }, 'manual', '1', type);
  const sale = await connect();
  try {
    await sale.query('BEGIN');
    await sale.query(sold);
    const resolving = stage.byHand(id, { strategy: 'local_wins' });
    const waiting = () =>
      stage.all(
        `SELECT FROM pg_stat_activity WHERE query LIKE '%FROM pg_locks l%' AND application_name = 'syncd test'`,
      );
    await eventually(waiting, (rows) => rows.length > 0, 'the resolution waits for the sale');
    await sale.query('COMMIT');
    expect(await resolving).toMatchObject({ done: true });
    const [sent, ...more] = await stage.pending();
    expect(more).toEqual([]);
    expect(sent.payload).toMatchObject(type === 'receipt' ? { total: 7 } : { name: 'Anew' });
  } finally {
    await sale.end();
  }
});

test('two who resolve the same are told apart: one does it, the other hears of it', async () => {
  const id = await diverged();
  const verdicts = await Promise.all([
    stage.byHand(id, { strategy: 'cloud_wins' }),
    stage.byRule(),
    stage.byHand(id, { strategy: 'local_wins' }),
  ]);
  const people = [verdicts[0], verdicts[2]];
  expect(people.filter(({ done }) => done)).toHaveLength(1);
  expect(people.find(({ done }) => !done)).toMatchObject({ why: 'resolved' });
});

test('a newer version that comes while a person takes the older one is not lost', async () => {
  const id = await diverged();
  const log = { error() {}, warn() {}, info() {}, debug() {} };
  const db = await openApplier(stage.cluster.url('pos', 'syncd'), 'applying');
  const round = async (conflicts: ConflictBook) =>
    applyRound(
      { db, leader_epoch: '1', conflicts, configured: new Set(['product']), horizon: new Horizon(), log },
      stage.tables,
      await lookAhead(db, 10),
    );
  const gate = await connect();
  try {
    await stage.edits(
      `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
         WHILE NOT pg_try_advisory_xact_lock_shared(42) LOOP PERFORM pg_sleep(0.005); END LOOP; RETURN new; END$$;
       CREATE TRIGGER slow BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION slow()`,
      `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, data)
       VALUES (1, 'pull', 'product', '1', 'update', 8, '{"id":1,"name":"Newest","price":10,"qty":5}')`,
    );
    await gate.query('SELECT pg_advisory_lock(42)');
    const resolving = stage.byHand(id, { strategy: 'cloud_wins' });
    const busy = () => stage.all(`SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'`);
    await eventually(busy, (rows) => rows.length > 0, "the resolution holds the shop's row");
    // Where this takes longer than rows may be held, the round begins anew and finds the conflict settled.
    let refreshes = 0;
    await round({
      ...conflictBook,
      refresh: async (...given) => {
        refreshes += 1;
        await gate.query('SELECT pg_advisory_unlock(42)');
        expect(await resolving).toMatchObject({ done: true });
        expect(await stage.product()).toMatchObject({ name: 'Cloud' });
        return conflictBook.refresh(...given);
      },
    });
    expect(refreshes).toBe(1);
    await stage.edits('UPDATE syncd.incoming SET next_attempt_at = now()');
    await round(conflictBook);
    expect(await stage.product()).toMatchObject({ name: 'Newest' });
    expect(await stage.pending()).toEqual([]);
  } finally {
    await stage.edits('DROP TRIGGER IF EXISTS slow ON products', 'DROP FUNCTION IF EXISTS slow');
    await gate.end();
    await db.destroy();
  }
});

test('sales of long ago and of now are all in what goes out, in their order', async () => {
  const id = await diverged();
  await stage.edits(
    'UPDATE products SET qty = 4',
    // A backlog of others.
    `SELECT pg_catalog.setval('syncd.sync_queue_id_seq', 1000000)`,
    'UPDATE products SET qty = 3',
  );
  const sold = await stage.all('SELECT change_id FROM syncd.sync_queue ORDER BY id');
  expect(await stage.byHand(id, { strategy: 'local_wins' })).toMatchObject({ done: true });
  const [sent, ...more] = await stage.pending();
  expect(more).toEqual([]);
  expect(sent).toMatchObject({ payload: { name: 'Shop', qty: 3 }, supersedes: sold.map((one) => one.change_id) });
});

test('a daemon that leads no more resolves nothing', async () => {
  await diverged();
  await stage.edits(
    `UPDATE syncd.sync_conflicts SET strategy = 'cloud_wins'`,
    'UPDATE syncd.daemon SET leader_epoch = 2',
  );
  await expect(stage.byRule()).rejects.toMatchObject({ code: 'anotherDaemon' });
  expect(await stage.product()).toMatchObject({ name: 'Shop' });
});

test('an old answer that comes late settles nothing, and opens no conflict anew', async () => {
  const id = await diverged();
  const change = (await stage.one('SELECT id::text AS id FROM syncd.sync_queue')).id;
  await stage.byHand(id, { strategy: 'local_wins' });
  const minted = (await stage.pending())[0];
  await expect(stage.meets(CLOUD, 'manual')).resolves.not.toBe(id);
  await stage.edits(
    `DELETE FROM syncd.sync_conflicts WHERE id <> ${id}`,
    `UPDATE syncd.sync_queue SET status = 'pending' WHERE status = 'conflict'`,
  );
  expect((await stage.pending())[0]).toEqual(minted);
  expect(await stage.one('SELECT settled_as FROM syncd.sync_queue WHERE id = $1', [change])).toEqual({
    settled_as: 'superseded',
  });
});
