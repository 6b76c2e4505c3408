/** syncd cloud-check against the reference cloud: nothing is found fault with, until a fault is played; webhooks in every profile. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChecks } from '../../src/cloud-check/run.js';
import type { TestOutletOptions } from '../../src/cloud-check/test-outlet.js';
import { walk } from '../../src/cloud-check/walk-feed.js';
import type { FaultRule } from '../../src/demo/cloud/faults.js';
import type { CloudOptions } from '../../src/demo/cloud/open.js';
import type { Subscription } from '../../src/demo/cloud/records.js';
import type { ReferenceCloud } from '../../src/demo/cloud/reference-cloud.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { API_KEY, checkCloud, failedIn, OTHER, QUICK, testOutlet, whyOf } from '../support/checked-cloud.js';
import { eventually } from '../support/eventually.js';

const SECRET = 'a-secret-of-the-webhooks';
const directory = mkdtempSync(join(tmpdir(), 'syncd-cloud-check-'));
const secretsFile = join(directory, 'secrets');
writeFileSync(secretsFile, `${SECRET}\n`);
const clouds: ReferenceCloud[] = [];
afterAll(async () => {
  await Promise.all(clouds.map((cloud) => cloud.stop()));
  rmSync(directory, { recursive: true });
});
const start = async (options: Partial<CloudOptions> = {}) => {
  const cloud = await startReferenceCloud({ apiKey: API_KEY, capabilities: QUICK, ...options });
  clouds.push(cloud);
  return cloud;
};

test('the reference cloud holds in everything, run after run, with long poll and digest', async () => {
  const cloud = await start({ capabilities: {} });
  for (const pulled of [true, false]) {
    const checked = await checkCloud(cloud.url, { pulled, other: pulled ? OTHER : undefined });
    expect(failedIn(checked)).toEqual([]);
    const whys = checked.flatMap(({ outcome }) => (outcome.kind === 'skipped' ? [outcome.why] : []));
    const others = Array.from({ length: 11 }, () => 'no --other-outlet');
    const pulls = Array.from({ length: 9 }, () => 'no --pulled');
    expect(whys).toEqual([...(pulled ? ['no --shared'] : [...pulls, ...others]), 'no --listen']);
  }
});

test('nothing that the checks send is a breach of the contract by the outlet', async () => {
  const cloud = await start();
  await checkCloud(cloud.url, { pulled: true, other: OTHER });
  // One batch in four requests at the same time is the one thing that is done on purpose.
  expect(cloud.ledger.violations.map(({ rule }) => rule).filter((rule) => rule !== 'entity in flight twice')).toEqual(
    [],
  );
});

const UNKNOWN_DELETE = 'a delete of what the cloud does not have is accepted, with version 1';
const WALK = 'next_cursor leads from the first page to has_more false';
test.each<[string, FaultRule, string, RegExp]>([
  [
    'leaves results out',
    { kind: 'results', how: 'missing', match: { operation: 'delete' } },
    UNKNOWN_DELETE,
    /^the change has no result, not one$/,
  ],
  [
    'answers twice',
    { kind: 'results', how: 'doubled', match: { operation: 'delete' } },
    UNKNOWN_DELETE,
    /^the change has 2 results, not one$/,
  ],
  [
    'answers for what was not sent',
    { kind: 'results', how: 'extra', match: { operation: 'delete' } },
    UNKNOWN_DELETE,
    /^a result names .*, which was not sent$/,
  ],
  [
    'tells the wrong version',
    { kind: 'results', how: 'lower-version', version: 1, match: { operation: 'update' } },
    'versions are 1, 2, 3 …, also over a delete',
    /^change 2 \(update\) was answered with cloud_version 1, not 2$/,
  ],
  [
    'has a clock that is wrong',
    { kind: 'clock', offsetMs: 120_000 },
    'the answers tell the time, right to 60 s',
    /(119|120) s after this machine's clock/,
  ],
  [
    'calls itself by two names',
    { kind: 'epoch', cloud_epoch: 'another', match: { path: '/sync/changes' } },
    'cloud_epoch is the same in every answer that has it',
    /and "another" here$/,
  ],
  [
    'is not ready',
    { kind: 'status', status: 503, match: { path: '/health' } },
    'GET /health answers 200',
    /^HTTP 503 instead of 200$/,
  ],
  [
    'lets somebody else answer',
    { kind: 'captive-portal', match: { path: '/sync/capabilities' } },
    'GET /sync/capabilities answers by the contract, or 404',
    /^the answer is no JSON object; did the cloud itself answer\?$/,
  ],
  [
    'lets somebody else answer the pushes',
    { kind: 'captive-portal', match: { path: '/sync/push' } },
    'a new install may push, or is told the epoch that holds',
    /^a push was answered with HTTP 200 without a list "results"$/,
  ],
  [
    'lies under another URL',
    { kind: 'status', status: 404, match: { path: '/health' } },
    'GET /health answers 200',
    /^HTTP 404 instead of 200; is the URL the base below which \/health and \/sync\/push lie\?$/,
  ],
  [
    'sends the outlet elsewhere',
    { kind: 'redirect', match: { path: '/sync/changes' } },
    'GET /sync/changes answers a page',
    /^HTTP 302 instead of 200 and a page$/,
  ],
  ['keeps the cursor where it is', { kind: 'page', how: 'still-cursor' }, WALK, /the outlet would ask for ever$/],
  ['has more for ever', { kind: 'page', how: 'more-for-ever' }, WALK, /the outlet would ask for ever$/],
])('a cloud that %s is told so', async (_what, fault, name, why) => {
  const cloud = await start();
  cloud.faults.add(fault);
  const checked = await checkCloud(cloud.url, { pulled: true });
  expect(failedIn(checked)).toContain(name);
  expect(whyOf(checked, name)).toMatch(why);
});

test('where no row is accepted, what needs rows is skipped and the way out is named', async () => {
  const cloud = await start();
  cloud.faults.add({ kind: 'reject', retryable: false, match: { entity_type: 'syncd_check' } });
  const checked = await checkCloud(cloud.url);
  expect(failedIn(checked)).toEqual(['a create is accepted, and told its version']);
  expect(whyOf(checked, 'a create is accepted, and told its version')).toMatch(/--type, --data/);
  const mute = await start();
  mute.faults.add({ kind: 'results', how: 'missing', match: { entity_type: 'syncd_check' } });
  const mutes = whyOf(await checkCloud(mute.url), 'a create is accepted, and told its version');
  expect(mutes).toBe('the change has no result, not one');
  const away = await start();
  away.faults.add({ kind: 'status', status: 500, match: { path: '/sync/push' } });
  const why = whyOf(await checkCloud(away.url), 'a create is accepted, and told its version');
  expect(why).toMatch(/answered with HTTP 500: fault_500: .* for each change$/);
  expect(failedIn(await checkCloud(cloud.url, { type: 'product' }))).toEqual([]);
});

test('a cloud that is gone in the midst of it ends the checks, and not each by itself', async () => {
  const cloud = await start();
  const checks = runChecks(testOutlet(cloud.url));
  await checks.next();
  await cloud.down();
  const rest = async () => {
    for await (const _ of checks);
  };
  await expect(rest()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/answers no more/),
  });
});

test('a feed that says for ever that more is there, and brings nothing, is told so', async () => {
  let pages = 0;
  const server = createServer((_request, response) =>
    response.end(JSON.stringify({ changes: [], next_cursor: `at-${++pages}`, has_more: true })),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const outlet = testOutlet(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
    const { unfinished } = await walk(outlet, null);
    expect(unfinished).toMatchObject({ kind: 'fail', why: 'has_more is true after 1000 pages without a change' });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a cloud that asks to wait is waited for', async () => {
  const cloud = await start();
  cloud.faults.add({
    kind: 'status',
    status: 429,
    retryAfter: { seconds: 1 },
    times: 1,
    match: { path: '/sync/push' },
  });
  const told: string[] = [];
  expect(failedIn(await checkCloud(cloud.url, { tell: (text) => told.push(text) }))).toEqual([]);
  expect(told).toEqual(['The cloud asks to wait 1 s (/sync/push); so it goes on then.']);
});

test('a type that head office shares is one row for both outlets, and is to be called so', async () => {
  const cloud = await start({ shared: ['product'] });
  const given = { type: 'product', other: OTHER };
  expect(failedIn(await checkCloud(cloud.url, { ...given, shared: true }))).toEqual([]);
  const unsaid = await checkCloud(cloud.url, given);
  expect(whyOf(unsaid, 'one entity_id of two outlets is two rows')).toMatch(/share the type product\? Then: --shared$/);
  const wrong = await checkCloud(cloud.url, { other: OTHER, shared: true });
  expect(failedIn(wrong)).toEqual(['a row of a shared type is one row for both outlets']);
});

test('a second outlet that is not let in is told by its name, and nothing else fails by it', async () => {
  const cloud = await start({ outlets: ['test-outlet'] });
  const checked = await checkCloud(cloud.url, { other: OTHER });
  const name = 'two outlets push in turn, each with its own install_id and epoch';
  expect(failedIn(checked)).toEqual([name]);
  expect(whyOf(checked, name)).toBe(
    'outlet other-outlet: a push was answered with HTTP 403; is it the key of this outlet that --other-key-file holds?',
  );
});

test('a key that is refused is told where the first push is', async () => {
  const cloud = await start();
  const checked = await checkCloud(cloud.url, { apiKey: 'another-key' });
  const name = 'a new install may push, or is told the epoch that holds';
  expect(whyOf(checked, name)).toBe(
    'a push was answered with HTTP 401; is it the key of this outlet that --api-key-file holds?',
  );
});

describe('a webhook', () => {
  const NAME = 'a webhook arrives, signed, at the right time, and can be read';

  /** Sends one, as soon as somebody listens; null: none. */
  async function heard(signing: Partial<Subscription> | null, waitMs = 10_000) {
    const cloud = await start();
    const tell = (text: string) => {
      const url = `http://${/127\.0\.0\.1:\d+/.exec(text)}`;
      const [first] = cloud.entities('test-outlet').filter(({ deleted }) => !deleted);
      if (signing === null || first === undefined) return;
      cloud.subscribe({ outlet_id: 'test-outlet', url, profile: 'timestamped', secret: SECRET, ...signing });
      cloud.webhook({ outlet_id: 'test-outlet', entities: [first] });
    };
    const webhook: TestOutletOptions['webhook'] = { listen: { host: '127.0.0.1', port: 0 }, secretsFile, waitMs };
    const checked = await checkCloud(cloud.url, { tell, webhook });
    return { cloud, outcome: checked.find(({ check }) => check.name === NAME)?.outcome };
  }

  test.each(['body', 'timestamped', 'standard'] as const)(
    'in profile %s is answered 202 and named',
    async (profile) => {
      const { cloud, outcome } = await heard({ profile });
      expect(outcome).toMatchObject({ kind: 'ok', note: expect.stringContaining(`profile ${profile}, event `) });
      const attempts = () => cloud.webhooks().flatMap((sent) => sent.attempts.map(({ status }) => status));
      expect(await eventually(attempts, (answers) => answers.length > 0, 'the answer')).toEqual([202]);
    },
  );

  test('with a row of the other outlet fails by that', async () => {
    const cloud = await start();
    const webhook: TestOutletOptions['webhook'] = {
      listen: { host: '127.0.0.1', port: 0 },
      secretsFile,
      waitMs: 10_000,
    };
    const tell = (text: string) => {
      const url = `http://${/127\.0\.0\.1:\d+/.exec(text)}`;
      cloud.subscribe({ outlet_id: 'other-outlet', url, profile: 'timestamped', secret: SECRET });
      cloud.webhook({ outlet_id: 'other-outlet', entities: cloud.entities('other-outlet').slice(-1) });
    };
    const checked = await checkCloud(cloud.url, { tell, webhook, other: OTHER });
    expect(whyOf(checked, NAME)).toMatch(/^it brings .*, a row that outlet other-outlet pushed: an entity belongs to/);
  });

  test('with another secret fails by its signature', async () => {
    const { outcome } = await heard({ secret: 'another-secret-of-16' });
    expect(outcome).toMatchObject({ kind: 'fail', why: expect.stringMatching(/^the signature fits no secret/) });
  });

  test('that does not come in time fails, and the time is told', async () => {
    const { outcome } = await heard(null, 1_000);
    expect(outcome).toMatchObject({ kind: 'fail', why: 'none came within 1 s' });
  });
});
