/** The doctor at the bedside of a healthy shop and of broken ones; each breach is found, and by the check that it belongs to. */
import { join } from 'node:path';
import type { EntitySettings } from '../../src/config/settings.js';
import type { Finding } from '../../src/doctor/finding.js';
import { syncd } from '../support/cli.js';
import { type Change, DoctorStage } from '../support/doctor-stage.js';

let stage: DoctorStage;

beforeAll(async () => {
  stage = await DoctorStage.open();
  await stage.shop.sql.query('CREATE TABLE kept_migrations AS SELECT * FROM syncd.migrations');
});
afterAll(() => stage?.close());

const trouble = (found: Finding[]) => found.filter(({ state }) => state === 'warn' || state === 'fail');

// The test cluster saves its flushes.
const itself = ({ name, finding }: Finding) => name === 'server' && /fsync|full_page/.test(finding);

test('a healthy shop has nothing wrong', async () => {
  const found = await stage.findings();
  expect(trouble(found).filter((finding) => !itself(finding))).toEqual([]);
  expect([...new Set(found.map(({ name }) => name))]).toEqual([
    'configuration',
    'files',
    'database',
    'installation',
    'server',
    'rights',
    'capture',
    'notify',
    'sessions',
    'disk',
    'daemon',
    'queue',
    'dns',
    'tls',
    'cloud',
    'api key',
    'clock',
    'webhook',
  ]);
  for (const { state, why } of found) expect(why === null).toBe(state === 'ok' || state === 'skipped');
});

type Breach = {
  broken: string;
  check: string;
  state: 'warn' | 'fail';
  says: RegExp;
  sql?: string;
  mend?: string;
  change?: () => Change | Promise<Change>;
};

const breaches: Breach[] = [
  {
    broken: 'the database is away',
    check: 'database',
    state: 'fail',
    says: /does not answer/,
    change: () => ({ database: { urls: ['postgres://u:planted-pw@127.0.0.1:1/pos'] } }),
  },
  {
    broken: 'the database has another name',
    check: 'database',
    state: 'fail',
    says: /does not exist/,
    change: () => ({ database: { urls: [stage.cluster.url('nowhere')] } }),
  },
  {
    broken: 'syncd is not installed',
    check: 'installation',
    state: 'fail',
    says: /not installed/,
    change: async () => ({ database: { urls: [await stage.cluster.createDatabase('doctor_bare')] } }),
  },
  {
    broken: 'the schema is older',
    check: 'installation',
    state: 'fail',
    says: /older than the program/,
    sql: `DELETE FROM syncd.migrations WHERE name LIKE '0003%'`,
    mend: `INSERT INTO syncd.migrations SELECT * FROM kept_migrations WHERE name LIKE '0003%'`,
  },
  {
    broken: 'the schema is newer',
    check: 'installation',
    state: 'fail',
    says: /newer than this program/,
    sql: `INSERT INTO syncd.migrations (name, checksum) VALUES ('9999_future', '-')`,
    mend: `DELETE FROM syncd.migrations WHERE name = '9999_future'`,
  },
  {
    broken: 'the outlet id is another one',
    check: 'installation',
    state: 'fail',
    says: /belongs to outlet outlet-7/,
    change: () => ({ outlet: { id: 'outlet-8' } }),
  },
  {
    broken: 'a trigger is disabled',
    check: 'capture',
    state: 'fail',
    says: /order .*(disabled|trigger)/,
    sql: 'ALTER TABLE orders DISABLE TRIGGER ALL',
    mend: 'ALTER TABLE orders ENABLE TRIGGER ALL',
  },
  {
    broken: 'a configured table is not captured',
    check: 'capture',
    state: 'fail',
    says: /refund \(public.refunds\) is not captured/,
    change: () => ({
      entities: new Map([
        ...stage.loaded.settings.entities,
        ['refund', { ...(stage.loaded.settings.entities.get('order') as EntitySettings), table: 'public.refunds' }],
      ]) as never,
    }),
  },
  {
    broken: 'a table was truncated',
    check: 'capture',
    state: 'warn',
    says: /line was emptied by TRUNCATE/,
    sql: 'TRUNCATE lines',
    mend: 'DELETE FROM syncd.truncations',
  },
  {
    broken: 'a role fires no triggers',
    check: 'sessions',
    state: 'fail',
    says: /importer works with session_replication_role/,
    sql: 'CREATE ROLE importer; ALTER ROLE importer SET session_replication_role = replica',
    mend: 'DROP ROLE importer',
  },
  {
    broken: 'the daemon is gone',
    check: 'daemon',
    state: 'fail',
    says: /not running: its last sign of life/,
    sql: 'UPDATE syncd.daemon SET stopped_at = now()',
    mend: 'UPDATE syncd.daemon SET stopped_at = NULL',
  },
  {
    broken: 'syncing is paused',
    check: 'daemon',
    state: 'warn',
    says: /paused/,
    sql: 'UPDATE syncd.outlet_config SET sync_enabled = false',
    mend: 'UPDATE syncd.outlet_config SET sync_enabled = true',
  },
  {
    broken: 'pushing was stopped for a fork',
    check: 'daemon',
    state: 'fail',
    says: /another copy/,
    sql: `UPDATE syncd.outlet_config SET stopped_code = 'fork', stopped_reason = 'another copy pushes', stopped_at = now()`,
    mend: 'UPDATE syncd.outlet_config SET stopped_code = NULL, stopped_reason = NULL, stopped_at = NULL',
  },
  {
    broken: 'a change failed',
    check: 'queue',
    state: 'fail',
    says: /1 change failed/,
    sql: `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, status) VALUES ('order', 'x', 'delete', 'failed')`,
    mend: `DELETE FROM syncd.sync_queue`,
  },
  {
    broken: 'changes wait for long',
    check: 'queue',
    state: 'warn',
    says: /has waited for 2 h/,
    sql: `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, created_at) VALUES ('order', 'x', 'delete', now() - interval '2 h')`,
    mend: `DELETE FROM syncd.sync_queue`,
  },
  {
    broken: "the cloud's name has no address",
    check: 'dns',
    state: 'fail',
    says: /no-such-cloud.invalid has no address/,
    change: () => ({ cloud: { url: 'https://no-such-cloud.invalid/api/v1' } }),
  },
  {
    broken: 'the key is wrong',
    check: 'api key',
    state: 'fail',
    says: /refuses this outlet: HTTP 401/,
    change: () => ({ cloud: { apiKey: 'another-key-9876' } }),
  },
  {
    broken: 'a captive portal answers',
    check: 'api key',
    state: 'fail',
    says: /is not the cloud/,
    change: async () => ({
      cloud: { url: await stage.stranger((_, answer) => answer.end('<html>Sign in</html>')) },
    }),
  },
  {
    broken: 'the cloud fails',
    check: 'cloud',
    state: 'fail',
    says: /HTTP 502/,
    change: async () => ({ cloud: { url: await stage.stranger((_, answer) => answer.writeHead(502).end()) } }),
  },
  {
    broken: "the certificate is nobody's",
    check: 'tls',
    state: 'fail',
    says: /no secure line to localhost.*(self-signed|DEPTH_ZERO)/,
    change: async () => ({ cloud: { url: await stage.tlsCloud(0) } }),
  },
  {
    broken: 'the certificate ends soon, and the clock is two hours off',
    check: 'clock',
    state: 'fail',
    says: /2 h behind the cloud/,
    change: async () => ({ cloud: { url: await stage.tlsCloud(7_200_000), ca: stage.certificate.cert } }),
  },
  {
    broken: 'nothing answers on the webhook port',
    check: 'webhook',
    state: 'fail',
    says: /nothing answers on 127.0.0.1:1/,
    change: () => ({ webhook: { listen: { host: '127.0.0.1', port: 1 } } }),
  },
  {
    broken: 'a pooler stands in between',
    check: 'notify',
    state: 'fail',
    says: /a pooler between/,
    change: async () => ({ database: { urls: [await stage.pooled()] } }),
  },
  {
    broken: 'the role may not read a table',
    check: 'rights',
    state: 'fail',
    says: /role syncd lacks SELECT on public.orders/,
    sql: 'REVOKE ALL ON orders FROM syncd',
    mend: 'GRANT SELECT ON orders TO syncd',
    change: () => ({ database: { urls: [stage.cluster.url('doctor', 'syncd')] } }),
  },
  {
    broken: 'the state directory cannot be used',
    check: 'files',
    state: 'warn',
    says: /is not there yet/,
    change: () => ({ state_dir: join(stage.directory, 'none') as never }),
  },
  {
    broken: 'no entity is configured',
    check: 'configuration',
    state: 'fail',
    says: /names no entity/,
    change: () => ({ entities: new Map() as never }),
  },
];

test.each(breaches)('found: $broken', async ({ check, state, says, sql, mend, change }) => {
  if (sql) await stage.shop.sql.query(sql);
  try {
    const found = await stage.findings(await change?.());
    expect(trouble(found).filter(({ name }) => name === check)).toContainEqual({
      name: check,
      state,
      finding: expect.stringMatching(says),
      why: expect.stringMatching(/\.$/),
      what_to_type: check === 'configuration' || check === 'files' ? expect.anything() : expect.stringMatching(/./),
    });
    expect(JSON.stringify(found)).not.toMatch(/planted-pw|another-key-9876|planted-api-key/);
  } finally {
    if (mend) await stage.shop.sql.query(mend);
  }
});

test('what leans on a broken thing is not looked at, and says why', async () => {
  const found = await stage.findings({ database: { urls: ['postgres://u@127.0.0.1:1/pos'] } });
  const skipped = found.filter(({ state }) => state === 'skipped');
  expect(skipped.map(({ name }) => name)).toContain('capture');
  expect(skipped.every(({ finding }) => finding.startsWith('not looked at: '))).toBe(true);
  expect(found.find(({ name }) => name === 'cloud')?.state).toBe('ok');
});

test('syncd doctor prints a page, a list for programs, and 1 where something failed', async () => {
  const page = await syncd(['doctor', '--config', stage.shop.config]);
  expect(page).toMatchObject({ code: 1, stderr: '' });
  expect(page.stdout).toMatch(/^FAIL {2}cloud {10}http:\/\/127.0.0.1:9\/api\/v1 does not serve/m);
  for (const line of page.stdout.split('\n').filter((text) => !/[;#]/.test(text)))
    expect(line.length).toBeLessThanOrEqual(100);
  const json = await syncd(['doctor', '--config', stage.shop.config, '--json']);
  expect(Object.keys(JSON.parse(json.stdout)[0])).toEqual(['name', 'state', 'finding', 'why', 'what_to_type']);
});

test('a faulty configuration is a finding among the others', async () => {
  const { code, stdout } = await syncd(['doctor', '--config', stage.shop.config], { SYNCD_SYNC_INTERVAL: 'soon' });
  expect(code).toBe(1);
  expect(stdout).toMatch(/FAIL {2}configuration .*SYNCD_SYNC_INTERVAL/);
});
