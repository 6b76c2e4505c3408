/** Conflicts that applying finds: stuck changes, rows from before capture, newer versions, and what cannot be given up. */

import type { Incoming } from '../../src/apply/incoming.js';
import type { AppliedTable } from '../../src/apply/tables.js';
import { enqueueEntity } from '../../src/queue/enqueue.js';
import { discardChanges } from '../../src/queue/manage.js';
import { conflictBook } from '../../src/resolve/conflicts.js';
import { requestWalks } from '../../src/walk/request.js';
import { Walks } from '../../src/walk/walks.js';
import { type ConflictStage, openConflictStage } from '../support/conflict-stage.js';

let stage: ConflictStage;
beforeAll(async () => {
  stage = await openConflictStage();
}, 60_000);
afterAll(() => stage?.close());
beforeEach(() => stage.reset());

const MADE = `INSERT INTO products (id, name, price, qty, note, secret) VALUES (1, 'Kopi', 10, 5, 'here', 's')`;
const CLOUD = { data: { id: 1, name: 'Cloud', price: 10, qty: 5 }, version: 7 };

/** Product 1 with a name of its own on each side, or gone in the shop. */
async function diverged(cloud: Parameters<ConflictStage['meets']>[0] = CLOUD, gone = false): Promise<string> {
  await stage.edits(MADE);
  await stage.agreed(6);
  await stage.edits(gone ? 'DELETE FROM products' : `UPDATE products SET name = 'Shop' WHERE id = 1`);
  return stage.meets(cloud, 'manual');
}

const incoming = async (version: number, data: object | null, source = 'pull'): Promise<Incoming> =>
  stage.one(
    `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, updated_at, data)
     VALUES (1, $1, 'product', '1', $2, $3, now(), $4) RETURNING id::text, source, entity_type, entity_id, operation, attempts`,
    [source, data === null ? 'delete' : 'update', version, data === null ? null : JSON.stringify(data)],
  );
const book = async (how: 'open' | 'refresh', one: Incoming, table: Partial<AppliedTable> = {}): Promise<string> => {
  const product = { ...(stage.tables.get('product') as AppliedTable), ...table };
  await stage.applier.transaction().execute<unknown>((trx) => conflictBook[how](trx, product, [one]));
  return (await stage.one('SELECT max(id)::text AS id FROM syncd.sync_conflicts')).id;
};

test('stuck changes of the shop are in conflict from then on, with the earliest old values as their base', async () => {
  await stage.edits(MADE);
  await stage.agreed(1);
  await stage.edits(`UPDATE products SET name = 'One'`, `UPDATE products SET name = 'Two', qty = 4`);
  await stage.edits(
    `UPDATE syncd.sync_queue SET status = 'failed', retry_count = 4 WHERE id = (SELECT min(id) FROM syncd.sync_queue)`,
  );
  const one = await incoming(2, { id: 1, name: 'Kopi', price: 11, qty: 5 }, 'conflict');
  const id = await book('open', one, { conflict: 'merge' });
  const found = await stage.one('SELECT base, source, strategy, cloud_version, queue_id FROM syncd.sync_conflicts');
  expect(found).toMatchObject({
    base: { name: 'Kopi' },
    source: 'webhook',
    strategy: 'merge',
    cloud_version: '2',
  });
  expect((await stage.all('SELECT status FROM syncd.sync_queue ORDER BY id')).map((row) => row.status)).toEqual([
    'conflict',
    'pending',
  ]);
  expect(await stage.byRule()).toMatchObject({ resolved: 1 });
  expect(await stage.product()).toMatchObject({ name: 'Two', price: '11.0000000000', qty: 4 });
  expect(await stage.conflict(id)).toMatchObject({ resolution: 'merged', base: { name: 'Kopi', qty: 5 } });
});

test('a row from before capture gets a change that stands for it and is never sent as it is', async () => {
  await stage.edits(MADE, 'TRUNCATE syncd.sync_queue');
  const id = await book('open', await incoming(2, { id: 1, name: 'Cloud', price: 10, qty: 5 }), {
    conflict: 'newest_wins',
  });
  expect((await stage.pending()).map((one) => [one.status, one.operation])).toEqual([['conflict', 'create']]);
  expect(await stage.byRule()).toMatchObject({ left: 1 });
  expect((await stage.conflict(id)).reason).toBe(
    'newest_wins is suspended: when the shop made its edit is not on record',
  );
  await stage.byHand(id, { strategy: 'cloud_wins' });
  expect([await stage.pending(), (await stage.product()).name]).toEqual([[], 'Cloud']);
});

test('nor has a backfilled one an instant: what head office holds is not laid over by what may be older', async () => {
  await stage.edits(MADE, 'TRUNCATE syncd.sync_queue');
  const log = { error() {}, warn() {}, info() {}, debug() {} };
  const walks = new Walks({ db: stage.db, leader_epoch: '1', log, onQueued: () => {} });
  await requestWalks(stage.db, 'backfill', ['product'], 'a test asks', 'test');
  while (await walks.turn(AbortSignal.timeout(20_000)));
  const id = await stage.meets({ ...CLOUD, updatedAt: new Date(Date.now() - 3_600_000).toISOString() }, 'newest_wins');
  expect(await stage.byRule()).toMatchObject({ resolved: 0, left: 1 });
  expect((await stage.conflict(id)).reason).toBe(
    'newest_wins is suspended: when the shop made its edit is not on record',
  );
});

test('an edit on top of such a row has an instant again', async () => {
  await stage.edits(MADE, 'TRUNCATE syncd.sync_queue');
  const id = await book('open', await incoming(2, { id: 1, name: 'Cloud', price: 10, qty: 5 }), {
    conflict: 'newest_wins',
  });
  await stage.edits(
    `UPDATE products SET name = 'Shop'`,
    `UPDATE syncd.sync_queue SET created_at = now() + interval '1 h' WHERE operation = 'update'`,
  );
  expect(await stage.byRule()).toMatchObject({ resolved: 1 });
  expect(await stage.conflict(id)).toMatchObject({ resolution: 'local', resolved_by: 'newest_wins' });
});

test('a newer version refreshes the open conflict, and its rule has its say again; an older one does not', async () => {
  const id = await diverged();
  await stage.byRule();
  expect(await stage.conflict(id)).toMatchObject({
    status: 'open',
    strategy: 'manual',
    reason: 'a person is to choose',
  });
  await book('refresh', await incoming(6, { id: 1, name: 'Old', price: 10, qty: 5 }), { conflict: 'cloud_wins' });
  expect(await stage.byRule()).toMatchObject({ resolved: 0 });
  await book('refresh', await incoming(9, null), { conflict: 'cloud_wins' });
  expect(await stage.conflict(id)).toMatchObject({ strategy: 'cloud_wins', reason: null, cloud: null });
  expect(await stage.byRule()).toMatchObject({ resolved: 1 });
  expect([await stage.product(), (await stage.state()).cloud_version]).toEqual([undefined, '9']);
});

test('a version that meets a conflict which a push has just opened is its newer side; an older one is not', async () => {
  const id = await diverged();
  await book('open', await incoming(6, { id: 1, name: 'Old', price: 10, qty: 5 }));
  expect(JSON.parse((await stage.conflict(id)).cloud)).toMatchObject({ name: 'Cloud' });
  await book('open', await incoming(9, { id: 1, name: 'Newer', price: 10, qty: 5 }));
  await stage.byHand(id, { strategy: 'cloud_wins' });
  expect([await stage.product(), await stage.state()]).toMatchObject([{ name: 'Newer' }, { cloud_version: '9' }]);
});

test('a change in conflict is not given up behind its conflict’s back; once the cloud’s side is taken, the next change builds on it', async () => {
  const id = await diverged();
  const change = (await stage.one('SELECT id::text AS id FROM syncd.sync_queue')).id;
  expect(await discardChanges(stage.db, [change], 'budi', 'never mind')).toMatchObject([
    { id: change, done: false, why: 'conflict', conflict_id: id },
  ]);
  expect(await stage.conflict(id)).toMatchObject({ status: 'open' });
  expect(await stage.byHand(id, { strategy: 'cloud_wins' }, 'never mind')).toMatchObject({ done: true });
  expect(await stage.product()).toMatchObject({ name: 'Cloud' });
  await stage.edits(`UPDATE products SET qty = 1`);
  expect((await stage.pending())[0]).toMatchObject({ base: '7', operation: 'update' });
});

test('what was parked of a version that a resolution has dealt with is not told of any more; a newer one is', async () => {
  const id = await diverged();
  for (const version of [6, 7, 8]) await incoming(version, { id: 1, name: 'Cloud', price: 10, qty: 'many' });
  await stage.edits("UPDATE syncd.incoming SET status = 'parked', attempts = 1, reason = 'many is no number'");
  expect(await stage.byHand(id, { strategy: 'local_wins' })).toMatchObject({ done: true });
  expect(await stage.all('SELECT cloud_version FROM syncd.incoming')).toEqual([{ cloud_version: '8' }]);
});

describe('under newest_wins', () => {
  const HOUR = 3_600_000;
  const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
  const office = (updatedAt: string) => ({
    data: { id: 1, name: 'Cloud', price: 20, qty: 9 },
    version: 7,
    updatedAt,
  });
  beforeEach(async () => {
    await stage.edits(MADE);
    await stage.accepted(6);
  });

  test('a row that was sent once more as it had been agreed on is no edit, and the cloud’s wins', async () => {
    await enqueueEntity(stage.db, 'product', '1', 'budi');
    const id = await stage.meets(office(ago(HOUR)), 'newest_wins');
    expect(await stage.byRule()).toMatchObject({ resolved: 1, minted: 0 });
    expect(await stage.product()).toMatchObject({ name: 'Cloud', qty: 9 });
    expect(await stage.conflict(id)).toMatchObject({
      resolution: 'merged',
      resolved_by: 'syncd',
      reason: "nobody in the shop has edited it: the cloud's name, price, qty",
    });
  });

  test.each([
    ['before', 1.5, 'cloud'],
    ['after', 2.5, 'local'],
  ] as const)('an edit that was sent once more is as old as it was: made %s the cloud’s', async (_, hours, kept) => {
    await stage.edits(
      `UPDATE products SET name = 'Shop' WHERE id = 1`,
      `UPDATE syncd.sync_queue SET created_at = now() - interval '2 h' WHERE status = 'pending'`,
    );
    await enqueueEntity(stage.db, 'product', '1', 'budi');
    const id = await stage.meets(office(ago(hours * HOUR)), 'newest_wins');
    expect(await stage.byRule()).toMatchObject({ resolved: 1 });
    expect(await stage.conflict(id)).toMatchObject({ resolution: kept });
  });

  test('an edit that has won once is no newer for that: the next one of head office’s may win over it', async () => {
    await stage.edits(
      `UPDATE products SET name = 'Shop' WHERE id = 1`,
      `UPDATE syncd.sync_queue SET created_at = now() - interval '2 h' WHERE status = 'pending'`,
    );
    await stage.meets(office(ago(3 * HOUR)), 'newest_wins');
    expect(await stage.byRule()).toMatchObject({ resolved: 1, minted: 1 });
    const next = await stage.meets({ ...office(ago(HOUR)), version: 8 }, 'newest_wins');
    await stage.byRule();
    expect(await stage.conflict(next)).toMatchObject({ resolution: 'cloud' });
  });

  test('what went by uncaptured and was queued by hand has no instant: a person chooses', async () => {
    await stage.edits(
      'ALTER TABLE products DISABLE TRIGGER USER',
      `UPDATE products SET qty = 3 WHERE id = 1`,
      'ALTER TABLE products ENABLE TRIGGER USER',
    );
    await enqueueEntity(stage.db, 'product', '1', 'budi');
    const id = await stage.meets(office(ago(HOUR)), 'newest_wins');
    expect(await stage.byRule()).toMatchObject({ resolved: 0, left: 1 });
    expect(await stage.conflict(id)).toMatchObject({ reason: expect.stringContaining('is not on record') });
    // A person's choice is an edit of that moment.
    await stage.byHand(id, { strategy: 'local_wins' });
    const again = await stage.meets({ ...office(ago(HOUR)), version: 8 }, 'newest_wins');
    expect(await stage.byRule()).toMatchObject({ resolved: 1, minted: 1 });
    expect(await stage.conflict(again)).toMatchObject({ resolution: 'local' });
  });
});
