/** The rules of a push: what the reference cloud accepts, knows again, refuses to overwrite or holds back. */
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { PretendOutlet } from '../support/pretend-outlet.js';

const shared = ['product'];
const cloud = await startReferenceCloud({ apiKey: 'key', shared });
afterAll(() => cloud.stop());

let outlets = 0;
const newOutlet = () => new PretendOutlet(cloud.url, `outlet-${++outlets}`);
const entityOf = (outlet: PretendOutlet, id: string) =>
  cloud.entities(outlet.id).find((one) => one.entity_type === 'order' && one.entity_id === id);

describe('optimistic lock', () => {
  test('a create with a null base makes version 1, an update on it version 2', async () => {
    const outlet = newOutlet();
    expect(await outlet.pushOne(outlet.create('1'))).toMatchObject({ status: 'accepted', cloud_version: 1 });
    const update = outlet.update('1', { base_cloud_version: 1 });
    expect(await outlet.pushOne(update)).toMatchObject({ status: 'accepted', cloud_version: 2 });
  });

  test('create and update are both upserts of the whole row', async () => {
    const outlet = newOutlet();
    await outlet.pushOne(outlet.update('1', { data: '{"id":1,"a":1}' }));
    await outlet.pushOne(outlet.create('1', { base_cloud_version: 1, data: '{"id":1,"b":2}' }));
    expect(entityOf(outlet, '1')).toMatchObject({ cloud_version: 2, data: '{"id":1,"b":2}' });
  });

  test('another base than the current version is a conflict that carries the current state', async () => {
    const outlet = newOutlet();
    await outlet.pushOne(outlet.create('1', { data: '{"id":1,"n":1.10}', changed_at: '2026-11-22T05:00:00Z' }));
    const reply = await outlet.push([outlet.update('1', { base_cloud_version: 7 })]);
    expect(reply.text).toContain(
      '"status":"conflict","current":{"cloud_version":1,"updated_at":"2026-11-22T05:00:00Z","deleted":false,"data":{"id":1,"n":1.10}}',
    );
    expect(entityOf(outlet, '1')?.cloud_version).toBe(1);
  });

  test('a null base against a row is a conflict', async () => {
    const outlet = newOutlet();
    await outlet.pushOne(outlet.create('1'));
    expect(await outlet.pushOne(outlet.create('1'))).toMatchObject({ status: 'conflict' });
  });

  test('a base where the cloud has neither row nor tombstone is a conflict with version 0', async () => {
    const outlet = newOutlet();
    expect(await outlet.pushOne(outlet.update('1', { base_cloud_version: 3 }))).toMatchObject({
      status: 'conflict',
      current: { cloud_version: 0, deleted: true, data: null },
    });
  });

  test('a conflicting change was not applied and is accepted under its id once its base is right', async () => {
    const outlet = newOutlet();
    await outlet.pushOne(outlet.create('1'));
    const update = outlet.update('1', { base_cloud_version: 9 });
    expect(await outlet.pushOne(update)).toMatchObject({ status: 'conflict' });
    update.base_cloud_version = 1;
    expect(await outlet.pushOne(update)).toMatchObject({ status: 'accepted', cloud_version: 2 });
  });

  test('an edit by head office raises the version and makes the next push a conflict', async () => {
    const outlet = newOutlet();
    await outlet.pushOne(outlet.create('1'));
    cloud.edit({ outlet_id: outlet.id, entity_type: 'order', entity_id: '1', data: '{"id":1,"by":"office"}' });
    expect(await outlet.pushOne(outlet.update('1', { base_cloud_version: 1 }))).toMatchObject({
      status: 'conflict',
      current: { cloud_version: 2, deleted: false, data: { id: 1, by: 'office' } },
    });
  });
});

describe('deletes and tombstones', () => {
  test('a delete leaves a tombstone with a version of its own', async () => {
    const outlet = newOutlet();
    await outlet.pushOne(outlet.create('1'));
    const remove = outlet.remove('1', { base_cloud_version: 1 });
    expect(await outlet.pushOne(remove)).toMatchObject({ status: 'accepted', cloud_version: 2 });
    expect(entityOf(outlet, '1')).toMatchObject({ deleted: true, cloud_version: 2, data: null });
  });

  test('a delete of what was never there is accepted and leaves a tombstone of version 1', async () => {
    const outlet = newOutlet();
    const remove = outlet.remove('1', { base_cloud_version: 4 });
    expect(await outlet.pushOne(remove)).toMatchObject({ status: 'accepted', cloud_version: 1 });
    expect(entityOf(outlet, '1')).toMatchObject({ deleted: true, cloud_version: 1 });
  });

  test('a delete of what is deleted is accepted and changes nothing', async () => {
    const outlet = newOutlet();
    await outlet.pushOne(outlet.remove('1'));
    const again = outlet.remove('1', { base_cloud_version: 9, changed_at: '2027-01-01T00:00:00Z' });
    expect(await outlet.pushOne(again)).toMatchObject({ status: 'accepted', cloud_version: 1 });
    expect(entityOf(outlet, '1')).toMatchObject({ cloud_version: 1, updated_at: '2026-11-22T01:02:03.123456Z' });
  });

  test('a delete on an old base is a conflict', async () => {
    const outlet = newOutlet();
    await outlet.pushOne(outlet.create('1'));
    await outlet.pushOne(outlet.update('1', { base_cloud_version: 1 }));
    expect(await outlet.pushOne(outlet.remove('1', { base_cloud_version: 1 }))).toMatchObject({ status: 'conflict' });
  });

  test('a null base against a tombstone is a conflict, its version as base makes the row anew', async () => {
    const outlet = newOutlet();
    await outlet.pushOne(outlet.remove('1'));
    expect(await outlet.pushOne(outlet.create('1'))).toMatchObject({
      status: 'conflict',
      current: { cloud_version: 1, deleted: true, data: null, updated_at: '2026-11-22T01:02:03.123456Z' },
    });
    const anew = outlet.create('1', { base_cloud_version: 1 });
    expect(await outlet.pushOne(anew)).toMatchObject({ status: 'accepted', cloud_version: 2 });
  });
});

describe('duplicates', () => {
  test('a change that was applied is a duplicate with the version that it produced, not the current one', async () => {
    const outlet = newOutlet();
    const create = outlet.create('1');
    await outlet.pushOne(create);
    await outlet.pushOne(outlet.update('1', { base_cloud_version: 1 }));
    expect(await outlet.pushOne(create)).toMatchObject({ status: 'duplicate', cloud_version: 1 });
    expect(entityOf(outlet, '1')?.cloud_version).toBe(2);
  });

  test('a batch sent twice takes effect once', async () => {
    const outlet = newOutlet();
    const changes = [outlet.create('1'), outlet.create('2')];
    await outlet.push(changes);
    const again = await outlet.push(changes);
    expect(changes.map((change) => again.resultOf(change)?.status)).toEqual(['duplicate', 'duplicate']);
    expect(cloud.ledger.accepted(outlet.id)).toHaveLength(2);
  });

  test('a change_id that was applied to another entity is rejected for good', async () => {
    const outlet = newOutlet();
    const create = outlet.create('1');
    await outlet.pushOne(create);
    const stranger = outlet.create('2', { change_id: create.change_id, seq: create.seq });
    expect(await outlet.pushOne(stranger)).toMatchObject({ status: 'rejected', error: { retryable: false } });
  });

  test('other content under a known change_id is noted as a violation', async () => {
    const outlet = newOutlet();
    const create = outlet.create('1');
    await outlet.pushOne(create);
    await outlet.pushOne({ ...create, data: '{"id":1,"other":true}' });
    expect(cloud.ledger.violations.filter((one) => one.outlet_id === outlet.id)).toMatchObject([
      { rule: 'other content under a known id', detail: create.change_id },
    ]);
  });
});

describe('after and supersedes', () => {
  test('a change after an earlier one of its batch builds on what that one produced, whatever its base says', async () => {
    const outlet = newOutlet();
    const create = outlet.create('1');
    const update = outlet.update('1', { after: create.change_id, base_cloud_version: 77 });
    const remove = outlet.remove('1', { after: update.change_id });
    const reply = await outlet.push([create, update, remove]);
    expect([create, update, remove].map((one) => reply.resultOf(one))).toMatchObject([
      { status: 'accepted', cloud_version: 1 },
      { status: 'accepted', cloud_version: 2 },
      { status: 'accepted', cloud_version: 3 },
    ]);
  });

  test('a change after a duplicate is accepted when nothing came in between', async () => {
    const outlet = newOutlet();
    const create = outlet.create('1');
    await outlet.pushOne(create);
    const update = outlet.update('1', { after: create.change_id });
    const reply = await outlet.push([create, update]);
    expect(reply.resultOf(update)).toMatchObject({ status: 'accepted', cloud_version: 2 });
  });

  test('a change after a duplicate is a conflict when an edit came in between', async () => {
    const outlet = newOutlet();
    const create = outlet.create('1');
    await outlet.pushOne(create);
    cloud.edit({ outlet_id: outlet.id, entity_type: 'order', entity_id: '1', data: '{}' });
    const update = outlet.update('1', { after: create.change_id });
    expect((await outlet.push([create, update])).resultOf(update)).toMatchObject({ status: 'conflict' });
  });

  test('a change after one that was neither accepted nor a duplicate is held, a delete too', async () => {
    const outlet = newOutlet();
    const conflicting = outlet.update('1', { base_cloud_version: 5 });
    const update = outlet.update('1', { after: conflicting.change_id });
    const remove = outlet.remove('1', { after: update.change_id });
    const reply = await outlet.push([conflicting, update, remove]);
    const held = { status: 'held', waiting_for: { entity_type: 'order', entity_id: '1' } };
    expect([update, remove].map((one) => reply.resultOf(one))).toMatchObject([held, held]);
    expect(entityOf(outlet, '1')).toBeUndefined();
  });

  test('an after that names a change of another entity does not count', async () => {
    const outlet = newOutlet();
    const other = outlet.create('1');
    const change = outlet.create('2', { after: other.change_id });
    expect((await outlet.push([other, change])).resultOf(change)).toMatchObject({ status: 'held' });
  });

  test('an after outside the batch is noted as a violation', async () => {
    const outlet = newOutlet();
    const create = outlet.create('1');
    await outlet.pushOne(create);
    await outlet.pushOne(outlet.update('1', { after: create.change_id }));
    expect(cloud.ledger.violations.filter((one) => one.outlet_id === outlet.id)).toMatchObject([
      { rule: 'after outside the batch' },
    ]);
  });

  test('a change that supersedes one whose ack was lost is accepted on what that one produced', async () => {
    const outlet = newOutlet();
    const lost = outlet.create('1');
    await outlet.pushOne(lost);
    const folded = outlet.update('1', { supersedes: [lost.change_id], data: '{"id":1,"folded":true}' });
    expect(await outlet.pushOne(folded)).toMatchObject({ status: 'accepted', cloud_version: 2 });
  });

  test('a superseded change that produced an older version does not help', async () => {
    const outlet = newOutlet();
    const lost = outlet.create('1');
    await outlet.pushOne(lost);
    await outlet.pushOne(outlet.update('1', { base_cloud_version: 1 }));
    const folded = outlet.update('1', { supersedes: [lost.change_id] });
    expect(await outlet.pushOne(folded)).toMatchObject({ status: 'conflict' });
  });
});

describe('whose an entity is', () => {
  test('two outlets have an entity of the same name each', async () => {
    const [one, two] = [newOutlet(), newOutlet()];
    expect(await one.pushOne(one.create('1', { data: '{"of":1}' }))).toMatchObject({ status: 'accepted' });
    expect(await two.pushOne(two.create('1', { data: '{"of":2}' }))).toMatchObject({ status: 'accepted' });
    expect(entityOf(one, '1')?.data).toBe('{"of":1}');
  });

  test('a shared type has one entity for all outlets', async () => {
    const [one, two] = [newOutlet(), newOutlet()];
    const product = { entity_type: 'product', base_cloud_version: null };
    expect(await one.pushOne(one.create('kopi', product))).toMatchObject({ status: 'accepted', cloud_version: 1 });
    expect(await two.pushOne(two.create('kopi', product))).toMatchObject({ status: 'conflict' });
  });
});
