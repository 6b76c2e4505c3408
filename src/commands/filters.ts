/** Reads what lists are narrowed by, --status, --entity, --since and --limit, and what people type for ids and spans. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { duration } from '../config/scalars.js';
import { entityFilter, rowNumber, sinceFilter } from '../queue/filters.js';
import type { Filter } from '../queue/read.js';

export type FilterOptions = { status?: string; entity?: Filter['entity']; since?: string; limit: number };

const MOST = 100_000;

/** Adds the four options. */
export function withFilters(command: Command, statuses: { choices: string[]; describe: string }): Command {
  return command
    .addOption(new Option('--status <status>', statuses.describe).choices(statuses.choices))
    .option('--entity <type[/id]>', 'only this entity type, or only this one row', parseEntity)
    .option('--since <when>', 'only what is newer: 2h, 3d, 2026-11-22 or "2026-11-22 14:00"', parseSince)
    .option('--limit <n>', 'at most so many', parseLimit, 50);
}

export function toFilter(options: FilterOptions, timezone: string): Filter {
  return {
    status: options.status,
    entity: options.entity,
    limit: options.limit,
    since: options.since === undefined ? undefined : sinceFilter(options.since, timezone),
  };
}

/** Said beside an empty list: a name that was typed wrong fits nothing either. */
export function unknownEntity(options: FilterOptions, entities: ReadonlyMap<string, unknown>): string {
  const type = options.entity?.type;
  if (type === undefined || entities.has(type)) return '';
  return ` No entity is called ${type}; syncd.yaml names ${[...entities.keys()].join(', ')}.`;
}

function parseEntity(text: string): NonNullable<Filter['entity']> {
  const entity = entityFilter(text);
  if (entity) return entity;
  throw new InvalidArgumentError('It takes a type, order say, or a type and an id, order/42.');
}

function parseSince(text: string): string {
  if (sinceFilter(text, 'UTC')) return text;
  throw new InvalidArgumentError('It takes a span (30m, 2h, 3d) or an instant (2026-11-22, "2026-11-22 14:00").');
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= MOST) return limit;
  throw new InvalidArgumentError(`It takes a whole number from 1 to ${MOST}.`);
}

/** A number of the queue, as a text: it may be larger than JavaScript can count. */
function parseId(text: string): string {
  const id = rowNumber(text);
  if (id !== undefined) return id;
  throw new InvalidArgumentError('It takes the number that syncd queue shows in the first column.');
}

export function parseIds(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), parseId(text)];
}

/** Why something is given up, to be read in a year. */
export function parseReason(text: string): string {
  if (text.trim() !== '') return text;
  throw new InvalidArgumentError('It takes a few words.');
}

/** Seconds to wait for an answer, as a span; 0s: not at all. */
export function parseSpan(text: string): number {
  const ms = duration(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError('It takes a span, 30s or 2m say.');
}
