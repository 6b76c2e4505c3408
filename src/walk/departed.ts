/**
 * What has left a captured table as a whole: a month that was detached or dropped, a child that does not inherit any more. Its rows
 * are missing, but nobody deleted them, so no walk may delete them in the cloud, and nobody needs them back. A partition's rows are
 * known by its bounds, whose columns are always in the key; of a child nothing is known any more, and then no missing row of the
 * whole table counts as deleted. Reads the catalogue and what install wrote down, now or at an earlier time.
 */
import { type RawBuilder, sql } from 'kysely';
import { keyValue, type TypedKey } from '../capture/keys.js';
import { identifier } from '../capture/names.js';
import type { Db } from '../db/connect.js';

/** `bounds`: an expression on the columns of the key; null: not known. */
export type Departed = { name: string; bounds: string | null };

export async function readDeparted(db: Db, entity: string): Promise<Departed[]> {
  const { rows } = await sql<Departed>`SELECT name, bounds FROM syncd.departed(${entity})`.execute(db);
  return rows;
}

/**
 * Whether the row of an entity has left with a part of its table.
 * @param id an expression of type text
 */
export function hasDeparted(keys: readonly TypedKey[], departed: readonly Departed[], id: string): RawBuilder<boolean> {
  if (departed.length === 0) return sql<boolean>`false`;
  const bounds = departed.flatMap((one) => one.bounds ?? []);
  if (bounds.length < departed.length) return sql<boolean>`true`;
  const columns = keys.map(({ name }, place) => `${keyValue(keys, place, id)} AS ${identifier(name)}`);
  return sql<boolean>`EXISTS (SELECT FROM (SELECT ${sql.raw(columns.join(', '))}) AS k WHERE ${sql.raw(bounds.map((one) => `(${one})`).join(' OR '))})`;
}
