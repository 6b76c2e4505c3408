/** `syncd capture --suspend` and `--resume`: lets the triggers step aside for an upgrade of the POS, and capture again. */
import { Command } from 'commander';
import { resumeCapture, suspendCapture } from '../capture/suspend.js';
import { SyncError } from '../errors.js';
import { lookAtDaemon } from '../ops/control.js';
import { authorOf, withAuthor } from './actions.js';
import { print, printJson } from './output.js';
import { type CommonOptions, commonOptions, withDatabase } from './session.js';

type Options = CommonOptions & { suspend?: true; resume?: true; reason?: string; by?: string };

export function captureCommand(): Command {
  const command = new Command('capture')
    .description('let the triggers step aside for an upgrade of the POS, and capture again')
    .argument('[type...]', 'the entities, as syncd.yaml names them; all where none is named')
    .option('--suspend', 'capture nothing until it is resumed')
    .option('--resume', 'capture again, and compare the tables with what was agreed')
    .option('--reason <text>', 'why; shown by syncd status, kept with your name');
  return withAuthor(command)
    .addHelpText(
      'after',
      `
Neither locks a table, and a sale that is running is not disturbed. What is
written between the two is not captured: afterwards the daemon compares each
table row by row with what the cloud has accepted, and queues what differs and
what is gone. Changes that were captured before go out all the while.
A table that is found without any row waits for syncd truncate.
`,
    )
    .action(async (types: string[], _options, self: Command) => {
      const options: Options = { ...commonOptions(self), ...self.opts() };
      if ((options.suspend === true) === (options.resume === true))
        throw new SyncError('usage', 'what shall be done? --suspend or --resume', {
          hint: 'syncd status tells which tables are suspended.',
        });
      await withDatabase(options, 'capture', async ({ db }) => {
        const who = authorOf(options);
        const done = options.suspend
          ? await suspendCapture(db, types, who, options.reason ?? 'no reason given')
          : await resumeCapture(db, types, who);
        if (options.json) return printJson({ suspended: options.suspend === true, entities: done });
        if (done.length === 0)
          return print(options.suspend ? 'They were suspended already.' : 'None of them was suspended.');
        if (options.suspend)
          return print(
            `Suspended: ${done.join(', ')}. Nothing of them is captured until: syncd capture --resume ${types.join(' ')}`.trimEnd(),
          );
        const { running } = await lookAtDaemon(db);
        print(
          `Captured again: ${done.join(', ')}. ${running ? 'The daemon compares' : 'When the daemon runs again, it compares'} the tables; syncd status tells how far it is.`,
        );
      });
    });
}
