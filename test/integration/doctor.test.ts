/** The doctor at the bedside of a healthy shop and of broken ones; each breach is found, and by the check that it belongs to. */
import pg from 'pg';
import type { Finding } from '../../src/doctor/finding.js';
import { syncd } from '../support/cli.js';
import { shopBreaches } from '../support/doctor/breaches.js';
import { lineBreaches } from '../support/doctor/breaches-line.js';
import { rightsBreaches } from '../support/doctor/breaches-rights.js';
import { DoctorStage } from '../support/doctor/stage.js';

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
    'triggers',
    'dns',
    'tls',
    'cloud',
    'api key',
    'clock',
    'webhook',
  ]);
  for (const { state, why } of found) expect(why === null).toBe(state === 'ok' || state === 'skipped');
});

test('the role that install makes sees the sessions of others', async () => {
  const found = await stage.findings({ database: { urls: [stage.cluster.url('doctor', 'syncd')] } });
  expect(found.find(({ name }) => name === 'sessions')).toMatchObject({ state: 'ok' });
});

test.each([...shopBreaches, ...rightsBreaches, ...lineBreaches])(
  'found: $broken',
  async ({ check, state, says, types = /./, sql, mend, change }) => {
    if (sql) await stage.shop.sql.query(sql);
    try {
      const found = await stage.findings(await change?.(stage));
      expect(trouble(found).filter(({ name }) => name === check)).toContainEqual({
        name: check,
        state,
        finding: expect.stringMatching(says),
        why: expect.stringMatching(/\.$/),
        what_to_type: types && expect.stringMatching(types),
      });
      expect(JSON.stringify(found)).not.toMatch(/planted-pw|another-key-9876|planted-api-key/);
    } finally {
      if (mend) await stage.shop.sql.query(mend);
    }
  },
);

test('of a daemon that does not run nobody says that its webhook port answers', async () => {
  await stage.shop.sql.query('UPDATE syncd.daemon SET stopped_at = now()');
  try {
    const found = await stage.findings({ webhook: { listen: { host: '127.0.0.1', port: 1 } } });
    expect(found.find(({ name }) => name === 'webhook')).toMatchObject({
      state: 'skipped',
      finding: 'not looked at: the daemon does not run, and the port is its own',
    });
  } finally {
    await stage.shop.sql.query('UPDATE syncd.daemon SET stopped_at = NULL');
  }
});

test('what leans on a broken thing is not looked at, and says why', async () => {
  const found = await stage.findings({ database: { urls: ['postgres://u@127.0.0.1:1/pos'] } });
  const skipped = found.filter(({ state }) => state === 'skipped');
  expect(skipped.map(({ name }) => name)).toContain('capture');
  expect(skipped.every(({ finding }) => finding.startsWith('not looked at: '))).toBe(true);
  expect(found.find(({ name }) => name === 'cloud')?.state).toBe('ok');
});

test("somebody's lock on the queue is named, with what finds its holder; what does not lean on it is looked at", async () => {
  const holder = new pg.Client(stage.shop.url);
  await holder.connect();
  try {
    await holder.query('BEGIN; LOCK TABLE syncd.sync_queue');
    const found = await stage.findings();
    expect(found.find(({ name }) => name === 'installation')).toMatchObject({
      state: 'fail',
      finding: expect.stringMatching(/somebody else holds a lock/),
      what_to_type: expect.stringMatching(/pg_stat_activity/),
    });
    expect(found.filter((finding) => finding.state === 'fail' && !itself(finding))).toHaveLength(1);
    expect(found.find(({ name }) => name === 'queue')?.finding).toBe(
      'not looked at: the installation is not in order, see above',
    );
  } finally {
    await holder.end();
  }
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
