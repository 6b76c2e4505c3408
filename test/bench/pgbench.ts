/** Finds and runs PostgreSQL's own load generator over the server's Unix socket, and reads what it reports. */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Cluster } from '../../src/demo/postgres.js';

const SALE = fileURLToPath(new URL('sale.pgbench', import.meta.url));
const DEBIAN = '/usr/lib/postgresql';

/** The program's path: on PATH, or where Debian keeps its versions. @throws Error that says what to install. */
function findPgbench(): string {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...versions.map((version) => join(DEBIAN, version, 'bin')),
  ];
  const found = folders.map((folder) => join(folder, 'pgbench')).find(isProgram);
  if (found) return found;
  throw new Error('pgbench is not installed: apt-get install postgresql-contrib');
}

/** Whether a program of this name is on PATH. */
export function isInstalled(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => isProgram(join(folder, name)));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export type Load = { tps: number; transactions: number };

/**
 * Sells with `clients` tills at once, with prepared statements.
 * @param settings of the sessions, `-c name=value`
 * @throws Error where a sale failed
 */
export async function sell(
  cluster: Cluster,
  database: string,
  clients: number,
  until: { seconds: number; salesPerSecond?: number } | { salesEach: number },
  settings = '',
): Promise<Load> {
  const where = ['-h', cluster.socketDirectory, '-p', String(cluster.port), '-U', 'postgres'];
  const end = 'seconds' in until ? ['-T', String(until.seconds)] : ['-t', String(until.salesEach)];
  if ('salesPerSecond' in until) end.push('-R', String(until.salesPerSecond));
  const how = ['-n', '-M', 'prepared', '-c', String(clients), '-j', '2', ...end, '-f', SALE];
  const { stdout, stderr } = await promisify(execFile)(findPgbench(), [...where, ...how, database], {
    env: { ...process.env, PGOPTIONS: settings },
  });
  const tps = Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1]);
  const transactions = Number(/transactions actually processed: (\d+)/.exec(stdout)?.[1]);
  if (!(tps > 0) || /aborted/.test(stderr)) throw new Error(`pgbench sold nothing or only in part: ${stderr}`);
  return { tps, transactions };
}
