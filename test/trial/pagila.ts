/**
 * The trial on a database that is not ours: Pagila, the public sample, with pgbench as its writer. Loads the schema, installs
 * capture, starts the daemon and the reference cloud, loads the data and runs pgbench under capture, waits until all is quiet
 * and compares every row and every committed change. Exit 0 only if both sides are the same.
 *
 *   npm run trial -- /path/to/pagila-schema.sql /path/to/pagila-data.sql
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { auditLedger, auditReferences, type Finding } from '../../src/demo/audit.js';
import type { ReferenceCloud } from '../../src/demo/cloud/reference-cloud.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { compareRows } from '../../src/demo/compare.js';
import { Cluster } from '../../src/demo/postgres.js';
import { DaemonProcess, runSyncd } from '../../src/demo/syncd-process.js';
import { monotonicMs, sleep } from '../../src/time.js';
import { keepCommits, readCommits } from '../support/convergence/journal.js';
import { readArguments } from './arguments.js';
import { describeReferences, describeTables, type ForeignTable, writtenTables } from './database.js';

/** The staff's password hashes are nobody's business; everything else travels. */
const EXCLUDED = { staff: ['password'] };
const SCRIPT = resolve(import.meta.dirname, 'pagila.pgbench');
const STUCK_AFTER_MS = 45_000;
/** A key that changes under a primary key and, by ON UPDATE CASCADE, inside the composite keys of others. */
const CASCADE = 'UPDATE actor SET actor_id = actor_id + 1000 WHERE actor_id IN (7, 11, 13)';

const given = readArguments(process.argv.slice(2));
if (given.kind === 'refused') {
  process.stderr.write(`${given.line}\n`);
  process.exit(given.exitCode);
}
const { schema, data, clients, transactions } = given;

const say = (line: string) => process.stderr.write(`${line}\n`);
const directory = mkdtempSync(join(tmpdir(), 'syncd-trial-'));
const cluster = await Cluster.start({
  settings: { wal_level: 'logical', max_wal_senders: '4', max_connections: '60' },
});
const undo: (() => Promise<void>)[] = [() => cluster.destroy()];
try {
  process.exitCode = await runTrial();
} finally {
  for (const step of undo.reverse()) await step();
  rmSync(directory, { recursive: true, force: true });
}

async function runTrial(): Promise<number> {
  const url = await cluster.createDatabase('pagila');
  await run('psql', [url, '-q', '-v', 'ON_ERROR_STOP=1', '-f', schema]);
  const owner = new pg.Client({ connectionString: url });
  await owner.connect();
  undo.push(() => owner.end());
  const tables = await describeTables(owner, EXCLUDED);
  const references = await describeReferences(owner);

  const apiKey = randomBytes(16).toString('hex');
  const cloud = await startReferenceCloud({ apiKey, references });
  undo.push(() => cloud.stop());
  const configFile = writeConfiguration(tables, cloud, apiKey);
  await runSyncd(['install', '--config', configFile, '--admin-url', url], directory);
  await keepCommits(owner);
  const daemon = new DaemonProcess(directory, configFile);
  undo.push(() => daemon.stop());
  daemon.start();

  const loadedMs = await timed(() => run('psql', [url, '-q', '-v', 'ON_ERROR_STOP=1', '-f', data]));
  say(`loaded in ${Math.round(loadedMs)} ms, under capture`);
  const flags = ['-n', '-c', clients, '-j', '2', '-t', transactions, '--max-tries=5', '-f', SCRIPT];
  const benchMs = await timed(async () => say(await run('pgbench', [...flags, url])));
  await owner.query(CASCADE);
  const quietMs = await timed(() => untilQuiet(owner, daemon));

  const journal = await readCommits(owner, writtenTables(tables));
  const { rows, findings } = await compareRows(owner, tables, cloud.entities());
  const { deliveries, violations } = cloud.ledger;
  findings.push(...auditLedger(journal, deliveries), ...auditReferences(references, deliveries));
  for (const finding of findings.slice(0, 30)) say(describe(finding));
  for (const violation of violations.slice(0, 30)) say(`${violation.rule}: ${violation.detail}`);
  const figures = {
    ok: findings.length === 0 && violations.length === 0,
    tables: tables.length,
    partitions: tables.reduce((sum, table) => sum + table.leaves.length, 0),
    rows,
    committed: journal.length,
    by_operation: tally(journal.map((entry) => entry.operation)),
    transactions: new Set(journal.map((entry) => entry.tx)).size,
    pushed: cloud.ledger.accepted().length,
    findings: tally(findings.map((finding) => finding.kind)),
    violations: violations.length,
    load_ms: Math.round(loadedMs),
    pgbench_ms: Math.round(benchMs),
    quiet_after_ms: Math.round(quietMs),
    ...(await trafficOf(owner)),
  };
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
  return figures.ok ? 0 : 1;
}

function writeConfiguration(tables: ForeignTable[], cloud: ReferenceCloud, apiKey: string): string {
  const keyFile = join(directory, 'cloud_api_key');
  writeFileSync(keyFile, apiKey, { mode: 0o600 });
  const file = join(directory, 'syncd.yaml');
  const entities = tables.map(
    ({ entity_type, table, excluded = [] }) =>
      `  ${entity_type}: { table: ${table}, direction: push, exclude: [${excluded.join(', ')}] }`,
  );
  const text = `outlet: { id: PAGILA-1, timezone: UTC }
database: { url: '${cluster.url('pagila', 'syncd')}' }
state_dir: '${join(directory, 'state')}'
cloud: { url: '${cloud.url}', api_key_file: '${keyFile}' }
admin: { listen: 127.0.0.1:0 }
entities:
${entities.join('\n')}
`;
  writeFileSync(file, text);
  return file;
}

/** Looks until nothing waits any more, or until nothing has moved for a while; then says what waits. */
async function untilQuiet(owner: pg.Client, daemon: DaemonProcess): Promise<void> {
  let least = Number.POSITIVE_INFINITY;
  for (let deadline = 0; ; await sleep(50)) {
    const { rows } = await owner.query<{ waiting: number }>(
      "SELECT count(*)::integer AS waiting FROM syncd.sync_queue WHERE status = 'pending'",
    );
    const waiting = rows[0]?.waiting ?? 0;
    if (waiting === 0) return;
    if (waiting < least) deadline = monotonicMs() + STUCK_AFTER_MS;
    least = Math.min(least, waiting);
    if (monotonicMs() < deadline && daemon.pid !== undefined) continue;
    say(`${waiting} changes are still waiting. The daemon's last words:\n${daemon.lastWords()}`);
    const { rows: waits } = await owner.query('SELECT * FROM syncd.sync_queue WHERE status = $1 ORDER BY id LIMIT 10', [
      'pending',
    ]);
    for (const row of waits) say(JSON.stringify(row));
    return;
  }
}

async function trafficOf(owner: pg.Client): Promise<Record<string, number>> {
  const { rows } = await owner.query<Record<string, number>>(
    `SELECT count(*)::integer AS requests, coalesce(sum(bytes), 0)::float8 AS bytes, coalesce(sum(wire_bytes), 0)::float8 AS wire_bytes
     FROM syncd.sync_logs`,
  );
  return rows[0] ?? {};
}

async function run(program: string, args: string[]): Promise<string> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
  });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => output.push(text));
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', () => fail(new Error(`${program} is missing: apt-get install postgresql`)));
    child.once('close', done);
  });
  if (code !== 0) throw new Error(`${program} exited with ${code}: ${output.join('')}`);
  return output.join('').trim();
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = monotonicMs();
  await work();
  return monotonicMs() - startedAt;
}

function tally(words: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

function describe(finding: Finding): string {
  return `${finding.kind}: ${finding.entity_type} ${finding.entity_id}: ${finding.detail}`;
}
