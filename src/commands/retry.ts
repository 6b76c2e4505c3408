/** `syncd retry`: failed or waiting changes go again at once, with all their attempts. */
import { Command } from 'commander';
import { SyncError } from '../errors.js';
import { retryChanges } from '../queue/manage.js';
import { authorOf, tellVerdicts, withAuthor } from './actions.js';
import { parseIds } from './filters.js';
import { commonOptions, withDatabase } from './session.js';

export function retryCommand(): Command {
  const command = new Command('retry')
    .description('let failed changes, or those that wait for their next try, go again at once')
    .argument('[id...]', 'their numbers, as syncd queue shows them', parseIds)
    .option('--all-failed', 'every failed change');
  return withAuthor(command).action(async (ids: string[], _options, self: Command) => {
    const options = { ...commonOptions(self), ...self.opts<{ allFailed?: boolean; by?: string }>() };
    if (options.allFailed === true && ids.length > 0) throw new SyncError('usage', 'give either ids or --all-failed');
    if (!options.allFailed && ids.length === 0) {
      throw new SyncError('usage', 'which change? give its id, or --all-failed', {
        hint: 'syncd queue --status failed lists them.',
      });
    }
    await withDatabase(options, 'retry', async ({ db }) => {
      const verdicts = await retryChanges(db, options.allFailed ? undefined : ids, authorOf(options));
      process.exitCode = tellVerdicts(verdicts, 'goes again', options);
    });
  });
}
