/** A person ends a conflict: every wish, and everything that stands in its way. */
import { whatWaits } from '../../src/apply/incoming.js';
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

test('on record stands what the shop held when it was decided, not when it was found, and what came of it', async () => {
  const id = await diverged();
  await stage.edits(`UPDATE products SET name = 'Later', qty = 4 WHERE id = 1`);
  await stage.byHand(id, { strategy: 'cloud_wins' });
  const { local, result, base, fields } = await stage.conflict(id);
  expect(JSON.parse(local)).toMatchObject({ name: 'Later', qty: 4 });
  expect(JSON.parse(result)).toMatchObject({ name: 'Cloud', qty: 5 });
  expect([base, fields]).toEqual([{ name: 'Kopi', qty: 5, doubled: 10 }, ['name', 'qty']]);
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

test.each([
  ['[7]', 'the cloud did not send its row', /^Fetch it: syncd pull product 1\. To keep .*local_wins/],
  ['{"id":1,"price":"abc"}', /invalid input syntax for type numeric: "abc"$/, /^$/],
])('where the cloud sent %s as its row, the shop’s side alone can be kept', async (data, message, hint) => {
  const id = await diverged({ data, version: 7, deleted: false });
  expect(await stage.byRule()).toMatchObject({ left: 1 });
  const refused = { message: expect.stringMatching(message), hint: expect.stringMatching(hint) };
  expect(await stage.byHand(id, { strategy: 'cloud_wins' })).toMatchObject({ why: 'refused', ...refused });
  expect(await stage.byHand(id, { strategy: 'local_wins' })).toMatchObject({ done: true, resolution: 'local' });
  expect(await stage.pending()).toMatchObject([{ operation: 'create', base: '7', payload: { id: 1 } }]);
  await stage.edits('DELETE FROM products');
  const gone = await stage.meets({ data, version: 8, deleted: false }, 'manual');
  expect(await stage.byHand(gone, { strategy: 'local_wins' })).toMatchObject({ done: true });
  expect(await stage.pending()).toMatchObject([{ operation: 'delete', base: '8', payload: null }]);
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

test('of a table that is only pulled nothing goes to the cloud', async () => {
  const id = await diverged();
  await stage.edits(`UPDATE syncd.sync_conflicts SET strategy = 'local_wins'`);
  expect(await stage.byRule({ direction: 'pull' })).toMatchObject({ resolved: 0, left: 1 });
  expect((await stage.conflict(id)).reason).toBe("product is only pulled: the shop's side cannot go to the cloud");
  expect(await stage.pending()).toMatchObject([{ status: 'conflict' }]);
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
    expect(conflict).toMatchObject({ status: 'open', strategy: 'cloud_wins' });
    expect(conflict.reason).toMatch(/the shop's table refuses it: .*foreign key/);
    const before = await everything();
    expect(await stage.byHand(id, { strategy: 'cloud_wins' })).toMatchObject({
      why: 'refused',
      message: expect.stringContaining('foreign key'),
    });
    expect(await everything()).toEqual(before);
  });

  test('is refused as well where a trigger keeps the row that was to go', async () => {
    const id = await diverged({ data: null, version: 7 });
    await stage.edits(
      'CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
      'CREATE TRIGGER keep BEFORE DELETE ON products FOR EACH ROW EXECUTE FUNCTION keep()',
    );
    const verdict = await stage.byHand(id, { strategy: 'cloud_wins' });
    await stage.edits('DROP FUNCTION keep CASCADE');
    expect(verdict).toMatchObject({ message: "the shop's row did not go: a trigger of the POS kept it" });
    expect(await stage.pending()).toMatchObject([{ status: 'conflict' }]);
  });

  test('is tried again by the rule, ever later, and at once where the cloud’s side has changed', async () => {
    await parted();
    const id = await stage.meets({ data: null, version: 2 }, 'cloud_wins');
    const waits: number[] = [];
    const due = () => stage.edits(`UPDATE syncd.sync_conflicts SET next_attempt_at = now() - interval '1 s'`);
    for (let tries = 0; tries < 3; tries++) {
      expect(await stage.byRule()).toMatchObject({ resolved: 0, left: 1 });
      expect(await stage.byRule()).toMatchObject({ resolved: 0, left: 0 });
      const { conflicts, dueMs } = await whatWaits(stage.db);
      expect(conflicts).toBe(false);
      waits.push(Math.ceil((dueMs ?? 0) / 500));
      await due();
      expect(await whatWaits(stage.db)).toMatchObject({ due: false, conflicts: true });
    }
    expect(waits).toEqual([1, 4, 16]);
    expect(await stage.byRule()).toMatchObject({ left: 1 });
    await stage.edits(`UPDATE products SET name = 'Shop again'`);
    expect(await stage.meets({ data: null, version: 3 }, 'cloud_wins')).toBe(id);
    expect(await stage.byRule()).toMatchObject({ left: 1 });
    expect((await whatWaits(stage.db)).dueMs).toBeLessThanOrEqual(500);
    await stage.edits('DELETE FROM parts');
    await due();
    expect(await stage.byRule()).toMatchObject({ resolved: 1, left: 0 });
    expect(await stage.conflict(id)).toMatchObject({ resolution: 'cloud', resolved_by: 'cloud_wins' });
    expect(await whatWaits(stage.db)).toMatchObject({ conflicts: false, dueMs: null });
  });

  test('is no longer tried by itself where no other row can help', async () => {
    await stage.edits(MADE, `ALTER TABLE products ADD CONSTRAINT cheap CHECK (price < 50)`);
    await stage.agreed(1);
    await stage.edits(`UPDATE products SET name = 'Shop'`);
    const id = await stage.meets({ data: { id: 1, name: 'Cloud', price: 99, qty: 5 } }, 'cloud_wins');
    expect(await stage.byRule()).toMatchObject({ resolved: 0, left: 1 });
    await stage.edits('ALTER TABLE products DROP CONSTRAINT cheap');
    expect(await stage.conflict(id)).toMatchObject({ strategy: 'manual', reason: expect.stringContaining('cheap') });
    expect(await whatWaits(stage.db)).toMatchObject({ conflicts: false, dueMs: null });
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

test('what a deferred trigger makes of it is in that change as well', async () => {
  const id = await diverged();
  await stage.edits(
    `CREATE FUNCTION dearer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF pg_trigger_depth() = 1 THEN UPDATE products SET price = price + 1; END IF; RETURN NULL; END $$`,
    `CREATE CONSTRAINT TRIGGER dearer AFTER UPDATE ON products DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dearer()`,
  );
  const verdict = await stage.byHand(id, { strategy: 'cloud_wins' });
  await stage.edits('DROP FUNCTION dearer CASCADE');
  expect(verdict).toMatchObject({ done: true, resolution: 'cloud' });
  expect(await stage.pending()).toMatchObject([{ operation: 'update', payload: { name: 'Cloud', price: 11 } }]);
});

test('after a write as before it values are read as capture writes them, whatever the search_path of the POS', async () => {
  await stage.edits(`ALTER TABLE products ADD COLUMN place regclass DEFAULT 'products'`);
  const id = await diverged();
  const verdict = await stage.byHand(id, { data: '{"name":"Budi"}' });
  await stage.edits('ALTER TABLE products DROP COLUMN place');
  expect(verdict).toMatchObject({ done: true });
  expect(await stage.pending()).toMatchObject([{ payload: { name: 'Budi', place: 'public.products' } }]);
  expect(JSON.parse((await stage.conflict(id)).local)).toMatchObject({ name: 'Shop', place: 'public.products' });
});
