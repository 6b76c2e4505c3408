/**
 * The real daemon, as a shop would run it: `bin/syncd.js` with a configuration file on a database that was installed. May start
 * paused, so that a measurement can let it go at a known instant.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installCapture } from '../../src/capture/install.js';
import { loadSettings } from '../../src/config/load.js';
import { WAKE_CHANNEL } from '../../src/db/schema.js';
import type { Cluster } from '../../src/demo/postgres.js';
import { sleep } from '../../src/time.js';
import { onDatabase } from './server.js';

const SYNCD = fileURLToPath(new URL('../../bin/syncd.js', import.meta.url));
const START_MS = 30_000;
export const BENCH_WEBHOOK_SECRET = 'a-secret-for-webhooks';

export type DaemonOptions = {
  cluster: Cluster;
  database: string;
  cloudUrl: string;
  compression: 'none' | 'gzip' | 'br';
  /** Opens the webhook listener there, for this machine. */
  webhookPort?: number;
};

/** Makes the database capture its sales, as `syncd install` does: schema, roles, triggers. */
export async function installSyncd(cluster: Cluster, database: string): Promise<void> {
  const folder = new Folder();
  try {
    const file = folder.configuration({ cluster, database, cloudUrl: 'http://127.0.0.1:9', compression: 'none' });
    const { settings } = loadSettings({ file, env: environment() });
    await installCapture({ adminUrl: cluster.url(database), settings });
  } finally {
    folder.remove();
  }
}

export type Daemon = {
  pid: number;
  /** Lets it send. */
  resume(): Promise<void>;
  /** The most memory that its process ever held, in MB. */
  peakRssMb(): number;
  stop(): Promise<void>;
};

/** Starts the daemon on a database that `installSyncd` has prepared; resolves once it leads, still paused if `paused`. */
export async function startDaemon(options: DaemonOptions, paused: boolean): Promise<Daemon> {
  const { cluster, database } = options;
  const url = cluster.url(database);
  const folder = new Folder();
  await setEnabled(url, !paused);
  const child = spawn(process.execPath, [SYNCD, 'run', '--config', folder.configuration(options)], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const words = tail(child);
  const abandon = () => {
    child.kill('SIGKILL');
    folder.remove();
  };
  process.once('exit', abandon);
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
    process.off('exit', abandon);
    folder.remove();
  };
  try {
    await leads(url, child, words);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid as number, resume: () => setEnabled(url, true), peakRssMb: () => peakRssMb(child), stop };
}

async function leads(url: string, child: ChildProcess, words: string[]): Promise<void> {
  const deadline = performance.now() + START_MS;
  await onDatabase(url, async (client) => {
    for (;;) {
      const { rowCount } = await client.query('SELECT FROM syncd.daemon WHERE pid = $1 AND stopped_at IS NULL', [
        child.pid,
      ]);
      if (rowCount === 1) return;
      if (child.exitCode !== null) throw new Error(`syncd run ended with ${child.exitCode}: ${words.join('')}`);
      if (performance.now() > deadline) throw new Error(`syncd run does not lead: ${words.join('')}`);
      await sleep(20);
    }
  });
}

async function setEnabled(url: string, enabled: boolean): Promise<void> {
  await onDatabase(url, async (client) => {
    await client.query('UPDATE syncd.outlet_config SET sync_enabled = $1', [enabled]);
    await client.query(`NOTIFY ${WAKE_CHANNEL}`);
  });
}

function peakRssMb(child: ChildProcess): number {
  const kb = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
  return Number(kb) / 1024;
}

/** The last lines that it wrote, for the error message. */
function tail(child: ChildProcess): string[] {
  const words: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      words.push(String(chunk));
      if (words.length > 20) words.shift();
    });
  }
  return words;
}

/** The environment without anything that would configure the daemon. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(SYNCD_|DATABASE_URL|NODE_OPTIONS)/.test(name)),
  );
}

/** A configuration, its key and its state, in a directory of their own. */
class Folder {
  readonly #path = mkdtempSync(join(tmpdir(), 'syncd-bench-'));

  configuration({ cluster, database, cloudUrl, compression, webhookPort }: DaemonOptions): string {
    const key = join(this.#path, 'key');
    writeFileSync(key, 'a-key-for-the-null-cloud\n', { mode: 0o600 });
    const path = join(this.#path, 'syncd.yaml');
    writeFileSync(
      path,
      `outlet: { id: bench, code: JKT-014, timezone: Asia/Jakarta }
database: { url: '${cluster.url(database, 'syncd')}' }
state_dir: ${join(this.#path, 'state')}
cloud: { url: '${cloudUrl}', api_key_file: ${key}, compression: ${compression} }
admin: { listen: 127.0.0.1:0 }
${webhookPort === undefined ? '' : this.#webhook(webhookPort)}entities:
  product: { table: public.products, direction: push }
  stock: { table: public.stock, direction: push }
  order: { table: public.orders, direction: push }
  order_item: { table: public.order_items, direction: push }
  payment: { table: public.payments, direction: push }
`,
    );
    return path;
  }

  #webhook(port: number): string {
    const secrets = join(this.#path, 'webhook-secrets');
    writeFileSync(secrets, `${BENCH_WEBHOOK_SECRET}\n`, { mode: 0o600 });
    return `webhook: { listen: 127.0.0.1:${port}, secrets_file: ${secrets}, allow_ips: [127.0.0.0/8] }\n`;
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}
