/**
 * What npm makes of the project, installed as a shop would: `npm install -g` of the packed file into a prefix of its own, with the
 * production dependencies that the lock names. Asks the registry only for what npm's cache lacks.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LIMIT_MB = 40;
const QUIET = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', '--loglevel=error'];

let directory: string;
let prefix: string;
/** The file follows the prefix, and with it would go the proxy or the authority that this machine's npm needs. */
const globalconfig = execFileSync('npm', ['config', 'get', 'globalconfig'], { encoding: 'utf8', stdio: 'pipe' }).trim();
const environment = () => ({
  ...process.env,
  NODE_OPTIONS: '',
  npm_config_prefix: prefix,
  npm_config_globalconfig: globalconfig,
});
const npm = (args: string[], cwd = process.cwd()) =>
  execFileSync('npm', [...args, ...QUIET], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(),
    // Jest cannot cut short what it waits for like this.
    timeout: 90_000,
  });
const megabytes = (path: string) =>
  Number(execFileSync('du', ['-sk', path], { encoding: 'utf8' }).split('\t')[0]) / 1024;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'syncd-npm-'));
  prefix = join(directory, 'prefix');
  // Built already: building once more would pull the program away under other tests.
  const [packed] = JSON.parse(npm(['pack', '--json', '--pack-destination', directory]));
  npm(['install', '-g', join(directory, packed.filename)]);
}, 120_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function syncd(...args: string[]): { code: number; stdout: string; stderr: string } {
  try {
    const env = { PATH: process.env.PATH ?? '', HOME: directory };
    const stdout = execFileSync(join(prefix, 'bin/syncd'), args, {
      cwd: directory,
      encoding: 'utf8',
      stdio: 'pipe',
      env,
    });
    return { code: 0, stdout, stderr: '' };
  } catch (error) {
    const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string };
    return { code: status, stdout, stderr };
  }
}

test('the installed program tells its version and its commands, and that it lacks a configuration', () => {
  expect(syncd('--version').stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(syncd('--help').stdout).toMatch(/^Usage: syncd COMMAND/);
  const status = syncd('status');
  expect(status.code).toBe(3);
  expect(`${status.stdout}${status.stderr}`).toMatch(/no configuration: neither/);
});

test('it brings what a machine needs to run it, and none of what it takes to make it', () => {
  const home = join(prefix, 'lib/node_modules/syncd');
  expect(readdirSync(home).sort()).toEqual([
    'README.md',
    'bin',
    'dist',
    'node_modules',
    'package.json',
    'sql',
    'systemd',
  ]);
  expect(readdirSync(join(home, 'systemd'))).toEqual(expect.arrayContaining(['syncd.service', 'syncd.example.yaml']));
  expect(readdirSync(join(home, 'systemd'))).not.toContain('debian');
  expect(megabytes(home)).toBeLessThan(LIMIT_MB);
});

test('a production install from the lock stays small and holds nothing native', () => {
  const checkout = join(directory, 'checkout');
  for (const file of ['package.json', 'package-lock.json']) cpSync(file, join(checkout, file));
  npm(['ci', '--omit=dev'], checkout);
  expect(megabytes(join(checkout, 'node_modules'))).toBeLessThan(LIMIT_MB);
  const files = readdirSync(join(checkout, 'node_modules'), { recursive: true, encoding: 'utf8' });
  expect(files.length).toBeGreaterThan(500);
  expect(files.filter((file) => /\.(node|bare|so|dll|dylib|exe)$/.test(file))).toEqual([]);
}, 120_000);
