/** Changes that were given up, by the daemon or by a person, while the cloud had them, or what contains them, without a word of it. */

import type { Strategy } from '../../src/config/settings.js';
import { discardChanges } from '../../src/queue/manage.js';
import { resolveConflict } from '../../src/resolve/resolve.js';
import { type ConflictStage, openConflictStage } from '../support/conflict-stage.js';
import { TwoSides } from '../support/two-sides.js';

const ROUNDS = 8;
/** Blamed so often a change has failed. */
const FAILED = 4;

let stage: ConflictStage;
beforeAll(async () => {
  stage = await openConflictStage();
}, 60_000);
afterAll(() => stage?.close());

/** Ten of it are in stock, and both sides know. */
async function stocked(conflict: Strategy): Promise<TwoSides> {
  await stage.reset();
  const sides = new TwoSides(stage, { conflict, delta: ['qty'] });
  await stage.edits(`INSERT INTO products (id, name, price, qty) VALUES (1, 'Kopi', 10, 10)`);
  await sides.quieten(ROUNDS);
  return sides;
}
const stocks = async (sides: TwoSides) => [(await sides.shopRows())[0]?.qty, sides.cloudRow(1)?.qty];

/** The newest change that waits. */
async function giveUpNewest(): Promise<void> {
  const { id } = await stage.one('SELECT max(id)::text AS id FROM syncd.unsettled');
  await discardChanges(stage.db, [id], 'budi', 'never');
}
const REFUSED = "UPDATE syncd.sync_queue SET status = 'failed' WHERE status = 'pending'";

describe('a sale that the cloud has, and of which it never said so, is not taken off the stock twice', () => {
  async function sold(): Promise<TwoSides> {
    const sides = await stocked('merge');
    await stage.edits('UPDATE products SET qty = 8 WHERE id = 1');
    return sides;
  }
  const REASON = "whether the cloud has the shop's change of qty already is not known";

  test.each([
    ['its own news', undefined, 8],
    ['head office’s edit', 13, 13],
    ['head office’s edit that undoes it', 10, 10],
  ])('given up, when %s comes: a person decides', async (_title, qty, cloud) => {
    const sides = await sold();
    await sides.blame(FAILED);
    if (qty !== undefined) sides.office(1, { qty });
    await sides.deliverAll();
    await sides.apply();
    expect(await stage.all('SELECT status, reason FROM syncd.sync_conflicts')).toEqual([
      { status: 'open', reason: REASON },
    ]);
    const { id } = await stage.one('SELECT id::text AS id FROM syncd.sync_conflicts');
    await resolveConflict(stage.applier, sides.settings, id, { strategy: 'cloud_wins' }, 'budi', 'so');
    await sides.quieten(ROUNDS);
    expect(await stocks(sides)).toEqual([cloud, cloud]);
  });

  test('to be sent once more: its answer is waited for', async () => {
    const sides = await sold();
    await sides.blame(1);
    sides.office(1, { qty: 13 });
    await sides.deliverAll();
    await sides.apply();
    expect(await stage.all('SELECT FROM syncd.sync_conflicts')).toEqual([]);
    await stage.edits('UPDATE syncd.sync_queue SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL');
    await sides.quieten(ROUNDS);
    expect(await stocks(sides)).toEqual([13, 13]);
    expect(await stage.all('SELECT FROM syncd.sync_conflicts')).toEqual([]);
  });

  test('but one that the cloud has refused is added up', async () => {
    const sides = await sold();
    await stage.edits(REFUSED);
    sides.office(1, { qty: 15 });
    await sides.quieten(ROUNDS);
    expect(await stocks(sides)).toEqual([13, 13]);
  });
});

test.each([
  ['taken off the stock twice', 'merge'],
  ['lost', 'cloud_wins'],
] as const)(
  'no sale is %s behind a failed change that a person gives up, when its correction has arrived unheard',
  async (_title, conflict) => {
    const sides = await stocked(conflict);
    const sells = 'UPDATE products SET qty = qty - 1 WHERE id = 1';
    await stage.edits(sells, REFUSED, sells);
    // So many that the next change of it goes in another batch.
    await stage.edits('INSERT INTO products (id, name) SELECT n, n::text FROM generate_series(2, 120) AS n', sells);
    await sides.send(true);
    expect(sides.cloudRow(1)?.qty).toBe(7);
    const { id } = await stage.one("SELECT id FROM syncd.sync_queue WHERE status = 'failed'");
    await discardChanges(stage.db, [id], 'budi', 'never');
    await stage.edits(sells);
    await sides.quieten(ROUNDS);
    expect(await stocks(sides)).toEqual([6, 6]);
    expect(await stage.all('SELECT FROM syncd.sync_conflicts')).toEqual([]);
  },
);

test.each(['merge', 'cloud_wins', 'manual'] as const)(
  'a change that a person gives up, and that has arrived unheard, is in nobody’s way: %s',
  async (conflict) => {
    const sides = await stocked(conflict);
    const sells = 'UPDATE products SET qty = qty - 1 WHERE id = 1';
    await stage.edits(sells);
    await sides.blame(FAILED);
    expect(sides.cloudRow(1)?.qty).toBe(9);
    await stage.edits(sells);
    const { id } = await stage.one("SELECT id FROM syncd.sync_queue WHERE status = 'failed'");
    await discardChanges(stage.db, [id], 'budi', 'never');
    await sides.quieten(ROUNDS);
    expect(await stocks(sides)).toEqual([8, 8]);
    expect(await stage.all('SELECT FROM syncd.sync_conflicts')).toEqual([]);
  },
);

describe.each(['cloud_wins', 'merge', 'manual'] as const)(
  'what a person gave up had arrived unheard: %s',
  (conflict) => {
    const SELLS = 'UPDATE products SET qty = qty - 1 WHERE id = 1';

    test('the next sale of the row is in conflict with nothing, though nobody had made it by then', async () => {
      const sides = await stocked(conflict);
      await stage.edits(SELLS);
      await sides.send(true);
      await giveUpNewest();
      await stage.edits(SELLS);
      await sides.quieten(ROUNDS);
      expect(await stocks(sides)).toEqual([8, 8]);
      expect(await stage.all('SELECT FROM syncd.sync_conflicts')).toEqual([]);
    });

    test('nor is what had failed and what waited behind that, which it contained', async () => {
      const sides = await stocked(conflict);
      await stage.edits(SELLS, REFUSED, SELLS, SELLS);
      await sides.send(true);
      expect(sides.cloudRow(1)?.qty).toBe(7);
      await giveUpNewest();
      await sides.send();
      expect(await stage.all('SELECT FROM syncd.sync_conflicts')).toEqual([]);
      await stage.edits(SELLS);
      await sides.quieten(ROUNDS);
      expect(await stocks(sides)).toEqual([6, 6]);
    });

    test('nor though an older one of the row is answered only after that', async () => {
      const sides = await stocked(conflict);
      await stage.edits(SELLS, SELLS);
      await sides.send(true);
      expect(sides.cloudRow(1)?.qty).toBe(8);
      await giveUpNewest();
      await sides.send();
      await stage.edits(SELLS);
      await sides.quieten(ROUNDS);
      expect(await stocks(sides)).toEqual([7, 7]);
      expect(await stage.all('SELECT FROM syncd.sync_conflicts')).toEqual([]);
    });

    test('nor is the one behind it, which had been read before that', async () => {
      const sides = await stocked(conflict);
      await stage.edits(SELLS);
      await sides.send(true);
      await stage.edits(SELLS);
      await sides.load(1);
      const { id } = await stage.one('SELECT min(id)::text AS id FROM syncd.unsettled');
      await discardChanges(stage.db, [id], 'budi', 'never');
      await sides.quieten(ROUNDS);
      expect(await stocks(sides)).toEqual([8, 8]);
      expect(await stage.all('SELECT FROM syncd.sync_conflicts')).toEqual([]);
    });

    test('head office’s edit after it is a conflict all the same', async () => {
      const sides = await stocked(conflict);
      await stage.edits(SELLS);
      await sides.send(true);
      await giveUpNewest();
      sides.office(1, { qty: 20 });
      await stage.edits(SELLS);
      await sides.send();
      await sides.send();
      expect(await stage.all('SELECT status, cloud_version FROM syncd.sync_conflicts')).toEqual([
        { status: 'open', cloud_version: '3' },
      ]);
    });
  },
);

test('of a row that was given up time and again the latest are named, and its conflict is found all the same', async () => {
  const sides = await stocked('manual');
  await stage.edits(`
    INSERT INTO syncd.commands (command, args, requested_by, finished_at) SELECT 'discard', json_build_object('changes', json_build_array(
      json_build_object('entity_type', 'product', 'entity_id', '1', 'change_ids', ARRAY(SELECT gen_random_uuid() FROM generate_series(1, 600))))), 'budi', now()`);
  sides.office(1, { qty: 20 });
  await stage.edits('UPDATE products SET qty = qty - 1 WHERE id = 1');
  await sides.send();
  await sides.send();
  expect(await stage.all('SELECT status, cardinality(supersedes) AS names FROM syncd.unsettled')).toEqual([
    { status: 'conflict', names: 500 },
  ]);
});

test('what a change that a person gave up contained is in doubt: its own news is not added up', async () => {
  const sides = await stocked('merge');
  const sells = 'UPDATE products SET qty = qty - 1 WHERE id = 1';
  await stage.edits(sells, REFUSED, sells);
  await sides.send(true);
  const { id } = await stage.one('SELECT max(id)::text AS id FROM syncd.unsettled');
  await discardChanges(stage.db, [id], 'budi', 'never');
  await sides.deliverAll();
  await sides.apply();
  expect(await stocks(sides)).toEqual([8, 8]);
  expect(await stage.all('SELECT status FROM syncd.sync_conflicts')).toEqual([{ status: 'open' }]);
});

test('to ask what had arrived brings no old state over a deletion of head office’s', async () => {
  const sides = await stocked('cloud_wins');
  const sells = 'UPDATE products SET qty = qty - 1 WHERE id = 1';
  await stage.edits(sells, REFUSED);
  await stage.edits(
    'DELETE FROM products',
    `INSERT INTO products (id, name, price, qty) VALUES (1, 'Kopi', 10, 5)`,
    sells,
  );
  await sides.send(true);
  expect(sides.cloudRow(1)?.qty).toBe(4);
  sides.office(1, null);
  await stage.edits(sells);
  await sides.quieten(ROUNDS);
  expect(await stocks(sides)).toEqual([undefined, undefined]);
  expect(await stage.all('SELECT resolution, cloud_version::int FROM syncd.sync_conflicts')).toEqual([
    { resolution: 'cloud', cloud_version: 3 },
  ]);
});

describe('a change that the cloud has is not laid over what was refused after it', () => {
  const failed = (sides: TwoSides) => sides.blame(FAILED);
  const givenUp = (sides: TwoSides) => sides.send(true).then(giveUpNewest);

  test.each([
    ['had failed', 'cloud_wins', 'UPDATE products SET qty = 7 WHERE id = 1', 7, failed],
    ['had failed', 'newest_wins', 'UPDATE products SET qty = 7 WHERE id = 1', 7, failed],
    ['had failed', 'cloud_wins', 'DELETE FROM products WHERE id = 1', undefined, failed],
    ['was given up by a person', 'cloud_wins', 'UPDATE products SET qty = 7 WHERE id = 1', 7, givenUp],
    ['was given up by a person', 'newest_wins', 'UPDATE products SET qty = 7 WHERE id = 1', 7, givenUp],
    ['was given up by a person', 'cloud_wins', 'DELETE FROM products WHERE id = 1', undefined, givenUp],
  ] as const)('it %s: %s, %s', async (_title, conflict, after, qty, unheard) => {
    const sides = await stocked(conflict);
    await stage.edits('UPDATE products SET qty = 8 WHERE id = 1');
    await unheard(sides);
    await stage.edits(after, REFUSED);
    await sides.quieten(ROUNDS);
    expect(await stage.all('SELECT resolution, reason FROM syncd.sync_conflicts')).toEqual([
      { resolution: 'local', reason: "the cloud holds an earlier change of the shop's own" },
    ]);
    expect(await stocks(sides)).toEqual([qty, qty]);
  });

  test('unless both sides have agreed since: a row that is like it is head office’s', async () => {
    const sides = await stocked('cloud_wins');
    await stage.edits('UPDATE products SET qty = 8 WHERE id = 1');
    await giveUpNewest();
    sides.office(1, { qty: 5 });
    await sides.quieten(ROUNDS);
    await stage.edits('UPDATE products SET qty = 7 WHERE id = 1', REFUSED);
    sides.office(1, { qty: 8 });
    await sides.quieten(ROUNDS);
    expect(await stocks(sides)).toEqual([8, 8]);
  });

  test('nor are folded ones, of which the oldest alone is known to be in doubt', async () => {
    const sides = await stocked('cloud_wins');
    await stage.edits('UPDATE products SET qty = 9 WHERE id = 1');
    await stage.edits("UPDATE syncd.sync_queue SET status = 'failed', hold_count = 1 WHERE status = 'pending'");
    await stage.edits('UPDATE products SET qty = 8 WHERE id = 1');
    await sides.send(true);
    await stage.edits('UPDATE products SET qty = 7 WHERE id = 1');
    await stage.edits(REFUSED);
    await sides.quieten(ROUNDS);
    expect(await stocks(sides)).toEqual([7, 7]);
  });

  test('but head office’s edit of it is', async () => {
    const sides = await stocked('cloud_wins');
    await stage.edits('UPDATE products SET qty = 8 WHERE id = 1');
    await sides.blame(FAILED);
    await stage.edits('UPDATE products SET qty = 7 WHERE id = 1');
    await stage.edits(REFUSED);
    sides.office(1, { price: 11 });
    await sides.quieten(ROUNDS);
    expect(await stage.all('SELECT resolution FROM syncd.sync_conflicts')).toEqual([{ resolution: 'cloud' }]);
    expect(await stocks(sides)).toEqual([8, 8]);
  });
});
