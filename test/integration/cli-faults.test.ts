/** What goes wrong before anything is done: usage, configuration, a database that is away, too bare or not ours; and no secret in any of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { Cluster } from '../../src/demo/postgres.js';
import { type CliRun, syncd } from '../support/cli.js';
import { golden } from '../support/golden.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;

beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'cli_faults');
  await cluster.createDatabase('bare');
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});

/** As the shop's configuration has it, with another database. */
const on = (url: string, ...args: string[]): Promise<CliRun> =>
  syncd([...args, '--config', shop.config], { DATABASE_URL: url });
const AWAY = 'postgres://u:planted-pw@127.0.0.1:1/pos';

test('the help says what there is', async () => {
  const { code, stdout, stderr } = await syncd(['--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  golden('help.txt', stdout);
});

test.each([
  'status',
  'queue',
  'logs',
  'config',
  'now',
  'push',
  'pull',
  'retry',
  'discard',
  'inbox',
  'conflicts',
  'resolve',
  'adopt',
  'pause',
  'resume',
  'demo',
  'init',
  'backfill',
  'truncate',
  'capture',
  'install',
  'uninstall',
  'run',
  'doctor',
  'verify',
  'support-bundle',
  'cloud-check',
])('syncd %s --help fits a terminal of 80 columns', async (command) => {
  const help = await syncd([command, '--help']);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  for (const line of help.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  golden(`help-${command}.txt`, help.stdout);
});

test('--version prints the version alone', async () => {
  expect(await syncd(['--version'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    stderr: '',
  });
});

test.each<[string[], RegExp]>([
  [[], /Usage: syncd COMMAND/],
  [['statsu'], /unknown command 'statsu' \(Did you mean status\?\)/],
  [['queue', '--colour'], /unknown option '--colour'/],
  [['queue', '--status', 'lost'], /Allowed choices are pending, failed, conflict, synced/],
  [['queue', '--since', 'yesterday'], /It takes a span/],
  [['queue', '--since', '2026-02-30'], /It takes a span/],
  [['queue', '--since', '99999999999d'], /It takes a span/],
  [['queue', '--limit', '0'], /a whole number from 1/],
  [['status', '--watch', '--json'], /--watch is for a screen/],
  [['discard', '1', '--reason', ' '], /It takes a few words/],
  [['push', 'order'], /missing required argument 'id'/],
  [['retry', 'abc'], /the number that syncd queue shows/],
])('usage: %j ends with 64', async (args, message) => {
  expect(await syncd(args)).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(message) });
});

test('an error is "what: why" and a hint, and with --json one object', async () => {
  const plain = await on(AWAY, 'queue');
  expect(plain).toMatchObject({ code: 69, stdout: '' });
  expect(plain.stderr).toMatch(
    /^syncd: 127.0.0.1:1\/pos does not answer: .*ECONNREFUSED.*\nhint: Is PostgreSQL running.*\n$/,
  );
  const json = await on(AWAY, 'queue', '--json');
  expect(JSON.parse(json.stderr)).toEqual({
    error: {
      code: 'unavailable',
      message: expect.stringContaining('does not answer'),
      hint: expect.any(String),
      exit: 69,
    },
  });
  expect((await on(AWAY, 'queue', '-v')).stderr).toMatch(/\n {4}at /);
});

test('status answers 3 where PostgreSQL is away, in each of its forms', async () => {
  expect(await on(AWAY, 'status')).toMatchObject({
    code: 3,
    stdout: '',
    stderr: expect.stringContaining('does not answer'),
  });
  const json = await on(AWAY, 'status', '--json');
  expect(json.code).toBe(3);
  expect(JSON.parse(json.stdout)).toMatchObject({
    state: 'unknown',
    reasons: [expect.stringContaining('does not answer')],
    pending: null,
  });
  expect(await on(AWAY, 'status', '--nagios')).toMatchObject({
    code: 3,
    stdout: expect.stringMatching(/^SYNCD UNKNOWN - .*\n$/),
  });
});

test.each([
  ['a lock on the queue', 'LOCK TABLE syncd.sync_queue', ['status', 'queue']],
  ['an index that is being built', 'LOCK TABLE syncd.commands IN SHARE MODE', ['pause']],
  ["a lock on the outlet's row alone", 'SELECT FROM syncd.outlet_config FOR UPDATE', ['pause']],
])('%s is told from a server that is away, and the hint finds whose it is', async (_what, locking, commands) => {
  await shop.sql.query(`BEGIN; ${locking}`);
  const asSyncd = new pg.Client(cluster.url('cli_faults', 'syncd'));
  await asSyncd.connect();
  try {
    const { rows } = await shop.sql.query('SELECT pg_backend_pid() AS pid');
    for (const [command, run] of await Promise.all(
      commands.map(async (command) => [command, await on(shop.url, command)] as const),
    )) {
      expect(run.stderr).toMatch(/somebody else holds a lock .*\nhint: Try again when it is gone\./);
      expect(run.stderr).not.toContain('Is PostgreSQL running');
      expect(run.code).toBe(command === 'status' ? 3 : 69);
      const [query = ''] = run.stderr.match(/SELECT .*;/) ?? [];
      const found = await asSyncd.query(query);
      expect(found.rows).toContainEqual(expect.objectContaining({ ...rows[0], query: expect.stringContaining('pid') }));
    }
  } finally {
    await asSyncd.end();
    await shop.sql.query('ROLLBACK');
  }
  expect(await on(shop.url, 'queue')).toMatchObject({ code: 0 });
});

test.each<[string, () => string, number, RegExp]>([
  [
    'a database without syncd',
    () => cluster.url('bare'),
    78,
    /has no syncd schema.*\nhint: Run: sudo -u postgres syncd install/s,
  ],
  [
    'a database that does not exist',
    () => cluster.url('nowhere'),
    78,
    /database "nowhere" does not exist\nhint: Check the database name/,
  ],
  [
    'a database called otherwise',
    () => cluster.url('Kopi Senja é'),
    78,
    /\/Kopi Senja é: database "Kopi Senja é" does not/,
  ],
  ['a role that does not exist', () => cluster.url('cli_faults', 'nobody'), 78, /refuses the login/],
])('%s', async (_, url, code, message) => {
  expect(await on(url(), 'queue')).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) });
});

test('a role without rights is told so', async () => {
  await shop.sql.query('CREATE ROLE cashier LOGIN');
  expect(await on(cluster.url('cli_faults', 'cashier'), 'status')).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/permission denied.*\nhint: .*sudo -u syncd/s),
  });
});

test('a daemon does not work on a schema that is newer than itself, and says so', async () => {
  await shop.sql.query("INSERT INTO syncd.migrations (name, checksum) VALUES ('9999_future', '-')");
  try {
    expect(await syncd(['run', '--config', shop.config])).toMatchObject({
      code: 78,
      stderr: expect.stringMatching(/newer than this program: it has 9999_future\nhint: Install the newer syncd/),
    });
  } finally {
    await shop.sql.query("DELETE FROM syncd.migrations WHERE name = '9999_future'");
  }
});

test('a SIGHUP that comes before the daemon is loaded does not end it', async () => {
  // By the program's own first call.
  const atOnce = `
    const first = process.setSourceMapsEnabled;
    process.setSourceMapsEnabled = (on) => { first(on); process.kill(process.pid, 'SIGHUP'); };`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(atOnce)}` };
  expect(await syncd(['run', '--config', `${shop.config}.none`], env)).toMatchObject({
    code: 78,
    stderr: expect.stringContaining('none'),
  });
});

test.each(['install', 'uninstall'])('%s by a login that may not is told which login may', async (command) => {
  await shop.sql.query('DROP ROLE IF EXISTS waiter');
  await shop.sql.query('CREATE ROLE waiter LOGIN');
  const hint = `hint: It needs an administrator's login: sudo -u postgres syncd ${command}, or name one with --admin-url URL.`;
  for (const role of ['waiter', 'stranger']) {
    const run = await syncd([command, '--config', shop.config, '--admin-url', cluster.url('cli_faults', role)]);
    expect(run).toMatchObject({ code: 78, stderr: expect.stringContaining(hint) });
  }
  expect(await syncd([command, '--config', shop.config, '--admin-url', 'pos'])).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('--admin-url is no PostgreSQL URL'),
  });
});

test('the configuration ends with 78, all faults in the JSON too', async () => {
  const broken = join(shop.settings.state_dir, '..', 'broken.yaml');
  writeFileSync(broken, 'outlet: { id: 7 }\ncloud: { url: ftp://u:planted-pw@h }\n');
  const run = await syncd(['config', '--json', '--config', broken]);
  expect(run).toMatchObject({ code: 78, stdout: '' });
  const { error } = JSON.parse(run.stderr);
  expect(error.faults.map((fault: { path: string }) => fault.path)).toEqual(
    expect.arrayContaining(['outlet.id', 'cloud.url', 'database', 'entities']),
  );
  expect(run.stderr).not.toContain('planted');
  expect(await syncd(['queue', '--config', '/nowhere.yaml'])).toMatchObject({
    code: 78,
    stderr: expect.stringContaining('/nowhere.yaml does not exist'),
  });
});

test('config prints every setting and its source; no secret planted anywhere is seen by anybody', async () => {
  const env = {
    SYNCD_CLOUD_API_KEY: 'planted-env-key-1',
    DATABASE_URL: `${cluster.url('cli_faults').replace('postgres@', 'postgres:planted-pw@')}`,
  };
  const runs: CliRun[] = [];
  for (const args of [
    ['config'],
    ['config', '--json'],
    ['status'],
    ['status', '--json', '-v'],
    ['queue'],
    ['logs', '-v'],
  ]) {
    runs.push(await syncd([...args, '--config', shop.config], env));
  }
  for (const args of [
    ['queue', '-v'],
    ['status', '-v'],
    ['now', '--json', '-v'],
  ])
    runs.push(await on(AWAY, ...args));
  expect(runs[0]?.stdout).toMatch(/^cloud\.api_key\s+\*\*\*\s+\$SYNCD_CLOUD_API_KEY$/m);
  expect(runs[0]?.stdout).toMatch(/^outlet\.code\s+JKT-014\s+line 2$/m);
  expect(runs[0]?.stdout).toMatch(/^sync\.interval\s+30s\s+default$/m);
  expect(JSON.parse(runs[1]?.stdout ?? '')).toMatchObject({
    file: shop.config,
    settings: expect.arrayContaining([{ path: 'cloud.api_key', value: '***', source: '$SYNCD_CLOUD_API_KEY' }]),
  });
  for (const { stdout, stderr } of runs) expect(stdout + stderr).not.toMatch(/planted/);
});

test.each(['postgres://admin:planted-pw@127.0.0.1:PORT/pos', 'postgres://127.0.0.1:PORT/pos?password=planted-pw'])(
  'the password in %s does not stay in the process list',
  async (url) => {
    const silent = createServer((socket) => void socket.on('error', () => {})).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const words = ['install', '--config', shop.config, '--admin-url', url.replace('PORT', String(port))];
    const child = spawn(process.execPath, ['bin/syncd.js', ...words], { stdio: 'ignore' });
    try {
      await once(silent, 'connection');
      const shown = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8');
      expect(shown).toMatch(/^syncd\0/);
      expect(shown).not.toContain('planted');
    } finally {
      child.kill('SIGKILL');
      silent.close();
    }
  },
);
