/** Who is let in at the admin port: tokens, their files, wrong tries, names and pages. No database is asked. */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AdminSettings } from '../../src/config/settings.js';
import { Tokens } from '../../src/http/admin/token.js';
import { Visitors } from '../../src/http/admin/visitors.js';
import { Attempts } from '../../src/http/webhooks/attempts.js';
import { type Ask, openAdmin } from '../support/admin.js';
import { captureSettings } from '../support/capture.js';

let directory: string;
const at = (name: string) => join(directory, name);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'syncd-admin-'));
  writeFileSync(at('token'), 'planted-admin-token-1\n', { mode: 0o600 });
  writeFileSync(at('read'), 'planted-read-token-1\n', { mode: 0o600 });
});
afterEach(() => rmSync(directory, { recursive: true }));

const quiet = { error() {}, warn() {}, info() {}, debug() {} };
const files = (): Pick<AdminSettings, 'tokenFile' | 'readTokenFile'> => ({
  tokenFile: at('token'),
  readTokenFile: at('read'),
});

/** Tokens with a clock that the test moves. */
function tokens(admin: Pick<AdminSettings, 'tokenFile' | 'readTokenFile'> = files()) {
  const clock = { nowMs: 1_000_000 };
  const made = new Tokens({ admin, state_dir: at('state'), log: quiet, monotonicMs: () => clock.nowMs });
  return { clock, admit: (token: string, address = '10.0.0.1') => made.admit(`Bearer ${token}`, address).kind, made };
}

describe('over HTTP', () => {
  const GET = '/api/v1/sync/nothing';
  const rows: [string, string, Ask, number, string | undefined][] = [
    ['no token', GET, { token: null }, 401, 'no-token'],
    ['another token', GET, { token: 'planted-other-token' }, 401, 'wrong-token'],
    ['the token and more', GET, { token: 'planted-admin-token-1x' }, 401, 'wrong-token'],
    ['a part of the token', GET, { token: 'planted-admin-token' }, 401, 'wrong-token'],
    ['an empty token', GET, { headers: { authorization: 'Bearer ' } }, 401, 'wrong-token'],
    [
      'a login and password',
      GET,
      { headers: { authorization: 'Basic cGxhbnRlZC1hZG1pbi10b2tlbi0x' } },
      401,
      'wrong-token',
    ],
    [
      'the token as a cookie',
      GET,
      { token: null, headers: { cookie: 'token=planted-admin-token-1' } },
      401,
      'no-token',
    ],
    ['the token in the address', `${GET}?access_token=planted-admin-token-1`, { token: null }, 401, 'no-token'],
    ['the token', GET, {}, 404, 'unknown-route'],
    [
      'the token, whatever the case of Bearer',
      GET,
      { headers: { authorization: 'bEARER planted-admin-token-1' } },
      404,
      'unknown-route',
    ],
    ['the token that may look', GET, { token: 'planted-read-token-1' }, 404, 'unknown-route'],
    ['the token that may look, for a status', '/api/v1/sync/status', { token: 'planted-read-token-1' }, 200, undefined],
    [
      'the token that may look, for an action',
      '/api/v1/sync/pause',
      { token: 'planted-read-token-1', body: {} },
      403,
      'read-only-token',
    ],
    ['no token for an action', '/api/v1/sync/pause', { token: null, body: {} }, 401, 'no-token'],
    ['no token for a sign of life', '/live', { token: null }, 200, undefined],
    ['no token for readiness', '/ready', { token: null }, 503, 'not-ready'],
    [
      'a stranger’s page for a sign of life',
      '/live',
      { token: null, headers: { origin: 'http://evil.example' } },
      403,
      'foreign-origin',
    ],
  ];
  test.each(rows)('%s', async (_, path, ask, status, kind) => {
    const settings = {
      ...captureSettings({ sale: 'sale' }),
      state_dir: at('state'),
      database: { urls: ['postgres://127.0.0.1:1/none'] },
    };
    const admin = await openAdmin({ ...settings, admin: { ...settings.admin, ...files() } });
    try {
      const reply = await admin.ask(path, ask);
      expect([reply.status, reply.json.type]).toEqual([status, kind && `urn:syncd:problem:${kind}`]);
      if (status === 401) expect(reply.headers['www-authenticate']).toMatch(/^Bearer/);
      expect(reply.text + JSON.stringify(admin.lines)).not.toContain('planted');
    } finally {
      await admin.close();
    }
  });

  test('five wrong tokens close the ear for everybody from there, the right token too, and say for how long', async () => {
    const settings = { ...captureSettings({ sale: 'sale' }), state_dir: at('state') };
    const admin = await openAdmin(settings);
    try {
      for (let i = 0; i < 5; i++)
        expect((await admin.ask(GET, { token: `planted-wrong-token-${i}` })).status).toBe(401);
      const locked = await admin.ask(GET);
      expect(locked).toMatchObject({ status: 429, json: { type: 'urn:syncd:problem:too-many-tries' } });
      expect(Number(locked.headers['retry-after'])).toBeGreaterThan(50);
      expect((await admin.ask('/live', { token: null })).status).toBe(200);
    } finally {
      await admin.close();
    }
  });
});

describe('wrong tokens', () => {
  test('are counted by address, and forgotten after a minute each', () => {
    const { clock, admit } = tokens();
    for (let i = 0; i < 4; i++) expect(admit('planted-wrong')).toBe('wrong');
    clock.nowMs += 30_000;
    expect(admit('planted-wrong')).toBe('wrong');
    expect(admit('planted-admin-token-1')).toBe('locked');
    expect(admit('planted-admin-token-1', '10.0.0.2')).toBe('admitted');
    clock.nowMs += 30_001;
    expect(admit('planted-admin-token-1')).toBe('admitted');
    for (let i = 0; i < 4; i++) expect(admit('planted-wrong')).toBe('wrong');
    expect(admit('planted-admin-token-1')).toBe('locked');
  });

  test('of a million addresses take no more memory than those of a few thousand', () => {
    const attempts = new Attempts();
    for (let i = 0; i < 20_000; i++) attempts.wrong(`10.${i >> 8}.${i & 255}.1`, 1_000 + i / 1_000);
    expect(attempts.size).toBeLessThanOrEqual(4_096);
    attempts.wrong('10.0.0.1', 200_000);
    expect(attempts.size).toBe(1);
  });
});

describe('the token files', () => {
  test('one is made where none is named: whole, for its owner alone, once', () => {
    const { admit } = tokens({ tokenFile: undefined, readTokenFile: undefined });
    const token = readFileSync(at('state/admin_token'), 'utf8');
    expect(token).toMatch(/^[\w-]{43}\n$/);
    expect(statSync(at('state/admin_token')).mode & 0o777).toBe(0o600);
    expect(admit(token.trim())).toBe('admitted');
    chmodSync(at('state/admin_token'), 0o644);
    expect(tokens({ tokenFile: undefined, readTokenFile: undefined }).admit(token.trim())).toBe('admitted');
    expect(statSync(at('state/admin_token')).mode & 0o777).toBe(0o600);
  });

  test('none is made where one is named, and a place that takes none is a fault with what to type', () => {
    tokens();
    expect(existsSync(at('state'))).toBe(false);
    writeFileSync(at('state'), '');
    expect(() => tokens({ tokenFile: undefined, readTokenFile: undefined })).toThrow(
      expect.objectContaining({ code: 'configuration', hint: expect.stringContaining('install -d') }),
    );
  });

  test('are read again when they change, and a file that is gone or spoilt opens for nobody', () => {
    const { clock, admit } = tokens();
    const later = (token: string) => {
      clock.nowMs += 1_000;
      return admit(token, String(clock.nowMs));
    };
    expect(later('planted-admin-token-1')).toBe('admitted');
    writeFileSync(at('next'), 'planted-admin-token-2\n');
    renameSync(at('next'), at('token'));
    expect(later('planted-admin-token-2')).toBe('admitted');
    expect(later('planted-admin-token-1')).toBe('wrong');
    // The same length, and within one tick of the file system's clock the same stamp.
    const tick = new Date();
    writeFileSync(at('token'), 'planted-admin-token-0\n');
    utimesSync(at('token'), tick, tick);
    expect(later('planted-admin-token-0')).toBe('admitted');
    writeFileSync(at('token'), 'planted-admin-token-3\n');
    utimesSync(at('token'), tick, tick);
    expect(later('planted-admin-token-3')).toBe('admitted');
    writeFileSync(at('token'), 'short\n');
    expect(later('short')).toBe('wrong');
    expect(later('planted-read-token-1')).toBe('admitted');
    rmSync(at('token'));
    expect(later('planted-admin-token-3')).toBe('wrong');
    writeFileSync(at('token'), 'planted-admin-token-4\n');
    expect(later('planted-admin-token-4')).toBe('admitted');
  });
});

describe('names and pages', () => {
  const visitors = (host: string, hosts: string[]) => new Visitors({ listen: { host, port: 8421 }, hosts });
  const status = (door: Visitors, host: string, origin?: string) => {
    const headers = { host, ...(origin !== undefined && { origin }) } as Record<string, string>;
    return door.refuse({ headers, values: () => [host] } as never)?.status ?? 'welcome';
  };
  test.each<[string, string | undefined, number | 'welcome']>([
    ['127.0.0.1:8421', undefined, 'welcome'],
    ['localhost:9999', undefined, 'welcome'],
    ['[::1]:8421', undefined, 'welcome'],
    ['LOCALHOST', undefined, 'welcome'],
    ['localhost.', undefined, 'welcome'],
    ['till-7.local:8421', undefined, 'welcome'],
    ['TILL-7.local', 'http://till-7.local', 'welcome'],
    ['127.0.0.1:8421', 'http://127.0.0.1:8421', 'welcome'],
    ['127.0.0.1:8421', 'https://till-7.local', 'welcome'],
    ['127.0.0.1:8421', 'http://localhost:8421', 403],
    ['127.0.0.1:8421', 'http://127.0.0.1:3000', 403],
    ['127.0.0.1:8421', 'http://till-7.local.evil.example', 403],
    ['127.0.0.1:8421', 'http://127.0.0.1:8421@evil.example', 403],
    ['127.0.0.1:8421', 'chrome-extension://127.0.0.1:8421', 403],
    ['192.168.1.7:8421', undefined, 403],
    ['0.0.0.0:8421', undefined, 403],
    ['till-7.local.evil.example', undefined, 403],
    ['', undefined, 403],
    ['127.0.0.1:8421:1', undefined, 403],
    ['[::1', undefined, 403],
  ])('called %j by a page of %j', (host, origin, expected) => {
    expect(status(visitors('0.0.0.0', ['Till-7.local']), host, origin)).toBe(expected);
  });

  test('an address that it listens on is a name of its own', () => {
    expect(status(visitors('192.168.1.7', []), '192.168.1.7:8421')).toBe('welcome');
    expect(status(visitors('fd00::7', []), '[FD00::7]:8421', 'http://[fd00::7]:8421')).toBe('welcome');
  });
});
