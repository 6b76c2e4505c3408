/**
 * Gives rows that came on two different ways one comparable form: PostgreSQL reads both as records of the table's own type and
 * writes them as text. No number passes through JavaScript.
 */
import pg from 'pg';
import type { ComparedTable } from '../../../src/demo/compare.js';

/** A row as JSON text, and whose it is; null where there is none. */
export type RowText = { entity_type: string; data: string | null };

/** `row`: equal texts are equal rows with the same columns. `shared`: the same without the shop's own columns. */
export type Comparable = { row: string | null; shared: string | null };

/** Adds to each what it can be compared by. */
export async function comparable<T extends RowText>(
  client: pg.Client,
  tables: ComparedTable[],
  rows: readonly T[],
): Promise<(T & Comparable)[]> {
  await client.query("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET extra_float_digits = 1");
  const forms = rows.map((row): Comparable => ({ row: row.data, shared: row.data }));
  for (const table of tables) {
    const places = rows.flatMap((row, index) =>
      row.entity_type === table.entity_type && row.data !== null ? [index] : [],
    );
    const columns = await client.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute
       WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
      [table.table],
    );
    const recordOf = (names: { name: string }[]) =>
      `ROW(${names.map(({ name }) => `(one.here).${pg.escapeIdentifier(name)}`).join(', ')})::text`;
    const shared = columns.rows.filter(({ name }) => !table.local?.includes(name));
    const read = await client.query<Comparable>(
      `SELECT ${recordOf(columns.rows)} || ' of ' || one.columns AS "row", ${recordOf(shared)} AS shared FROM (
         SELECT place, json_populate_record(NULL::${table.table}, data::json) AS here,
           (SELECT string_agg(name, ',' ORDER BY name COLLATE "C") FROM json_object_keys(data::json) name) AS columns
         FROM unnest($1::text[]) WITH ORDINALITY AS given (data, place)
       ) one ORDER BY place`,
      [places.map((place) => rows[place]?.data)],
    );
    for (const [index, place] of places.entries()) forms[place] = read.rows[index] ?? { row: null, shared: null };
  }
  return rows.map((row, index) => ({ ...row, ...(forms[index] as Comparable) }));
}
