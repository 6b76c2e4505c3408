/** The configuration read anew under a running daemon: what changes, what stays, and that nothing is lost on the way. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadSettings } from '../../src/config/load.js';
import { runDaemon } from '../../src/daemon/daemon.js';
import { Reload } from '../../src/daemon/reload.js';
import type { ReferenceCloud } from '../../src/demo/cloud/reference-cloud.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { Cluster, freePort } from '../../src/demo/postgres.js';
import type { AdaptableLog, LogFields } from '../../src/log.js';
import { sleep } from '../../src/time.js';
import { eventually } from '../support/eventually.js';
import { sendRaw } from '../support/raw-http.js';
import { openShop, type Shop } from '../support/shop.js';
import { eventText, onWire } from '../support/signed-webhook.js';

const OLD_KEY = 'planted-old-key-1';
const NEW_KEY = 'planted-new-key-2';
const OLD_SECRET = 'planted-old-secret';
const NEW_SECRET = 'planted-new-secret';
const ENTITIES = `
  order: { table: public.orders, exclude: [secret_note] }
  line: { table: lines }
  shift: { table: '"Shifts"' }
`;

let cluster: Cluster;
let cloud: ReferenceCloud;
let shop: Shop;
let good: string;
let reload: Reload;
let running: Promise<void>;
let webhookPort: number;
const stopping = new AbortController();
const lines: { message: string; fields: LogFields }[] = [];
const adapted: unknown[] = [];

const file = (name: string) => join(dirname(shop.config), name);
const write = (name: string, text: string) => writeFileSync(file(name), text, { mode: 0o600 });
const configure = (text: string) => write('syncd.yaml', text);
const one = async (text: string) => (await shop.sql.query(text)).rows[0];
const told = (message: string) => lines.filter((line) => line.message === message);
const sessions = () => told('working').length;
const worksAgain = (before: number) => eventually(sessions, (count) => count > before, 'a new session');

/** Sells every 20 ms until `during` is done; returns how many sales there were. */
async function selling(during: () => Promise<unknown>): Promise<number> {
  const done = new AbortController();
  let sold = 0;
  const seller = (async () => {
    for (; !done.signal.aborted; sold += 1) {
      await shop.sql.query('INSERT INTO orders (total) VALUES ($1)', [sold]);
      await sleep(20);
    }
  })();
  await during().finally(() => done.abort());
  await seller;
  return sold;
}
const drained = () =>
  eventually(
    async () => Number((await one('SELECT count(*) FROM syncd.unsettled')).count),
    (waiting) => waiting === 0,
    'drained',
  );

beforeAll(async () => {
  cluster = await Cluster.start();
  cloud = await startReferenceCloud({ apiKey: OLD_KEY });
  shop = await openShop(cluster, 'reload');
  webhookPort = await freePort();
  write('key', OLD_KEY);
  write('secrets', OLD_SECRET);
  good = `outlet: { id: outlet-7, code: JKT-014, timezone: Asia/Jakarta }
database: { url: "${cluster.url('reload', 'syncd')}" }
state_dir: ${file('state')}
cloud: { url: "${cloud.url}", api_key_file: ${file('key')} }
admin: { listen: 127.0.0.1:0 }
webhook: { listen: 127.0.0.1:${webhookPort}, secrets_file: ${file('secrets')}, allow_ips: [127.0.0.0/8] }
entities:${ENTITIES}`;
  configure(good);
  const read = () => loadSettings({ file: shop.config, env: {} });
  const loaded = read();
  const take = (message: string, fields: LogFields = {}) => void lines.push({ message, fields });
  const log: AdaptableLog = {
    error: take,
    warn: take,
    info: take,
    debug: () => {},
    adapt: (change) => void adapted.push(change),
  };
  reload = new Reload(loaded, read, log);
  running = runDaemon(loaded.settings, log, stopping.signal, { reload });
  running.catch(() => {});
  await worksAgain(0);
});
afterAll(async () => {
  stopping.abort();
  await running;
  await cloud?.stop();
  await shop?.close();
  await cluster?.destroy();
});
afterEach(async () => {
  const [before, reads] = [sessions(), told('the configuration was read anew').length];
  configure(good);
  reload.again();
  if (told('the configuration was read anew').length > reads) await worksAgain(before);
});

test('a file that is as it was ends nothing', async () => {
  const before = sessions();
  reload.again();
  expect(told('the configuration was read anew and is as it was')).toHaveLength(1);
  await drained();
  expect(sessions()).toBe(before);
});

test('other settings hold a moment later, in the same process and without a lost sale; the daemon is not seen to stop', async () => {
  const before = sessions();
  const stops: unknown[] = [];
  const sold = await selling(async () => {
    configure(`${good}sync: { retry: { max_retries: 9 } }\nlog: { level: debug }\n`);
    reload.again();
    await eventually(
      async () => {
        stops.push((await one('SELECT stopped_at FROM syncd.daemon ORDER BY leader_epoch DESC LIMIT 1')).stopped_at);
        return sessions();
      },
      (count) => count > before,
      'a new session',
    );
  });
  await drained();
  expect(cloud.entities().filter(({ entity_type }) => entity_type === 'order').length).toBeGreaterThanOrEqual(sold);
  expect(told('the configuration was read anew').at(-1)?.fields).toEqual({
    changed: ['log.level', 'sync.retry.max_retries'],
  });
  expect(adapted.at(-1)).toMatchObject({ level: 'debug' });
  expect(new Set(stops)).toEqual(new Set([null]));
});

test('every session takes its connections along', async () => {
  const ours = async () =>
    (
      await shop.sql.query(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'syncd %' AND usename = 'syncd'",
      )
    ).rows.map(({ pid }) => pid as number);
  const before = sessions();
  const old = new Set(await eventually(ours, (pids) => pids.length >= 8, 'all connections'));
  configure(`${good}sync: { retry: { max_retries: 8 } }\n`);
  reload.again();
  await worksAgain(before);
  await eventually(
    async () => (await ours()).filter((pid) => old.has(pid)),
    (left) => left.length === 0,
    'no old connection',
    5_000,
  );
});

test('a faulty file changes nothing and is told with every fault, each time it is asked for', async () => {
  const before = sessions();
  configure(`${good.replace('api_key_file', 'api_kye_file')}sync: { interval: soon }\n`);
  reload.again();
  reload.again();
  const faults = told('the configuration has faults; what is in force stays');
  expect(faults).toHaveLength(2);
  expect(faults[1]?.fields.faults).toEqual([
    expect.stringMatching(/cloud\.api_kye_file: unknown key/),
    expect.stringMatching(/sync\.interval: "soon" is not allowed/),
  ]);
  expect(faults[0]?.fields.trouble).not.toBe(faults[1]?.fields.trouble);
  await shop.sql.query('INSERT INTO orders (total) VALUES (7)');
  await drained();
  expect(sessions()).toBe(before);
});

test('another outlet, by mistake or not, waits for a restart, and what else the file says is taken', async () => {
  const before = sessions();
  configure(`${good.replace('outlet-7', 'outlet-8')}sync: { conflict: cloud_wins }\n`);
  reload.again();
  const [line] = told('the configuration was read anew').slice(-1);
  expect(line?.fields).toMatchObject({ changed: ['sync.conflict'], waits_for_a_restart: ['outlet.id'] });
  await worksAgain(before);
  expect(reload.begin().settings).toMatchObject({ outlet: { id: 'outlet-7' }, sync: { conflict: 'cloud_wins' } });
  expect(reload.unreadSince()).toBeDefined();
});

test('a file that was changed and not read is noted where status finds it, and forgotten when it is read or put back', async () => {
  const noted = async () =>
    (await one('SELECT config_changed_at FROM syncd.daemon ORDER BY leader_epoch DESC LIMIT 1')).config_changed_at;
  const waitFor = (there: boolean) => eventually(noted, (at) => (at !== null) === there, `noted: ${there}`);
  configure(`${good}# a thought\n`);
  await waitFor(true);
  configure(good);
  await waitFor(false);
  expect(told('the configuration file was changed and is not in force yet')).toHaveLength(1);
});

test('a key that was exchanged at the cloud first is found in its file by itself, with every sale', async () => {
  const before = cloud.entities().length;
  const sold = await selling(async () => {
    cloud.exchangeKey(NEW_KEY);
    await eventually(
      async () => (await one('SELECT refused FROM syncd.daemon ORDER BY leader_epoch DESC LIMIT 1')).refused,
      (reason) => reason !== null,
      'refused',
    );
    // Half of what somebody is still writing.
    configure(`${good}sync: { conflict: cloud_wins }\n`);
    write('key', `${NEW_KEY}\n`);
    await eventually(
      () => told('the API key was exchanged; the cloud is asked with the new one').length,
      (count) => count === 1,
      'found',
    );
    await eventually(
      () => cloud.entities().length,
      (count) => count > before + 3,
      'accepted again',
    );
  });
  await drained();
  expect(reload.begin().settings.sync.conflict).not.toBe('cloud_wins');
  expect(cloud.entities().length).toBe(before + sold);
  expect(JSON.stringify([lines, adapted.map((change) => ({ ...(change as object), secrets: [] }))])).not.toMatch(
    /planted-(old|new)/,
  );
});

test('a key that was exchanged in its file first is taken when it is asked for', async () => {
  const before = cloud.entities().length;
  const sold = await selling(async () => {
    write('key', OLD_KEY);
    reload.again();
    cloud.exchangeKey(OLD_KEY);
    await eventually(
      () => cloud.entities().length,
      (count) => count > before + 3,
      'accepted with it',
    );
  });
  await drained();
  expect(told('the configuration was read anew').at(-1)?.fields).toEqual({ changed: ['cloud.api_key'] });
  expect(cloud.entities().length).toBe(before + sold);
});

test('webhook secrets are exchanged under traffic and under a reload, and no message is refused or lost', async () => {
  let secret = OLD_SECRET;
  const statuses: number[] = [];
  const events: string[] = [];
  const done = new AbortController();
  /** As a cloud does: again under the same id, until it is taken. */
  const sender = (async () => {
    while (!done.signal.aborted) {
      const body = eventText();
      events.push(JSON.parse(body).event_id);
      for (let status = 0; status !== 202; ) {
        const [answer] = await sendRaw(webhookPort, [onWire({ body, signing: { profile: 'body', secret } })]);
        status = answer?.status ?? 0;
        statuses.push(status);
        if (status !== 202) await sleep(50);
      }
    }
  })();
  const some = () => {
    const from = events.length;
    return eventually(
      () => events.length,
      (count) => count > from + 5,
      'some messages',
    );
  };
  const before = sessions();
  await some();
  write('secrets', `${NEW_SECRET}\n${OLD_SECRET}\n`);
  secret = NEW_SECRET;
  await some();
  configure(`${good}sync: { conflict: local_wins }\n`);
  reload.again();
  await worksAgain(before);
  write('secrets', `${NEW_SECRET}\n`);
  await some();
  done.abort();
  await sender;
  expect([...new Set(statuses)].filter((status) => status !== 202 && status !== 503)).toEqual([]);
  const { rows } = await shop.sql.query('SELECT event_id FROM syncd.inbox ORDER BY id');
  expect(rows.map(({ event_id }) => event_id)).toEqual(events.map((id) => `webhook:${id}`));
});
