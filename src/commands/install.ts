/** `syncd install`: makes the database match syncd.yaml. Prints what changes; nothing does while anything is in the way. */
import { Command } from 'commander';
import { installCapture } from '../capture/install.js';
import { loadSettings } from '../config/load.js';
import { refuseOthers } from '../ops/identity/outlet.js';
import { adminUrl, asAdministrator } from './admin-url.js';
import { print, printJson, remark } from './output.js';
import { commonOptions } from './session.js';

export function installCommand(): Command {
  return new Command('install')
    .description('make the database match the configuration: schema, triggers, roles')
    .option('--dry-run', 'print the SQL and change nothing')
    .option('--admin-url <url>', 'a login that may create roles and triggers; else database.url as the calling user')
    .addHelpText(
      'after',
      `
May be repeated at any time, also while the till sells: no sale waits longer
than a second for it. Tables that left the configuration are captured no more.
`,
    )
    .action(async (own: { dryRun?: boolean; adminUrl?: string }, command: Command) => {
      const options = commonOptions(command);
      const { settings, warnings } = loadSettings({ file: options.config, secrets: 'left' });
      for (const warning of warnings) remark(`warning: ${warning}`);
      const dryRun = own.dryRun === true;
      const report = options.json ? () => {} : print;
      const { changes, notices } = await asAdministrator('install', own.adminUrl, async () => {
        const url = await adminUrl(own.adminUrl, settings);
        await refuseOthers(url, settings);
        return installCapture({ adminUrl: url, settings, dryRun, report });
      });
      if (options.json) return printJson({ dry_run: dryRun, changes, notices });
      for (const notice of notices) remark(`note: ${notice}`);
      if (changes.length === 0) print('The database matches the configuration; nothing was to do.');
    });
}
