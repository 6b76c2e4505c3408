/** `syncd now`: the daemon drops all waits and tries at once; the command waits for what comes of it. */
import { Command, Option } from 'commander';
import { EXIT, SyncError } from '../errors.js';
import { lookAtDaemon, requestNow } from '../ops/control.js';
import { count, SWITCHED_OFF } from '../ops/status/words.js';
import { countUnsettled } from '../queue/read.js';
import { authorOf, withAuthor } from './actions.js';
import { parseSpan } from './filters.js';
import { print, printJson } from './output.js';
import { commonOptions, withDatabase } from './session.js';

export function nowCommand(): Command {
  const command = new Command('now')
    .description('try the cloud at once instead of at the next turn, and say what came of it')
    .addOption(
      new Option('--wait <span>', "for the daemon's answer at most").argParser(parseSpan).default(60_000, '60s'),
    );
  return withAuthor(command).action(async (_options, self: Command) => {
    const options = { ...commonOptions(self), ...self.opts<{ wait: number; by?: string }>() };
    await withDatabase(options, 'now', async ({ db, loaded }) => {
      if (!loaded.settings.sync.enabled)
        throw new SyncError('failed', `nothing can be sent now: ${SWITCHED_OFF}`, {
          hint: 'syncd config shows where.',
        });
      const daemon = await lookAtDaemon(db);
      if (!daemon.running) {
        throw new SyncError('failed', 'nothing can be sent now: the daemon is not running', {
          hint: 'sudo systemctl start syncd',
        });
      }
      if (!daemon.enabled)
        throw new SyncError('failed', 'nothing can be sent now: syncing is paused', { hint: 'syncd resume' });
      const answer = await requestNow(db, authorOf(options), options.wait);
      if (!answer.finished && !(await lookAtDaemon(db)).running)
        throw new SyncError('failed', 'nothing was sent now: the daemon ended before it answered', {
          hint: 'sudo systemctl start syncd; journalctl -u syncd -n 50',
        });
      if (options.json) printJson(answer);
      else if (answer.error !== null)
        throw new SyncError('failed', `the daemon tried: ${answer.error}`, {
          hint: 'syncd status tells what happens next.',
        });
      else if (!answer.finished) print('The daemon is still at it; syncd status tells how far it is.');
      else {
        print(`Done: ${answer.outcome ?? 'nothing waited'}`);
        const { pending, failed, conflict } = await countUnsettled(db);
        const left = pending + failed + conflict;
        if (left > 0)
          print(`${count(left, 'change')} ${left === 1 ? 'waits' : 'wait'} at this moment; why: syncd status`);
      }
      process.exitCode = answer.error === null && answer.finished ? EXIT.done : EXIT.failed;
    });
  });
}
