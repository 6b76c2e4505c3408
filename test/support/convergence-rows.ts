/**
 * Gives rows that came on two different ways one comparable form: PostgreSQL reads both as records of the table's own type and
 * writes them as text. No number passes through JavaScript.
 */
import pg from 'pg';
import type { ComparedTable } from '../../src/demo/compare.js';

/** A row as JSON text, and whose it is; null where there is none. */
export type RowText = { entity_type: string; data: string | null };

/** One text for each row, in their order: equal texts are equal rows with the same columns. */
export async function comparableRows(
  client: pg.Client,
  tables: ComparedTable[],
  rows: readonly RowText[],
): Promise<(string | null)[]> {
  await client.query("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET extra_float_digits = 1");
  const texts: (string | null)[] = rows.map((row) => row.data);
  for (const table of tables) {
    const places = rows.flatMap((row, index) =>
      row.entity_type === table.entity_type && row.data !== null ? [index] : [],
    );
    const columns = await client.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute
       WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
      [table.table],
    );
    const record = columns.rows.map(({ name }) => `(one.here).${pg.escapeIdentifier(name)}`).join(', ');
    const read = await client.query<{ text: string }>(
      `SELECT ROW(${record})::text || ' of ' || one.columns AS text FROM (
         SELECT place, json_populate_record(NULL::${table.table}, data::json) AS here,
           (SELECT string_agg(name, ',' ORDER BY name COLLATE "C") FROM json_object_keys(data::json) name) AS columns
         FROM unnest($1::text[]) WITH ORDINALITY AS given (data, place)
       ) one ORDER BY place`,
      [places.map((place) => rows[place]?.data)],
    );
    for (const [index, place] of places.entries()) texts[place] = read.rows[index]?.text ?? null;
  }
  return texts;
}
