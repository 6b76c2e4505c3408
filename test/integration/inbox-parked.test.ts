/** What of the cloud's could not be applied: listed with its reason, tried again, dropped; by command and by the admin port, on record. */
import { Cluster } from '../../src/demo/postgres.js';
import { openAdmin } from '../support/admin.js';
import { type CliRun, syncd } from '../support/cli.js';
import { golden } from '../support/golden.js';
import { openShop, type Shop } from '../support/shop.js';

const API = '/api/v1/sync/inbox';
let cluster: Cluster;
let shop: Shop;
let admin: Awaited<ReturnType<typeof openAdmin>>;

beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'inbox_parked');
  admin = await openAdmin(shop.settings);
}, 60_000);
afterAll(async () => {
  await admin?.close();
  await shop?.close();
  await cluster?.destroy();
});

/** 1 refused by the table, 2 without its parent, 3 malformed when it came, 4 on its way, 5 put off for a moment. */
beforeEach(async () => {
  await shop.sql.query('TRUNCATE syncd.incoming, syncd.commands RESTART IDENTITY');
  await shop.sql.query(`
    INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, data, status, attempts,
                                next_attempt_at, reason, waits_for_type, waits_for_id, received_at) VALUES
      (1, 'pull', 'order', '7', 'update', 9, '{"id":"x"}', 'parked', 1, NULL, 'total: out of range', NULL, NULL, '2026-01-02 01:00Z'),
      (1, 'pull', 'line', '["7","1"]', 'create', 1, '{}', 'parked', 2, now() + interval '59 min 20 s', 'waits for order 8', 'order', '8', '2026-01-03 01:00Z'),
      (2, 'webhook', 'order', '', 'update', NULL, NULL, 'parked', 0, NULL, 'entity_id is empty', NULL, NULL, '2026-01-04 01:00Z'),
      (2, 'pull', 'order', '9', 'update', 1, '{}', 'waiting', 0, NULL, NULL, NULL, NULL, now()),
      (2, 'pull', 'order', '10', 'update', 1, '{}', 'waiting', 1, now() + interval '1 hour', NULL, NULL, NULL, now())`);
});

const run = (...args: string[]): Promise<CliRun> =>
  syncd(['inbox', ...args, '--config', shop.config], { SUDO_USER: 'budi' });
const left = async () =>
  (await shop.sql.query('SELECT id FROM syncd.incoming ORDER BY id')).rows.map(({ id }) => Number(id));
const due = async () =>
  (
    await shop.sql.query('SELECT id FROM syncd.incoming WHERE next_attempt_at <= clock_timestamp() ORDER BY id')
  ).rows.map(({ id }) => Number(id));
const commands = async () =>
  (await shop.sql.query('SELECT command, args, requested_by, outcome FROM syncd.commands ORDER BY id')).rows;

test('what is parked is listed with since when, why, and what comes next', async () => {
  const { code, stdout, stderr } = await run('--no-color');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const masked = stdout
    .replace(/on the way in; .*/, 'on the way in; NOW')
    .replaceAll(/(Fri|Sat|Sun) \d+ Jan( 2026)?/g, '$1')
    .replaceAll(/ {2,}/g, '  ');
  golden('inbox.txt', masked);
  expect((await run('--entity', 'order')).stdout).not.toContain('line/');
  expect((await run('--entity', 'order/8')).stdout).toMatch(/^No change fits/);
  await shop.sql.query('TRUNCATE syncd.incoming');
  expect((await run()).stdout).toMatch(/^Nothing is parked/);
});

test('as JSON, by the command and page by page by the port', async () => {
  const listed = JSON.parse((await run('--json')).stdout);
  expect(listed.map(({ id }: { id: string }) => id)).toEqual(['1', '2', '3']);
  expect(listed[1]).toEqual({
    id: '2',
    entity_type: 'line',
    entity_id: '["7","1"]',
    operation: 'create',
    cloud_version: 1,
    source: 'pull',
    status: 'parked',
    attempts: 2,
    received_at: '2026-01-03T01:00:00.000000Z',
    next_attempt_at: expect.stringMatching(/Z$/),
    reason: 'waits for order 8',
    waits_for: { entity_type: 'order', entity_id: '8' },
  });
  const first = (await admin.ask(`${API}?limit=2`)).json;
  expect(first.items).toEqual(listed.slice(0, 2));
  expect((await admin.ask(`${API}?limit=2&cursor=${first.next_cursor}`)).json).toEqual({
    items: listed.slice(2),
    next_cursor: null,
  });
  const waiting = (await admin.ask(`${API}?status=waiting`)).json.items;
  expect(waiting.map(({ id }: { id: string }) => id)).toEqual(['4', '5']);
  expect((await admin.ask(`${API}?status=lost`)).json.type).toBe('urn:syncd:problem:bad-parameter');
});

test('--retry makes them due at once; what needs none and what cannot be is told', async () => {
  expect(await run('--retry', '1', '5', '3', '4', '4711')).toMatchObject({
    code: 1,
    stdout: '1: order 7 is tried again\n5: order 10 is tried again\n',
    stderr:
      'syncd: 3: what came is no change that anybody could apply; it can only be dropped\n' +
      'syncd: 4: its turn comes by itself; nothing was changed\nsyncd: 4711: no such change waits\n',
  });
  expect(await due()).toEqual([1, 5]);
  expect(await run('--retry', '--all')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^1: .*\n2: .*\n$/) });
  expect(await due()).toEqual([1, 2, 5]);
  expect(await commands()).toEqual([
    {
      command: 'inbox retry',
      args: { ids: ['1', '5'] },
      requested_by: 'budi (postgres)',
      outcome: '2 changes are tried again',
    },
    {
      command: 'inbox retry',
      args: { ids: ['1', '2'] },
      requested_by: 'budi (postgres)',
      outcome: '2 changes are tried again',
    },
  ]);
});

test('--drop takes them away for good, and what they were stays on record with who and why', async () => {
  expect(await run('3', '1', '4', '--drop', '--reason', 'a test of theirs')).toMatchObject({
    code: 1,
    stdout: '3: order  dropped\n1: order 7 dropped\n',
    stderr: 'syncd: 4: its turn comes by itself; nothing was changed\n',
  });
  expect(await left()).toEqual([2, 4, 5]);
  expect(await commands()).toMatchObject([
    {
      command: 'inbox drop',
      requested_by: 'budi (postgres)',
      outcome: '2 changes dropped',
      args: {
        reason: 'a test of theirs',
        changes: [
          { id: '1', entity_type: 'order', entity_id: '7', cloud_version: 9, parked_for: 'total: out of range' },
          { id: '3', parked_for: 'entity_id is empty' },
        ],
      },
    },
  ]);
});

test.each([
  [['1'], 'what shall be done?'],
  [['--retry'], 'which? --retry'],
  [['1', '--retry', '--all'], 'which? --retry'],
  [['--drop', '--reason', 'x'], 'which? --drop'],
  [['1', '--drop'], '--drop wants a --reason'],
  [['1', '--drop', '--retry'], 'either --retry or --drop'],
  [['x', '--drop'], 'the number that syncd inbox shows'],
])('syncd inbox %j is a mistake of the caller', async (args, words) => {
  expect(await run(...args)).toMatchObject({ code: 64, stderr: expect.stringContaining(words) });
  expect(await left()).toHaveLength(5);
});

test('the port does the same, and says no in problem documents', async () => {
  expect(await admin.ask(`${API}/retry/1`, { body: {} })).toMatchObject({ status: 200, json: { done: true, id: '1' } });
  expect((await admin.ask(`${API}/retry`, { body: {} })).json).toMatchObject({
    done: 2,
    items: [{ id: '1' }, { id: '2' }],
  });
  expect(await admin.ask(`${API}/retry/3`, { body: {} })).toMatchObject({ status: 409, json: { why: 'malformed' } });
  expect(await admin.ask(`${API}/drop/3`, { body: {} })).toMatchObject({ status: 400 });
  expect(await admin.ask(`${API}/drop/3`, { body: { reason: 'nonsense' } })).toMatchObject({ status: 200 });
  expect(await admin.ask(`${API}/drop/3`, { body: { reason: 'nonsense' } })).toMatchObject({
    status: 404,
    json: { type: 'urn:syncd:problem:unknown-change' },
  });
  expect(await left()).toEqual([1, 2, 4, 5]);
  expect((await commands()).at(-1)).toMatchObject({
    command: 'inbox drop',
    requested_by: expect.stringMatching(/^admin token/),
  });
});
