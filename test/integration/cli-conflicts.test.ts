/** Conflicts on the command line: what is shown, what is done, what is refused, with which words and which exit code. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CliRun, syncd } from '../support/cli.js';
import { type ConflictStage, openConflictStage } from '../support/conflict-stage.js';
import { golden } from '../support/golden.js';

let stage: ConflictStage;
let directory: string;
let config: string;
beforeAll(async () => {
  stage = await openConflictStage();
  directory = mkdtempSync(join(tmpdir(), 'syncd-conflicts-'));
  config = join(directory, 'syncd.yaml');
  writeFileSync(
    config,
    `
outlet: { id: outlet-7, timezone: Asia/Jakarta }
database: { url: "${stage.pos.url}" }
state_dir: ${directory}
cloud: { url: "http://127.0.0.1:9/api/v1", api_key: planted-api-key-123 }
entities:
  product: { table: products, direction: both, conflict: merge, exclude: [secret], delta: [qty], local: [note] }
  part: { table: parts, direction: both }
  receipt: { table: receipts }
`,
    { mode: 0o600 },
  );
}, 60_000);
afterAll(async () => {
  await stage?.close();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => stage.reset());

const run = (...args: string[]): Promise<CliRun> => syncd([...args, '--config', config], { SUDO_USER: 'budi' });

const BIG = '123456789012345678901234567890.0000000001';

/** Product 1, whose name both sides changed. */
async function diverged(cloud: object | string | null = { id: 1, name: 'Cloud', price: 20, qty: 5 }): Promise<string> {
  await stage.edits(`INSERT INTO products (id, name, price, qty) VALUES (1, 'Kopi', 10, 5)`);
  await stage.agreed(6);
  await stage.edits(`UPDATE products SET name = 'Shop\u001b[31m' WHERE id = 1`);
  return stage.meets({ data: cloud, version: 7, updatedAt: '2026-11-22T08:00:00Z' }, 'manual');
}

/** Instants and numbers that differ from run to run. */
const masked = (text: string, id: string) =>
  text
    .replace(new RegExp(`(^|"id": ")${id}\\b`), '$1N')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'INSTANT')
    .replaceAll(/\b\d\d:\d\d\b/g, 'TIME')
    .replace(/open; .*/, 'open; NOW');

test('an open conflict is shown side by side, differing columns only', async () => {
  const id = await diverged();
  await stage.byRule();
  const shown = await run('conflicts', '--no-color');
  expect(shown).toMatchObject({ code: 0, stderr: '' });
  golden('conflicts.txt', masked(shown.stdout, id));
  expect((await run('conflicts', '--entity', 'product/2')).stdout).toMatch(/^No conflict fits/);
  await stage.byHand(id, { strategy: 'local_wins' }, 'ours is right');
  expect((await run('conflicts')).stdout).toMatch(/^No conflict is open/);
  expect((await run('conflicts', '--status', 'resolved')).stdout).toMatch(
    /kept the shop's side at .* by budi \(syncd\): ours is right/,
  );
});

test('the shop’s side is shown as it is now: edited again, equal by now, gone', async () => {
  const id = await diverged();
  await stage.byRule();
  await stage.edits('UPDATE products SET name = $$Later$$, price = 11, note = $$ours alone$$ WHERE id = 1');
  const edited = await run('conflicts');
  expect(edited.stdout).toMatch(/name +Kopi +Later +Cloud/);
  expect(edited.stdout).toMatch(/price +10\S* +11\S* +20/);
  expect(edited.stdout).not.toContain('ours alone');
  expect(JSON.parse((await run('conflicts', '--json')).stdout)).toMatchObject([
    { id, fields: ['name', 'price'], local: { name: 'Later', price: 11 } },
  ]);
  await stage.edits('UPDATE products SET name = $$Cloud$$, price = 20.00 WHERE id = 1');
  expect((await run('conflicts')).stdout).toContain('by now both sides hold the same');
  await stage.edits('DELETE FROM products WHERE id = 1');
  expect((await run('conflicts')).stdout).toMatch(/name .*\(deleted\) +Cloud/);
});

test('a side that is gone is told, and a wide row is cut', async () => {
  await diverged(null);
  expect((await run('conflicts')).stdout).toMatch(/name +Kopi +Shop .*\(deleted\)/);
});

test('conflicts --json keeps every digit', async () => {
  const id = await diverged(`{"id":1,"name":"Cloud","price":${BIG}}`);
  const { stdout, code } = await run('conflicts', '--json');
  expect(code).toBe(0);
  expect(stdout).toContain(BIG);
  golden('conflicts.json', `${masked(JSON.stringify(JSON.parse(stdout), null, 2), id)}\n`);
});

test('resolve: one done, one unknown, one done before', async () => {
  const id = await diverged();
  expect(await run('resolve', id, '4711', '--strategy', 'cloud_wins', '--reason', 'head office knows')).toMatchObject({
    code: 1,
    stdout: `${id}: product 1: the cloud's side is kept; the cloud has it\n`,
    stderr: 'syncd: 4711: there is no such conflict\n',
  });
  expect(await stage.product()).toMatchObject({ name: 'Cloud' });
  const again = await run('resolve', id, '--strategy', 'local_wins');
  expect(again).toMatchObject({ code: 1, stdout: '' });
  expect(again.stderr).toMatch(
    /it was resolved before, by budi \(postgres\) at \w{3} \d+ \w+ 20\d\d, [\d:]+ Asia\/Jakarta/,
  );
  expect(await stage.product()).toMatchObject({ name: 'Cloud' });
  expect(await stage.all('SELECT command, requested_by, outcome FROM syncd.commands')).toEqual([
    { command: 'resolve', requested_by: 'budi (postgres)', outcome: 'kept: cloud' },
  ]);
});

test('resolve --json tells what became of each', async () => {
  const id = await diverged();
  const { stdout } = await run('resolve', id, '4711', '--strategy', 'local_wins', '--json');
  expect(JSON.parse(stdout)).toEqual([
    {
      done: true,
      id,
      entity_type: 'product',
      entity_id: '1',
      resolution: 'local',
      change_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      reason: "the shop's side wins",
    },
    { id: '4711', done: false, why: 'unknown' },
  ]);
});

test('a merge of the same column is refused with what to do', async () => {
  const id = await diverged();
  expect(await run('resolve', id, '--strategy', 'merge')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/nothing was changed: both sides changed name\nhint: Name a side/),
  });
});

test('values come from a file, or from standard input, digits and all', async () => {
  const id = await diverged();
  const file = join(directory, 'values.json');
  writeFileSync(file, '{"name":"Both","price":1234567890.0123456789}');
  expect(await run('resolve', id, '--data', file)).toMatchObject({ code: 0 });
  expect(await stage.product()).toMatchObject({ name: 'Both', price: '1234567890.0123456789', qty: 5 });
  await stage.reset();
  const other = await diverged();
  const piped = spawnSync(process.execPath, ['bin/syncd.js', 'resolve', other, '--data', '-', '--config', config], {
    input: '{"name":"Piped"}',
    encoding: 'utf8',
  });
  expect(piped).toMatchObject({
    status: 0,
    stdout: `${other}: product 1: the row has the values given; it goes to the cloud\n`,
  });
  expect(await stage.product()).toMatchObject({ name: 'Piped' });
});

test.each([
  [['--strategy', 'cloud_wins', '--data', 'x'], 'give either --strategy or --data'],
  [[], 'how? give --strategy, or values with --data'],
  [['--data', '/nowhere/at/all'], '--data cannot be read'],
  [['--strategy', 'manual'], 'Allowed choices are cloud_wins, local_wins, newest_wins, merge'],
  [['2', '--data', '-'], '--data is for one conflict at a time'],
  [['x', '--strategy', 'merge'], 'the number that syncd conflicts shows'],
])('resolve 1 %j is a mistake of the caller', async (args, words) => {
  expect(await run('resolve', '1', ...args)).toMatchObject({ code: 64, stderr: expect.stringContaining(words) });
});
