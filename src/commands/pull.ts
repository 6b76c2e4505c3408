/** `syncd pull TYPE ID`: asks for one row as the cloud holds it, and waits for what comes of it while the daemon can get it. */
import { Command, Option } from 'commander';
import { cloudClientOf } from '../cloud/access.js';
import { askVersion } from '../cloud/ask-version.js';
import type { Db } from '../db/connect.js';
import { EXIT, SyncError } from '../errors.js';
import { type Asked, type AskStanding, type AskStatus, askForEntity, awaitAsked, idAsCaptured } from '../inbox/ask.js';
import { type DaemonPresence, lookAtDaemon } from '../ops/control.js';
import { authorOf, withAuthor } from './actions.js';
import { parseSpan } from './filters.js';
import { printJson, printWords } from './output.js';
import { type CommonOptions, commonOptions, loadWithSecrets, withDatabase } from './session.js';

/** Asked is done: what waits comes by itself, perhaps days later. */
const EXITS: Record<AskStatus, number> = {
  applied: EXIT.done,
  waiting: EXIT.done,
  conflict: EXIT.failed,
  parked: EXIT.failed,
  failed: EXIT.failed,
};

export function pullCommand(): Command {
  const command = new Command('pull')
    .description('fetch one row as the cloud holds it')
    .argument('<type>', 'the entity, as syncd.yaml names it; its direction is pull or both')
    .argument('<id>', 'its primary key; a composite key as a JSON array of texts, \'["7","2"]\'')
    .addOption(
      new Option('--wait <span>', 'until it is applied at most; 0s: not at all')
        .argParser(parseSpan)
        .default(30_000, '30s'),
    );
  return withAuthor(command.option('--dry-run', 'ask the cloud for its version only, and change nothing'))
    .addHelpText(
      'after',
      `
The usual rules decide: a version that is known already changes nothing, and
what the shop has changed since is a conflict. --dry-run asks the cloud itself,
without the daemon, also for what is only pushed; it needs the key to the cloud:
sudo -u syncd syncd pull TYPE ID --dry-run
`,
    )
    .action(async (type: string, id: string, _options, self: Command) => {
      const options = { ...commonOptions(self), ...self.opts<{ wait: number; by?: string; dryRun?: true }>() };
      await withDatabase(options, 'pull', async ({ db }) => {
        if (options.dryRun) return compare(db, type, id, options);
        const asked = await askForEntity(db, type, id, authorOf(options));
        const standing = await awaitAsked(db, asked, options.wait);
        if (options.json) printJson({ ...asked, ...standing });
        else printWords(`${type} ${asked.entity_id}: ${outcome(asked, standing, await lookAtDaemon(db))}`);
        process.exitCode = EXITS[standing.status];
      });
    });
}

function outcome(asked: Asked, standing: AskStanding, daemon: DaemonPresence): string {
  const { status, cloud_version, deleted } = standing;
  const why = standing.reason === null ? '' : `: ${standing.reason}`;
  switch (status) {
    case 'applied':
      if (cloud_version === null) return 'the cloud was asked; nothing had to be changed';
      return `as the cloud has it, version ${cloud_version}${deleted ? ', deleted' : ''}`;
    case 'conflict':
      return `both sides differ: a conflict; syncd conflicts --entity ${asked.entity_type}/${asked.entity_id} shows it`;
    case 'parked':
      return `what the cloud sent cannot be applied${why}`;
    case 'failed':
      return `nothing was fetched${why}`;
    case 'waiting':
      return waiting(why, daemon);
    default:
      return status satisfies never;
  }
}

function waiting(why: string, daemon: DaemonPresence): string {
  if (!daemon.running) return 'asked for; it comes when the daemon runs again';
  if (!daemon.enabled) return 'asked for; it comes when syncing is resumed';
  if (daemon.online === false)
    return `asked for; it waits until the cloud can be reached: ${daemon.last_error ?? 'no answer'}`;
  return `asked for, and not applied yet${why}`;
}

/** Both versions side by side. */
async function compare(db: Db, entity_type: string, given: string, options: CommonOptions): Promise<void> {
  const { settings } = loadWithSecrets(options);
  const entity_id = await idAsCaptured(db, entity_type, given, false);
  const client = cloudClientOf(settings);
  const held = await askVersion(client, entity_type, entity_id, Date.now()).finally(() => client.abort());
  if (held.kind === 'failed' || held.kind === 'unaskable')
    throw new SyncError('unavailable', `the cloud did not tell its version: ${held.reason}`, {
      hint: 'See: syncd doctor',
    });
  const state = await db
    .selectFrom('syncd.entity_state')
    .select('cloud_version')
    .where('entity_type', '=', entity_type)
    .where('entity_id', '=', entity_id)
    .executeTakeFirst();
  const agreed = state?.cloud_version == null ? null : Number(state.cloud_version);
  const cloud = held.kind === 'version' ? held.cloud_version : null;
  if (options.json) return printJson({ entity_type, entity_id, cloud_version: cloud, agreed_version: agreed });
  printWords(`${entity_type} ${entity_id}: ${versions(cloud, agreed)}`);
}

function versions(cloud: number | null, agreed: number | null): string {
  const here = agreed === null ? 'nothing was agreed on here' : `version ${agreed} was agreed on here`;
  if (cloud === null) return `the cloud does not have it; ${here}`;
  if (cloud === agreed) return `the cloud holds version ${cloud}, the one that was agreed on`;
  const older = agreed !== null && cloud < agreed;
  return `the cloud holds version ${cloud}; ${here}${older ? ': the cloud has lost what it had' : ''}`;
}
