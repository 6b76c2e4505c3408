/** A change of the cloud reaches the shop's table, once, by its version, and nothing of it is sent back. */
import { Cluster } from '../../src/demo/postgres.js';
import { ApplyStage } from '../support/apply-stage.js';

let cluster: Cluster;
let stage: ApplyStage;
beforeAll(async () => {
  cluster = await Cluster.start();
  stage = await ApplyStage.open(cluster, 'apply');
  await stage.tables('CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric)', { item: 'items' });
}, 60_000);
afterAll(async () => {
  await stage?.close();
  await cluster?.destroy();
});
afterEach(async () => {
  await stage.pos.sql.query('DELETE FROM items');
  await stage.reset();
});

const items = () => stage.rows('SELECT id, name, price::text FROM items ORDER BY id');

test('is made, changed and deleted in the table, and leaves its agreement and a log entry, but nothing in the queue', async () => {
  await stage.apply({ id: '7', operation: 'create', data: { id: 7, name: 'Kopi', price: 12.5 } });
  expect(await items()).toEqual([{ id: 7, name: 'Kopi', price: '12.5' }]);
  expect(await stage.state('7')).toEqual({ version: '1', cloud_version: '1', deleted: false, sync_status: 'synced' });
  await stage.apply({ id: '7', version: 2, data: { id: 7, name: 'Teh', price: null } });
  expect(await items()).toEqual([{ id: 7, name: 'Teh', price: null }]);
  await stage.apply({ id: '7', version: 3, operation: 'delete' });
  expect(await items()).toEqual([]);
  expect(await stage.state('7')).toEqual({ version: '3', cloud_version: '3', deleted: true, sync_status: 'synced' });
  expect(await stage.queue()).toEqual([]);
  expect(await stage.rows('SELECT direction, outcome, changes, accepted, error FROM syncd.sync_logs')).toEqual(
    Array.from({ length: 3 }, () => ({ direction: 'pull', outcome: 'applied', changes: 1, accepted: 1, error: null })),
  );
});
