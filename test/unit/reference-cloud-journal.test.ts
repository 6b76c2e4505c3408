/** What the reference cloud keeps over a kill, and how a process of its own is steered. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CloudOptions } from '../../src/demo/cloud/open.js';
import type { ReferenceCloud } from '../../src/demo/cloud/reference-cloud.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { SyncError } from '../../src/errors.js';
import { monotonicMs, sleep } from '../../src/time.js';
import { CloudProcess } from '../support/cloud-process.js';
import { PretendOutlet } from '../support/pretend-outlet.js';

const directory = mkdtempSync(join(tmpdir(), 'syncd-cloud-'));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;
const newJournal = () => join(directory, `journal-${++files}`);
const options = { apiKey: 'key', references: { item: [{ columns: ['order_id'], type: 'order' }] } };

describe('over a restart', () => {
  const clouds: ReferenceCloud[] = [];
  afterEach(() => Promise.all(clouds.splice(0).map((cloud) => cloud.stop())));
  const start = async (given: CloudOptions) => {
    const cloud = await startReferenceCloud(given);
    clouds.push(cloud);
    return cloud;
  };

  test('entities, versions, duplicates, forks, the ledger and the cloud epoch are as before', async () => {
    const journal = newJournal();
    const cloud = await start({ ...options, journal });
    const outlet = new PretendOutlet(cloud.url);
    const create = outlet.create('1', { data: '{"n":1.10,"big":123456789012345678901234567890,"t":"é\\n"}' });
    await outlet.pushOne(create);
    await outlet.pushOne(outlet.create('1', { entity_type: 'item', data: '{"order_id":1}' }));
    await outlet.pushOne(outlet.remove('9'));
    await outlet.pushOne(outlet.update('1', { base_cloud_version: 55 }));
    cloud.edit({ outlet_id: outlet.id, entity_type: 'order', entity_id: '2', data: '{"by":"office"}' });
    cloud.faults.add({ kind: 'lost-ack', times: 1 });
    await expect(outlet.pushOne(outlet.create('3'))).rejects.toMatchObject({ code: 'ECONNRESET' });
    const epoch = (await outlet.get('/sync/capabilities')).text;
    const before = { entities: cloud.entities(), deliveries: cloud.ledger.deliveries };
    await cloud.stop();

    const again = await start({ ...options, journal });
    expect({ entities: again.entities(), deliveries: again.ledger.deliveries }).toEqual(before);
    const later = new PretendOutlet(again.url);
    later.installId = outlet.installId;
    expect((await later.get('/sync/capabilities')).text).toBe(epoch);
    expect(await later.pushOne(create)).toMatchObject({ status: 'duplicate', cloud_version: 1 });
    const parent = outlet.remove('1', { base_cloud_version: 1 });
    expect(await later.pushOne(parent)).toMatchObject({ status: 'held', waiting_for: { entity_type: 'item' } });
    later.installId = '00000000-0000-4000-8000-000000000000';
    expect((await later.push([outlet.create('4')])).status).toBe(409);
    await again.stop();
  });

  test('a torn last line is cut off wherever it was torn, and the file is continued', async () => {
    const journal = newJournal();
    const cloud = await start({ ...options, journal });
    const outlet = new PretendOutlet(cloud.url);
    await outlet.pushOne(outlet.create('1'));
    await cloud.stop();
    const whole = readFileSync(journal);
    const line = '{"kind":"edit","outlet_id":null,"entity_type":"order","entity_id":"torn é"}';
    for (const length of [1, 20, Buffer.byteLength(line) - 4, Buffer.byteLength(line)]) {
      truncateSync(journal, whole.length);
      appendFileSync(journal, Buffer.from(line).subarray(0, length));
      const torn = await start({ ...options, journal });
      expect(torn.entities()).toHaveLength(1);
      torn.edit({ entity_type: 'order', entity_id: '2', data: '{}' });
      await torn.stop();
      const healed = await start({ ...options, journal });
      expect(healed.entities()).toHaveLength(2);
      await healed.stop();
    }
  });

  test('a journal damaged in its middle is refused with the line and what to do', async () => {
    const journal = newJournal();
    writeFileSync(journal, '{"kind":"start","cloud_epoch":"e"}\n{"kind"\n{"kind":"ack","request":1,"without":[]}\n');
    const refused = await start({ ...options, journal }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(SyncError);
    expect((refused as SyncError).message).toContain('line 2');
    expect((refused as SyncError).hint).not.toBe('');
  });

  test('lines longer than one read are whole after it', async () => {
    const journal = newJournal();
    const cloud = await start({ ...options, journal });
    const outlet = new PretendOutlet(cloud.url);
    const data = `{"x":"${'é'.repeat(800_000)}"}`;
    await outlet.push([outlet.create('1', { data }), outlet.create('2', { data: '{"y":2}' })]);
    await cloud.stop();
    const again = await start({ ...options, journal });
    expect(again.entities().map((one) => one.data)).toEqual([data, '{"y":2}']);
    await again.stop();
  });

  test('without a journal everything is forgotten', async () => {
    const cloud = await start(options);
    const outlet = new PretendOutlet(cloud.url);
    await outlet.pushOne(outlet.create('1'));
    await cloud.stop();
    const again = await start(options);
    expect(again.entities()).toEqual([]);
    await again.stop();
  });
});

describe('as a process', () => {
  let cloud: CloudProcess;
  beforeAll(async () => {
    cloud = await CloudProcess.start(directory, options);
  });
  afterAll(() => cloud.end('SIGKILL'));

  test('kill -9 while pushes run forgets nothing that was answered', async () => {
    const outlet = new PretendOutlet(cloud.url, 'killed');
    const answered: string[] = [];
    const pushing = (async () => {
      for (let id = 0; ; id++) {
        const change = outlet.create(String(id));
        if ((await outlet.pushOne(change))?.status === 'accepted') answered.push(change.change_id);
      }
    })().catch(() => {});
    for (const deadline = monotonicMs() + 5_000; answered.length < 50 && monotonicMs() < deadline; ) await sleep(5);
    await cloud.end('SIGKILL');
    await pushing;
    await cloud.startAgain();
    const kept = new Set((await cloud.ledger()).map((delivery) => delivery.change_id));
    expect(answered.length).toBeGreaterThanOrEqual(50);
    expect(answered.filter((id) => !kept.has(id))).toEqual([]);
  });

  test('entities, requests, statistics, edits and faults go over the control route', async () => {
    const outlet = new PretendOutlet(cloud.url, 'steered');
    await outlet.pushOne(outlet.create('1', { data: '{"n":1.10}' }));
    expect(await cloud.entities('steered')).toMatchObject([{ entity_id: '1', data: '{"n":1.10}' }]);
    expect((await cloud.requests()).at(-1)).toMatchObject({ path: '/sync/push', changes: 1, status: 200 });
    const id = await cloud.addFault({ kind: 'status', status: 503, match: { path: '/health' } });
    expect((await outlet.get('/health')).status).toBe(503);
    await cloud.clearFaults(id);
    expect((await outlet.get('/health')).status).toBe(200);
    const edit = { outlet_id: 'steered', entity_type: 'order', entity_id: '1', data: '{}' };
    expect(await cloud.edit(edit)).toMatchObject({ cloud_version: 2 });
    expect(await outlet.pushOne(outlet.update('1', { base_cloud_version: 1 }))).toMatchObject({ status: 'conflict' });
    expect(await cloud.statistics()).toMatchObject({ outcomes: { conflict: 1 }, statuses: { 503: 1 } });
    expect(await cloud.violations()).toEqual([]);
  });

  test('an unknown fault or control is refused', async () => {
    await expect(cloud.addFault({ kind: 'gremlin' } as never)).rejects.toThrow('gremlin');
    expect((await fetch(cloud.url.replace('/api/v1', '/_control/nothing'))).status).toBe(404);
  });

  test('down for a while refuses connections, then listens again by itself', async () => {
    const outlet = new PretendOutlet(cloud.url, 'cut');
    const reachable = () =>
      outlet.get('/health').then(
        () => true,
        () => false,
      );
    const untilReachable = async (wanted: boolean) => {
      for (const deadline = monotonicMs() + 5_000; (await reachable()) !== wanted; await sleep(10)) {
        if (monotonicMs() > deadline) throw new Error(`health never became ${wanted ? 'reachable' : 'unreachable'}`);
      }
    };
    await cloud.down(300);
    await untilReachable(false);
    await untilReachable(true);
  });

  test('SIGTERM ends it with exit code 0', async () => {
    expect(await cloud.end('SIGTERM')).toBe(0);
  });
});
