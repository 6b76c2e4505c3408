/** Which copy of an outlet may push, and what a batch id stands for. */
import { randomUUID } from 'node:crypto';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { PretendOutlet } from '../support/pretend-outlet.js';

const cloud = await startReferenceCloud({ apiKey: 'key' });
afterAll(() => cloud.stop());

let outlets = 0;
const newOutlet = () => new PretendOutlet(cloud.url, `outlet-${++outlets}`);
const fork = (epoch: number) => ({ error: { code: 'fork', epoch } });

test('a second install at the same epoch is a fork', async () => {
  const outlet = newOutlet();
  await outlet.pushOne(outlet.create('1'));
  outlet.installId = randomUUID();
  const reply = await outlet.push([outlet.create('2')]);
  expect([reply.status, JSON.parse(reply.text)]).toMatchObject([409, fork(1)]);
});

test('a higher epoch takes over, with another install too, and the older one is a fork from then on', async () => {
  const outlet = newOutlet();
  await outlet.pushOne(outlet.create('1'));
  const old = { installId: outlet.installId, epoch: outlet.epoch };
  Object.assign(outlet, { installId: randomUUID(), epoch: 5 });
  expect((await outlet.push([outlet.create('2')])).status).toBe(200);
  Object.assign(outlet, old);
  const reply = await outlet.push([outlet.create('3')]);
  expect([reply.status, JSON.parse(reply.text)]).toMatchObject([409, fork(5)]);
});

test('a seq that the epoch knows as another change is a fork, whatever became of the first', async () => {
  const outlet = newOutlet();
  const held = outlet.update('1', { base_cloud_version: 4 });
  await outlet.push([held]);
  const reply = await outlet.push([outlet.create('2', { seq: held.seq })]);
  expect([reply.status, JSON.parse(reply.text)]).toMatchObject([409, fork(1)]);
});

test('the same seq under another change is no fork in a new epoch', async () => {
  const outlet = newOutlet();
  const [one, two] = [outlet.create('1'), outlet.create('2')];
  await outlet.push([one, two]);
  outlet.epoch = 2;
  expect((await outlet.push([outlet.create('3', { seq: one.seq })])).status).toBe(200);
  expect((await outlet.push([outlet.create('4', { seq: two.seq })])).status).toBe(200);
});

test('a fork applies nothing and stands in the ledger as refused', async () => {
  const outlet = newOutlet();
  await outlet.pushOne(outlet.create('1'));
  outlet.installId = randomUUID();
  const change = outlet.create('2');
  await outlet.push([change]);
  expect(cloud.entities(outlet.id)).toHaveLength(1);
  expect(cloud.ledger.deliveries.at(-1)).toMatchObject({ change_id: change.change_id, outcome: 'refused' });
});

test('a refused push leaves its seqs and its batch id unknown', async () => {
  const outlet = newOutlet();
  const batchId = randomUUID();
  cloud.faults.add({ kind: 'status', status: 500, times: 1, match: { outlet_id: outlet.id } });
  const refused = outlet.create('1');
  expect((await outlet.push([refused], { batchId })).status).toBe(500);
  expect((await outlet.push([outlet.create('1', { seq: refused.seq })], { batchId })).status).toBe(200);
});

test('a batch id that named other changes before is 422', async () => {
  const outlet = newOutlet();
  const batchId = randomUUID();
  const change = outlet.create('1');
  await outlet.push([change], { batchId });
  expect((await outlet.push([change], { batchId })).status).toBe(200);
  expect((await outlet.push([change, outlet.create('2')], { batchId })).status).toBe(422);
});

test('two outlets may use the same seq and install', async () => {
  const [one, two] = [newOutlet(), newOutlet()];
  two.installId = one.installId;
  const change = one.create('1');
  expect((await one.push([change])).status).toBe(200);
  expect((await two.push([two.create('1', { seq: change.seq })])).status).toBe(200);
});
