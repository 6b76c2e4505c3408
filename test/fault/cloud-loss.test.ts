/**
 * A cloud that loses what it had accepted: a row without a word, or everything since a backup. The shop notices, says so, goes on
 * selling, and sends again what the cloud lacks once a person has said so; then both sides hold the same.
 */
import { eventually } from '../support/eventually.js';
import { IdentityStage, type Outlet } from '../support/identity-stage.js';

let stage: IdentityStage;

beforeAll(async () => {
  stage = await IdentityStage.open();
});
afterAll(() => stage?.close());
afterEach(() => expect(stage.cloud.ledger.violations).toEqual([]));

const sell = (database: string, ...numbers: number[]) =>
  stage.sql(database, `INSERT INTO sales VALUES ${numbers.map((no) => `(${no}, ${no}.50)`).join(', ')}`);

/** Rows of both sides, by type and id. */
async function bothSides({ database }: Outlet): Promise<{ shop: string[]; cloud: string[] }> {
  const rows = await stage.sql<{ row: string }>(
    database,
    `SELECT 'product ' || sku || ' ' || row_to_json(p) AS row FROM products p UNION ALL SELECT 'sale ' || no || ' ' || row_to_json(s) FROM sales s`,
  );
  const living = stage.cloud.entities(database).filter(({ deleted }) => !deleted);
  const cloud = living.map(({ entity_type, entity_id, data }) => `${entity_type} ${entity_id} ${data}`);
  return { shop: rows.map(({ row }) => row).sort(), cloud: cloud.sort() };
}

async function expectEqual(outlet: Outlet): Promise<void> {
  const { shop, cloud } = await eventually(
    () => bothSides(outlet),
    (sides) => sides.shop.join('\n') === sides.cloud.join('\n'),
    'both sides hold the same',
  );
  expect(cloud).toEqual(shop);
}

const reasonsOf = async (outlet: Outlet) => JSON.parse((await stage.type(outlet, 'status', '--json')).stdout);

test('rows that the cloud has lost without a word are found, told, and sent again', async () => {
  const shop = await stage.shop('lost', 'lost', 'state-lost');
  const daemon = stage.run(shop);
  await stage.sql('lost', "INSERT INTO products VALUES ('kopi', 10), ('teh', 5)");
  await sell('lost', 1, 2, 3);
  await stage.drained('lost');
  expect(await stage.type(shop, 'verify')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^product {2}2 rows: the same on both sides$(?:.|\n)*^Both sides hold the same/m),
  });

  stage.cloud.forget('lost', 'sale', '2');
  stage.cloud.forget('lost', 'product', 'teh');
  const found = await stage.type(shop, 'verify', '--json');
  expect(found.code).toBe(1);
  expect(JSON.parse(found.stdout)).toMatchObject({
    equal: false,
    types: [
      { entity_type: 'product', differences: [{ entity_id: 'teh', kind: 'missing_there', here: 1, there: null }] },
      { entity_type: 'sale', differences: [{ entity_id: '2', kind: 'missing_there' }] },
    ],
  });
  expect(await reasonsOf(shop)).toMatchObject({
    state: 'critical',
    reasons: [
      expect.stringContaining('the cloud had lost 1 row of product that it had accepted'),
      expect.stringContaining('the cloud had lost 1 row of sale'),
    ],
  });
  expect((await stage.type(shop, 'status')).stdout).toMatch(/No: the cloud has lost 2 rows that it had accepted\./);

  expect(await stage.type(shop, 'verify', '--repair')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/the daemon compares the table and queues what the cloud lacks/),
  });
  await expectEqual(shop);
  await stage.drained('lost');
  expect(await stage.type(shop, 'verify')).toMatchObject({ code: 0 });
  expect(await reasonsOf(shop)).toMatchObject({ state: 'ok', reasons: [], compared: { differing: [] } });
  await daemon.stop();
});

test('a cloud that was restored from a backup gets back what it has lost, and nothing of the shop is taken back', async () => {
  const shop = await stage.shop('back', 'back', 'state-back');
  const daemon = stage.run(shop);
  await stage.sql('back', "INSERT INTO products VALUES ('kopi', 10), ('teh', 5), ('susu', 7)");
  await sell('back', 1, 2, 3);
  await stage.drained('back');
  const backup = stage.cloud.backup();
  await sell('back', 4);
  await stage.sql(
    'back',
    "UPDATE sales SET total = 100 WHERE no = 1; DELETE FROM sales WHERE no = 2; UPDATE products SET price = 11 WHERE sku = 'kopi'; DELETE FROM products WHERE sku = 'susu'",
  );
  await stage.drained('back');
  stage.cloud.restore(backup);
  await sell('back', 5);
  expect(await stage.stopped('back')).toMatchObject({ code: 'cloud_restored' });
  await stage.sql('back', 'UPDATE sales SET total = 101 WHERE no = 1; DELETE FROM sales WHERE no = 3');

  const stopped = await stage.type(shop, 'verify');
  expect(stopped).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/another history.*adopt --as cloud-restored/s),
  });
  expect(await stage.type(shop, 'adopt', '--as', 'rollback', '--yes')).toMatchObject({ code: 1 });
  const adopted = await stage.type(shop, 'adopt', '--as', 'cloud-restored', '--yes');
  expect(adopted).toMatchObject({ code: 0, stderr: expect.not.stringContaining('error') });
  expect(adopted.stdout).toMatch(/^sale: \d rows queued again by the daemon$/m);

  await expectEqual(shop);
  await stage.drained('back');
  const sales = await stage.sql<{ no: number }>('back', 'SELECT no FROM sales ORDER BY no');
  expect(sales.map(({ no }) => no)).toEqual([1, 4, 5]);
  expect(stage.at('back', 'sale', '1')).toEqual({ no: 1, total: 101 });
  expect(stage.at('back', 'product', 'kopi')).toEqual({ sku: 'kopi', price: 11 });
  expect(stage.at('back', 'product', 'susu')).toBeUndefined();
  expect(await stage.type(shop, 'verify')).toMatchObject({ code: 0 });
  // A second time there is nothing to decide.
  expect(await stage.type(shop, 'adopt', '--as', 'cloud-restored', '--yes')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/the history that it always had/),
  });
  await daemon.stop();
});
