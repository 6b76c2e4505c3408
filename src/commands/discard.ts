/** `syncd discard`: gives changes up for good, so that what waits behind them can go. */
import { Command } from 'commander';
import { discardChanges } from '../queue/manage.js';
import { authorOf, tellVerdicts, withAuthor } from './actions.js';
import { parseIds, parseReason } from './filters.js';
import { commonOptions, withDatabase } from './session.js';

export function discardCommand(): Command {
  const command = new Command('discard')
    .description('give changes up for good: the cloud will never get them')
    .argument('<id...>', 'their numbers, as syncd queue shows them', parseIds)
    .requiredOption('--reason <text>', 'why; kept with your name', parseReason);
  return withAuthor(command)
    .addHelpText(
      'after',
      `
The row in the shop stays as it is; a later change of it goes to the cloud as
usual, and syncd push TYPE ID sends it as it is now. A change whose row is in
conflict is left alone: syncd resolve ID --strategy cloud_wins gives it up. Only
where the table is never pulled it may be discarded, and the row's next change
meets the same conflict.
`,
    )
    .action(async (ids: string[], _options, self: Command) => {
      const options = { ...commonOptions(self), ...self.opts<{ reason: string; by?: string }>() };
      await withDatabase(options, 'discard', async ({ db }) => {
        const verdicts = await discardChanges(db, ids, authorOf(options), options.reason);
        process.exitCode = tellVerdicts(verdicts, 'discarded', options);
      });
    });
}
