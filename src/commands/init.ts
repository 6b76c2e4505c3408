/**
 * `syncd init`: looks at the POS's database, proposes what to capture, and writes a commented syncd.yaml. Changes nothing in the
 * database. On a terminal it asks; elsewhere --yes takes the proposal.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import { databaseUrlOf } from '../config/caller.js';
import { cloudUrl, databaseUrl, headerText, timezone } from '../config/scalars.js';
import { SyncError, wordsOf } from '../errors.js';
import { converse, type Ends } from '../init/dialogue.js';
import { daemonLogin } from '../init/login.js';
import { type Proposal, propose, reasonAgainst } from '../init/propose.js';
import { type Answers, notesFor, type Remarks, writeYaml } from '../init/yaml.js';
import { count } from '../ops/status/words.js';
import { asCaller } from './admin-url.js';
import { print, printJson, remark } from './output.js';
import { type CommonOptions, commonOptions } from './session.js';

type Own = {
  database?: string;
  output?: string;
  force?: boolean;
  yes?: boolean;
  outletId?: string;
  outletCode?: string;
  timezone?: string;
  cloudUrl?: string;
};

const SOCKET = 'postgres:///pos?host=/var/run/postgresql';
const CLOUD = 'https://cloud.example.com/api/v1';

export function initCommand(): Command {
  return new Command('init')
    .description('look at the POS database and write a commented syncd.yaml')
    .option('--database <url>', 'the POS database, with a login that sees its tables; else $DATABASE_URL')
    .option('--output <file>', 'where to write, - for standard output; else --config, else ./syncd.yaml')
    .option('--force', 'replace a file that is there')
    .option('--yes', 'take the proposal without asking')
    .option('--outlet-id <id>', "the outlet's id, as head office knows it; else a new one is made")
    .option('--outlet-code <code>', 'its name for people, JKT-014 say')
    .option('--timezone <zone>', "its time zone; else this machine's")
    .option('--cloud-url <url>', 'where the cloud is')
    .addHelpText(
      'after',
      `
Proposes tables by their names, keys and triggers, in English and Indonesian:
what to send, what both sides edit, which columns look secret. Every guess and
every table left out stands in the file with its reason. Changes nothing in the
database. Then: syncd install
`,
    )
    .action(async (own: Own, command: Command) => init(own, commonOptions(command)));
}

async function init(own: Own, options: CommonOptions): Promise<void> {
  const asks = !own.yes && process.stdin.isTTY === true && process.stdout.isTTY === true && !options.json;
  if (!asks && !own.yes)
    throw new SyncError('usage', 'init asks on a terminal; elsewhere it takes its own proposal', {
      hint: 'Add: --yes',
    });
  const file = own.output === '-' ? undefined : resolve(own.output ?? options.config ?? 'syncd.yaml');
  if (file !== undefined && existsSync(file) && !own.force)
    throw new SyncError('failed', `${file} is there already; nothing was changed`, {
      hint: 'Name another one with --output FILE, or replace it with --force.',
    });
  const terminal = asks ? openTerminal() : undefined;
  try {
    const url = await databaseOf(own, terminal);
    const proposal = await proposalOf(url);
    const { answers, remarks } = answersOf(own, url);
    const chosen = terminal ? await converse(terminal, proposal, answers) : { proposal, answers };
    if (!chosen) {
      remark('Nothing was written.');
      return;
    }
    tell(chosen.proposal, save(file, writeYaml(chosen.proposal, chosen.answers, remarks), own.force === true), options);
  } finally {
    terminal?.close();
  }
}

type Terminal = Ends & { close(): void };

function openTerminal(): Terminal {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  // What is typed ahead of its question, or pasted, is kept for it.
  const typed: string[] = [];
  let waits: ((line: string) => void) | undefined;
  lines.on('line', (line) => {
    if (waits) waits(line);
    else typed.push(line);
    waits = undefined;
  });
  const gone = new Promise<never>((_, reject) =>
    lines.once('close', () => reject(new SyncError('failed', 'the conversation was ended; nothing was written'))),
  );
  gone.catch(() => {});
  return {
    ask: (question) => {
      lines.setPrompt(question);
      lines.prompt();
      const ready = typed.shift();
      if (ready !== undefined) return Promise.resolve(ready);
      const line = new Promise<string>((resolve) => {
        waits = resolve;
      });
      return Promise.race([line, gone]);
    },
    say: print,
    close: () => lines.close(),
  };
}

async function databaseOf(own: Own, terminal: Terminal | undefined): Promise<string> {
  const given = own.database ?? databaseUrlOf() ?? (await terminal?.ask(`The POS database [${SOCKET}]: `));
  if (given === undefined)
    throw new SyncError('usage', 'which database? None is named', { hint: `Name it: --database ${SOCKET}` });
  const url = given.trim() === '' ? SOCKET : databaseUrl(given.trim());
  if (url === undefined) throw new SyncError('usage', 'the database is named by a URL', { hint: `Such as: ${SOCKET}` });
  return url;
}

async function proposalOf(url: string): Promise<Proposal> {
  const { databaseError } = await import('../db/database-error.js');
  const { findPrimary } = await import('../db/primary.js');
  const { openClient } = await import('../db/connect.js');
  const { readCatalogue } = await import('../init/read.js');
  const login = asCaller(url);
  try {
    const client = await openClient(await findPrimary([login]), { role: 'init' }, () => {});
    try {
      const catalogue = await readCatalogue(client, (table) => reasonAgainst(table) === undefined);
      const proposal = propose(catalogue);
      if (proposal.entities.length > 0) return proposal;
      throw new SyncError('failed', `database ${catalogue.database} has no table that could be captured`, {
        hint: proposal.leftOut.map(({ table, reason }) => `${table}: ${reason}`).join('\n'),
      });
    } finally {
      await client.end().catch(() => {});
    }
  } catch (error) {
    throw databaseError(error, login);
  }
}

function answersOf(own: Own, url: string): { answers: Answers; remarks: Remarks } {
  const wrong = (option: string, takes: string) =>
    new SyncError('usage', `${option} is not allowed; it takes ${takes}`);
  const read = <T>(
    option: string,
    given: T | undefined,
    reader: (raw: unknown) => string | undefined,
    takes: string,
  ) => {
    const value = given === undefined ? undefined : reader(given);
    if (given !== undefined && value === undefined) throw wrong(option, takes);
    return value;
  };
  const id = read('--outlet-id', own.outletId, headerText, 'visible characters without blanks');
  const zone = read('--timezone', own.timezone, timezone, 'a time zone, such as Asia/Jakarta');
  const cloud = read('--cloud-url', own.cloudUrl, cloudUrl, 'an https URL without login, query or fragment');
  const login = daemonLogin(url);
  return {
    answers: {
      outlet: {
        id: id ?? randomUUID(),
        code: own.outletCode,
        timezone: zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
      },
      databaseUrl: login.url,
      cloudUrl: cloud ?? CLOUD,
    },
    remarks: {
      outlet: id === undefined ? ['The id must be the one that head office knows this outlet by.'] : [],
      database: login.remarks,
      cloud: cloud === undefined ? ['Where the cloud is; the file holds the API key and nothing else.'] : [],
    },
  };
}

function save(file: string | undefined, text: string, force: boolean): string | undefined {
  if (file === undefined) {
    print(text.trimEnd());
    return undefined;
  }
  try {
    writeFileSync(file, text, { flag: force ? 'w' : 'wx', mode: 0o640 });
  } catch (error) {
    throw new SyncError('failed', `${file} cannot be written: ${wordsOf(error)}`, { cause: error });
  }
  return file;
}

function tell({ entities, leftOut }: Proposal, file: string | undefined, options: CommonOptions): void {
  if (options.json && file !== undefined) {
    const tables = entities.map((one) => {
      const { entity, settings } = one;
      const { table, key = null, direction, exclude, coalesce, local, also_writes } = settings;
      return { entity, table, key, direction, exclude, coalesce, local, also_writes, notes: notesFor(one) };
    });
    printJson({ file, entities: tables, left_out: leftOut });
    return;
  }
  if (file === undefined) return;
  const both = entities.filter(({ settings }) => settings.direction === 'both').length;
  print(
    `${file}: ${count(entities.length, 'table')} to capture, ${both} of them both ways; ${leftOut.length} left out.`,
  );
  print(`Read it, then: syncd install --config ${file} --dry-run`);
}
