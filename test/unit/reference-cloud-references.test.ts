/** References between entities, checked where a transaction ends. */
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { PretendOutlet, type TestChange } from '../support/pretend-outlet.js';

const cloud = await startReferenceCloud({
  apiKey: 'key',
  references: {
    item: [{ columns: ['order_id'], type: 'order' }],
    discount: [{ columns: ['order_id', 'line'], type: 'line' }],
    order: [{ columns: ['parent_id'], type: 'order' }],
  },
});
afterAll(() => cloud.stop());

let outlets = 0;
const newOutlet = () => new PretendOutlet(cloud.url, `outlet-${++outlets}`);
const item = (tx: string, order: string): Partial<TestChange> => ({
  tx,
  entity_type: 'item',
  data: `{"id":1,"order_id":${order}}`,
});
const statuses = async (outlet: PretendOutlet, changes: TestChange[]) => {
  const reply = await outlet.push(changes);
  return changes.map((change) => reply.resultOf(change)?.status);
};

test('a child whose parent is missing is held and names it', async () => {
  const outlet = newOutlet();
  expect(await outlet.pushOne(outlet.create('1', item('1', '12345678901234567890')))).toMatchObject({
    status: 'held',
    waiting_for: { entity_type: 'order', entity_id: '12345678901234567890' },
  });
  expect(cloud.entities(outlet.id)).toEqual([]);
});

test('a child may come before its parent within their transaction', async () => {
  const outlet = newOutlet();
  const changes = [outlet.create('1', item('7', '5')), outlet.create('5', { tx: '7' })];
  expect(await statuses(outlet, changes)).toEqual(['accepted', 'accepted']);
});

test('a child is held when its parent comes in a later transaction, and accepted when sent again', async () => {
  const outlet = newOutlet();
  const changes = [outlet.create('1', item('7', '5')), outlet.create('5', { tx: '8' })];
  expect(await statuses(outlet, changes)).toEqual(['held', 'accepted']);
  expect(await statuses(outlet, changes)).toEqual(['accepted', 'duplicate']);
});

test('two transactions that interleave are each checked at their own end', async () => {
  const outlet = newOutlet();
  const changes = [
    outlet.create('1', item('7', '5')),
    outlet.create('2', item('8', '6')),
    outlet.create('5', { tx: '7' }),
    outlet.create('6', { tx: '8' }),
  ];
  expect(await statuses(outlet, changes)).toEqual(['accepted', 'accepted', 'accepted', 'accepted']);
});

test('a transaction is checked where it ends, after one that began later and ended before', async () => {
  const outlet = newOutlet();
  const changes = [
    outlet.create('1', item('7', '5')),
    outlet.create('5', { tx: '8' }),
    outlet.create('2', item('7', '5')),
  ];
  expect(await statuses(outlet, changes)).toEqual(['accepted', 'accepted', 'accepted']);
});

test('a child of a deleted parent is held', async () => {
  const outlet = newOutlet();
  await outlet.pushOne(outlet.remove('5'));
  expect(await outlet.pushOne(outlet.create('1', item('1', '5')))).toMatchObject({ status: 'held' });
});

test('what builds on a held child is held with it, the rest of its transaction goes through', async () => {
  const outlet = newOutlet();
  const child = outlet.create('1', item('7', '5'));
  const later = outlet.update('1', { ...item('7', '5'), after: child.change_id });
  const grandchild = outlet.create('9', { tx: '7', data: '{"parent_id":null}' });
  expect(await statuses(outlet, [child, later, grandchild])).toEqual(['held', 'held', 'accepted']);
});

test('holding one entity holds those that refer to it in the same transaction', async () => {
  const outlet = newOutlet();
  const order = outlet.create('5', { tx: '7', data: '{"parent_id":4}' });
  expect(await statuses(outlet, [order, outlet.create('1', item('7', '5'))])).toEqual(['held', 'held']);
});

test("a cascade's parent may be deleted before its children within their transaction", async () => {
  const outlet = newOutlet();
  await outlet.push([outlet.create('5', { tx: '1' }), outlet.create('1', item('1', '5'))]);
  const changes = [
    outlet.remove('5', { tx: '2', base_cloud_version: 1 }),
    outlet.remove('1', { tx: '2', base_cloud_version: 1, entity_type: 'item' }),
  ];
  expect(await statuses(outlet, changes)).toEqual(['accepted', 'accepted']);
});

test('the delete of a parent whose child lives on is held and names the child', async () => {
  const outlet = newOutlet();
  await outlet.push([outlet.create('5', { tx: '1' }), outlet.create('1', item('1', '5'))]);
  expect(await outlet.pushOne(outlet.remove('5', { base_cloud_version: 1 }))).toMatchObject({
    status: 'held',
    waiting_for: { entity_type: 'item', entity_id: '1' },
  });
});

test('the delete of a parent is held by a child that came earlier in the batch', async () => {
  const outlet = newOutlet();
  await outlet.pushOne(outlet.create('5'));
  const changes = [outlet.create('1', item('8', '5')), outlet.remove('5', { tx: '9', base_cloud_version: 1 })];
  expect(await statuses(outlet, changes)).toEqual(['accepted', 'held']);
});

test('a parent may be deleted in the transaction that moves its child away', async () => {
  const outlet = newOutlet();
  await outlet.push([outlet.create('5'), outlet.create('6'), outlet.create('1', item('1', '5'))]);
  const changes = [
    outlet.update('1', { ...item('9', '6'), base_cloud_version: 1 }),
    outlet.remove('5', { tx: '9', base_cloud_version: 1 }),
  ];
  expect(await statuses(outlet, changes)).toEqual(['accepted', 'accepted']);
});

test('a parent whose child has moved to another may be deleted', async () => {
  const outlet = newOutlet();
  await outlet.push([outlet.create('5'), outlet.create('6'), outlet.create('1', item('1', '5'))]);
  await outlet.pushOne(outlet.update('1', { ...item('2', '6'), base_cloud_version: 1 }));
  expect(await outlet.pushOne(outlet.remove('5', { base_cloud_version: 1 }))).toMatchObject({ status: 'accepted' });
});

test('a composite reference is the list of its columns, and a null in it refers to nothing', async () => {
  const outlet = newOutlet();
  const line = outlet.create('["5","2"]', { entity_type: 'line' });
  const discount = (data: string) => outlet.create('1', { entity_type: 'discount', data });
  expect(await statuses(outlet, [line, discount('{"order_id":5,"line":"2"}')])).toEqual(['accepted', 'accepted']);
  const free = outlet.create('3', { entity_type: 'discount', data: '{"order_id":5,"line":null}' });
  expect(await statuses(outlet, [free])).toEqual(['accepted']);
  expect(
    await outlet.pushOne(outlet.create('4', { entity_type: 'discount', data: '{"order_id":5,"line":3}' })),
  ).toMatchObject({ status: 'held', waiting_for: { entity_type: 'line', entity_id: '["5","3"]' } });
});
