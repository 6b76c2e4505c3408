/** `syncd truncate TYPE… --delete | --restore`: decides what a TRUNCATE of a captured table means for the cloud. */
import { Command } from 'commander';
import { type Recalled, recallRows } from '../apply/recall.js';
import { type AppliedTable, loadTables } from '../apply/tables.js';
import { cloudClientOf } from '../cloud/access.js';
import type { Settings } from '../config/settings.js';
import { openApplier } from '../db/applier.js';
import type { Db } from '../db/connect.js';
import { EXIT, INSTALL, SyncError } from '../errors.js';
import { lookAtDaemon } from '../ops/control.js';
import { count } from '../ops/status/words.js';
import { readWalkedTable } from '../walk/table.js';
import { mustBeOpen, type OpenTruncation, settleAsRestored, settleByDeleting } from '../walk/truncations.js';
import { authorOf, withAuthor } from './actions.js';
import { print, printJson, remark } from './output.js';
import { progressLine } from './progress.js';
import { type CommonOptions, commonOptions, loadWithSecrets, type Session, withDatabase } from './session.js';

type Options = CommonOptions & { delete?: true; restore?: true; adminUrl?: string; by?: string };

export function truncateCommand(): Command {
  const command = new Command('truncate')
    .description('settle a TRUNCATE of a captured table: delete in the cloud too, or bring the rows back')
    .argument('<type...>', 'the entities, as syncd.yaml names them')
    .option('--delete', 'what is gone in the shop is deleted in the cloud')
    .option('--restore', 'fetch the rows from the cloud, one by one, and write them back')
    .option('--admin-url <url>', 'for --restore: a login that may write the tables');
  return withAuthor(command)
    .addHelpText(
      'after',
      `
A TRUNCATE names no rows. Until this is settled nothing of the entity is sent or
applied; every other entity goes on. After a TRUNCATE ... CASCADE name all of
its entities at once: parents are restored before children, and deleted after.

--restore also works for tables that are only sent. Those the daemon may not
write: give --admin-url, as for syncd install. It reads the API key, so run it
as the daemon's user. Columns that never left the shop come back empty. Broken
off, it goes on where it was.
`,
    )
    .action(async (types: string[], _options, self: Command) => {
      const options: Options = { ...commonOptions(self), ...self.opts() };
      if ((options.delete === true) === (options.restore === true))
        throw new SyncError('usage', 'what shall become of the rows? --delete or --restore');
      await withDatabase(options, 'truncate', async (session) => {
        const open = await mustBeOpen(session.db, types);
        const tables = await inParentsOrder(session, types);
        if (options.restore) await restore(session, tables, options);
        else await remove(session, tables, options);
        tellOthers(open, types);
      });
    });
}

async function inParentsOrder({ db, loaded }: Session, types: readonly string[]): Promise<AppliedTable[]> {
  const tables = await loadTables(db, loaded.settings);
  const unknown = types.filter((type) => !tables.has(type));
  if (unknown.length > 0)
    throw new SyncError('failed', `there is no table of ${unknown.join(', ')} any more, or no configuration for it`, {
      hint: `Bring the table back, or take the entity out of syncd.yaml; then: ${INSTALL}`,
    });
  return types.map((type) => tables.get(type) as AppliedTable).sort((a, b) => a.rank - b.rank);
}

async function remove({ db }: Session, tables: readonly AppliedTable[], options: Options): Promise<void> {
  const entities = tables.map(({ entity }) => entity).reverse();
  await settleByDeleting(db, entities, authorOf(options));
  if (options.json) return printJson({ settled_as: 'deleted', entities });
  const { running } = await lookAtDaemon(db);
  const when = running ? 'the daemon queues' : 'when the daemon runs again, it queues';
  print(`Settled: ${when} what is gone of ${entities.join(', ')} as deleted, and its other changes go on.`);
}

async function restore(session: Session, tables: readonly AppliedTable[], options: Options): Promise<void> {
  // The cloud's key is needed here alone.
  const { settings } = loadWithSecrets(options);
  const applier = await openApplier(options.adminUrl ?? session.url, 'restore');
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop);
  const results: (Recalled & { entity_type: string })[] = [];
  try {
    for (const table of tables) {
      const recalled = await recall(session.db, applier, settings, table, stopping.signal, options);
      results.push({ entity_type: table.entity, ...recalled });
      if (stopping.signal.aborted || recalled.failed.length > 0) break;
      await settleAsRestored(session.db, [table.entity], authorOf(options));
    }
  } finally {
    process.off('SIGINT', stop);
    await applier.destroy();
  }
  if (options.json) printJson(results.map(({ failed, ...rest }) => ({ ...rest, failed: failed.map(plainly) })));
  else for (const result of results) tell(result, stopping.signal.aborted);
  if (stopping.signal.aborted || results.some(({ failed }) => failed.length > 0)) process.exitCode = EXIT.failed;
}

const plainly = ({ entity_id, reason }: Recalled['failed'][number]) => ({ entity_id, reason });

async function recall(
  db: Db,
  applier: Db,
  settings: Settings,
  table: AppliedTable,
  signal: AbortSignal,
  options: Options,
): Promise<Recalled> {
  const walked = await readWalkedTable(db, table.entity);
  if (typeof walked === 'string') throw new SyncError('failed', walked, { hint: `Run: ${INSTALL}` });
  const client = cloudClientOf(settings);
  const line = progressLine(options);
  try {
    const onProgress = (done: number) => line.show(`${table.entity}: ${count(done, 'row')} back`);
    return await recallRows({ db, applier, client, nowMs: Date.now, onProgress, signal }, table, walked);
  } finally {
    line.end();
    client.abort();
  }
}

const SHOWN = 5;

function tell({ entity_type, restored, gone, missing, failed }: Recalled & { entity_type: string }, broken: boolean) {
  const parts = [`${count(restored, 'row')} restored`];
  if (gone > 0) parts.push(`${count(gone, 'row')} deleted in the cloud as well`);
  if (missing.length > 0) parts.push(`${count(missing.length, 'row')} unknown to the cloud: ${some(missing)}`);
  if (failed.length > 0) parts.push(`${count(failed.length, 'row')} could not be written`);
  print(`${entity_type}: ${parts.join('; ')}.`);
  for (const one of failed.slice(0, SHOWN)) remark(`syncd: ${entity_type} ${one.entity_id}: ${one.reason}`);
  if (broken) remark('hint: broken off; the same command goes on where it was.');
  else if (failed.length > 0)
    remark('hint: the TRUNCATE stays open. Mend the cause and run the same command again, or settle it with --delete.');
}

const some = (ids: readonly string[]) => `${ids.slice(0, SHOWN).join(', ')}${ids.length > SHOWN ? ' …' : ''}`;

/** What the same TRUNCATE has emptied, and nobody has settled here. */
function tellOthers(open: readonly OpenTruncation[], types: readonly string[]): void {
  const together = open.filter(({ entity_type }) => types.includes(entity_type)).flatMap((one) => one.together);
  const others = [...new Set(together)].filter((type) => !types.includes(type));
  if (others.length > 0)
    remark(`note: the same transaction emptied the tables of ${others.join(', ')}; those wait too.`);
}
