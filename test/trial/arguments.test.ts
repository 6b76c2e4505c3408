/** A trial that cannot begin says so in one line, ends with an exit code of sysexits.h, and has started nothing. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readArguments } from './arguments.js';

const directory = mkdtempSync(join(tmpdir(), 'syncd-trial-arguments-'));
const file = join(directory, 'some.sql');
const missing = join(directory, 'missing.sql');
writeFileSync(file, 'SELECT 1;');
afterAll(() => rmSync(directory, { recursive: true }));

test.each([
  ['no files', [], 64, /^it takes two files; usage: npm run trial -- pagila-schema\.sql/],
  ['one file', [file], 64, /^it takes two files/],
  ['three files', [file, file, file], 64, /^it takes two files/],
  ['an option that there is not', ['--client', '4', file, file], 64, /--client.*; usage: /],
  ['no number', ['--clients', 'many', file, file], 64, /^--clients is a number from 1 upwards, not many; usage: /],
  ['a missing schema', [missing, file], 66, /missing\.sql: there is no such file\./],
  ['missing data', [file, missing], 66, /missing\.sql: there is no such file\./],
  ['a folder', [file, directory], 66, /: it is no file\./],
])('%s is refused in one line', (_what, args, exitCode, line) => {
  expect(readArguments(args)).toEqual({ kind: 'refused', line: expect.stringMatching(line), exitCode });
  expect(readArguments(args)).not.toMatchObject({ line: expect.stringContaining('\n') });
});

test('two files and the defaults are taken', () => {
  const given = { kind: 'given', schema: file, data: file, clients: '4', transactions: '3000' };
  expect(readArguments([file, file])).toEqual(given);
  expect(readArguments([file, file, '--clients=2'])).toEqual({ ...given, clients: '2' });
});

test('the program itself prints that line and no stack', () => {
  const program = ['--import', './test/bench/typescript.mjs', 'test/trial/pagila.ts', file, missing];
  const { status, stdout, stderr } = spawnSync(process.execPath, program, { encoding: 'utf8', cwd: resolve('.') });
  expect({ status, stdout, stderr }).toEqual({
    status: 66,
    stdout: '',
    stderr: `${missing}: there is no such file. README.md tells where to get it\n`,
  });
});
