/** What the dashboard alone asks of the admin port: who the caller is, what changes as it changes, figures, what became of one record. */
import { request } from 'node:http';
import { Cluster } from '../../src/demo/postgres.js';
import { MOST_VIEWERS } from '../../src/http/admin/live-feed.js';
import { openAdmin } from '../support/admin.js';
import { eventually } from '../support/eventually.js';
import { openShop, type Shop } from '../support/shop.js';

const API = '/api/v1/sync';
let cluster: Cluster;
let shop: Shop;
let admin: Awaited<ReturnType<typeof openAdmin>>;

beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'admin_dashboard');
  admin = await openAdmin(shop.settings);
});
afterAll(async () => {
  await admin?.close();
  await shop?.close();
  await cluster?.destroy();
});

// biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever was told
type Told = any[];

/** Listens until it is closed. */
function follow() {
  let text = '';
  let ended = false;
  const asked = request({
    port: admin.listener.port,
    host: '127.0.0.1',
    path: `${API}/events`,
    headers: { authorization: `Bearer ${admin.token}` },
    agent: false,
  });
  asked.on('response', (answer) => {
    answer.on('data', (piece: Buffer) => {
      text += piece.toString();
    });
    answer.on('end', () => {
      ended = true;
    });
  });
  asked.on('error', () => {});
  asked.end();
  const told = (event: string): Told =>
    [...text.matchAll(new RegExp(`event: ${event}\\ndata: (.*)\\n\\n`, 'g'))].map(([, data]) =>
      JSON.parse(data as string),
    );
  return {
    told,
    ended: () => ended,
    close: () => asked.destroy(),
    until: (event: string, done: (told: Told) => boolean) => eventually(() => told(event), done, `the event ${event}`),
  };
}

test('a caller is told what his token may do and whose outlet it is', async () => {
  Object.assign(shop.settings.entities.get('shift') ?? {}, { money_field: '"Cash Float"' });
  expect((await admin.ask(`${API}/self`)).json).toMatchObject({
    role: 'admin',
    outlet: { id: 'outlet-7', code: 'JKT-014', timezone: 'Asia/Jakarta' },
    entities: [
      { entity_type: 'order', direction: 'push', strategy: 'newest_wins', money_field: null },
      { entity_type: 'line' },
      { entity_type: 'shift', money_field: 'Cash Float' },
    ],
  });
});

test('status, queue, log and conflicts are told as they change, to everybody who looks', async () => {
  const [one, other] = [follow(), follow()];
  for (const viewer of [one, other]) await viewer.until('status', (told) => told.length > 0);
  await shop.sql.query("INSERT INTO orders (status) VALUES ('paid')");
  await shop.sql.query("INSERT INTO syncd.sync_logs (direction, outcome, changes) VALUES ('push', 'offline', 3)");
  await shop.sql.query(
    `INSERT INTO syncd.sync_conflicts (entity_type, entity_id, source, cloud_version) VALUES ('order', 'x', 'push', 1)`,
  );
  for (const viewer of [one, other]) {
    await viewer.until('status', (told) => told.at(-1)?.pending === 1 && told.at(-1)?.conflicts === 1);
    await viewer.until('queue', (told) => told.length > 0);
    await viewer.until('conflict', (told) => told.length > 0);
    const [news] = await viewer.until('log', (told) => told.length > 0);
    expect(news).toMatchObject({ more: false, items: [{ outcome: 'offline', changes: 3 }] });
  }
  // One who comes later is told at once how things stand.
  const late = follow();
  await late.until('status', (told) => told[0]?.pending === 1);
  for (const viewer of [one, other, late]) viewer.close();
});

test('nobody looks at the database while nobody watches', async () => {
  const looks = async () =>
    (
      await shop.sql.query(
        `SELECT max(query_start) AS last FROM pg_stat_activity WHERE application_name = 'syncd admin'`,
      )
    ).rows[0]?.last;
  const viewer = follow();
  await viewer.until('status', (told) => told.length > 0);
  const before = await looks();
  await eventually(looks, (last) => String(last) !== String(before), 'another look');
  viewer.close();
  // A look that was under way may end; then there is none for longer than two looks are apart.
  let last = await looks();
  let quietSince = performance.now();
  await eventually(
    async () => {
      const now = await looks();
      if (String(now) !== String(last)) [last, quietSince] = [now, performance.now()];
      return performance.now() - quietSince;
    },
    (quietMs) => quietMs > 2_500,
    'no more looks',
  );
});

test('viewers are bounded, in all and by address', async () => {
  expect(MOST_VIEWERS).toBeLessThan(64);
  const viewers = Array.from({ length: 7 }, follow);
  for (const viewer of viewers) await viewer.until('status', (told) => told.length > 0);
  const crowd = [...viewers, follow(), follow()];
  await eventually(
    () => crowd.filter((viewer) => viewer.told('status').length > 0).length,
    (served) => served === 8,
    'eight are served and no more',
  );
  for (const viewer of crowd) viewer.close();
});

test('the figures come as columns, in steps', async () => {
  await shop.sql.query(`
    INSERT INTO syncd.samples
    SELECT m, 2, 1, 0, 0, 5, 0, 0, 0, 0, 1, 80, 100, true
    FROM generate_series(date_trunc('minute', now()) - interval '3 hours', date_trunc('minute', now()), interval '1 minute') m`);
  const hour = (await admin.ask(`${API}/samples?span=1h`)).json;
  expect(hour.step_ms).toBe(60_000);
  expect(hour.minute.length).toBeGreaterThanOrEqual(59);
  expect(new Set(Object.values(hour).map((column) => (column as unknown[]).length ?? hour.minute.length))).toEqual(
    new Set([hour.minute.length]),
  );
  const day = (await admin.ask(`${API}/samples?step=60m`)).json;
  expect(Math.max(...day.captured)).toBe(120);
  expect(Math.max(...day.queue_depth)).toBe(5);
  for (const query of ['span=9d', 'span=1s', 'span=x', 'step=90s', 'step=0m', 'from=1'])
    expect([query, (await admin.ask(`${API}/samples?${query}`)).status]).toEqual([query, 400]);
});

test('outages and captured tables are listed', async () => {
  await shop.sql.query(`
    INSERT INTO syncd.outages (began_at, ended_at, reason, waited, last_change) VALUES
      (now() - interval '9 days', now() - interval '8 days', 'long ago', 1, 1),
      (now() - interval '2 hours', now() - interval '1 hour', 'ETIMEDOUT', 412, 1)`);
  const { items } = (await admin.ask(`${API}/outages`)).json;
  expect(items).toMatchObject([{ reason: 'ETIMEDOUT', waited: 412, duration_ms: 3_600_000, drained_at: null }]);
  await shop.sql.query('ALTER TABLE orders DISABLE TRIGGER ALL');
  const tables = (await admin.ask(`${API}/capture`)).json.items;
  expect(
    tables.map(({ entity_type, healthy }: { entity_type: string; healthy: boolean }) => [entity_type, healthy]),
  ).toEqual([
    ['line', true],
    ['order', false],
    ['shift', true],
  ]);
  await shop.sql.query('ALTER TABLE orders ENABLE TRIGGER ALL');
});

test('a record’s history tells what was sent and what was answered, digit by digit', async () => {
  await shop.sql.query(`
    WITH sent AS (
      INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, status, settled_as, synced_at, batch_id)
      VALUES ('order', '42', 'create', '{"total":12345678901234567890.10}', 'synced', 'accepted', now(), gen_random_uuid()) RETURNING change_id, batch_id
    )
    INSERT INTO syncd.sync_logs (direction, batch_id, outcome, http_status, changes, accepted, change_ids, outcomes)
    SELECT 'push', batch_id, 'results', 200, 1, 1, ARRAY[change_id], ARRAY['accepted'] FROM sent`);
  await shop.sql.query(
    `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, previous) VALUES ('order', '42', 'update', '{"total":1.50}', '{"total":1.00}')`,
  );
  const reply = await admin.ask(`${API}/entities/order/42/history`);
  expect(reply).toMatchObject({ status: 200, json: { entity_id: '42', status: 'pending', history_since: null } });
  expect(reply.json.changes).toMatchObject([
    { operation: 'update', status: 'pending', answers: [] },
    { operation: 'create', settled_as: 'accepted', answers: [{ verdict: 'accepted', http_status: 200, error: null }] },
  ]);
  for (const digits of ['12345678901234567890.10', '1.50', '1.00']) expect(reply.text).toContain(`"total":${digits}`);
  expect((await admin.ask(`${API}/entities/order/none/history`)).status).toBe(404);
});

test('one conflict is had by its number', async () => {
  const { id } = (await shop.sql.query(`SELECT id::text AS id FROM syncd.sync_conflicts WHERE entity_id = 'x'`))
    .rows[0];
  expect((await admin.ask(`${API}/conflicts/${id}`)).json).toMatchObject({ id, entity_id: 'x', status: 'open' });
  expect((await admin.ask(`${API}/conflicts/999999`)).json).toMatchObject({
    type: 'urn:syncd:problem:unknown-conflict',
  });
});

test('the stream ends with the listener', async () => {
  const second = await openAdmin(shop.settings);
  const stream = admin;
  admin = second;
  const viewer = follow();
  await viewer.until('status', (told) => told.length > 0);
  await second.close();
  await eventually(viewer.ended, (ended) => ended, 'the end of the stream');
  admin = stream;
});
