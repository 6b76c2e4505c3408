/** Who leads: one at a time, by a lock that dies with its connection, under a number that only grows. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { jest } from '@jest/globals';
import pg from 'pg';
import { loadSettings } from '../../src/config/load.js';
import { runDaemon } from '../../src/daemon/daemon.js';
import { Reload } from '../../src/daemon/reload.js';
import { takeLead } from '../../src/db/leader.js';
import { LOCK_CLASS, LOCKS } from '../../src/db/schema.js';
import { standBy } from '../../src/db/standby.js';
import { Cluster } from '../../src/demo/postgres.js';
import { IdentityCheck } from '../../src/ops/identity/check.js';
import { readMemory, writeMemory } from '../../src/ops/identity/file.js';
import type { Remembered } from '../../src/ops/identity/verdict.js';
import { sleep } from '../../src/time.js';
import { eventually } from '../support/eventually.js';
import { emptyQueue } from '../support/queue-rows.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
const clients: pg.Client[] = [];
const never = new AbortController().signal;

beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'lead');
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.end();
  await emptyQueue(shop);
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});

async function candidate(): Promise<pg.Client> {
  const client = new pg.Client(cluster.url('lead', 'syncd'));
  await client.connect();
  clients.push(client);
  return client;
}
const runs = async () => (await shop.sql.query('SELECT * FROM syncd.daemon ORDER BY leader_epoch')).rows;

test('the first one leads and says who it is; the second one is told', async () => {
  const lead = await takeLead(await candidate(), '1.2.3', 0, never);
  expect(await runs()).toMatchObject([
    { id: lead.id, leader_epoch: lead.leader_epoch, pid: process.pid, version: '1.2.3' },
  ]);
  await expect(takeLead(await candidate(), '1.2.3', 0, never)).rejects.toMatchObject({
    code: 'anotherDaemon',
    message: expect.stringContaining(`pid ${process.pid}`),
  });
  expect((await runs()).length).toBe(1);
});

test('the lead ends with its connection; the next one’s number is higher', async () => {
  const first = await candidate();
  const before = await takeLead(first, 'v', 0, never);
  const waiting = takeLead(await candidate(), 'v', 10_000, never);
  await clients.shift()?.end();
  const after = await waiting;
  expect(Number(after.leader_epoch)).toBeGreaterThan(Number(before.leader_epoch));
});

test('where a session of another role keeps the lock, that one is named', async () => {
  const client = new pg.Client({ connectionString: shop.url, application_name: 'stock take' });
  clients.push(client);
  await client.connect();
  await client.query('SELECT pg_advisory_lock($1, $2)', [LOCK_CLASS, LOCKS.leader]);
  const { pid } = (await client.query('SELECT pg_backend_pid() AS pid')).rows[0];
  await expect(takeLead(await candidate(), 'v', 0, never)).rejects.toMatchObject({
    code: 'anotherDaemon',
    message: `a session of role postgres (pid ${pid}, stock take) keeps the lock that makes one daemon the only one`,
    hint: expect.stringContaining(`pg_terminate_backend(${pid})`),
  });
});

test('one that is told to stop waits no longer', async () => {
  await takeLead(await candidate(), 'v', 0, never);
  const stopping = new AbortController();
  const waiting = takeLead(await candidate(), 'v', 60_000, stopping.signal);
  stopping.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'anotherDaemon' });
});

test('a leader whose heart beats is left alone, however long one stands by', async () => {
  await takeLead(await candidate(), 'v', 0, never);
  const [now, begun] = [performance.now.bind(performance), performance.now()];
  // A minute for each second.
  jest.spyOn(performance, 'now').mockImplementation(() => begun + 60 * (now() - begun));
  const beats = setInterval(() => shop.sql.query('UPDATE syncd.daemon SET heartbeat_at = clock_timestamp()'), 300);
  const ending = new AbortController();
  const taken: unknown[] = [];
  const told = { onWait: async () => {}, attend: async () => {}, onLead: () => {} };
  const onTakeover = (leader: unknown) => void taken.push(leader);
  const waiting = standBy(await candidate(), 'v', ending.signal, { ...told, onTakeover });
  setTimeout(() => ending.abort(), 2_500);
  await expect(waiting).rejects.toMatchObject({ code: 'anotherDaemon' });
  clearInterval(beats);
  expect(taken).toEqual([]);
});

test('what was known of the cloud is handed on, and old runs are forgotten', async () => {
  await shop.sql.query(
    `INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, online, offline_since, last_error, refused)
     SELECT gen_random_uuid(), 'h', 1, 'v', n - 100, false, '2026-11-22 08:00+00', 'gone ' || n, 'no' FROM generate_series(1, 30) n`,
  );
  const lead = await takeLead(await candidate(), 'v', 0, never);
  const all = await runs();
  expect(all.at(-1)).toMatchObject({ id: lead.id, online: false, last_error: 'gone 30', refused: 'no' });
  expect(all.at(-1).offline_since.toISOString()).toBe('2026-11-22T08:00:00.000Z');
  for (let n = 0; n < 25; n++) {
    await shop.sql.query("SELECT nextval('syncd.leader_epochs')");
  }
  await clients.shift()?.end();
  await takeLead(await candidate(), 'v', 5_000, never);
  expect((await runs()).map((run) => run.id)).toHaveLength(1);
});

test('a daemon that waits for the lead while its configuration is read anew goes on waiting, and leads by the new one', async () => {
  await takeLead(await candidate(), 'v', 0, never);
  const text = readFileSync(shop.config, 'utf8').replace(shop.url, cluster.url('lead', 'syncd'));
  writeFileSync(shop.config, text);
  mkdirSync(shop.settings.state_dir, { recursive: true });
  const read = () => loadSettings({ file: shop.config, env: {} });
  const told: string[] = [];
  const tell = (message: string) => void told.push(message);
  const log = { error: tell, warn: tell, info: tell, debug: tell, adapt: () => {} };
  const reload = new Reload(read(), read, log);
  const stopping = new AbortController();
  const running = runDaemon(read().settings, log, stopping.signal, { reload });
  running.catch(() => {});
  try {
    await eventually(
      async () =>
        (await shop.sql.query("SELECT FROM pg_stat_activity WHERE application_name = 'syncd leader'")).rowCount,
      (waiting) => waiting === 1,
      'a daemon that waits',
    );
    writeFileSync(shop.config, `${text}sync: { interval: 7s }\n`);
    reload.again();
    // It asks for the lead ten times a second.
    await sleep(300);
    await clients.shift()?.end();
    await eventually(
      () => told,
      (messages) => messages.includes('working'),
      'the lead',
    );
    expect(reload.begin().settings.sync.intervalMs).toBe(7_000);
  } finally {
    stopping.abort();
    await running;
  }
});

test('a state directory that another outlet uses as well is told at once, and not called lost', async () => {
  const { state_dir } = shop.settings;
  mkdirSync(state_dir, { recursive: true });
  const told: string[] = [];
  const note = (message: string) => void told.push(message);
  const check = new IdentityCheck(shop.settings, { error: note, warn: note, info: note, debug: note });
  expect(await check.begin(shop.db)).toBe(true);
  expect(await check.begin(shop.db)).toBe(true);
  expect(told).toEqual([]);
  const own = (await readMemory(state_dir)) as Remembered;
  await writeMemory(state_dir, { ...own, outlet_id: 'outlet-8', install_id: crypto.randomUUID() });
  expect(await check.begin(shop.db)).toBe(true);
  expect(told).toEqual([
    expect.stringMatching(/^state_dir remembered outlet outlet-8: two outlets of one machine need one each/),
  ]);
  expect(await readMemory(state_dir)).toMatchObject({ outlet_id: 'outlet-7' });
});
