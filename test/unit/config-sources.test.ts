/** Where a setting comes from: flag over environment over secret files over the file over defaults, each on record. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { areKeptFromThisUser, withCredentials } from '../../src/config/credentials.js';
import { hiddenSockets } from '../../src/config/hidden-sockets.js';
import { type LoadedSettings, type LoadOptions, loadSettings } from '../../src/config/load.js';
import { at, DOCUMENTED, directory, file, load } from '../support/documented-config.js';

const origin = (loaded: LoadedSettings, path: string) => loaded.origins.find((one) => one.path === path);

/** Root may read every file, whatever its mode. */
function asNobody<T>(act: () => T): T {
  if (process.getuid?.() !== 0) return act();
  process.seteuid?.(65_534);
  try {
    return act();
  } finally {
    process.seteuid?.(0);
  }
}

test('the documented configuration is taken as a whole', () => {
  const { settings, warnings } = load();
  expect(warnings).toEqual([]);
  expect(settings).toMatchObject({
    outlet: { id: '6f1c', code: 'JKT-014', timezone: 'Asia/Jakarta' },
    database: { urls: ['postgres:///pos?host=/var/run/postgresql'] },
    cloud: {
      url: 'https://cloud.example.com/api/v1',
      timeoutMs: 30_000,
      apiKey: 'planted-file-key',
      compression: 'auto',
    },
    sync: {
      intervalMs: 30_000,
      longPollMs: 25_000,
      since: '2026-11-01T00:00:00+07:00',
      retry: { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2 },
    },
    webhook: {
      listen: { host: '0.0.0.0', port: 8420 },
      profile: 'auto',
      secretsFile: at('secrets'),
      allowIps: ['203.0.113.0/24'],
      trustedProxies: [],
    },
    admin: {
      listen: { host: '127.0.0.1', port: 8421 },
      tokenFile: at('token'),
      readTokenFile: at('read'),
      hosts: ['till-7.local'],
    },
    alerts: {
      failureRate: 0.05,
      windowMs: 900_000,
      oldestPendingMs: 300_000,
      offlineMs: 1_800_000,
      send: [{ url: 'https://x.example/planted-hook' }, { command: ['/usr/local/bin/notify-owner'] }],
    },
    retention: { queueMs: 2_592_000_000, logsMs: 2_592_000_000 },
  });
  expect([...settings.entities.keys()]).toEqual(['order', 'product', 'tax', 'stock', 'payment']);
  expect(settings.entities.get('stock')).toMatchObject({
    delta: ['qty'],
    coalesce: true,
    local: ['updated_at'],
    also_writes: ['public.stock_log'],
    merge_fallback: 'manual',
  });
  expect(settings.entities.get('order')).toMatchObject({
    direction: 'push',
    exclude: [],
    coalesce: false,
    key: undefined,
  });
});

test('what is left out has its default, also where a section is empty', () => {
  const { settings } = load({
    yaml: 'outlet: { id: a }\ndatabase: { url: postgres:///p }\ncloud: { url: "http://127.0.0.1:1", api_key_file: KEYFILE }\nsync: {}\nentities: { order: { table: orders } }',
  });
  expect(settings).toMatchObject({
    outlet: { timezone: 'UTC' },
    sync: { enabled: true, intervalMs: 30_000, longPollMs: 25_000, since: undefined, retry: { maxRetries: 3 } },
    webhook: undefined,
    admin: { listen: { host: '127.0.0.1', port: 8421 }, tokenFile: undefined, readTokenFile: undefined, hosts: [] },
    capture: { notify: 'gate' },
  });
});

test('the environment goes before the file, a flag before the environment', () => {
  const env = {
    SYNCD_SYNC_INTERVAL: '5s',
    SYNCD_SYNC_ENABLED: 'false',
    SYNCD_SYNC_RETRY_MAX_RETRIES: '7',
    SYNCD_LOG_LEVEL: 'warn',
  };
  const loaded = load({ env, flags: { 'log.level': 'debug' } });
  expect(loaded.settings.sync).toMatchObject({ intervalMs: 5_000, enabled: false, retry: { maxRetries: 7 } });
  expect(loaded.settings.log.level).toBe('debug');
  expect(origin(loaded, 'sync.interval')).toEqual({
    path: 'sync.interval',
    value: '5s',
    source: '$SYNCD_SYNC_INTERVAL',
  });
  expect(origin(loaded, 'log.level')?.source).toBe('flag');
  expect(origin(loaded, 'sync.conflict')?.source).toBe(`${file}:10`);
  expect(origin(loaded, 'capture.notify')?.source).toBe(`${file}:21`);
});

test('DATABASE_URL is taken, and SYNCD_DATABASE_URL goes before it', () => {
  expect(load({ env: { DATABASE_URL: 'postgres:///one' } }).settings.database.urls).toEqual(['postgres:///one']);
  expect(
    load({ env: { SYNCD_DATABASE_URL: 'postgres:///two', DATABASE_URL: 'postgres:///one' } }).settings.database.urls,
  ).toEqual(['postgres:///two']);
});

test('a list of database URLs is kept in order', () => {
  const yaml = DOCUMENTED.replace(
    '"postgres:///pos?host=/var/run/postgresql"',
    '[ "postgres://a/pos", "postgres://b/pos" ]',
  );
  expect(load({ yaml }).settings.database.urls).toEqual(['postgres://a/pos', 'postgres://b/pos']);
});

test('an unknown variable is warned of, with what it may have meant', () => {
  const { warnings } = load({ env: { SYNCD_SYNC_INTERVALL: '5s', SYNCD_PORT: 'tcp://10.0.0.1' } });
  expect(warnings).toEqual([
    '$SYNCD_SYNC_INTERVALL sets nothing; did you mean $SYNCD_SYNC_INTERVAL?',
    '$SYNCD_PORT sets nothing',
  ]);
});

describe('secrets', () => {
  test('environment, systemd credential, named file, YAML: in that order', () => {
    const credentials = at('credentials');
    mkdirSync(credentials);
    const inYaml = DOCUMENTED.replace('api_key_file: KEYFILE', 'api_key: planted-yaml-key');
    const both = DOCUMENTED.replace('api_key_file: KEYFILE', 'api_key: planted-yaml-key\n  api_key_file: KEYFILE');
    const key = (options: LoadOptions & { yaml?: string }) => load(options).settings.cloud.apiKey;
    expect(key({ yaml: inYaml })).toBe('planted-yaml-key');
    expect(key({ yaml: both })).toBe('planted-file-key');
    writeFileSync(join(credentials, 'cloud_api_key'), 'planted-systemd-key');
    const env = { CREDENTIALS_DIRECTORY: credentials };
    expect(key({ yaml: both, env })).toBe('planted-systemd-key');
    expect(key({ yaml: both, env: { ...env, SYNCD_CLOUD_API_KEY: 'planted-env-key' } })).toBe('planted-env-key');
    const loaded = load({ yaml: both, env });
    expect(origin(loaded, 'cloud.api_key')).toEqual({
      path: 'cloud.api_key',
      value: '***',
      source: 'credential cloud_api_key',
    });
  });

  test('beside the running daemon its user has its credentials, but with the configuration of the unit alone', () => {
    const unit = { file, kept: at('kept'), copies: at('copies') };
    expect(withCredentials({}, file, unit)).toEqual({});
    mkdirSync(unit.copies);
    expect(withCredentials({ A: '1' }, file, unit)).toEqual({ A: '1', CREDENTIALS_DIRECTORY: unit.copies });
    expect(withCredentials({}, at('other.yaml'), unit)).toEqual({});
    expect(withCredentials({ CREDENTIALS_DIRECTORY: '/own' }, file, unit)).toEqual({ CREDENTIALS_DIRECTORY: '/own' });
    expect(areKeptFromThisUser(file, unit)).toBe(false);
  });

  test('a socket in /tmp is warned of, for the service has a /tmp of its own; one of a command alone is not', () => {
    const unit = { file, kept: '', copies: '' };
    const warned = (url: string, of = file) => hiddenSockets([url], of, unit).length;
    for (const url of ['postgres:///pos?host=/tmp', 'postgres:///pos?host=%2Ftmp', 'postgres:///pos?host=/var/tmp/x'])
      expect([url, warned(url)]).toEqual([url, 1]);
    for (const url of [
      'postgres:///pos?host=/var/run/postgresql',
      'postgres://u@tmp/pos',
      'postgres:///pos?host=/tmpfs',
    ])
      expect([url, warned(url)]).toEqual([url, 0]);
    expect(warned('postgres:///pos?host=/tmp', at('other.yaml'))).toBe(0);
  });

  test('the files of the listeners may be credentials too, and no line of the log shows what is in them', () => {
    const credentials = at('credentials');
    mkdirSync(credentials);
    for (const name of ['webhook_secrets', 'admin_token']) writeFileSync(join(credentials, name), `planted-${name}-1`);
    const loaded = load({ env: { CREDENTIALS_DIRECTORY: credentials } });
    expect(loaded.settings.webhook?.secretsFile).toBe(join(credentials, 'webhook_secrets'));
    expect(loaded.settings.admin.tokenFile).toBe(join(credentials, 'admin_token'));
    expect(origin(loaded, 'admin.token_file')?.source).toBe('credential admin_token');
    expect(loaded.secrets).toEqual(
      expect.arrayContaining(['planted-webhook_secrets-1', 'planted-admin_token-1', 'planted-read-token']),
    );
    const without = DOCUMENTED.split('\n').filter((line) => !/^(webhook|admin):/.test(line));
    const open = load({ yaml: without.join('\n'), env: { CREDENTIALS_DIRECTORY: credentials } });
    expect(open.settings.webhook).toBeUndefined();
    expect(open.settings.admin.tokenFile).toBe(join(credentials, 'admin_token'));
  });

  test('what systemd was to hand over and was not there is told so, not as a file that may not be read', () => {
    const credentials = at('blank');
    mkdirSync(credentials);
    for (const name of ['cloud_api_key', 'admin_token']) writeFileSync(join(credentials, name), '\n');
    mkdirSync(at('closed'), { mode: 0 });
    const yaml = DOCUMENTED.replace('KEYFILE', at('closed/key')).replace('TOKENFILE', at('closed/token'));
    expect(() => load({ yaml })).toThrow();
    for (const path of [directory, credentials]) chmodSync(path, 0o755);
    for (const name of ['syncd.yaml', 'secrets', 'read']) chmodSync(at(name), 0o644);
    const refused = (env: NodeJS.ProcessEnv) => expect(() => asNobody(() => loadSettings({ file, env })));
    refused({}).toThrow(/closed\/key may not be read by this user.*closed\/token may not be read by this user/s);
    refused({ CREDENTIALS_DIRECTORY: credentials }).toThrow(
      /closed\/key was empty or not there when the service.*closed\/token was empty or not there when the service/s,
    );
  });

  test('the database URL may come from a file, also for a command that leaves the other secrets', () => {
    writeFileSync(at('url'), 'postgres://u:planted-pw@h/pos\n', { mode: 0o600 });
    const yaml = DOCUMENTED.replace('url: "postgres:///pos?host=/var/run/postgresql"', `url_file: ${at('url')}`);
    const loaded = load({ yaml, secrets: 'left' });
    expect(loaded.settings.database.urls).toEqual(['postgres://u:planted-pw@h/pos']);
    expect(loaded.settings.cloud.apiKey).toBeUndefined();
    expect(loaded.secrets).toEqual(['planted-pw', 'https://x.example/planted-hook']);
  });

  test('a command that leaves them does not mind a key file that is not there', () => {
    const yaml = DOCUMENTED.replace('KEYFILE', '/nowhere/key');
    expect(load({ yaml, secrets: 'left' }).settings.cloud.apiKey).toBeUndefined();
    expect(() => load({ yaml, secrets: 'shown' })).toThrow(/\/nowhere\/key does not exist/);
  });

  test.each([
    ['', /is empty/],
    ['two words\n', /more than one line or word/],
    ['planted\nlines\n', /more than one line/],
  ])('a key file with %j in it is refused', (content, message) => {
    writeFileSync(at('bad'), content);
    expect(() => load({ yaml: DOCUMENTED.replace('KEYFILE', at('bad')) })).toThrow(message);
  });

  test('nothing that is meant for eyes shows one', () => {
    const yaml = DOCUMENTED.replace('postgres:///pos?host', 'postgres://u:planted-pw@h/pos?password=planted-too&host');
    const loaded = load({ yaml });
    expect(JSON.stringify([loaded.origins, loaded.warnings])).not.toContain('planted');
    expect(origin(loaded, 'database.url')?.value).toBe('postgres://u:***@h/pos?password=***&host=/var/run/postgresql');
    expect(loaded.secrets).toEqual(expect.arrayContaining(['planted-file-key', 'planted-pw']));
  });

  test('a file with a secret that everybody can read is warned of', () => {
    const yaml = DOCUMENTED.replace('postgres:///pos', 'postgres://u:planted-pw@h/pos');
    load({ yaml });
    chmodSync(file, 0o644);
    chmodSync(at('key'), 0o644);
    expect(loadSettings({ file, env: {} }).warnings).toEqual([
      expect.stringMatching(/key can be read by every user; chmod o= /),
      expect.stringMatching(/syncd.yaml holds a secret/),
    ]);
  });
});
