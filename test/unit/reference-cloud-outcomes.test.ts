/** Faults in the outcome of single changes, and results that are spoilt on the way. */
import type { PushResult } from '../../src/cloud/wire.js';
import type { FaultRule } from '../../src/demo/cloud/faults.js';
import type { Delivery } from '../../src/demo/cloud/records.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { monotonicMs, sleep } from '../../src/time.js';
import { PretendOutlet, type TestChange } from '../support/pretend-outlet.js';

const cloud = await startReferenceCloud({ apiKey: 'key' });
afterAll(() => cloud.stop());
afterEach(() => cloud.faults.clear());

let outlets = 0;
const newOutlet = () => new PretendOutlet(cloud.url, `outlet-${++outlets}`);
const resultsOf = (text: string) => (JSON.parse(text) as { results: PushResult[] }).results;

const isOf = (change: TestChange) => (delivery: Delivery) => delivery.change_id === change.change_id;

/** Pushes a change that the fault is for beside one that it is not for. */
async function pushTwo(rule: FaultRule) {
  const outlet = newOutlet();
  const [hit, spared] = [outlet.create('hit'), outlet.create('spared')];
  cloud.faults.add({ ...rule, match: { entity_id: 'hit' } });
  const reply = await outlet.push([hit, spared]);
  expect(reply.resultOf(spared)).toMatchObject({ status: 'accepted', cloud_version: 1 });
  return { outlet, hit, reply, results: resultsOf(reply.text), entities: cloud.entities(outlet.id) };
}

describe('outcomes of single changes', () => {
  test.each([true, false])('a change is rejected with retryable %s, the rest goes through', async (retryable) => {
    const { hit, reply, entities } = await pushTwo({ kind: 'reject', retryable, code: 'no', message: 'not today' });
    const error = { code: 'no', message: 'not today', retryable };
    expect(reply.resultOf(hit)).toEqual({ change_id: hit.change_id, status: 'rejected', error });
    expect(entities).toHaveLength(1);
  });

  test('a rejected change is accepted under its id once the fault is gone', async () => {
    const { outlet, hit } = await pushTwo({ kind: 'reject', retryable: true });
    cloud.faults.clear();
    expect(await outlet.pushOne(hit)).toMatchObject({ status: 'accepted' });
  });

  test('a change is held, with or without what it waits for', async () => {
    const waitingFor = { entity_type: 'customer', entity_id: '9' };
    const { hit, reply } = await pushTwo({ kind: 'hold', waitingFor });
    expect(reply.resultOf(hit)).toMatchObject({ status: 'held', waiting_for: waitingFor });
    cloud.faults.clear();
    const bare = await pushTwo({ kind: 'hold' });
    expect(bare.reply.resultOf(bare.hit)).toMatchObject({ status: 'held', waiting_for: null });
  });

  test('a change is answered conflict with what the cloud has', async () => {
    const { hit, reply } = await pushTwo({ kind: 'conflict' });
    expect(reply.resultOf(hit)).toMatchObject({ status: 'conflict', current: { cloud_version: 0, deleted: true } });
  });

  test('a change that was applied before stays a duplicate, whatever fault is set', async () => {
    const outlet = newOutlet();
    const change = outlet.create('1');
    await outlet.pushOne(change);
    cloud.faults.add({ kind: 'reject', retryable: false, match: { entity_id: '1' } });
    expect(await outlet.pushOne(change)).toMatchObject({ status: 'duplicate' });
  });

  test('what builds on a rejected change is held', async () => {
    const outlet = newOutlet();
    const create = outlet.create('1');
    const update = outlet.update('1', { after: create.change_id });
    cloud.faults.add({ kind: 'reject', retryable: true, match: { change_id: create.change_id } });
    expect((await outlet.push([create, update])).resultOf(update)).toMatchObject({ status: 'held' });
  });
});

describe('spoilt results', () => {
  test('a missing result: the change is applied, the ledger knows that nobody was told', async () => {
    const { hit, results, entities } = await pushTwo({ kind: 'results', how: 'missing' });
    expect(results).toHaveLength(1);
    expect(entities).toHaveLength(2);
    const told = cloud.ledger.deliveries.filter((one) => one.change_id === hit.change_id).map((one) => one.delivered);
    expect(told).toEqual([false]);
  });

  test('a doubled result comes twice', async () => {
    const { hit, results } = await pushTwo({ kind: 'results', how: 'doubled' });
    expect(results.filter((result) => result.change_id === hit.change_id)).toHaveLength(2);
  });

  test('a result under an unknown id stands in for the right one', async () => {
    const { hit, results } = await pushTwo({ kind: 'results', how: 'unknown' });
    expect(results).toHaveLength(2);
    expect(results.some((result) => result.change_id === hit.change_id)).toBe(false);
  });

  test('an extra result under an unknown id stands beside the right one', async () => {
    const { results } = await pushTwo({ kind: 'results', how: 'extra' });
    expect(results).toHaveLength(3);
  });

  test('a lower version than the change produced', async () => {
    const { hit, reply } = await pushTwo({ kind: 'results', how: 'lower-version', version: 0 });
    expect(reply.resultOf(hit)).toMatchObject({ status: 'accepted', cloud_version: 0 });
    expect(cloud.ledger.deliveries.find((one) => one.change_id === hit.change_id)?.cloud_version).toBe(1);
  });
});

describe('limits', () => {
  test('a lower byte limit answers 413 to a batch above it, never more than it advertises', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'limit', bytes: 2_000 });
    const large = outlet.create('1', { data: `{"x":"${'x'.repeat(3_000)}"}` });
    expect((await outlet.push([large])).status).toBe(413);
    expect((await outlet.push([large], { encoding: 'gzip' })).status).toBe(413);
    expect((await outlet.push([outlet.create('2')])).status).toBe(200);
  });

  test('a lower limit of changes answers 413 to a batch above it', async () => {
    const outlet = newOutlet();
    cloud.faults.add({ kind: 'limit', changes: 1 });
    expect((await outlet.push([outlet.create('1'), outlet.create('2')])).status).toBe(413);
    expect((await outlet.push([outlet.create('3')])).status).toBe(200);
  });
});

test('two pushes of one entity at once are noted as a violation, one after the other is none', async () => {
  const outlet = newOutlet();
  const first = outlet.create('1');
  cloud.faults.add({ kind: 'latency', ms: 500, times: 1 });
  const late = outlet.push([first]);
  for (const deadline = monotonicMs() + 5_000; !cloud.ledger.deliveries.some(isOf(first)); await sleep(5)) {
    if (monotonicMs() > deadline) throw new Error('the first push never arrived');
  }
  await outlet.push([outlet.update('1', { base_cloud_version: 1 })]);
  await late;
  await outlet.push([outlet.update('1', { base_cloud_version: 2 })]);
  expect(cloud.ledger.violations.filter((one) => one.outlet_id === outlet.id)).toMatchObject([
    { rule: 'entity in flight twice' },
  ]);
  expect(cloud.ledger.statistics().max_in_flight).toBe(2);
});
