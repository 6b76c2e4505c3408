/**
 * A throw-away PostgreSQL with the settings of a shop's server, and what its processes cost. fsync is on: without it every
 * ratio would flatter the capture. Autovacuum and timed checkpoints are off and done between the rounds instead, for
 * otherwise the work that one variant leaves behind would fall into the next one's seconds.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { Cluster } from '../../src/demo/postgres.js';
import { sleep } from '../../src/time.js';
import { median } from './statistics.js';

const SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  shared_buffers: '512MB',
  work_mem: '16MB',
  maintenance_work_mem: '128MB',
  max_wal_size: '8GB',
  checkpoint_timeout: '1d',
  autovacuum: 'off',
  max_connections: '100',
  random_page_cost: '1.1',
};

/**
 * @param flushUs how many microseconds longer every flush of the log takes: what a NOTIFY costs hangs on it, for it makes all
 * commits wait for one another, their flushes included. commit_delay sleeps before the flush, not in it, so that more commits
 * share one than on a slow disk.
 */
export function startServer(flushUs = 0): Promise<Cluster> {
  const slower = flushUs === 0 ? {} : { commit_delay: String(flushUs), commit_siblings: '0' };
  return Cluster.start({ settings: { ...SETTINGS, ...slower } });
}

/** Runs `work` on a connection of its own. */
export async function onDatabase<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Ticks of /proc/PID/stat are hundredths of a second on every Linux that Node runs on. */
const TICK_MS = 10;

/**
 * CPU that the server has used so far, in ms: the postmaster, its living children, and those that it has buried. Only
 * differences mean anything. A child that is buried while /proc is read is missed, so the largest of three readings counts.
 */
export async function serverCpuMs(postmaster: number): Promise<number> {
  let most = 0;
  for (let reading = 0; reading < 3; reading++) {
    most = Math.max(most, readCpuMs(postmaster));
    await sleep(30);
  }
  return most;
}

function readCpuMs(postmaster: number): number {
  let ms = cpuOf(postmaster, true);
  for (const entry of readdirSync('/proc')) {
    if (/^\d+$/.test(entry) && Number(statOf(entry)?.[1]) === postmaster) ms += cpuOf(Number(entry), false);
  }
  return ms;
}

/** CPU that one process has used, in ms; with `buried` also its children that have ended. 0 once it is gone. */
export function cpuOf(pid: number, buried = false): number {
  // After the command's closing bracket: state, ppid, …; utime is the 12th from there, then stime, cutime, cstime.
  const fields = statOf(String(pid))?.slice(11, buried ? 15 : 13) ?? [];
  return fields.reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_MS;
}

function statOf(pid: string): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** What a reader needs to know of the machine before believing a figure. */
export function machineOf(): Record<string, string | number> {
  const list = cpus();
  const load = loadavg()[0] as number;
  return {
    cpu: list[0]?.model.trim() ?? '?',
    cores: list.length,
    node: process.version,
    load_at_start: Number(load.toFixed(2)),
    flush_us: Math.round(median(flushesUs())),
  };
}

/** What it takes to write a page where the clusters lie and to have it on the disk, in microseconds, many times over. */
function flushesUs(): number[] {
  const folder = mkdtempSync(join(tmpdir(), 'syncd-flush-'));
  const file = openSync(join(folder, 'page'), 'w');
  try {
    return Array.from({ length: 100 }, () => {
      const from = performance.now();
      writeSync(file, Buffer.alloc(8192), 0, 8192, 0);
      fdatasyncSync(file);
      return (performance.now() - from) * 1_000;
    });
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true });
  }
}
