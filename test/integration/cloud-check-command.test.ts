/** syncd cloud-check as a command, against the reference cloud: its words, its options and its exit codes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CloudOptions } from '../../src/demo/cloud/open.js';
import type { ReferenceCloud } from '../../src/demo/cloud/reference-cloud.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { API_KEY, QUICK } from '../support/checked-cloud.js';
import { syncd } from '../support/cli.js';
import { eventually } from '../support/eventually.js';
import { TlsFront } from '../support/tls-front.js';

const directory = mkdtempSync(join(tmpdir(), 'syncd-cloud-check-command-'));
const fileWith = (name: string, text: string) => {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
};
const keyFile = fileWith('key', `${API_KEY}\n`);
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
const UNKNOWN_DELETE = 'a delete of what the cloud does not have is accepted, with version 1';
const given = (cloud: ReferenceCloud, ...more: string[]) => [
  'cloud-check',
  cloud.url,
  '--outlet',
  'test-outlet',
  '--api-key-file',
  keyFile,
  ...more,
];

test('exits 0 where all holds, with a row of a type that the cloud knows', async () => {
  const data = fileWith('row.json', '{"code":"x","price":1.10,"sold_at":"2026-11-22T18:30:00Z"}');
  const other = ['--other-outlet', 'test-2', '--other-key-file', keyFile, '--shared'];
  const run = await syncd(
    given(await start({ shared: ['product'] }), '--type', 'product', '--data', data, '--key', 'code', ...other),
  );
  expect(run).toMatchObject({ code: 0, stderr: '' });
  expect(run.stdout).toMatch(/\nAll \d+ checks hold, \d+ skipped\.\n$/);
});

test('exits 1 where something fails, and shows what was sent, what came back, and the sentence', async () => {
  const cloud = await start();
  cloud.faults.add({ kind: 'results', how: 'missing', match: { operation: 'delete' } });
  const { code, stdout } = await syncd(given(cloud));
  expect(code).toBe(1);
  const [, failure] = stdout.split(`FAIL ${UNKNOWN_DELETE}\n`);
  expect(failure).toMatch(/^ +the change has no result, not one\n +sent +POST \/sync\/push \{"batch_id":/);
  expect(failure).toMatch(/\n +came back +HTTP 200 \{"results":\[\]/);
  expect(failure).toMatch(/\n +contract +What the cloud must do, 3: "A delete of what the cloud/);
  expect(stdout).toMatch(/\n\d+ failed, \d+ hold, \d+ skipped\.\n/);
  expect(stdout).toContain('\nTwo outlets\n  -    all 11 checks: skipped, no --other-outlet\n\n');
  expect(stdout).not.toContain(API_KEY);
});

test('prints one object with --json, of stable names', async () => {
  const cloud = await start();
  cloud.faults.add({ kind: 'status', status: 503, match: { path: '/health' } });
  const { code, stdout } = await syncd(given(cloud, '--json'));
  expect(code).toBe(1);
  const { checks, ...head } = JSON.parse(stdout);
  expect(head).toEqual({ ok: false, url: cloud.url, outlet: 'test-outlet', epoch: 3, failure: null });
  expect(checks[0]).toEqual({
    chapter: 'Reaching the cloud',
    name: 'GET /health answers 200',
    state: 'fail',
    finding: 'HTTP 503 instead of 200',
    contract: { where: 'GET {base}/health', says: expect.stringContaining('health answers 200') },
    sent: { method: 'GET', path: '/health', remark: null, body: null },
    came_back: { status: 503, error: null, body: expect.stringContaining('fault_503') },
  });
  expect(checks[1]).toMatchObject({ state: 'ok', sent: null, came_back: null });
});

test('prints with --json what it had found by the time that the cloud ended', async () => {
  const cloud = await start();
  cloud.faults.add({ kind: 'status', status: 503, match: { path: '/health' } });
  const running = syncd(given(cloud, '--json'));
  await eventually(
    () => cloud.ledger.requests.length,
    (sent) => sent > 10,
    'some checks',
  );
  await cloud.down();
  const { code, stdout, stderr } = await running;
  expect({ code, error: JSON.parse(stderr).error.code }).toEqual({ code: 69, error: 'unavailable' });
  const { ok, failure, checks } = JSON.parse(stdout);
  expect({ ok, failure }).toEqual({ ok: false, failure: expect.stringMatching(/^the cloud answers no more: /) });
  expect(checks[0]).toMatchObject({ name: 'GET /health answers 200', state: 'fail' });
});

test('says before the first request that it cannot listen where it is to wait for the webhook', async () => {
  const cloud = await start();
  const secrets = fileWith('secrets', 'a-secret-of-16-characters\n');
  const { code, stderr } = await syncd(given(cloud, '--listen', `127.0.0.1:${cloud.port}`, '--secrets-file', secrets));
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/another program listens there/) });
  expect(cloud.ledger.requests).toEqual([]);
});

test('takes a certificate of its own with --ca-file, and without it finds no cloud', async () => {
  const cloud = await start();
  const front = await TlsFront.start(cloud.port, directory);
  try {
    const url = `https://localhost:${front.port}/api/v1`;
    const known = ['cloud-check', url, '--outlet', 'test-outlet', '--api-key-file', keyFile];
    expect(await syncd([...known, '--ca-file', front.caFile])).toMatchObject({ code: 0, stderr: '' });
    expect(await syncd(known)).toMatchObject({ code: 69, stderr: expect.stringMatching(/--ca-file FILE/) });
  } finally {
    await front.stop();
  }
});

test('exits 69 where no cloud is, and 64 with the reason where the command line is wrong', async () => {
  const gone = await start();
  await gone.down();
  expect(await syncd(given(gone))).toMatchObject({
    code: 69,
    stderr: expect.stringMatching(/cannot be reached: .*ECONNREFUSED/),
  });
  const without = await syncd(['cloud-check', gone.url, '--api-key-file', keyFile]);
  expect(without).toMatchObject({
    code: 64,
    stderr: expect.stringMatching(/--outlet is missing: it is not taken from syncd\.yaml/),
  });
  const webhooks = await syncd(given(gone, '--listen', '127.0.0.1:0'));
  expect(webhooks).toMatchObject({ code: 64, stderr: expect.stringMatching(/--secrets-file is missing/) });
  const empty = ['--listen', '127.0.0.1:0', '--secrets-file', fileWith('empty', '\n')];
  for (const [more, why] of [
    [empty, /--secrets-file: .*empty is empty/],
    [['--other-outlet', 'test-2'], /--other-key-file is missing/],
    [['--other-key-file', keyFile], /--other-key-file is for a second outlet: --other-outlet is missing/],
    [['--other-outlet', 'test-outlet', '--other-key-file', keyFile], /which is --outlet: a second one is wanted/],
  ] as const)
    expect(await syncd(given(gone, ...more))).toMatchObject({ code: 64, stderr: expect.stringMatching(why) });
});
