/** A person ends a conflict: every wish, everything that stands in its way, and everybody who is at work at the same moment. */
import pg from 'pg';
import { conflictBook } from '../../src/apply/conflicts.js';
import type { Incoming } from '../../src/apply/incoming.js';
import type { AppliedTable } from '../../src/apply/tables.js';
import { discardChanges } from '../../src/queue/manage.js';
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

/** Everything that a refusal must leave as it was. */
const everything = async () => [
  await stage.all('SELECT * FROM products ORDER BY id'),
  await stage.all('SELECT * FROM syncd.sync_queue ORDER BY id'),
  await stage.all('SELECT * FROM syncd.entity_state'),
  await stage.all('SELECT * FROM syncd.sync_conflicts ORDER BY id'),
  await stage.all('SELECT * FROM syncd.commands'),
];

describe('values', () => {
  test('are laid over the row, whole and exactly, and go to the cloud', async () => {
    const id = await diverged();
    const data = '{"price":0.1000000000,"qty":null,"note":"mended"}';
    expect(await stage.byHand(id, { data }, 'counted anew')).toMatchObject({ done: true, resolution: 'data' });
    expect(await stage.product()).toEqual({
      name: 'Shop',
      price: '0.1000000000',
      qty: null,
      note: 'mended',
      secret: 's',
    });
    const [sent, ...more] = await stage.pending();
    expect([more, sent.base, sent.operation]).toEqual([[], '7', 'update']);
    expect(sent.previous).toEqual({ name: 'Cloud', price: 10, qty: 5 });
    expect(await stage.conflict(id)).toMatchObject({
      resolution: 'data',
      reason: 'counted anew',
      resolved_by: 'budi (syncd)',
    });
  });

  test('make the row anew where the shop deleted it, from what the cloud has', async () => {
    const id = await diverged(CLOUD, true);
    expect(await stage.byHand(id, { data: '{"price": 12.5}' })).toMatchObject({ done: true });
    expect(await stage.product()).toMatchObject({ name: 'Cloud', price: '12.5000000000', qty: 5, secret: null });
    expect((await stage.pending())[0]).toMatchObject({ operation: 'update', base: '7', previous: { price: 10 } });
  });

  test('bring back a row that the cloud deleted', async () => {
    const id = await diverged({ data: null, version: 7 });
    await stage.byHand(id, { data: '{"name":"Back"}' });
    expect(await stage.product()).toMatchObject({ name: 'Back', price: '10.0000000000' });
    expect((await stage.pending())[0]).toMatchObject({ operation: 'create', base: '7', deleted: true });
  });

  test('that are what the cloud has leave nothing to send', async () => {
    const id = await diverged();
    expect(await stage.byHand(id, { data: '{"name":"Cloud"}' })).toMatchObject({ done: true, change_id: null });
    expect(await stage.pending()).toEqual([]);
  });

  test.each([
    ['not JSON', 'name: x', /not JSON/],
    ['nothing', '', /not JSON/],
    ['a list', '[{"name":"x"}]', /a JSON array, not an object/],
    ['a text', '"name"', /a JSON string, not an object/],
    ['null', 'null', /a JSON null, not an object/],
    ['an unknown column', '{"nome":"x"}', /product has no column nome/],
    ['an excluded column', '{"secret":"x"}', /secret is excluded/],
    ['a generated column', '{"doubled":4}', /doubled is generated/],
    ['a wrong type', '{"qty":"many"}', /invalid input syntax for type integer/],
    ['a number out of range', '{"qty":99999999999}', /out of range/],
    ['a column that may not be null', '{"name":null}', /null value in column "name"/],
    ['another key', '{"id":2,"name":"x"}', /another key/],
    ['a text that no text can hold', '{"name":"\\u0000"}', /unsupported Unicode|not JSON/],
  ])('that cannot be are refused and change nothing: %s', async (_what, data, words) => {
    const id = await diverged();
    const before = await everything();
    expect(await stage.byHand(id, { data })).toEqual({
      id,
      done: false,
      why: 'refused',
      message: expect.stringMatching(words),
      hint: expect.any(String),
    });
    expect(await everything()).toEqual(before);
  });
});

test('a conflict that is over stays as it is, and says by whom', async () => {
  const id = await diverged();
  await stage.byHand(id, { strategy: 'cloud_wins' });
  const before = await everything();
  expect(await stage.byHand(id, { strategy: 'local_wins' })).toEqual({
    id,
    done: false,
    why: 'resolved',
    resolved_at: expect.stringMatching(/Z$/),
    resolved_by: 'budi (syncd)',
  });
  expect(await stage.byHand('4711', { strategy: 'local_wins' })).toEqual({ id: '4711', done: false, why: 'unknown' });
  expect(await everything()).toEqual(before);
});

test('a person may let the cloud win that has nothing: then the row goes', async () => {
  const id = await diverged({ data: null, version: 0 });
  expect(await stage.byHand(id, { strategy: 'cloud_wins' })).toMatchObject({ done: true, resolution: 'cloud' });
  expect(await stage.product()).toBeUndefined();
  expect(await stage.state()).toEqual({ cloud_version: null, deleted: true, sync_status: 'synced' });
});

test('a cloud that did not send its row leaves nothing to choose from', async () => {
  const id = await diverged({ data: '[7]', version: 7, deleted: false });
  expect(await stage.byRule()).toMatchObject({ left: 1 });
  expect(await stage.byHand(id, { strategy: 'cloud_wins' })).toMatchObject({
    why: 'refused',
    message: 'the cloud did not send its row',
    hint: 'Fetch it: syncd pull product 1',
  });
});

test('of a table that is only pushed the shop’s side alone can be kept', async () => {
  await stage.edits('INSERT INTO receipts VALUES (1, 5)');
  await stage.agreed(1);
  await stage.edits('UPDATE receipts SET total = 6');
  const id = await stage.meets({ data: { id: 1, total: 9 }, version: 2 }, 'cloud_wins', '1', 'receipt');
  expect(await stage.byRule()).toMatchObject({ resolved: 0, left: 1 });
  expect((await stage.conflict(id)).reason).toBe('receipt is only pushed: its rows in the shop are not written');
  expect(await stage.byHand(id, { strategy: 'local_wins' })).toMatchObject({ done: true });
  expect((await stage.pending())[0]).toMatchObject({ payload: { id: 1, total: 6 }, base: '2' });
});

describe('what the POS’s table does not allow', () => {
  const parted = async () => {
    await stage.edits(MADE, `INSERT INTO parts VALUES (1, 'lid')`);
    await stage.agreed(1);
    await stage.edits(`UPDATE products SET name = 'Shop'`);
  };

  test('stays open with the reason where a rule decided, and is an error for a person', async () => {
    await parted();
    const id = await stage.meets({ data: null, version: 2 }, 'cloud_wins');
    expect(await stage.byRule()).toMatchObject({ resolved: 0, left: 1 });
    const conflict = await stage.conflict(id);
    expect(conflict).toMatchObject({ status: 'open', strategy: 'manual' });
    expect(conflict.reason).toMatch(/the shop's table refuses it: .*foreign key/);
    const before = await everything();
    expect(await stage.byHand(id, { strategy: 'cloud_wins' })).toMatchObject({
      why: 'refused',
      message: expect.stringContaining('foreign key'),
    });
    expect(await everything()).toEqual(before);
  });

  test('is tried once more after the others: parent and child may both be in conflict', async () => {
    await parted();
    await stage.edits(`DELETE FROM parts`, `INSERT INTO parts VALUES (1, 'lid')`);
    const parent = await stage.meets({ data: null, version: 2 }, 'cloud_wins');
    const child = await stage.meets({ data: null, version: 2 }, 'cloud_wins', '["1","lid"]', 'part');
    expect(Number(parent)).toBeLessThan(Number(child));
    expect(await stage.byRule()).toMatchObject({ resolved: 2, left: 0 });
    expect(await stage.all('SELECT * FROM products')).toEqual([]);
  });
});

test('what a trigger of the POS makes of the cloud’s row goes out on top of it, and what it writes elsewhere too', async () => {
  const id = await diverged();
  await stage.edits(
    `CREATE FUNCTION dearer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       NEW.price := NEW.price + 1; INSERT INTO receipts VALUES (9, NEW.price); RETURN NEW; END $$`,
    'CREATE TRIGGER dearer BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION dearer()',
    'GRANT INSERT ON receipts TO syncd',
  );
  try {
    expect(await stage.byHand(id, { strategy: 'cloud_wins' })).toMatchObject({ done: true, resolution: 'cloud' });
    const sent = await stage.pending();
    expect(sent.map((one) => [one.operation, one.payload])).toEqual([
      ['create', { id: 9, total: 11 }],
      ['update', { id: 1, name: 'Cloud', price: 11, qty: 5, note: 'here' }],
    ]);
    expect(sent[1]).toMatchObject({ base: '7', previous: { price: 10 } });
  } finally {
    await stage.edits(
      'DROP TRIGGER dearer ON products',
      'DROP FUNCTION dearer',
      'REVOKE INSERT ON receipts FROM syncd',
    );
  }
});

describe('at the same moment', () => {
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
});

describe('found while applying', () => {
  const incoming = async (version: number, data: object | null, source = 'pull'): Promise<Incoming> =>
    stage.one(
      `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, updated_at, data)
       VALUES (1, $1, 'product', '1', $2, $3, now(), $4) RETURNING id::text, source, entity_type, entity_id, operation, attempts`,
      [source, data === null ? 'delete' : 'update', version, data === null ? null : JSON.stringify(data)],
    );
  const book = async (how: 'open' | 'refresh', one: Incoming, table: Partial<AppliedTable> = {}): Promise<string> => {
    const product = { ...(stage.tables.get('product') as AppliedTable), ...table };
    await stage.applier.transaction().execute((trx) => conflictBook[how](trx, product, one));
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
      "newest_wins is suspended: the shop's edit was made before its changes were captured",
    );
    await stage.byHand(id, { strategy: 'cloud_wins' });
    expect([await stage.pending(), (await stage.product()).name]).toEqual([[], 'Cloud']);
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

  test('a conflict whose changes were all given up is closed; the next change builds on the cloud’s version', async () => {
    const id = await diverged();
    const change = (await stage.one('SELECT id::text AS id FROM syncd.sync_queue')).id;
    await discardChanges(stage.db, [change], 'budi', 'never mind');
    expect(await stage.conflict(id)).toMatchObject({ status: 'resolved', reason: 'never mind' });
    await stage.edits(`UPDATE products SET qty = 1`);
    expect((await stage.pending())[0]).toMatchObject({ base: '7', operation: 'update' });
  });
});
