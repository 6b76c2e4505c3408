/** `syncd support-bundle`: one archive for the person on call, made also while the database is away. */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { ConfigurationError } from '../config/faults.js';
import { loadSettings } from '../config/load.js';
import { openDb } from '../db/connect.js';
import { SyncError, wordsOf } from '../errors.js';
import { primaryOf } from '../ops/identity/file.js';
import { writeArchive } from '../support/archive.js';
import { gatherBundle } from '../support/bundle.js';
import { print, printJson } from './output.js';
import { commonOptions } from './session.js';

export function supportBundleCommand(): Command {
  return new Command('support-bundle')
    .description('one archive for the person on call: no rows of the shop, no secrets')
    .option('--output <file>', 'where to write it, a file or a directory; else ./syncd-support-OUTLET-TIME.tar.gz')
    .addHelpText(
      'after',
      `
Holds status, the doctor's findings, the effective settings (secrets as ***),
the last exchanges with the cloud, what waits and what failed (without rows),
the captured tables' columns and triggers, sizes, the server's settings and
sessions, and the journal where this user may read it. Ids of rows and the
cloud's own words are in it. Look inside before you send it: tar -xzf FILE
`,
    )
    .action(async (_options, command: Command) => {
      const options = { ...commonOptions(command), ...command.opts<{ output?: string }>() };
      const loaded = load(options.config);
      const { code, id } = loaded.settings.outlet;
      const at = new Date();
      const outlet = (code ?? id).replaceAll(/[^\w.-]+/g, '_').slice(0, 60);
      const folder = `syncd-support-${outlet}-${at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}`;
      const given = resolve(options.output ?? '.');
      const inside = statSync(given, { throwIfNoEntry: false })?.isDirectory() === true;
      const file = inside ? join(given, `${folder}.tar.gz`) : given;
      const url = await primaryOf(loaded.settings).catch(() => undefined);
      const db = url === undefined ? undefined : openDb(url, { role: 'support', queryTimeoutMs: 30_000 });
      try {
        const texts = await gatherBundle(loaded, db);
        await writeArchive(file, folder, texts, at);
        if (options.json) printJson({ file, entries: texts.map(({ name }) => name) });
        else
          print(
            `Written: ${file}\n${texts.length} files, no rows of the shop, no secrets. To look inside: tar -xzf ${file}`,
          );
      } catch (error) {
        if (error instanceof SyncError) throw error;
        throw new SyncError('failed', `the archive cannot be written: ${wordsOf(error)}`, {
          hint: 'Name another place: syncd support-bundle --output FILE',
          cause: error,
        });
      } finally {
        await db?.destroy();
      }
    });
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
