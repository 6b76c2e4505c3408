/** `syncd resolve`: a person ends conflicts, by naming a side or by giving values. */
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Settings } from '../config/settings.js';
import { openApplier } from '../db/applier.js';
import { EXIT, SyncError, wordsOf } from '../errors.js';
import { fullTime } from '../ops/status/words.js';
import { rowNumber } from '../queue/filters.js';
import { type ConflictVerdict, type PersonsChoice, resolveConflict } from '../resolve/resolve.js';
import { authorOf, withAuthor } from './actions.js';
import { printJson, printWords, remark } from './output.js';
import { commonOptions, withDatabase } from './session.js';

type Strategy = Extract<PersonsChoice, { strategy: unknown }>['strategy'];
const STRATEGIES: Strategy[] = ['cloud_wins', 'local_wins', 'newest_wins', 'merge'];

type Options = { strategy?: Strategy; data?: string; reason?: string; by?: string };

function toIds(text: string, before: string[] | undefined): string[] {
  const id = rowNumber(text);
  if (id === undefined) {
    throw new InvalidArgumentError('It takes the number that syncd conflicts shows in front of each.');
  }
  return [...(before ?? []), id];
}

export function resolveCommand(): Command {
  const command = new Command('resolve')
    .description('end conflicts: keep a side, merge both, or give other values')
    .argument('<id...>', 'their numbers, as syncd conflicts shows them', toIds)
    .addOption(new Option('--strategy <strategy>', 'what to keep').choices(STRATEGIES))
    .option('--data <file>', 'a JSON object of columns and values, laid over the row; - reads it from standard input')
    .option('--reason <text>', 'why; kept with your name');
  return withAuthor(command)
    .addHelpText(
      'after',
      `
cloud_wins   the shop's row becomes what the cloud holds; deleted there, it goes
local_wins   the cloud gets what the shop holds; deleted here, it goes there too
newest_wins  the side that was edited last, by the corrected clock
merge        columns that only one side changed; refused where both changed one

Both sides are equal afterwards: what has to go to the cloud is queued. A
conflict that is resolved already is left alone, and said so.
`,
    )
    .action(async (ids: string[], _options, self: Command) => {
      const options = { ...commonOptions(self), ...self.opts<Options>() };
      const choice = choiceOf(ids, options);
      await withDatabase(options, 'resolve', async ({ url, loaded }) => {
        const verdicts = await resolveAll(url, loaded.settings, [...new Set(ids)], choice, options);
        if (options.json) printJson(verdicts);
        else for (const verdict of verdicts) tell(verdict, loaded.settings.outlet.timezone);
        process.exitCode = verdicts.every(({ done }) => done) ? EXIT.done : EXIT.failed;
      });
    });
}

function choiceOf(ids: string[], { strategy, data }: Options): PersonsChoice {
  if (strategy !== undefined && data !== undefined) throw new SyncError('usage', 'give either --strategy or --data');
  if (strategy !== undefined) return { strategy };
  if (data === undefined) {
    throw new SyncError('usage', 'how? give --strategy, or values with --data', {
      hint: 'syncd conflicts shows both sides.',
    });
  }
  if (ids.length > 1) throw new SyncError('usage', '--data is for one conflict at a time');
  try {
    return { data: readFileSync(data === '-' ? 0 : data, 'utf8') };
  } catch (error) {
    throw new SyncError('usage', `--data cannot be read: ${wordsOf(error)}`, {
      hint: 'Name a file with a JSON object, or - to give it on standard input.',
      cause: error,
    });
  }
}

async function resolveAll(
  url: string,
  settings: Settings,
  ids: string[],
  choice: PersonsChoice,
  options: Options,
): Promise<ConflictVerdict[]> {
  const applier = await openApplier(url, 'resolve', 30_000);
  try {
    const verdicts: ConflictVerdict[] = [];
    for (const id of ids) {
      verdicts.push(await resolveConflict(applier, settings, id, choice, authorOf(options), options.reason ?? null));
    }
    return verdicts;
  } finally {
    await applier.destroy();
  }
}

const KEPT = {
  cloud: "the cloud's side is kept",
  local: "the shop's side is kept",
  merged: 'both sides are merged',
  data: 'the row has the values given',
  equal: 'both sides held the same',
} as const;

function tell(verdict: ConflictVerdict, timezone: string): void {
  if (verdict.done) {
    const { id, entity_type, entity_id, resolution, change_id } = verdict;
    const rest = change_id === null ? 'the cloud has it' : 'it goes to the cloud';
    printWords(`${id}: ${entity_type} ${entity_id}: ${KEPT[resolution]}; ${rest}`);
    return;
  }
  remark(`syncd: ${verdict.id}: ${whyNot(verdict, timezone)}`);
  if (verdict.why === 'refused' && verdict.hint !== '') remark(`hint: ${verdict.hint}`);
}

function whyNot(verdict: Extract<ConflictVerdict, { done: false }>, timezone: string): string {
  switch (verdict.why) {
    case 'unknown':
      return 'there is no such conflict';
    case 'resolved':
      return `it was resolved before, by ${verdict.resolved_by} at ${fullTime(verdict.resolved_at, timezone)} ${timezone}`;
    case 'refused':
      return `nothing was changed: ${verdict.message}`;
    default:
      return verdict satisfies never;
  }
}
