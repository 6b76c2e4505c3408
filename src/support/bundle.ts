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

export type Bundle = {
  texts: Text[];
  /** The files that hold only why they could not be filled. */
  missing: { name: string; reason: string }[];
};

/** What journalctl is asked; a person who may read the journal asks the same for one who may not. */
export const JOURNAL_COMMAND = ['journalctl', '-u', 'syncd', '-n', '5000', '--no-pager', '-o', 'short-iso'];

/**
 * @param database or why there is none; what needs it then says so
 * @param journal the daemon's own words where the caller has them; else the journal is read
 */
export async function gatherBundle(
  loaded: LoadedSettings,
  database: Db | Error,
  journal: () => Promise<string> = readJournal,
): Promise<Bundle> {
  const asked =
    <T>(ask: (db: Db) => Promise<T>) =>
    async () => {
      if (database instanceof Error) throw database;
      return ask(database);
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
  const bundle: Bundle = { texts: [{ name: 'README.txt', text: README }], missing: [] };
  for (const [name, gather] of parts) {
    let found: unknown;
    try {
      found = await gather();
    } catch (error) {
      const reason = redactText(wordsOf(error), loaded.secrets);
      bundle.missing.push({ name, reason });
      found = { missing: reason };
    }
    const text = typeof found === 'string' ? found : JSON.stringify(found, null, 2);
    bundle.texts.push({ name, text: `${redactText(text, loaded.secrets)}\n` });
  }
  return bundle;
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

async function readJournal(): Promise<string> {
  const [program, ...line] = JOURNAL_COMMAND;
  try {
    return (await promisify(execFile)(program as string, line, JOURNAL_LIMIT)).stdout;
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw /insufficient permissions/.test(stderr ?? '') ? new Error('this user may not read it') : error;
  }
}
