/** `syncd adopt`: after a restore, a move or a clone it tells what it sees, and lets a person say what the database is. */
import { Command, Option } from 'commander';
import { SyncError } from '../errors.js';
import { type AdoptAs, adopt, CLOUD_RESTORED, type Inspection, inspect, objection } from '../ops/identity/adopt.js';
import { authorOf, withAuthor } from './actions.js';
import { adoptRestoredCloud } from './adopt-cloud.js';
import { adoptedScreen, CHOICES, consequences, inspectionScreen } from './adopt-view.js';
import { confirm } from './ask.js';
import { painter, print, printJson } from './output.js';
import { type CommonOptions, commonOptions, withDatabase } from './session.js';

type Options = CommonOptions & {
  as?: AdoptAs | 'cloud-restored';
  newOutlet?: string;
  yes?: boolean;
  by?: string;
};

export function adoptCommand(): Command {
  const command = new Command('adopt')
    .description('after a restore, a move or a clone: say what this database is, so that syncing goes on')
    .addOption(new Option('--as <what>', 'what it is').choices(['rollback', 'move', 'clone', 'cloud-restored']))
    .option('--new-outlet <id>', 'with clone: the new outlet, as syncd.yaml names it')
    .option('--yes', 'do not ask');
  return withAuthor(command)
    .addHelpText(
      'after',
      `
Without --as it changes nothing: it tells what the state directory remembers of
the database, what the database says of itself, and what that looks like.

rollback        a backup was restored. What waits goes again, the cloud's newer
                rows of types that are pulled come back; what the shop has
                changed since is a conflict as usual
move            the same data on another server, or after pg_upgrade
clone           a copy that becomes another outlet: syncd.yaml names that one
                already. What belongs to the old outlet is put away
cloud-restored  not this database, the cloud was restored from a backup: what it
                has lost is queued again as the shop has it, what it holds of
                types that are pulled comes anew

The first three also take over from any other copy of the outlet (409 fork).
Stop that one for good before. Run it as the user of the daemon: sudo -u syncd.
`,
    )
    .action(async (_options: unknown, self: Command) => {
      const options: Options = { ...commonOptions(self), ...self.opts<Options>() };
      const { as } = options;
      if (options.newOutlet !== undefined && as !== 'clone')
        throw new SyncError('usage', 'nothing was changed: --new-outlet goes with --as clone alone', {
          hint: 'A copy that becomes another outlet: syncd adopt --as clone --new-outlet ID',
        });
      if (options.yes === true && as === undefined)
        throw new SyncError('usage', 'nothing was changed: --yes answers for --as, which is missing', {
          hint: 'To see what it looks like: syncd adopt. Then: syncd adopt --as rollback, move or clone',
        });
      await withDatabase(options, 'adopt', async (session) => {
        const { db } = session;
        const { settings } = session.loaded;
        if (options.newOutlet !== undefined && options.newOutlet !== settings.outlet.id) {
          throw new SyncError(
            'usage',
            `--new-outlet is ${options.newOutlet}, but syncd.yaml says ${settings.outlet.id}`,
            {
              hint: 'syncd.yaml must name the new outlet already: correct outlet.id there first.',
            },
          );
        }
        const seen = await inspect(db, settings);
        if (as === undefined) {
          if (options.json) printJson(report(seen));
          else print(`${inspectionScreen(seen, settings, painter(options))}\n${choices(seen)}`);
          return;
        }
        const refused = objection(as, seen, settings);
        if (refused) throw refused;
        if (as === 'cloud-restored') return adoptRestoredCloud(session, options);
        if (!options.yes) {
          print(`${inspectionScreen(seen, settings, painter(options))}\n\n${consequences(as, settings).join('\n')}\n`);
          if (!(await confirm(`Adopt it as ${as}?`))) return print('Nothing was changed.');
        }
        const adopted = await adopt(db, settings, as, seen, authorOf(options));
        if (options.json) printJson(adopted);
        else print(adoptedScreen(adopted, settings, seen));
      });
    });
}

function choices({ verdict, outlet }: Inspection): string {
  if (outlet.stopped_code === 'cloud_restored' && verdict.kind === 'fits') return CLOUD_RESTORED;
  return verdict.kind === 'fits' && outlet.stopped_code === null ? '' : `\n${CHOICES}`;
}

function report({ memory, outlet, verdict, counts }: Inspection) {
  const { stopped_code, stopped_reason, stopped_at, outlet_id, install_id, epoch, settled_id, place, alive_ms } =
    outlet;
  return {
    verdict: verdict.kind,
    reason: verdict.kind === 'fits' ? null : verdict.reason,
    stopped: stopped_code === null ? null : { code: stopped_code, reason: stopped_reason, at: stopped_at },
    remembered: typeof memory === 'object' ? memory : null,
    found: { outlet_id, install_id, epoch, settled_id, ...place, alive_ms },
    queue: counts,
  };
}
