/** `syncd push TYPE ID`: queues one row as it is now, and waits for the cloud's answer while the daemon can get one. */
import { Command, Option } from 'commander';
import { EXIT } from '../errors.js';
import { awaitAnswer, type ChangeStanding, type DaemonPresence, lookAtDaemon } from '../ops/control.js';
import { type Enqueued, enqueueEntity } from '../queue/enqueue.js';
import { authorOf, withAuthor } from './actions.js';
import { parseSpan } from './filters.js';
import { printJson, printWords } from './output.js';
import { commonOptions, withDatabase } from './session.js';

const OPERATIONS = { create: 'as new', update: 'as it is now', delete: 'as deleted' };

export function pushCommand(): Command {
  const command = new Command('push')
    .description('send one row to the cloud as it is now')
    .argument('<type>', 'the entity, as syncd.yaml names it')
    .argument('<id>', 'its primary key; a composite key as a JSON array of texts, \'["7","2"]\'')
    .addOption(
      new Option('--wait <span>', "for the cloud's answer at most; 0s: not at all")
        .argParser(parseSpan)
        .default(30_000, '30s'),
    );
  return withAuthor(command)
    .addHelpText(
      'after',
      '\nA row that is gone but known to the cloud is sent as deleted. It takes its place\nin the queue behind what waits already.\n',
    )
    .action(async (type: string, id: string, _options, self: Command) => {
      const options = { ...commonOptions(self), ...self.opts<{ wait: number; by?: string }>() };
      await withDatabase(options, 'push', async ({ db }) => {
        const since = new Date(Date.now() - 60_000).toISOString();
        const enqueued = await enqueueEntity(db, type, id, authorOf(options));
        const standing = await awaitAnswer(db, enqueued.id, since, options.wait);
        const answered = standing !== undefined && (standing.status !== 'pending' || standing.waits);
        if (options.json)
          printJson({
            ...enqueued,
            status: standing?.status ?? 'pending',
            settled_as: standing?.settled_as ?? null,
            error_message: standing?.error_message ?? null,
          });
        else
          printWords(
            `${enqueued.id}: ${type} ${enqueued.entity_id} queued ${OPERATIONS[enqueued.operation]}; ${outcome(enqueued, standing, await lookAtDaemon(db))}`,
          );
        // Queued is done: the answer may come days later, when the line is back.
        process.exitCode = answered && standing.status !== 'synced' ? EXIT.failed : EXIT.done;
      });
    });
}

function outcome(enqueued: Enqueued, standing: ChangeStanding | undefined, daemon: DaemonPresence): string {
  if (standing?.status === 'synced')
    return standing.settled_as === 'superseded' ? 'a newer change of it is in the cloud' : 'it is in the cloud';
  const words = standing?.error_message ? `: ${standing.error_message}` : '';
  if (standing?.status === 'failed') return `the cloud rejected it${words}`;
  if (standing?.status === 'conflict') return 'the cloud holds another value: a conflict';
  if (standing?.waits)
    return `the cloud put it off${words}; syncd queue --entity ${enqueued.entity_type}/${enqueued.entity_id} shows when`;
  if (!daemon.running) return 'it goes when the daemon runs again';
  if (!daemon.enabled) return 'it goes when syncing is resumed';
  if (daemon.refused) return `it waits, for the cloud refuses this outlet: ${daemon.refused}`;
  if (daemon.online === false) return `it waits until the cloud can be reached: ${daemon.last_error ?? 'no answer'}`;
  return 'no answer yet; it goes by itself';
}
