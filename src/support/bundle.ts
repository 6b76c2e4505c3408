/**
 * What the person on call wants to see of an outlet far away, as texts: status, the doctor's findings, the configuration, the
 * logs, the schema and the server's statistics. No row of the shop, no secret: rows are never read, and every text passes the
 * redaction on its way out. What cannot be had leaves its reason in its place.
 */
import { execFile } from 'node:child_process';
import { cpus, freemem, hostname, release, totalmem, uptime } from 'node:os';
import { promisify } from 'node:util';
import type { LoadedSettings } from '../config/load.js';
import type { Db } from '../db/connect.js';
import { examine } from '../doctor/examine.js';
import { wordsOf } from '../errors.js';
import { statusOf } from '../ops/status/report.js';
import { listLogs, listQueue } from '../queue/read.js';
import { redactText } from '../redact.js';
import { VERSION } from '../version.js';
import type { Text } from './archive.js';
import { activity, migrations, relations, serverSettings, sizes, triggers } from './catalogue.js';

const LOG_LINES = 1_000;
const JOURNAL_LINES = 5_000;
const JOURNAL_LIMIT = { timeout: 15_000, maxBuffer: 16 * 1024 * 1024 };

const README = `What is in here, for the person on call:

machine.json     program, Node, operating system, memory
status.json      as syncd status --json
doctor.json      every finding of syncd doctor
config.json      the settings that count and where each came from; secrets are ***
logs.json        the last exchanges with the cloud, the newest first
queue.json       the oldest changes that wait, without their rows
failed.json      the changes that failed, in the cloud's own words, without their rows
relations.json   the captured tables: columns, types, keys
triggers.json    the triggers on them
migrations.json  the files that made schema syncd
sizes.json       size, rows and vacuum of every table of syncd and of the captured ones
server.json      the server's settings that differ from the default
activity.json    its sessions, without their statements
journal.txt      the daemon's own words

No row of the shop and no secret is in here. Ids of rows and the cloud's own words are.
`;

/** @param db undefined where the database is away; what needs it then says so */
export async function gatherBundle(loaded: LoadedSettings, db: Db | undefined): Promise<Text[]> {
  const asked =
    <T>(ask: (db: Db) => Promise<T>) =>
    async () => {
      if (!db) throw new Error('the database is away');
      return ask(db);
    };
  const parts: [name: string, gather: () => unknown][] = [
    ['machine.json', machine],
    ['status.json', asked(async (open) => (await statusOf(open, loaded.settings)).report)],
    ['doctor.json', () => examine(loaded)],
    ['config.json', () => ({ file: loaded.file, settings: loaded.origins, warnings: loaded.warnings })],
    ['logs.json', asked((open) => listLogs(open, { limit: LOG_LINES }))],
    ['queue.json', asked((open) => listQueue(open, { limit: LOG_LINES }))],
    ['failed.json', asked((open) => listQueue(open, { status: 'failed', limit: LOG_LINES }))],
    ['relations.json', asked(relations)],
    ['triggers.json', asked(triggers)],
    ['migrations.json', asked(migrations)],
    ['sizes.json', asked(sizes)],
    ['server.json', asked(serverSettings)],
    ['activity.json', asked(activity)],
    ['journal.txt', journal],
  ];
  const texts: Text[] = [{ name: 'README.txt', text: README }];
  for (const [name, gather] of parts) {
    const found = await attempt(gather);
    const text = typeof found === 'string' ? found : JSON.stringify(found, null, 2);
    texts.push({ name, text: `${redactText(text, loaded.secrets)}\n` });
  }
  return texts;
}

async function attempt(gather: () => unknown): Promise<unknown> {
  try {
    return await gather();
  } catch (error) {
    return { missing: wordsOf(error) };
  }
}

function machine(): Record<string, unknown> {
  return {
    at: new Date().toISOString(),
    syncd: VERSION,
    node: process.version,
    host: hostname(),
    system: `${process.platform} ${process.arch} ${release()}`,
    processors: cpus().length,
    memory_mb: Math.round(totalmem() / 1e6),
    free_memory_mb: Math.round(freemem() / 1e6),
    up_hours: Math.round(uptime() / 3_600),
  };
}

async function journal(): Promise<string> {
  const line = ['-u', 'syncd', '-n', String(JOURNAL_LINES), '--no-pager', '-o', 'short-iso'];
  return (await promisify(execFile)('journalctl', line, JOURNAL_LIMIT)).stdout;
}
