/**
 * Conflicts that only a pull has found, for the cloud has refused the shop's own change or never heard of one, at the moment when the
 * cloud is restored: what the cloud said in them it says no more, and nothing of the shop is lost with them.
 */
import { eventually } from '../support/eventually.js';
import { IdentityStage, type Outlet } from '../support/identity-stage.js';

const AS_RESTORED = ['adopt', '--as', 'cloud-restored', '--yes'];

let stage: IdentityStage;

beforeAll(async () => {
  stage = await IdentityStage.open();
});
afterAll(() => stage?.close());
afterEach(() => {
  stage.cloud.faults.clear();
  expect(stage.cloud.ledger.violations).toEqual([]);
});

type Conflict = { sku: string; source: string; status: string; shop: string | null; cloud: string | null };
const conflicts = (database: string) =>
  stage.sql<Conflict>(
    database,
    `SELECT entity_id AS sku, source, status, local ->> 'price' AS shop, cloud ->> 'price' AS cloud
     FROM syncd.sync_conflicts ORDER BY entity_id, id`,
  );
const open = async (database: string) => (await conflicts(database)).filter(({ status }) => status === 'open');
const edit = (outlet_id: string, entity_id: string, to: number) =>
  stage.cloud.edit({ outlet_id, entity_type: 'product', entity_id, patch: JSON.stringify({ price: to }) });
const prices = async (outlet: Outlet) =>
  Object.fromEntries(
    (await stage.sql<{ sku: string; price: string }>(outlet.database, 'SELECT sku, price::text FROM products')).map(
      ({ sku, price }) => [sku, Number(price)],
    ),
  );
const pricesThere = ({ database }: Outlet) =>
  Object.fromEntries(
    stage.cloud
      .entities(database)
      .filter(({ deleted }) => !deleted)
      .map(({ entity_id }) => [entity_id, stage.at(database, 'product', entity_id)?.price]),
  );

test('what was refused meets the cloud as it is now: its older row, a row that head office had edited before, none at all', async () => {
  const shop = await stage.shop('refused', 'refused', 'state-refused', 'manual');
  const daemon = stage.run(shop);
  await stage.sql('refused', "INSERT INTO products VALUES ('jus', 3), ('kopi', 10), ('teh', 5)");
  await stage.drained('refused');
  const backup = stage.cloud.backup();
  await stage.sql('refused', "INSERT INTO products VALUES ('susu', 7)");
  await stage.drained('refused');

  stage.cloud.faults.add({ kind: 'reject', retryable: true, code: 'busy', match: { entity_type: 'product' } });
  await stage.sql(
    'refused',
    "UPDATE products SET price = price + 1 WHERE sku <> 'teh'; DELETE FROM products WHERE sku = 'teh'",
  );
  const refused = () => stage.sql('refused', 'SELECT FROM syncd.unsettled WHERE retry_count > 0');
  await eventually(refused, (rows) => rows.length === 4, 'four refused changes');
  for (const [sku, to] of [
    ['jus', 701],
    ['kopi', 702],
    ['susu', 703],
    ['teh', 704],
  ] as const)
    edit('refused', sku, to);
  await eventually(
    () => open('refused'),
    (all) => all.length === 4,
    'four conflicts',
  );
  expect(await open('refused')).toEqual([
    { sku: 'jus', source: 'pull', status: 'open', shop: '4', cloud: '701' },
    { sku: 'kopi', source: 'pull', status: 'open', shop: '11', cloud: '702' },
    { sku: 'susu', source: 'pull', status: 'open', shop: '8', cloud: '703' },
    { sku: 'teh', source: 'pull', status: 'open', shop: null, cloud: '704' },
  ]);
  stage.cloud.faults.clear();

  stage.cloud.restore(backup);
  edit('refused', 'jus', 800);
  expect(await stage.stopped('refused')).toMatchObject({ code: 'cloud_restored' });
  // The till sells on meanwhile.
  await stage.sql('refused', "UPDATE products SET price = 12 WHERE sku = 'kopi'");
  expect(await stage.type(shop, ...AS_RESTORED)).toMatchObject({ code: 0 });
  await eventually(
    async () => [(await open('refused')).length, pricesThere(shop).susu],
    ([conflicting, susu]) => conflicting === 3 && susu === 8,
    'the conflicts with the cloud as it is now, and what it has nothing of',
  );
  expect(await conflicts('refused')).toMatchObject([
    { sku: 'jus', status: 'resolved', cloud: '701' },
    { sku: 'jus', status: 'open', shop: '4', cloud: '800' },
    { sku: 'kopi', status: 'resolved', cloud: '702' },
    // The change that ran into it; what was sold since waits behind it.
    { sku: 'kopi', status: 'open', shop: '11', cloud: '10' },
    { sku: 'susu', status: 'resolved', cloud: '703' },
    { sku: 'teh', status: 'resolved', cloud: '704' },
    { sku: 'teh', status: 'open', shop: null, cloud: '5' },
  ]);
  // The cloud had neither the row nor a tombstone: nothing stands against the shop's.
  expect(pricesThere(shop)).toEqual({ jus: 800, kopi: 10, susu: 8, teh: 5 });

  const numbered = await stage.sql<{ sku: string; id: string }>(
    'refused',
    "SELECT entity_id AS sku, id FROM syncd.sync_conflicts WHERE status = 'open' ORDER BY 1",
  );
  for (const [index, strategy] of ['cloud_wins', 'local_wins', 'local_wins'].entries())
    expect(await stage.type(shop, 'resolve', String(numbered[index]?.id), '--strategy', strategy)).toMatchObject({
      code: 0,
    });
  await stage.drained('refused');
  expect([await prices(shop), pricesThere(shop)]).toEqual(Array(2).fill({ jus: 800, kopi: 12, susu: 8 }));
  expect(await stage.type(shop, 'verify')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Both sides hold the same: everything'),
  });
  await daemon.stop();
});

test('a row from before capture, of which the restored cloud has nothing, is sent as the shop has it', async () => {
  const shop = await stage.shop('older', 'older', 'state-older', 'manual');
  await stage.sql(
    'older',
    "SET session_replication_role = replica; INSERT INTO products VALUES ('kopi', 10), ('teh', 5)",
  );
  const daemon = stage.run(shop);
  const backup = stage.cloud.backup();
  for (const sku of ['kopi', 'teh'])
    stage.cloud.edit({
      outlet_id: 'older',
      entity_type: 'product',
      entity_id: sku,
      data: JSON.stringify({ sku, price: 705 }),
    });
  await eventually(
    () => open('older'),
    (all) => all.length === 2,
    'two conflicts',
  );
  stage.cloud.restore(backup);
  expect(await stage.stopped('older')).toMatchObject({ code: 'cloud_restored' });
  await stage.sql('older', "UPDATE products SET price = 12 WHERE sku = 'kopi'");
  expect(await stage.type(shop, ...AS_RESTORED)).toMatchObject({ code: 0 });
  await stage.drained('older');
  expect(await open('older')).toEqual([]);
  expect([await prices(shop), pricesThere(shop)]).toEqual(Array(2).fill({ kopi: 12, teh: 5 }));
  expect(await stage.type(shop, 'verify')).toMatchObject({ code: 0 });
  await daemon.stop();
});
