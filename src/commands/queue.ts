/** `syncd queue`: the changes that are not in the cloud yet, or those of one status. */
import { Command } from 'commander';
import { fullTime, localTime, relative } from '../ops/status/words.js';
import { CHANGE_STATUSES } from '../queue/filters.js';
import { countUnsettled, listQueue, type QueueItem } from '../queue/read.js';
import { type FilterOptions, toFilter, unknownEntity, withFilters } from './filters.js';
import { type Paint, painter, print, printJson, screenWidth } from './output.js';
import { commonOptions, withDatabase } from './session.js';
import { type Column, table } from './table.js';

export function queueCommand(): Command {
  return withFilters(new Command('queue').description('the changes that are not in the cloud yet, the oldest first'), {
    choices: CHANGE_STATUSES,
    describe: 'only these; synced lists what is settled, the newest first',
  })
    .addHelpText(
      'after',
      `
pending   waits for the cloud; goes by itself
failed    the cloud rejected it for good: syncd retry ID, or syncd discard ID
conflict  shop and cloud both changed the row; holds back its later changes
synced    settled: in the cloud, superseded by a newer change, or discarded
`,
    )
    .action(async (_options, command: Command) => {
      const options = { ...commonOptions(command), ...command.opts<FilterOptions>() };
      await withDatabase(options, 'queue', async ({ db, loaded }) => {
        const { timezone } = loaded.settings.outlet;
        const items = await listQueue(db, toFilter(options, timezone));
        if (options.json) return printJson(items);
        const paint = painter(options);
        const now = new Date().toISOString();
        const held = await db.selectFrom('syncd.holds').select('entity_type').where('holds_push', '=', true).execute();
        const whole = new Set(held.map(({ entity_type }) => entity_type));
        for (const line of queueLines(items, whole, now, timezone, paint)) print(line);
        if (options.status === 'synced') return;
        const counts = await countUnsettled(db);
        print(items.length === 0 ? nothing(options) + unknownEntity(options, loaded.settings.entities) : '');
        print(
          paint(
            'dim',
            `${counts.pending} pending, ${counts.failed} failed, ${counts.conflict} in conflict; ${fullTime(now, timezone)} ${timezone}`,
          ),
        );
      });
    });
}

function nothing(options: FilterOptions): string {
  return options.status || options.entity || options.since
    ? 'No change fits.'
    : 'Nothing waits: everything is in the cloud.';
}

/** @param whole entity types of which nothing is sent until a person has acted */
function queueLines(
  items: QueueItem[],
  whole: ReadonlySet<string>,
  now: string,
  timezone: string,
  paint: Paint,
): string[] {
  if (items.length === 0) return [];
  const colour = ({ status }: QueueItem) =>
    status === 'failed' ? 'red' : status === 'conflict' ? 'yellow' : undefined;
  const columns: Column<QueueItem>[] = [
    { title: 'ID', cell: (item) => item.id, right: true },
    { title: 'ENTITY', cell: (item) => `${item.entity_type}/${item.entity_id}`, most: 28 },
    { title: 'WHAT', cell: (item) => item.operation },
    { title: 'STATUS', cell: (item) => item.status, style: colour },
    { title: 'SINCE', cell: (item) => localTime(item.created_at, now, timezone) },
    { title: 'WHY', cell: (item) => why(item, whole, now), below: true },
  ];
  return table(items, columns, screenWidth(), paint);
}

function why(item: QueueItem, whole: ReadonlySet<string>, now: string): string {
  const parts = [];
  if (item.status === 'pending' && whole.has(item.entity_type)) parts.push('waits with its table (syncd status)');
  if (item.status === 'synced' && item.synced_at) parts.push(`settled ${relative(item.synced_at, now)}`);
  if (item.status === 'pending' && item.next_attempt_at) {
    parts.push(item.next_attempt_at > now ? `tries again ${relative(item.next_attempt_at, now)}` : 'its turn has come');
  }
  if (item.error_message) parts.push(item.error_message);
  return parts.join(': ');
}
