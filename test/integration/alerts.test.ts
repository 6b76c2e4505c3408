/** Alerts from the table to the receiver: told once, cleared once, over restarts, past receivers that hang, redirect or are away. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AlertTarget, Settings } from '../../src/config/settings.js';
import { Cluster } from '../../src/demo/postgres.js';
import type { Log, LogFields, LogLevel } from '../../src/log.js';
import { AlertMessages, waitAfter } from '../../src/ops/alerts/messages.js';
import { AlertWatch } from '../../src/ops/alerts/watch.js';
import { isAlive, Receivers } from '../support/alert-receivers.js';
import { eventually } from '../support/eventually.js';
import { addRows, emptyQueue } from '../support/queue-rows.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
let receivers: Receivers;
let journal: [LogLevel, string, LogFields][];
let stopping: AbortController;

beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'alerts');
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});
beforeEach(async () => {
  await emptyQueue(shop);
  await shop.sql.query('TRUNCATE syncd.alerts, syncd.alert_messages');
  await shop.sql.query(
    "INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, online) VALUES (gen_random_uuid(), 'h', 1, 'v', 1, true)",
  );
  receivers = new Receivers();
  journal = [];
  stopping = new AbortController();
});
afterEach(() => {
  stopping.abort();
  receivers.close();
});

const write =
  (level: LogLevel) =>
  (message: string, fields: LogFields = {}) =>
    void journal.push([level, message, fields]);
const log: Log = { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };

/** One run of the daemon, as far as alerts go. */
function run(send: AlertTarget[], limitMs = { url: 2_000, command: 2_000 }) {
  const settings: Settings = { ...shop.settings, alerts: { ...shop.settings.alerts, send } };
  const messages = new AlertMessages({ db: shop.db, send: () => send, log, version: '1', limitMs });
  const watch = new AlertWatch({ db: shop.db, settings, log, onMessages: () => messages.wake() });
  const look = async (times = 2) => {
    for (let time = 0; time < times; time++) await watch.look();
  };
  const turned = async () => {
    await messages.turn(stopping.signal);
    return waiting();
  };
  const deliver = () =>
    eventually(turned, (rows) => rows.every(({ attempts }) => attempts > 0), 'every message was tried');
  return { look, turned, deliver };
}

async function waiting(): Promise<{ event: string; attempts: number }[]> {
  return (await shop.sql.query('SELECT event, attempts FROM syncd.alert_messages ORDER BY id')).rows;
}
const alerts = async () =>
  (
    await shop.sql.query(
      'SELECT alert, cleared_at IS NOT NULL AS cleared, told_at IS NOT NULL AS told, told_error FROM syncd.alerts ORDER BY id',
    )
  ).rows;
const fail = () => addRows(shop, [{ entity: 'a', status: 'failed' }]);
const mend = () => shop.sql.query('TRUNCATE syncd.sync_queue');
const laterBy = (interval: string) =>
  shop.sql.query(
    `UPDATE syncd.alerts SET raised_at = raised_at - interval '${interval}', well_since = well_since - interval '${interval}'`,
  );

test('A trouble is told once to everybody, also over a restart, and once more when it is over', async () => {
  const { heard, url } = await receivers.url(() => 200);
  const told = join(receivers.directory, 'told');
  const command = receivers.script(
    `printf '%s|%s|%s\\n' "$1" "$SYNCD_EVENT" "$SYNCD_TEXT_ID" >> ${told}; cat >> ${told}; env | sort >> ${told}.env`,
  );
  await fail();
  const first = run([{ url }, { command }]);
  await first.look(5);
  await first.deliver();
  const second = run([{ url }, { command }]);
  await second.look(5);
  await second.deliver();
  expect(heard.map(({ path, body }) => [path, body.event, body.alert])).toEqual([
    ['POST /hook/planted-secret', 'raised', 'failed'],
  ]);
  expect(heard[0]?.body).toEqual({
    event: 'raised',
    id: '1',
    alert: 'failed',
    severity: 'critical',
    outlet: { id: 'outlet-7', code: 'JKT-014' },
    value: '1',
    since: expect.any(String),
    at: expect.any(String),
    text: expect.stringMatching(/^JKT-014: 1 change failed .*; see why with: syncd queue --status failed$/),
    text_id: expect.stringMatching(/^JKT-014: 1 perubahan gagal/),
  });
  expect(heard[0]?.headers).not.toHaveProperty('x-api-key');
  expect(await alerts()).toEqual([{ alert: 'failed', cleared: false, told: true, told_error: null }]);

  await mend();
  await second.look(2);
  expect(await alerts()).toMatchObject([{ cleared: false }]);
  await laterBy('6 minutes');
  const third = run([{ url }, { command }]);
  await third.look(3);
  await third.deliver();
  expect(heard.map(({ body }) => body.event)).toEqual(['raised', 'cleared']);
  expect(await alerts()).toMatchObject([{ cleared: true, told: true }]);
  const lines = readFileSync(told, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  expect(lines.filter((line) => !line.startsWith('{'))).toEqual([
    expect.stringMatching(/^one word\|raised\|JKT-014: 1 perubahan gagal/),
    expect.stringMatching(/^one word\|cleared\|JKT-014: sudah pulih/),
  ]);
  expect(lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line).event)).toEqual([
    'raised',
    'cleared',
  ]);
  // Nothing of the daemon's own environment goes along.
  const names = readFileSync(`${told}.env`, 'utf8').matchAll(/^(\w+)=/gm);
  expect([...names].map(([, name]) => name).filter((name) => !/^(SYNCD_[A-Z_]+|PATH|PWD)$/.test(name ?? ''))).toEqual(
    [],
  );
  expect(journal.map(([level]) => level)).toEqual(['error', 'info']);
});

test('A command that hangs is killed with all that it started, holds up nobody, and is tried again later', async () => {
  const { heard, url } = await receivers.url(() => 204);
  const command = receivers.script(`sleep 300 & echo $! > ${join(receivers.directory, 'child')}; exec sleep 300`);
  await fail();
  const { look, turned, deliver } = run([{ command }, { url }], { url: 2_000, command: 300 });
  await look();
  const begun = performance.now();
  await turned();
  expect(performance.now() - begun).toBeLessThan(250);
  await deliver();
  expect(heard).toHaveLength(1);
  expect(await waiting()).toEqual([{ event: 'raised', attempts: 1 }]);
  expect(await alerts()).toMatchObject([{ told: false, told_error: 'it took longer than 0.3 s' }]);
  const child = Number(readFileSync(join(receivers.directory, 'child'), 'utf8'));
  await eventually(
    () => isAlive(child),
    (alive) => !alive,
    "the command's child is gone",
  );
});

test.each<[string, () => string[], RegExp]>([
  [
    'ends with an error and says why',
    () => receivers.script('echo no such owner >&2; exit 3'),
    /^it ended with 3: no such owner$/,
  ],
  ['does not exist', () => ['/nowhere/notify'], /^it cannot be started: .*ENOENT/],
  ['prints without end', () => receivers.script('yes a | head -c 5000000; exit 1'), /^it ended with 1: (a ){50,100}/],
  ['does not read what it is told', () => receivers.script('exec <&-; exit 0'), /^$/],
])('A command that %s', async (_, command, fault) => {
  await fail();
  const { look, deliver } = run([{ command: command() }]);
  await look();
  await deliver();
  expect((await alerts())[0].told_error ?? '').toMatch(fault);
});

test('A command gets its words as they are: no shell reads them', async () => {
  const planted = join(receivers.directory, 'planted');
  await fail();
  const { look, deliver } = run([{ command: ['/bin/echo', `; touch ${planted}`, '$(touch /tmp/x)'] }]);
  await look();
  await deliver();
  expect(existsSync(planted)).toBe(false);
  expect(await alerts()).toMatchObject([{ told: true, told_error: null }]);
});

test('A URL that redirects is not followed; one that never answers is given up in time; neither stops the other', async () => {
  const thief = await receivers.url(() => 200);
  const redirecting = await receivers.url(() => 307, { location: thief.url });
  const silent = await receivers.url(() => 0);
  await fail();
  const { look, deliver } = run([{ url: redirecting.url }, { url: silent.url }], { url: 400, command: 1_000 });
  await look();
  await deliver();
  expect(thief.heard).toEqual([]);
  expect(await waiting()).toMatchObject([{ attempts: 1 }, { attempts: 1 }]);
  const faults = journal.filter(([, , { alert_id }]) => alert_id !== undefined).map(([, , { error }]) => error);
  expect(faults.sort()).toEqual([
    'it answers with a redirect (HTTP 307), which is not followed',
    expect.stringMatching(/^no answer within/),
  ]);
  expect(JSON.stringify([journal, await alerts()])).not.toContain('planted-secret');
});

test('A dead URL is tried again with growing waits until it answers, and a restart forgets nothing', async () => {
  const { heard, url } = await receivers.url((n) => (n < 3 ? 503 : 200));
  await fail();
  const first = run([{ url }]);
  await first.look();
  await first.deliver();
  await first.turned();
  expect(heard).toHaveLength(1);
  for (let tries = 2; tries <= 3; tries++) {
    await shop.sql.query('UPDATE syncd.alert_messages SET next_try_at = clock_timestamp()');
    const next = run([{ url }]);
    await next.turned();
    await eventually(next.turned, (rows) => rows.length === 0 || rows[0]?.attempts === tries, 'the next try');
  }
  expect(heard).toHaveLength(3);
  expect(await alerts()).toMatchObject([{ told: true, told_error: 'it answers HTTP 503' }]);
});

test('After its last try a message leaves, and the alert says so', async () => {
  await fail();
  const { look, turned } = run([{ url: 'http://127.0.0.1:9/' }]);
  await look();
  await shop.sql.query('UPDATE syncd.alert_messages SET attempts = 27');
  await eventually(turned, (rows) => rows.length === 0, 'the message was given up');
  expect(await alerts()).toMatchObject([
    { told: true, told_error: expect.stringMatching(/^given up after 28 tries: .*ECONNREFUSED/) },
  ]);
  expect([1, 2, 3, 7, 8, 27, 28].map(waitAfter)).toEqual([
    30_000,
    60_000,
    120_000,
    1_800_000,
    1_800_000,
    1_800_000,
    undefined,
  ]);
});

test('A receiver that was taken out of the configuration gets nothing any more', async () => {
  const { heard, url } = await receivers.url(() => 200);
  await fail();
  await run([{ url }]).look();
  const { turned } = run([]);
  await eventually(turned, (rows) => rows.length === 0, 'the message left');
  expect(heard).toEqual([]);
});

test('A line that flaps tells people at most nine times a day', async () => {
  const { heard, url } = await receivers.url(() => 200);
  const { look, deliver } = run([{ url }]);
  for (let flap = 0; flap < 20; flap++) {
    await fail();
    await look(2);
    await mend();
    await look(1);
    await laterBy('6 minutes');
    await look(1);
  }
  await deliver();
  expect(heard.filter(({ body }) => body.event === 'raised').length).toBeLessThanOrEqual(3);
  expect((await alerts()).length).toBeLessThanOrEqual(3);
});
