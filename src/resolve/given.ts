/**
 * Values that a person gives to end a conflict: a JSON object of columns, laid over the row as it is, or over the cloud's where
 * the shop has none. Checked before anything is written; the text itself is read by Postgres alone.
 */
import { sql } from 'kysely';
import { Refusal } from '../apply/refusal.js';
import type { AppliedTable } from '../apply/tables.js';
import { keyTexts } from '../capture/keys.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { codeOf } from '../errors.js';
import type { Conflict } from './sides.js';

/**
 * @param live the shop's row; undefined: it is gone, and made anew
 * @returns the data to write, the key's columns with it
 * @throws Refusal
 */
export async function givenRow(
  trx: Db,
  table: AppliedTable,
  conflict: Conflict,
  live: string | undefined,
  text: string,
): Promise<string> {
  const names = await namesIn(trx, text);
  for (const name of names) {
    const column = table.columns.find((one) => one.name === name);
    if (!column) throw new Refusal(`${table.entity} has no column ${name}`, `Its columns: ${shown(table)}.`);
    if (column.excluded) throw new Refusal(`${name} is excluded: it never leaves the shop, so it is in no conflict`);
    if (column.kind === 'generated') throw new Refusal(`${name} is generated: PostgreSQL computes it`);
  }
  const parts = keyTexts(table.keys, conflict.entity_id) ?? [];
  const { rows } = await sql<{ data: string }>`
    WITH given AS (SELECT g.key, g.value FROM json_each(${text}::json) g
    ), keys AS (SELECT k.name AS key, to_json(k.part) AS value
      FROM unnest(${arrayLiteral(table.keys.map(({ name }) => name))}::text[], ${arrayLiteral(parts)}::text[]) AS k (name, part)
    ), below AS (SELECT c.key, c.value FROM json_each(${live === undefined ? conflict.cloud : null}::json) c
      WHERE c.key NOT IN (SELECT key FROM keys))
    SELECT json_object_agg(m.key, m.value)::text AS data FROM (
      SELECT * FROM given UNION ALL SELECT * FROM keys WHERE key NOT IN (SELECT key FROM given)
      UNION ALL SELECT * FROM below WHERE key NOT IN (SELECT key FROM given)
    ) AS m`.execute(trx);
  return (rows[0] as { data: string }).data;
}

async function namesIn(trx: Db, text: string): Promise<string[]> {
  try {
    const { rows } = await sql<{ kind: string; names: string[] | null }>`
      SELECT json_typeof(d.data) AS kind,
             CASE WHEN json_typeof(d.data) = 'object' THEN ARRAY(SELECT json_object_keys(d.data) ORDER BY 1) END AS names
      FROM (SELECT ${text}::json AS data) d`.execute(trx);
    const names = rows[0]?.names;
    if (names) return names;
    throw new Refusal(
      `the data is a JSON ${rows[0]?.kind}, not an object`,
      'Give columns and values: {"price": 12.50}',
    );
  } catch (error) {
    // Class 22 is "data exception": this is no JSON, or none that PostgreSQL can hold.
    if (codeOf(error)?.startsWith('22'))
      throw new Refusal('the data is not JSON', 'Give columns and values: {"price": 12.50}');
    throw error;
  }
}

const shown = (table: AppliedTable): string =>
  table.columns
    .filter(({ kind, excluded }) => kind !== 'generated' && !excluded)
    .map(({ name }) => name)
    .join(', ');
