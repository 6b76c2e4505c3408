/** `syncd inbox`: the changes of the cloud that could not be applied: what they are, why, and having them tried again or dropped. */
import { Command, InvalidArgumentError } from 'commander';
import { EXIT, SyncError } from '../errors.js';
import {
  countIncoming,
  dropIncoming,
  INCOMING_STATUSES,
  type InboxRefusal,
  type InboxVerdict,
  listIncoming,
  type ParkedItem,
  retryIncoming,
} from '../inbox/parked.js';
import { count, fullTime, localTime, relative } from '../ops/status/words.js';
import { rowNumber } from '../queue/filters.js';
import { authorOf, withAuthor } from './actions.js';
import { type FilterOptions, toFilter, withFilters } from './filters.js';
import { type Paint, painter, print, printJson, printWords, remark, screenWidth } from './output.js';
import { type CommonOptions, commonOptions, type Session, withDatabase } from './session.js';
import { type Column, table } from './table.js';

type Options = CommonOptions & FilterOptions & { retry?: true; drop?: true; all?: true; reason?: string; by?: string };

export function inboxCommand(): Command {
  const command = new Command('inbox')
    .description('the changes of the cloud that could not be applied, the oldest first')
    .argument('[id...]', 'their numbers, for --retry and --drop', toIds)
    .option('--retry', 'try these at once; with --all everything that is parked')
    .option('--drop', 'drop these for good, with --reason')
    .option('--all', 'with --retry: everything')
    .option('--reason <text>', 'why; kept with your name');
  return withAuthor(
    withFilters(command, {
      choices: INCOMING_STATUSES,
      describe: 'parked (the default), or waiting for its turn',
    }),
  )
    .addHelpText(
      'after',
      `
A parked change stops no other. What lacks its parent, or whose place another
row still has, is tried again by itself; mend any other cause, then --retry.
Dropped, it never comes: the shop's row stays as it is until the cloud sends a
newer version of it.
`,
    )
    .action(async (ids: string[], _options, self: Command) => {
      const options = { ...commonOptions(self), ...self.opts<Omit<Options, keyof CommonOptions>>() };
      const act = actionOf([...new Set(ids)], options);
      await withDatabase(options, 'inbox', async (session) => {
        process.exitCode = act ? tellVerdicts(await act(session), options) : await list(session, options);
      });
    });
}

function toIds(text: string, before: string[] | undefined): string[] {
  const id = rowNumber(text);
  if (id === undefined) throw new InvalidArgumentError('It takes the number that syncd inbox shows in front of each.');
  return [...(before ?? []), id];
}

type Action = (session: Session) => Promise<InboxVerdict[]>;

/** What the options ask for together; undefined: to look. @throws SyncError `usage` */
function actionOf(ids: string[], options: Options): Action | undefined {
  const { retry, drop, all, reason } = options;
  if (retry && drop) throw new SyncError('usage', 'either --retry or --drop');
  if (drop) {
    if (ids.length === 0) throw new SyncError('usage', 'which? --drop wants their numbers');
    if (reason === undefined) throw new SyncError('usage', '--drop wants a --reason: it is kept with your name');
    return ({ db }) => dropIncoming(db, ids, authorOf(options), reason);
  }
  if (retry) {
    if ((ids.length === 0) === (all === undefined))
      throw new SyncError('usage', 'which? --retry wants their numbers, or --all');
    return ({ db }) => retryIncoming(db, all ? undefined : ids, authorOf(options));
  }
  if (ids.length > 0 || all) throw new SyncError('usage', 'what shall be done? --retry, or --drop');
  return undefined;
}

const WORDS: Record<InboxRefusal, string> = {
  unknown: 'no such change waits',
  waiting: 'its turn comes by itself; nothing was changed',
  malformed: 'what came is no change that anybody could apply; it can only be dropped',
};

function tellVerdicts(verdicts: InboxVerdict[], options: Options): number {
  if (options.json) printJson(verdicts);
  for (const verdict of options.json ? [] : verdicts) {
    const done = options.drop ? 'dropped' : 'is tried again';
    if (verdict.done) printWords(`${verdict.id}: ${verdict.entity_type} ${verdict.entity_id} ${done}`);
    else remark(`syncd: ${verdict.id}: ${WORDS[verdict.why]}`);
  }
  if (!options.json && verdicts.length === 0) print('Nothing is parked; nothing was changed.');
  return verdicts.every(({ done }) => done) ? EXIT.done : EXIT.failed;
}

async function list({ db, loaded }: Session, options: Options): Promise<number> {
  const { timezone } = loaded.settings.outlet;
  const items = await listIncoming(db, toFilter(options, timezone));
  if (options.json) {
    printJson(items);
    return EXIT.done;
  }
  const paint = painter(options);
  const now = new Date().toISOString();
  for (const line of lines(items, now, timezone, paint)) print(line);
  const narrowed = options.status || options.entity || options.since;
  if (items.length === 0)
    print(narrowed ? 'No change fits.' : 'Nothing is parked: what came from the cloud is applied.');
  const counts = await countIncoming(db);
  const sums = `${counts.parked.toLocaleString('en-GB')} parked, ${count(counts.waiting, 'more change')} on the way in`;
  print(paint('dim', `${sums}; ${fullTime(now, timezone)} ${timezone}`));
  return EXIT.done;
}

function lines(items: ParkedItem[], now: string, timezone: string, paint: Paint): string[] {
  if (items.length === 0) return [];
  const columns: Column<ParkedItem>[] = [
    { title: 'ID', cell: (item) => item.id, right: true },
    { title: 'ENTITY', cell: (item) => `${item.entity_type}/${item.entity_id}`, most: 28 },
    { title: 'WHAT', cell: (item) => item.operation },
    { title: 'SINCE', cell: (item) => localTime(item.received_at, now, timezone) },
    { title: 'WHY', cell: (item) => why(item, now), below: true },
  ];
  return [...table(items, columns, screenWidth(), paint), ''];
}

function why({ reason, next_attempt_at }: ParkedItem, now: string): string {
  const next =
    next_attempt_at === null
      ? undefined
      : next_attempt_at > now
        ? `tries again ${relative(next_attempt_at, now)}`
        : 'its turn has come';
  return [reason, next].filter((part) => part !== undefined && part !== null).join('; ');
}
