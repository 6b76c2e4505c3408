/** `syncd conflicts`: where shop and cloud hold different values, side by side. */
import { Command } from 'commander';
import { count, fullTime, localTime, oneLine } from '../ops/status/words.js';
import { CONFLICT_STATUSES, type ConflictItem, countOpenConflicts } from '../queue/conflicts.js';
import { listPresentConflicts } from '../resolve/present.js';
import { type FilterOptions, toFilter, withFilters } from './filters.js';
import { type Paint, painter, print, screenWidth } from './output.js';
import { commonOptions, withDatabase } from './session.js';
import { type Column, table } from './table.js';

/** Columns of one conflict that are shown; a row that is gone on one side differs in all of them. */
const MOST_COLUMNS = 12;
/** Three of them, and a name, have their place on 80 columns. */
const VALUE = 24;
/** So much of a beginning that all have stays, for the eye to find its place. */
const SHARED = 8;

export function conflictsCommand(): Command {
  return withFilters(new Command('conflicts').description('where shop and cloud hold different values, side by side'), {
    choices: CONFLICT_STATUSES,
    describe: 'open (the default), or resolved: what was kept, and what was discarded',
  })
    .addHelpText(
      'after',
      `
BEFORE is what both sides held, SHOP what the shop holds now, CLOUD what the
cloud answered. Only columns that differ are shown; --json shows the whole rows.
An open conflict holds back its own row and nothing else. To end one:

  syncd resolve ID --strategy local_wins
  syncd resolve ID --data values.json
`,
    )
    .action(async (_options, command: Command) => {
      const options = { ...commonOptions(command), ...command.opts<FilterOptions>() };
      await withDatabase(options, 'conflicts', async ({ db, loaded }) => {
        const { timezone } = loaded.settings.outlet;
        const items = await listPresentConflicts(db, loaded.settings, toFilter(options, timezone));
        // Texts that Postgres wrote: read as JavaScript's numbers, long ones would lose their digits.
        if (options.json) return print(`[${items.map(({ json }) => json).join(',')}]`);
        const paint = painter(options);
        const now = new Date().toISOString();
        for (const item of items) for (const line of conflictLines(item, now, timezone, paint)) print(line);
        if (items.length === 0) print(nothing(options));
        const open = await countOpenConflicts(db);
        print(paint('dim', `${open} open; ${fullTime(now, timezone)} ${timezone}`));
      });
    });
}

function nothing(options: FilterOptions): string {
  return options.status || options.entity || options.since
    ? 'No conflict fits.'
    : 'No conflict is open: shop and cloud agree, or will.';
}

/** Pure, for the tests: a conflict as a person reads it, an empty line behind it. */
export function conflictLines(item: ConflictItem, now: string, timezone: string, paint: Paint): string[] {
  const width = screenWidth();
  const since = localTime(item.detected_at, now, timezone);
  const name = paint('bold', oneLine(`${item.entity_type}/${item.entity_id}`));
  const lines = [`${paint('yellow', item.id)}  ${name}  since ${since}, found by ${item.source}`];
  const shown = item.differences.slice(0, MOST_COLUMNS);
  if (shown.length > 0) {
    const columns: Column<string[]>[] = [
      { title: 'COLUMN', cell: ([name = '']) => name, most: 20 },
      { title: 'BEFORE', cell: ([, before = '']) => before, most: VALUE },
      { title: 'SHOP', cell: ([, , shop = '']) => shop, most: VALUE },
      { title: 'CLOUD', cell: ([, , , cloud = '']) => cloud },
    ];
    const rows = shown.map(({ name, before, shop, cloud }) => [
      name,
      ...tellingApart([shownValue(before, 'row'), shownValue(shop, item.shop), shownValue(cloud, item.cloud)]),
    ]);
    lines.push(...table(rows, columns, width - 4, paint).map((line) => `    ${line}`));
  }
  const more = item.differences.length - shown.length;
  if (more > 0) lines.push(paint('dim', `    and ${count(more, 'more column')}`));
  lines.push(`    ${outcome(item, now, timezone)}`, '');
  return lines;
}

function outcome(item: ConflictItem, now: string, timezone: string): string {
  const reason = item.reason === null ? '' : `: ${oneLine(item.reason)}`;
  if (item.status === 'open' && item.differences.length === 0) return `open${reason}; by now both sides hold the same`;
  if (item.status === 'open') {
    if (item.strategy === 'manual') return `open${reason}`;
    return reason === ''
      ? `open: ${item.strategy} has its turn next`
      : `open${reason}; ${item.strategy} is tried again by itself`;
  }
  const at = localTime(item.resolved_at ?? item.detected_at, now, timezone);
  const kept = KEPT[item.resolution ?? ''] ?? 'closed';
  return `${kept} at ${at} by ${oneLine(item.resolved_by ?? '?')}${reason}`;
}

const KEPT: Record<string, string> = {
  cloud: "kept the cloud's side",
  local: "kept the shop's side",
  merged: 'merged',
  data: 'given other values',
  equal: 'found to be the same',
};

/** Long values that begin alike would be cut where they still are: such a beginning is left out, all but its last words. */
function tellingApart(values: string[]): string[] {
  const given = values.map(oneLine).filter((value) => value !== '');
  const [first = ''] = given;
  if (given.every((value) => value.length <= VALUE)) return values;
  let alike = 0;
  while (alike < first.length && given.every((value) => value[alike] === first[alike])) alike += 1;
  const left = alike - SHARED;
  return left <= 1 ? values : values.map((value) => (value === '' ? '' : `…${oneLine(value).slice(left)}`));
}

/** A value as people write it: texts without their quotes, what is not there in brackets. */
function shownValue(json: string | undefined, side: 'row' | 'deleted' | 'nothing'): string {
  if (json === undefined) return side === 'row' ? '' : `(${side})`;
  if (!json.startsWith('"')) return json;
  return String(JSON.parse(json));
}
