/**
 * Writes into the POS's table what a resolution has decided: the cloud's side, a mixture, or values that a person gave. The row
 * is locked by the caller. Columns that are the shop's own stay as they are, where there is a row to keep them; the POS's triggers
 * and constraints run as for any write, deferred ones at once.
 */
import { sql } from 'kysely';
import { oneRow } from '../apply/rows.js';
import type { AppliedTable, TableColumn } from '../apply/tables.js';
import { deleteRows, insertRows, updateRows } from '../apply/write.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import type { ColumnFacts, Source } from './merge.js';
import { bases, type Conflict } from './sides.js';
import type { Standing } from './standing.js';

/** Runs a write with the POS's own search_path: its triggers may name their tables by it. */
async function asPos<T>(trx: Db, posPath: string, write: () => Promise<T>): Promise<T> {
  await sql`SELECT set_config('search_path', ${posPath}, true)`.execute(trx);
  const result = await write();
  await sql`SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)`.execute(trx);
  return result;
}

/**
 * @param present the row is there, and locked; else it is made
 * @param columns those that the data brings
 * @returns false: nothing was written, for the data bears another key, or somebody else has just made the row
 */
export async function putRow(
  trx: Db,
  table: AppliedTable,
  entityId: string,
  { present, data, columns }: { present: boolean; data: string; columns: readonly TableColumn[] },
  posPath: string,
): Promise<boolean> {
  const write = present ? updateRows : insertRows;
  const done = await asPos(trx, posPath, () => write(trx, table, oneRow(entityId, data), [entityId], columns));
  return done.length > 0;
}

/** Deletes the shop's row as the POS would. Whether a trigger of the POS kept it is not told. */
export async function dropRow(trx: Db, table: AppliedTable, entityId: string, posPath: string): Promise<void> {
  await asPos(trx, posPath, () => deleteRows(trx, table, oneRow(entityId, null), [entityId]));
}

/**
 * The data that makes the shop's row what it shall be: the cloud's values of some columns, the sums of others, and the key.
 * Sums are Postgres's numerics: cloud plus what the shop added to its base.
 */
export async function mixture(
  trx: Db,
  table: AppliedTable,
  conflict: Conflict,
  { changes, live }: Standing,
  take: readonly { name: string; from: Source }[],
): Promise<string> {
  const named = (from: Source) => take.filter((one) => one.from === from).map((one) => one.name);
  const keys = table.columns.filter(({ key }) => key).map(({ name }) => name);
  const { rows } = await sql<{ data: string }>`
    WITH base AS (${bases(changes)})
    SELECT coalesce(json_object_agg(m.key, m.value), '{}')::text AS data FROM (
      SELECT c.key, c.value FROM json_each(${conflict.cloud}::json) c
      WHERE c.key = ANY (${arrayLiteral([...keys, ...named('cloud')])}::text[])
      UNION ALL
      SELECT c.key, to_json(c.value::text::numeric + l.value::text::numeric - b.value::text::numeric)
      FROM json_each(${conflict.cloud}::json) c JOIN json_each(${live ?? '{}'}::json) l ON l.key = c.key JOIN base b ON b.key = c.key
      WHERE c.key = ANY (${arrayLiteral(named('sum'))}::text[])
    ) AS m`.execute(trx);
  return (rows[0] as { data: string }).data;
}

/** What of the cloud's side is to be written: where the shop has a row, only what differs and is not the shop's own. */
export const cloudsColumns = (columns: readonly ColumnFacts[]): { name: string; from: Source }[] =>
  columns
    .filter(({ kind, at_cloud, equal }) => kind !== 'local' && at_cloud && !equal)
    .map(({ name }) => ({ name, from: 'cloud' }));
