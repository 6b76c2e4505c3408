/** `syncd logs`: what was exchanged with the cloud, and how it went; `--follow` goes on as it happens. */
import { Command } from 'commander';
import { oneLine, shortened } from '../ops/status/words.js';
import { LOG_OUTCOMES, type LogItem, listLogs } from '../queue/read.js';
import { sleep } from '../time.js';
import { type FilterOptions, toFilter, unknownEntity, withFilters } from './filters.js';
import { endUnheard, type Paint, painter, print, printJson, printJsonText, screenWidth } from './output.js';
import { commonOptions, withDatabase } from './session.js';

const FOLLOW_MS = 500;

export function logsCommand(): Command {
  return withFilters(
    new Command('logs').description('the exchanges with the cloud: what went, how it ended, how long it took'),
    {
      choices: LOG_OUTCOMES,
      describe: 'only exchanges that ended so',
    },
  )
    .option('-f, --follow', 'go on as it happens; Ctrl-C ends it')
    .addHelpText(
      'after',
      `
The last ones are shown, the newest at the bottom; ↑ to the cloud, ↓ from it.

results    the cloud answered for each change; what it did not accept is told
offline    no answer, or none that was the cloud's; the same goes again
wait       the cloud asked to wait
refused    the key, the outlet or the URL is wrong, and a person has to act
too_large  the same goes again in halves
bad_batch  so does this, until the change that is at fault stands alone
rejected   one change alone, which the cloud does not take
fork       another copy of this shop pushes
restored   the cloud has another history than before
received   changes of the cloud came and are stored
applied    they are in the shop's tables

With --json a list, the newest first; with --json --follow one object a line as
it happens. The daemon's own words are in the journal: journalctl -u syncd
`,
    )
    .action(async (_options, command: Command) => {
      const options = { ...commonOptions(command), ...command.opts<FilterOptions & { follow?: boolean }>() };
      await withDatabase(options, 'logs', async ({ db, loaded }) => {
        const filter = toFilter(options, loaded.settings.outlet.timezone);
        const items = await listLogs(db, filter);
        if (options.json && !options.follow) return printJson(items);
        const say = options.json
          ? (item: LogItem) => printJsonText(JSON.stringify(item))
          : printer(loaded.settings.outlet.timezone, painter(options));
        if (items.length === 0 && !options.follow) {
          const unknown = unknownEntity(options, loaded.settings.entities);
          print(`No exchange with the cloud is on record that fits.${unknown}`);
        }
        for (const item of items.reverse()) say(item);
        let last = items.at(-1)?.id ?? '0';
        if (options.follow) endUnheard();
        while (options.follow) {
          await sleep(FOLLOW_MS);
          for (const item of await listLogs(db, { ...filter, since: undefined, limit: 1_000, afterId: last })) {
            say(item);
            last = item.id;
          }
        }
      });
    });
}

/** A line for an exchange, and one for the day whenever another one begins. */
function printer(timezone: string, paint: Paint): (item: LogItem) => void {
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone: timezone, dateStyle: 'short', timeStyle: 'medium' });
  const arrows = { push: '↑', pull: '↓' };
  let day = '';
  return (item) => {
    const [date = '', time = ''] = clock.format(new Date(item.at)).split(' ');
    if (date !== day) print(paint('dim', `${date} ${timezone}`));
    day = date;
    const figures = [
      `${String(item.changes).padStart(5)} ${item.changes === 1 ? 'change ' : 'changes'}`,
      bytes(item.bytes).padStart(7),
      `${Math.round(item.duration_ms)} ms`.padStart(8),
    ];
    const head = `${time} ${arrows[item.direction]} ${item.outcome.padEnd(9)} ${figures.join(' ')}`;
    const trouble = item.error ? oneLine(item.error) : notAccepted(item);
    print(trouble === undefined ? head : paint('yellow', shortened(`${head}  ${trouble}`, screenWidth())));
  };
}

function notAccepted({ direction, outcome, changes, accepted }: LogItem): string | undefined {
  if (direction !== 'push' || outcome !== 'results' || accepted === changes) return undefined;
  return `${changes - accepted} not accepted`;
}

function bytes(size: number): string {
  if (size < 10_000) return `${size} B`;
  return size < 10_000_000 ? `${Math.round(size / 1e3)} kB` : `${Math.round(size / 1e6)} MB`;
}
