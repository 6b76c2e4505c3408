/** `syncd uninstall`: leaves nothing of syncd in the database, and refuses while changes wait unless told to lose them. */
import { Command } from 'commander';
import { uninstallCapture } from '../capture/uninstall.js';
import { loadSettings } from '../config/load.js';
import { adminUrl, asAdministrator } from './admin-url.js';
import { print, printJson, remark } from './output.js';
import { commonOptions } from './session.js';

type Options = { dryRun?: boolean; adminUrl?: string; discardPending?: boolean };

export function uninstallCommand(): Command {
  return new Command('uninstall')
    .description('take everything of syncd out of the database')
    .option('--dry-run', 'print the SQL and change nothing')
    .option('--discard-pending', 'lose the changes that have not reached the cloud')
    .option('--admin-url <url>', 'a login that owns the tables; else database.url as the calling user')
    .addHelpText(
      'after',
      `
Stop the daemon before. Refused while changes wait, and where something of the
POS's would go with the schema. It forgets who this outlet is: after a later
install the cloud refuses to be pushed to (409 fork) until syncd adopt. To put
something right, syncd install alone is enough.
`,
    )
    .action(async (own: Options, command: Command) => {
      const options = commonOptions(command);
      const dryRun = own.dryRun === true;
      const { changes, notices } = await asAdministrator('uninstall', own.adminUrl, async () =>
        uninstallCapture({
          adminUrl:
            own.adminUrl ??
            (await adminUrl(undefined, loadSettings({ file: options.config, secrets: 'left' }).settings)),
          discardPending: own.discardPending === true,
          dryRun,
          report: options.json ? () => {} : (line) => print(dryRun ? line : `removed: ${line}`),
        }),
      );
      if (options.json) return printJson({ dry_run: dryRun, changes, notices });
      for (const notice of notices) remark(`note: ${notice}`);
      if (changes.length === 0) print('Nothing of syncd is in this database.');
    });
}
