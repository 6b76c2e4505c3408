/** `syncd support-bundle`: one archive for the person on call, made also while the database is away. */
import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { ConfigurationError } from '../config/faults.js';
import { loadSettings } from '../config/load.js';
import { openDb } from '../db/connect.js';
import { SyncError, wordsOf } from '../errors.js';
import { primaryOf } from '../ops/identity/file.js';
import { writeArchive } from '../support/archive.js';
import { type Bundle, gatherBundle, JOURNAL_COMMAND } from '../support/bundle.js';
import { print, printJson } from './output.js';
import { commonOptions } from './session.js';

const WITH_JOURNAL = `sudo ${JOURNAL_COMMAND.join(' ')} |
  sudo -u syncd syncd support-bundle --output /tmp --journal -`;

export function supportBundleCommand(): Command {
  return new Command('support-bundle')
    .description('one archive for the person on call: no rows of the shop, no secrets')
    .option('--output <file>', 'where to write it, a file or a directory; else ./syncd-support-OUTLET-TIME.tar.gz')
    .option(
      '--journal <file>',
      "the daemon's own words, where this user may not read the journal; - reads standard input",
    )
    .addHelpText(
      'after',
      `
Holds status, the doctor's findings, the effective settings (secrets as ***),
the last exchanges with the cloud, what waits and what failed (without rows),
the captured tables' columns and triggers, sizes, the server's settings and
sessions, and the journal. Ids of rows and the cloud's own words are in it. Look
inside before you send it: tar -xzf FILE

The user syncd sees all of it but the journal, which is to be handed in:
  ${WITH_JOURNAL}
`,
    )
    .action(async (_options, command: Command) => {
      const options = { ...commonOptions(command), ...command.opts<{ output?: string; journal?: string }>() };
      const loaded = load(options.config);
      const { code, id } = loaded.settings.outlet;
      const at = new Date();
      const outlet = (code ?? id).replaceAll(/[^\w.-]+/g, '_').slice(0, 60);
      const folder = `syncd-support-${outlet}-${at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}`;
      const given = resolve(options.output ?? '.');
      const inside = statSync(given, { throwIfNoEntry: false })?.isDirectory() === true;
      const file = inside ? join(given, `${folder}.tar.gz`) : given;
      const url = await primaryOf(loaded.settings).catch((error: Error) => error);
      const db = url instanceof Error ? undefined : openDb(url, { role: 'support', queryTimeoutMs: 30_000 });
      try {
        const { texts, missing } = await gatherBundle(loaded, db ?? (url as Error), givenJournal(options.journal));
        await writeArchive(file, folder, texts, at);
        if (options.json) return printJson({ file, entries: texts.map(({ name }) => name), missing });
        print(`Written: ${file}`);
        print(`${texts.length} files, no rows of the shop, no secrets. To look inside: tar -xzf ${file}`);
        for (const line of told(missing)) print(line);
      } catch (error) {
        if (error instanceof SyncError) throw error;
        throw new SyncError('failed', `the archive cannot be written: ${wordsOf(error)}`, {
          hint: 'Name another place: syncd support-bundle --output /tmp',
          cause: error,
        });
      } finally {
        await db?.destroy();
      }
    });
}

function givenJournal(file: string | undefined): (() => Promise<string>) | undefined {
  if (file === undefined) return undefined;
  return async () => readFileSync(file === '-' ? 0 : file, 'utf8');
}

/** What lacks, by its reason, and how it is to be had. */
function told(missing: Bundle['missing']): string[] {
  const reasons = [...new Set(missing.map(({ reason }) => reason))];
  const lines = reasons.map((reason) => {
    const names = missing.filter((one) => one.reason === reason).map(({ name }) => name);
    return `not in it: ${names.join(', ')}: ${reason}`;
  });
  if (missing.some(({ name }) => name !== 'journal.txt'))
    lines.push("Run it as the daemon's user: sudo -u syncd syncd support-bundle");
  return missing.some(({ name }) => name === 'journal.txt')
    ? [...lines, `To have the journal in it: ${WITH_JOURNAL}`]
    : lines;
}

/** With the cloud's key where there is one, so that the doctor can try it; a missing one is the doctor's finding, not the end. */
function load(config: string | undefined): ReturnType<typeof loadSettings> {
  try {
    return loadSettings({ file: config, secrets: 'needed' });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return loadSettings({ file: config, secrets: 'left' });
  }
}
