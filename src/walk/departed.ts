/**
 * What has left a captured table as a whole: a month that was detached or dropped, a child that does not inherit any more. Its rows
 * are missing, but nobody deleted them, so no walk may delete them in the cloud, and nobody needs them back. A partition's rows are
 * known by its bounds, whose columns are always in the key; of a child nothing is known any more, and then no missing row of the
 * whole table counts as deleted. Reads the catalogue and what install wrote down, now or at an earlier time.
 */
import { type RawBuilder, sql } from 'kysely';
import { keyValue, keyValueIfReadable, mayHaveNamed, type TypedKey } from '../capture/keys.js';
import { identifier } from '../capture/names.js';
import type { Db } from '../db/connect.js';

/** `bounds`: an expression on the columns of the key; null: not known. */
export type Departed = { name: string; bounds: string | null };

export async function readDeparted(db: Db, entity: string): Promise<Departed[]> {
  const { rows } = await sql<Departed>`SELECT name, bounds FROM syncd.departed(${entity})`.execute(db);
  return rows;
}

/**
 * Whether the row of an entity has left with a part of its table. What cannot be told by the bounds counts as put away.
 * @param id an expression of type text
 * @param doubted it may come from under an older key, which this one cannot read; the columns of the bounds are as they were
 */
export function hasDeparted(
  keys: readonly TypedKey[],
  departed: readonly Departed[],
  id: string,
  doubted: boolean,
): RawBuilder<boolean> {
  if (departed.length === 0) return sql<boolean>`false`;
  const bounds = departed.flatMap((one) => one.bounds ?? []);
  if (bounds.length < departed.length) return sql<boolean>`true`;
  const value = doubted ? keyValueIfReadable : keyValue;
  const columns = keys.map(({ name }, place) => `${value(keys, place, id)} AS ${identifier(name)}`);
  const within = sql<boolean>`EXISTS (SELECT FROM (SELECT ${sql.raw(columns.join(', '))}) AS k WHERE ${sql.raw(bounds.map((one) => `(${one})`).join(' OR '))})`;
  return doubted ? sql<boolean>`CASE WHEN ${sql.raw(mayHaveNamed(keys, id))} THEN ${within} ELSE true END` : within;
}
