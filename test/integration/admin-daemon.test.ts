/** The admin port of a living daemon: it acts on the real loops, outlives the database, floods and a taken port. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { runDaemon } from '../../src/daemon/daemon.js';
import { Cluster } from '../../src/demo/postgres.js';
import { type AdminClient, adminClient } from '../support/admin.js';
import { eventually } from '../support/eventually.js';
import { type Outlet, openOutlet } from '../support/running-daemon.js';

const API = '/api/v1/sync';
let cluster: Cluster;
let outlet: Outlet;
let ask: AdminClient;
let port: number;

beforeAll(async () => {
  cluster = await Cluster.start();
  outlet = await openOutlet(cluster, 'admin_daemon');
  outlet.shop.sql.on('error', () => {});
  port = await eventually(
    async () => outlet.lines.find(({ message }) => message === 'the admin port is open')?.fields.port as number,
    (found) => found > 0,
    'the admin port',
  );
  ask = adminClient(port, readFileSync(join(outlet.settings.state_dir, 'admin_token'), 'utf8').trim());
  await eventually(
    () => ask('/ready'),
    ({ status }) => status === 200,
    'ready',
  );
});
afterAll(async () => {
  await outlet?.close();
  await cluster?.destroy();
});

test('ready names every loop', async () => {
  expect((await ask('/ready')).json).toMatchObject({
    ready: true,
    database: true,
    loops: { supervision: true, push: true },
  });
});

test('a push that is waited for is in the cloud, and one entity tells how it came there', async () => {
  await outlet.shop.sql.query('INSERT INTO exact (id, n) VALUES (7, 1.10)');
  await outlet.drained();
  const pushed = await ask(`${API}/entities/exact/7/push`, { body: { wait: '10s' } });
  expect(pushed).toMatchObject({ status: 200, json: { status: 'synced', operation: 'update' } });
  expect((await ask(`${API}/trigger`, { body: { wait: '10s' } })).json).toMatchObject({ finished: true, error: null });
  const { json } = await ask(`${API}/entities/exact/7`);
  expect(json).toMatchObject({ status: 'synced', cloud_version: 2, history_since: null });
  expect(json.queue.map((item: { operation: string }) => item.operation)).toEqual(['update', 'create']);
  expect(json.log).toHaveLength(2);
  expect((await ask(`${API}/status`)).json).toMatchObject({ state: 'ok', daemon: { running: true } });
});

test('a cloud that is away does not make it unready', async () => {
  outlet.cloud.faults.add({ kind: 'status', status: 503 });
  await outlet.shop.sql.query('INSERT INTO exact (id) VALUES (8)');
  await eventually(
    async () => (await ask(`${API}/status`)).json.cloud.online,
    (online) => online === false,
    'offline',
  );
  expect((await ask('/ready')).status).toBe(200);
  outlet.cloud.faults.clear();
  expect((await ask(`${API}/trigger`, { body: { wait: '10s' } })).json).toMatchObject({ error: null });
  await outlet.drained();
});

test('while the database is away it says so, and once it is back everything goes on', async () => {
  for (const mode of ['fast', 'immediate'] as const) {
    await cluster.stop(mode);
    await eventually(
      () => ask('/ready'),
      ({ status, json }) => status === 503 && json.database === false,
      'not ready',
      5_000,
    );
    expect((await ask('/live')).status).toBe(200);
    expect(await ask(`${API}/queue`)).toMatchObject({
      status: 503,
      headers: { 'retry-after': '5' },
      json: { type: 'urn:syncd:problem:unavailable' },
    });
    expect((await ask(`${API}/status`)).json).toMatchObject({ state: 'unknown', pending: null });
    expect((await ask(`${API}/pause`, { body: {} })).status).toBe(503);
    await cluster.start();
    await eventually(
      () => ask('/ready'),
      ({ status }) => status === 200,
      'ready again',
    );
    expect((await ask(`${API}/queue`)).json).toEqual({ items: [], next_cursor: null });
  }
});

test('a flood of strangers gets its answers and keeps no sale back', async () => {
  const statuses = new Map<number | string, number>();
  let flooding = true;
  const stranger = async (n: number) => {
    for (let i = 0; flooding; i++) {
      const token = `planted-wrong-token-${n}-${i}`;
      const status = await ask(`${API}/queue`, { token }).then(
        (reply) => reply.status,
        (error) => error.code ?? 'cut',
      );
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  const strangers = Array.from({ length: 24 }, (_, n) => stranger(n));
  const client = new pg.Client(outlet.shop.url);
  await client.connect();
  await eventually(
    async () => statuses.get(429) ?? 0,
    (refused) => refused > 100,
    'a flood',
  );
  for (let id = 100; id < 120; id++) {
    await client.query('INSERT INTO exact (id) VALUES ($1)', [id]);
    await eventually(
      async () => outlet.entity('exact', String(id)),
      (found) => found !== undefined,
      'a sale in the cloud',
      2_000,
    );
  }
  flooding = false;
  await Promise.all(strangers);
  await client.end();
  expect(statuses.get(401)).toBe(5);
  expect([...statuses.keys()].filter((status) => typeof status === 'number').sort()).toEqual([401, 429]);
  expect((await ask('/live', { token: null })).status).toBe(200);
  expect(JSON.stringify(outlet.lines)).not.toContain('planted-wrong');
});

test('another program has its port: that is said with what to type, and the sales go out all the same', async () => {
  const squatter = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => squatter.once('listening', resolve));
  const taken = (squatter.address() as { port: number }).port;
  await outlet.stop();
  const lines: string[] = [];
  const take = (message: string, fields: object = {}) =>
    void lines.push(JSON.stringify([message, fields, String((fields as { error?: unknown }).error)]));
  const client = new pg.Client(outlet.shop.url);
  await client.connect();
  const stopping = new AbortController();
  const listen = { host: '127.0.0.1', port: taken };
  const running = runDaemon(
    { ...outlet.settings, admin: { ...outlet.settings.admin, listen } },
    { error: take, warn: take, info: take, debug: take },
    stopping.signal,
  );
  await client.query('INSERT INTO exact (id) VALUES (9)');
  await eventually(
    async () => outlet.entity('exact', '9'),
    (found) => found !== undefined,
    'the sale in the cloud',
  );
  expect(lines.join('\n')).toMatch(new RegExp(`syncing goes on.*ss -ltnp.*${taken}: another program`));
  stopping.abort();
  await running;
  await client.end();
  squatter.close();
});
