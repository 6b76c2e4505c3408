/** Reads what lists are narrowed by, --status, --entity, --since and --limit, and what people type for ids and spans. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { duration } from '../config/scalars.js';
import type { Filter, Since } from '../queue/read.js';

export type FilterOptions = { status?: string; entity?: Filter['entity']; since?: string; limit: number };

const MOST = 100_000;

/** Adds the four options; `statuses` undefined: any word. */
export function withFilters(command: Command, statuses: { choices?: string[]; describe: string }): Command {
  const status = new Option('--status <status>', statuses.describe);
  if (statuses.choices) status.choices(statuses.choices);
  return command
    .addOption(status)
    .option('--entity <type[/id]>', 'only this entity type, or only this one row', parseEntity)
    .option('--since <when>', 'only what is newer: 2h, 3d, 2026-11-22 or "2026-11-22 14:00"', parseSince)
    .option('--limit <n>', 'at most so many', parseLimit, 50);
}

export function toFilter(options: FilterOptions, timezone: string): Filter {
  return {
    status: options.status,
    entity: options.entity,
    limit: options.limit,
    since: sinceOf(options.since, timezone),
  };
}

function sinceOf(text: string | undefined, timezone: string): Since | undefined {
  if (text === undefined) return undefined;
  const agoMs = duration(text);
  return agoMs === undefined ? { at: text, timezone } : { agoMs };
}

function parseEntity(text: string): NonNullable<Filter['entity']> {
  const slash = text.indexOf('/');
  if (text === '' || slash === 0)
    throw new InvalidArgumentError('It takes a type, order say, or a type and an id, order/42.');
  return slash < 0 ? { type: text, id: undefined } : { type: text.slice(0, slash), id: text.slice(slash + 1) };
}

function parseSince(text: string): string {
  const instant = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$/;
  const day = text.slice(0, 10);
  if (
    duration(text) !== undefined ||
    (instant.test(text) && isDay(day) && !Number.isNaN(Date.parse(text.replace(' ', 'T'))))
  )
    return text;
  throw new InvalidArgumentError('It takes a span (30m, 2h, 3d) or an instant (2026-11-22, "2026-11-22 14:00").');
}

/** Date.parse takes 31 June for 1 July. */
function isDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= MOST) return limit;
  throw new InvalidArgumentError(`It takes a whole number from 1 to ${MOST}.`);
}

/** A number of the queue, as a text: it may be larger than JavaScript can count. */
export function parseId(text: string): string {
  if (/^[1-9]\d{0,18}$/.test(text) && BigInt(text) < 2n ** 63n) return text;
  throw new InvalidArgumentError('It takes the number that syncd queue shows in the first column.');
}

export function parseIds(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), parseId(text)];
}

/** Seconds to wait for an answer, as a span; 0s: not at all. */
export function parseSpan(text: string): number {
  const ms = duration(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError('It takes a span, 30s or 2m say.');
}
