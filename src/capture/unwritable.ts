/** What of a table that comes in cannot be written by what the cloud sends. Pure; told at the install, for it is parked only later. */
import type { TableShape } from './shape.js';

/** @param excluded columns that stay at home, and so are never written */
export function unwritable({ columns, rules }: TableShape, table: string, excluded: readonly string[]): string[] {
  const odd = columns.filter(
    ({ name, parts }) => !excluded.includes(name) && parts.some(({ castToJson }) => castToJson),
  );
  return [
    ...odd.map(
      ({ name, type }) =>
        `column ${name} of ${table} is a ${type}, which PostgreSQL writes as JSON by a cast and cannot read again: what the cloud sends for ${table} is parked, unless the column is excluded`,
    ),
    ...rules.map(
      (name) =>
        `${table} has the rule ${name}: what the cloud sends for ${table} is parked where PostgreSQL cannot write it through the rule; a trigger in its place is no hindrance`,
    ),
  ];
}
