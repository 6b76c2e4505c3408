/** What the reference cloud loses on purpose: one entity, or all since a backup; over a restart and over the control route too. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CloudOptions } from '../../src/demo/cloud/open.js';
import type { ReferenceCloud } from '../../src/demo/cloud/reference-cloud.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { CloudProcess } from '../support/cloud-process.js';
import { eventually } from '../support/eventually.js';
import { PretendOutlet } from '../support/pretend-outlet.js';

const directory = mkdtempSync(join(tmpdir(), 'syncd-cloud-loss-'));
const journal = join(directory, 'journal');
const clouds: ReferenceCloud[] = [];
afterEach(async () => {
  await Promise.all(clouds.splice(0).map((cloud) => cloud.stop()));
  rmSync(journal, { force: true });
});
afterAll(() => rmSync(directory, { recursive: true }));

const references = { item: [{ columns: ['order_id'], type: 'order' }] };
async function start(options: Partial<CloudOptions> = {}): Promise<ReferenceCloud> {
  const cloud = await startReferenceCloud({ apiKey: 'key', shared: ['product'], references, ...options });
  clouds.push(cloud);
  return cloud;
}
async function restarted(cloud: ReferenceCloud, options: Partial<CloudOptions> = {}): Promise<ReferenceCloud> {
  await cloud.stop();
  return start({ journal, ...options });
}

type Told = { changes: { entity_id: string }[]; next_cursor: string; cloud_epoch: string };
const pulled = async (outlet: PretendOutlet, query = '') =>
  JSON.parse((await outlet.get(`/sync/changes?${query}`)).text) as Told;
const epochOf = async (outlet: PretendOutlet) =>
  (JSON.parse((await outlet.get('/sync/capabilities')).text) as { cloud_epoch: string }).cloud_epoch;
/** The same machine, calling the cloud where it listens now. */
const moved = (outlet: PretendOutlet, cloud: ReferenceCloud) =>
  Object.assign(new PretendOutlet(cloud.url, outlet.id), { installId: outlet.installId });

describe('an entity that is forgotten', () => {
  test('is gone as if it had never been, silently, and its change is accepted anew', async () => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    const [one, two] = [outlet.create('1'), outlet.create('2')];
    await outlet.push([one, two]);
    const { next_cursor } = await pulled(outlet);
    cloud.forget(outlet.id, 'order', '1');
    expect(cloud.entities().map(({ entity_id }) => entity_id)).toEqual(['2']);
    expect((await outlet.get('/entities/order/1')).status).toBe(404);
    expect((await pulled(outlet, `cursor=${next_cursor}`)).changes).toEqual([]);
    expect((await pulled(outlet)).changes.map(({ entity_id }) => entity_id)).toEqual(['2']);
    expect(await outlet.pushOne(outlet.update('1', { base_cloud_version: 1 }))).toMatchObject({
      status: 'conflict',
      current: { cloud_version: 0, deleted: true, data: null },
    });
    expect(await outlet.pushOne(one)).toMatchObject({ status: 'accepted', cloud_version: 1 });
    expect(await outlet.pushOne(two)).toMatchObject({ status: 'duplicate' });
    expect((await pulled(outlet, `cursor=${next_cursor}`)).changes).toMatchObject([{ entity_id: '1' }]);
  });

  test('may be a tombstone, or of a shared type, and takes nothing else with it', async () => {
    const cloud = await start();
    const [one, two] = [new PretendOutlet(cloud.url, 'one'), new PretendOutlet(cloud.url, 'two')];
    await one.pushOne(one.create('1'));
    await one.pushOne(one.remove('1', { base_cloud_version: 1 }));
    await two.pushOne(two.create('1'));
    cloud.edit({ entity_type: 'product', entity_id: '1', data: '{}' });
    cloud.forget('one', 'order', '1');
    cloud.forget('one', 'product', '1');
    expect(cloud.entities()).toMatchObject([{ outlet_id: 'two', entity_type: 'order' }]);
    expect(await one.pushOne(one.create('1'))).toMatchObject({ status: 'accepted', cloud_version: 1 });
    const names = cloud.entities().map(({ cloud_id }) => cloud_id);
    expect(new Set(names).size).toBe(2);
  });

  test('that is a parent holds back new children, and one that is a child no longer holds back its parent', async () => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    const child = { entity_type: 'item', data: '{"order_id":"1"}' };
    await outlet.push([outlet.create('1'), outlet.create('a', child)]);
    const remove = outlet.remove('1', { base_cloud_version: 1 });
    expect(await outlet.pushOne(remove)).toMatchObject({ status: 'held' });
    cloud.forget(outlet.id, 'item', 'a');
    expect(await outlet.pushOne(outlet.remove('1', { base_cloud_version: 1 }))).toMatchObject({ status: 'accepted' });
    cloud.forget(outlet.id, 'order', '1');
    expect(await outlet.pushOne(outlet.create('b', child))).toMatchObject({ status: 'held' });
  });

  test('stays forgotten over a restart, and what was never there cannot be', async () => {
    const cloud = await start({ journal });
    const outlet = new PretendOutlet(cloud.url);
    await outlet.push([outlet.create('1'), outlet.create('2')]);
    cloud.forget(outlet.id, 'order', '1');
    expect(() => cloud.forget(outlet.id, 'order', '1')).toThrow('there is no order 1');
    await outlet.pushOne(outlet.create('3'));
    const before = [cloud.entities(), cloud.feed()];
    const again = await restarted(cloud);
    expect([again.entities(), again.feed()]).toEqual(before);
  });
});

describe('a backup that is restored', () => {
  test('brings back all as it was: rows, versions, tombstones, applied changes, the living copy', async () => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    const early = outlet.create('1');
    await outlet.push([early, outlet.create('2')]);
    const before = cloud.entities();
    const backup = cloud.backup();
    const changes = [outlet.update('1', { base_cloud_version: 1 }), outlet.remove('2', { base_cloud_version: 1 })];
    const late = outlet.create('3');
    await outlet.push([...changes, late]);
    expect(cloud.entities().map(({ cloud_version }) => cloud_version)).toEqual([2, 2, 1]);
    cloud.forget(outlet.id, 'order', '2');
    outlet.epoch = 7;
    await outlet.pushOne(outlet.create('4'));
    cloud.restore(backup);
    expect(cloud.entities()).toEqual(before);
    outlet.epoch = 1;
    expect(await outlet.pushOne(early)).toMatchObject({ status: 'duplicate', cloud_version: 1 });
    expect(await outlet.pushOne(late)).toMatchObject({ status: 'accepted', cloud_version: 1 });
    expect(await outlet.pushOne(outlet.update('1', { base_cloud_version: 2 }))).toMatchObject({ status: 'conflict' });
    expect(cloud.ledger.deliveries.filter(({ change_id }) => change_id === late.change_id)).toHaveLength(2);
  });

  test('is told by a new epoch everywhere, and cursors of before are too old', async () => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    const backup = cloud.backup();
    const { next_cursor, cloud_epoch } = await pulled(outlet);
    const epoch = cloud.restore(backup);
    expect(epoch).not.toBe(cloud_epoch);
    expect(await epochOf(outlet)).toBe(epoch);
    expect((await outlet.push([outlet.create('1')])).text).toContain(`"cloud_epoch":"${epoch}"`);
    expect((await outlet.get(`/sync/changes?cursor=${next_cursor}`)).status).toBe(410);
    expect(await pulled(outlet)).toMatchObject({ cloud_epoch: epoch, changes: [{ entity_id: '1' }] });
  });

  test('ends a pull that waits', async () => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    await outlet.pushOne(outlet.create('1'));
    const backup = cloud.backup();
    const { next_cursor } = await pulled(outlet);
    const waiting = pulled(outlet, `cursor=${next_cursor}&wait=50`);
    await eventually(
      () => cloud.polling(),
      (polls) => polls === 1,
      'the pull waits',
    );
    const epoch = cloud.restore(backup);
    expect(await waiting).toMatchObject({ changes: [], cloud_epoch: epoch });
  });

  test('is there as often as it is wanted, and a later one too', async () => {
    const cloud = await start();
    const outlet = new PretendOutlet(cloud.url);
    const first = cloud.backup();
    await outlet.pushOne(outlet.create('1'));
    const second = cloud.backup();
    const epochs = [cloud.restore(first), cloud.restore(second)];
    expect(cloud.entities()).toHaveLength(1);
    await outlet.pushOne(outlet.create('2'));
    epochs.push(cloud.restore(second), cloud.restore(first));
    expect(cloud.entities()).toEqual([]);
    expect(new Set(epochs).size).toBe(4);
    expect(() => cloud.restore('another')).toThrow('there is no backup another');
  });

  test('stays restored over a restart, with its epoch, and can be restored again after it', async () => {
    const options = { capabilities: { cloud_epoch: 'given' } };
    const cloud = await start({ journal, ...options });
    const outlet = new PretendOutlet(cloud.url);
    await outlet.pushOne(outlet.create('1'));
    const backup = cloud.backup();
    const late = outlet.create('2');
    await outlet.pushOne(late);
    expect(await epochOf(outlet)).toBe('given');
    const epoch = cloud.restore(backup);
    await outlet.pushOne(outlet.create('3'));
    const before = [cloud.entities(), cloud.feed()];

    const again = await restarted(cloud, options);
    const later = moved(outlet, again);
    expect([again.entities(), again.feed()]).toEqual(before);
    expect(await epochOf(later)).toBe(epoch);
    expect(await later.pushOne(late)).toMatchObject({ status: 'accepted', cloud_version: 1 });
    again.restore(backup);
    expect(again.entities().map(({ entity_id }) => entity_id)).toEqual(['1']);
    expect(again.backup()).not.toBe(backup);
  });
});

test('a cloud of its own process forgets, takes backups and is restored over the control route', async () => {
  const cloud = await CloudProcess.start(directory, { apiKey: 'key' });
  try {
    const outlet = new PretendOutlet(cloud.url);
    await outlet.push([outlet.create('1'), outlet.create('2')]);
    const backup = await cloud.backup();
    await cloud.forget(outlet.id, 'order', '1');
    expect(await cloud.entities()).toMatchObject([{ entity_id: '2' }]);
    await cloud.end('SIGKILL');
    await cloud.startAgain();
    const epoch = await cloud.restore(backup);
    expect(await cloud.entities()).toHaveLength(2);
    expect(await epochOf(outlet)).toBe(epoch);
    await expect(cloud.forget(outlet.id, 'order', '9')).rejects.toThrow('404');
    await expect(cloud.restore('another')).rejects.toThrow('404');
  } finally {
    await cloud.end();
  }
});
