/**
 * A cloud that has another history than before, in the harder cases: it comes back as it was; what it says in an open conflict is no
 * more; a key has had another life; both sides were edited; something cannot be compared.
 */
import { eventually } from '../support/eventually.js';
import { IdentityStage, type Outlet } from '../support/identity-stage.js';

const AS_RESTORED = ['adopt', '--as', 'cloud-restored', '--yes'];

let stage: IdentityStage;

beforeAll(async () => {
  stage = await IdentityStage.open();
});
afterAll(() => stage?.close());
afterEach(() => expect(stage.cloud.ledger.violations).toEqual([]));

const waiting = async (database: string) =>
  (await stage.sql<{ waiting: number }>(database, 'SELECT waiting::int FROM syncd.sync_light'))[0]?.waiting;
const statusOf = async (shop: Outlet) => JSON.parse((await stage.type(shop, 'status', '--json')).stdout);
const price = async (database: string, sku: string) =>
  (await stage.sql<{ price: string }>(database, `SELECT price::text FROM products WHERE sku = '${sku}'`))[0]?.price;
const edit = (outlet_id: string, entity_id: string, to: number) =>
  stage.cloud.edit({ outlet_id, entity_type: 'product', entity_id, patch: JSON.stringify({ price: to }) });

test('a cloud that comes back with the history that it had is gone on with, without anybody', async () => {
  const shop = await stage.shop('same', 'same', 'state-same');
  const daemon = stage.run(shop);
  await stage.sql('same', 'INSERT INTO sales VALUES (1, 1)');
  await stage.drained('same');
  stage.cloud.faults.add({ kind: 'epoch', cloud_epoch: 'another' });
  await stage.sql('same', 'INSERT INTO sales VALUES (2, 2)');
  expect(await stage.stopped('same')).toMatchObject({ code: 'cloud_restored' });
  stage.cloud.faults.clear();
  await daemon.stop();
  // It asks when it starts, and every half a minute after that.
  const again = stage.run(shop);
  await stage.drained('same');
  expect(stage.at('same', 'sale', '2')).toEqual({ no: 2, total: 2 });
  expect(await statusOf(shop)).toMatchObject({ state: 'ok', stopped: null });
  await again.stop();
});

test('open conflicts end, and what differs from the cloud as it is now is a conflict anew', async () => {
  const shop = await stage.shop('open', 'open', 'state-open', 'manual');
  const daemon = stage.run(shop);
  await stage.sql('open', "INSERT INTO products VALUES ('kopi', 10), ('teh', 5)");
  await stage.drained('open');
  const backup = stage.cloud.backup();
  await stage.sqlAmid('open', "UPDATE products SET price = 11 WHERE sku = 'kopi'", () => edit('open', 'kopi', 705));
  const conflicts = () =>
    stage.sql<{ cloud: string; status: string }>(
      'open',
      "SELECT cloud ->> 'price' AS cloud, status FROM syncd.sync_conflicts ORDER BY id",
    );
  await eventually(conflicts, ([one]) => one?.status === 'open', 'a conflict');
  stage.cloud.restore(backup);
  await stage.stopped('open');
  expect(await stage.type(shop, ...AS_RESTORED)).toMatchObject({ code: 0 });
  await eventually(conflicts, (all) => all.length === 2, 'the conflict with the cloud as it is now');
  expect(await conflicts()).toEqual([
    { cloud: '705', status: 'resolved' },
    { cloud: '10', status: 'open' },
  ]);
  await stage.type(shop, 'resolve', '2', '--strategy', 'local_wins');
  await eventually(
    () => stage.at('open', 'product', 'kopi'),
    (row) => row?.price === 11,
    'the shop’s price at the cloud',
  );
  expect(await stage.type(shop, 'verify')).toMatchObject({ code: 0 });
  await daemon.stop();
});

test('a key that had another life before the backup meets its tombstone, and the row is sent', async () => {
  const shop = await stage.shop('life', 'life', 'state-life', 'cloud_wins');
  const daemon = stage.run(shop);
  await stage.sql('life', "INSERT INTO products VALUES ('kopi', 10); INSERT INTO sales VALUES (1, 1)");
  await stage.drained('life');
  await stage.sql('life', 'DELETE FROM products; DELETE FROM sales');
  await stage.drained('life');
  const backup = stage.cloud.backup();
  await stage.sql('life', "INSERT INTO products VALUES ('kopi', 12); INSERT INTO sales VALUES (1, 2)");
  await stage.drained('life');
  stage.cloud.restore(backup);
  await stage.stopped('life');
  expect(await stage.type(shop, ...AS_RESTORED)).toMatchObject({ code: 0 });
  await eventually(
    () => [stage.at('life', 'product', 'kopi')?.price, stage.at('life', 'sale', '1')?.total],
    ([product, sale]) => product === 12 && sale === 2,
    'both rows at the cloud',
  );
  expect(await price('life', 'kopi')).toBe('12');
  expect(await stage.sql('life', 'SELECT FROM syncd.sync_conflicts')).toHaveLength(0);
  await daemon.stop();
});

test('a key that was given up, and is used again after the cloud was restored, meets the tombstone that is there now', async () => {
  const shop = await stage.shop('reuse', 'reuse', 'state-reuse', 'cloud_wins');
  const daemon = stage.run(shop);
  const both = async (verb: 'sell' | 'drop', to = 0) => {
    await stage.sql(
      'reuse',
      verb === 'drop'
        ? 'DELETE FROM products; DELETE FROM sales'
        : `INSERT INTO products VALUES ('kopi', ${to}); INSERT INTO sales VALUES (1, ${to})`,
    );
    await stage.drained('reuse');
  };
  await both('sell', 10);
  await both('drop');
  const backup = stage.cloud.backup();
  await both('sell', 11);
  await both('drop');
  stage.cloud.restore(backup);
  await stage.stopped('reuse');
  expect(await stage.type(shop, ...AS_RESTORED)).toMatchObject({ code: 0 });
  await both('sell', 12);
  expect([stage.at('reuse', 'product', 'kopi')?.price, stage.at('reuse', 'sale', '1')?.total]).toEqual([12, 12]);
  expect(await price('reuse', 'kopi')).toBe('12');
  expect(await stage.sql('reuse', 'SELECT FROM syncd.sync_conflicts')).toHaveLength(0);
  await daemon.stop();
});

test('a repair does not undo what head office has deleted: it comes to the shop, or a rule settles it', async () => {
  const shop = await stage.shop('gone', 'gone', 'state-gone');
  const before = stage.run(shop);
  await stage.sql('gone', "INSERT INTO products VALUES ('kopi', 10)");
  await stage.drained('gone');
  await before.stop();
  // Its own news, where it was stopped before it had dealt with that: what is on its way is not compared.
  await stage.sql('gone', 'DELETE FROM syncd.incoming');
  stage.cloud.edit({ outlet_id: 'gone', entity_type: 'product', entity_id: 'kopi', operation: 'delete' });
  const { stdout } = await stage.type(shop, 'verify', 'product', '--repair', '--json');
  expect(JSON.parse(stdout).types[0]).toMatchObject({ repaired: { to_push: 0, to_pull: 1, left: 0 } });
  const after = stage.run(shop);
  await eventually(
    () => price('gone', 'kopi'),
    (found) => found === undefined,
    'the deletion in the shop',
  );
  expect(stage.at('gone', 'product', 'kopi')).toBeUndefined();
  await after.stop();
});

test('where the restored cloud is ahead of what was agreed on, both sides are kept as a conflict', async () => {
  const shop = await stage.shop('ahead', 'ahead', 'state-ahead', 'manual');
  const daemon = stage.run(shop);
  await stage.sql('ahead', "INSERT INTO products VALUES ('kopi', 10)");
  await stage.drained('ahead');
  const backup = stage.cloud.backup();
  await stage.sql('ahead', "UPDATE products SET price = 40 WHERE sku = 'kopi'");
  await stage.drained('ahead');
  stage.cloud.restore(backup);
  for (const to of [901, 902, 903]) edit('ahead', 'kopi', to);
  await stage.stopped('ahead');
  expect(await stage.type(shop, ...AS_RESTORED)).toMatchObject({ code: 0 });
  const open = () =>
    stage.sql(
      'ahead',
      "SELECT local ->> 'price' AS shop, cloud ->> 'price' AS cloud FROM syncd.sync_conflicts WHERE status = 'open'",
    );
  expect(await eventually(open, ([one]) => one !== undefined, 'a conflict')).toEqual([{ shop: '40', cloud: '903' }]);
  await daemon.stop();
});

test('what cannot be compared is not adopted over, and a comparison that left it out says so in the status', async () => {
  const shop = await stage.shop('part', 'part', 'state-part');
  const daemon = stage.run(shop);
  await stage.sql('part', "INSERT INTO products VALUES ('kopi', 10); INSERT INTO sales VALUES (1, 1)");
  await stage.drained('part');
  const backup = stage.cloud.backup();
  await stage.sql('part', 'INSERT INTO sales VALUES (2, 2)');
  await stage.drained('part');
  await stage.sql('part', 'ALTER TABLE sales RENAME TO sold');
  expect(await stage.type(shop, 'verify')).toMatchObject({ code: 1, stdout: expect.stringMatching(/sale .*is gone/) });
  expect((await statusOf(shop)).reasons.join()).toMatch(/sale could not be compared with the cloud's: .*is gone/);
  stage.cloud.restore(backup);
  await stage.sql('part', "INSERT INTO products VALUES ('teh', 5)");
  await stage.stopped('part');
  expect(await stage.type(shop, ...AS_RESTORED)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/nothing was changed: sale cannot be compared: .*is gone/),
  });
  await stage.sql('part', 'ALTER TABLE sold RENAME TO sales');
  expect(await stage.type(shop, ...AS_RESTORED)).toMatchObject({ code: 0 });
  await eventually(
    () => stage.at('part', 'sale', '2'),
    (row) => row !== undefined,
    'the lost sale at the cloud',
  );
  await daemon.stop();
});

test('a lost row that has a failed change, or whose change was given up, is found and sent', async () => {
  const shop = await stage.shop('held', 'held', 'state-held');
  const daemon = stage.run(shop);
  await stage.sql('held', 'INSERT INTO sales VALUES (1, 1), (2, 2)');
  await stage.drained('held');
  stage.cloud.faults.add({ kind: 'reject', retryable: false, code: 'no', match: { entity_type: 'sale' } });
  await stage.sql('held', 'UPDATE sales SET total = 7');
  const failed = () =>
    stage.sql<{ id: string }>('held', "SELECT id FROM syncd.sync_queue WHERE status = 'failed' ORDER BY id");
  const [first] = await eventually(failed, (rows) => rows.length === 2, 'two failed changes');
  stage.cloud.faults.clear();
  await stage.type(shop, 'discard', String(first?.id), '--reason', 'a test');
  for (const no of ['1', '2']) stage.cloud.forget('held', 'sale', no);
  const { stdout } = await stage.type(shop, 'verify', '--repair', '--json');
  expect(JSON.parse(stdout).types[1]).toMatchObject({
    differences: [{ kind: 'missing_there' }, { kind: 'missing_there' }],
    repaired: { to_push: 2, to_pull: 0, left: 0 },
  });
  await eventually(
    () => stage.at('held', 'sale', '1')?.total,
    (total) => total === 7,
    'the row whose change was given up, for a person has asked for it',
  );
  await stage.type(shop, 'retry', '--all-failed');
  await stage.drained('held');
  expect(stage.at('held', 'sale', '2')).toEqual({ no: 2, total: 7 });
  expect(await waiting('held')).toBe(0);
  expect(await stage.type(shop, 'verify')).toMatchObject({ code: 0 });
  await daemon.stop();
});
