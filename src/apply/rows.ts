/**
 * The SQL that applying and resolving are put together from: how an entity's id finds its row, and how the cloud's text becomes
 * a row of the table. Pure. Names of the POS go through `identifier`; its functions and operators are called with their schema,
 * for on this connection the POS's own search_path holds. Aliases: `s` the source, `n` the cloud's row, `t` the table's.
 */
import { type RawBuilder, sql } from 'kysely';
import { keyText, payload } from '../capture/expressions.js';
import { keyMatch } from '../capture/keys.js';
import { identifier, literal } from '../capture/names.js';
import type { AppliedTable, TableColumn } from './tables.js';

/** A SELECT of `entity_id text, data json`: one row given as a parameter, or thousands from syncd.incoming. */
export type Source = RawBuilder<unknown>;

/** One row, given as text. */
export const oneRow = (entityId: string, data: string | null): Source =>
  sql`SELECT ${entityId}::text AS entity_id, ${data}::json AS data`;

/** `t` is the row that the source's id names. A second look at the text: equal keys may be written differently (citext). */
export const matches = (table: AppliedTable, id = 's.entity_id'): RawBuilder<boolean> =>
  sql.raw(keyMatch(table.keys, id));

/** The columns that may be written where the data brings them. */
export function writable(table: AppliedTable, brought: readonly string[]): TableColumn[] {
  const names = new Set(brought);
  return table.columns.filter((column) => column.kind !== 'generated' && !column.excluded && names.has(column.name));
}

/** `json_to_record(s.data) AS n(...)` with these columns and the key's, whether the data brings it or not. */
export function record(table: AppliedTable, columns: readonly TableColumn[]): RawBuilder<unknown> {
  const keys = table.columns.filter((column) => column.key && !columns.includes(column));
  const list = [...columns.filter((column) => !column.json), ...keys].map(
    ({ name, type }) => `${identifier(name)} ${type}`,
  );
  return sql.raw(`pg_catalog.json_to_record(s.data) AS n(${list.join(', ')})`);
}

/** A column of the cloud's row. A json column keeps the text between its commas, escapes and all. */
export function value({ name, json }: TableColumn): string {
  return json ? jsonValue(name) : `n.${identifier(name)}`;
}

function jsonValue(name: string): string {
  const text = `(s.data OPERATOR(pg_catalog.->) ${literal(name)}::pg_catalog.text)`;
  return `(CASE WHEN pg_catalog.json_typeof${text} OPERATOR(pg_catalog.<>) 'null' THEN ${text} END)`;
}

/** The cloud's row bears the entity's own name. */
export const ownName = (table: AppliedTable): RawBuilder<boolean> =>
  sql.raw(`${keyText(table, 'n')} OPERATOR(pg_catalog.=) s.entity_id`);

/** The row that the source names, twice: `t` as it is, `n` once the data lies over it. To be joined as `now`. */
export const compared = (table: AppliedTable): RawBuilder<unknown> =>
  sql.raw(`SELECT t.*::${table.table} AS t, pg_catalog.json_populate_record(t.*::${table.table}, s.data) AS n
        FROM ${table.table} AS t WHERE ${keyMatch(table.keys, 's.entity_id')} OFFSET 0`);

/**
 * The data as capture would write it: an expression of type json. Columns that it does not bring are those of the present
 * row, or null where there is none.
 */
export function canonical(
  table: AppliedTable,
  entityId: RawBuilder<string>,
  data: RawBuilder<string>,
): RawBuilder<string> {
  const keyed = sql`(SELECT ${sql.raw(`t.*::${table.table}`)} FROM ${sql.raw(table.table)} AS t, (SELECT ${entityId}::text AS entity_id) AS s WHERE ${matches(table)})`;
  return sql<string>`(SELECT ${sql.raw(payload(table, 't'))} FROM pg_catalog.json_populate_record(${keyed}, ${data}::json) AS t)`;
}

/** Laying the data over the row changes nothing in it, images compared: no type needs an equality for that, and 1.0 is not 1.00. */
export function sameImage(table: AppliedTable): RawBuilder<boolean> {
  const columnwise = table.columns.some(
    (column) => column.json || column.excluded || column.kind === 'generated' || table.local.includes(column.name),
  );
  if (!columnwise) return sql<boolean>`NOT (now.n OPERATOR(pg_catalog.*<>) now.t)`;
  const columns = table.columns.filter(
    (column) => column.kind !== 'generated' && !column.excluded && !table.local.includes(column.name),
  );
  const row = (alias: 'n' | 't') =>
    sql.raw(
      `ROW(${columns.map(({ name, json }) => (json ? jsonOf(name, alias) : `(now.${alias}).${identifier(name)}`)).join(', ')})`,
    );
  return sql<boolean>`NOT pg_catalog.record_image_ne(${row('n')}, ${row('t')})`;
}

/** A json column is its text, which reading it into a row and writing it again would change. */
function jsonOf(name: string, alias: 'n' | 't'): string {
  const present = `(now.t).${identifier(name)}::pg_catalog.text`;
  if (alias === 't') return present;
  const sent = `(s.data OPERATOR(pg_catalog.->) ${literal(name)}::pg_catalog.text)`;
  return `(CASE pg_catalog.json_typeof${sent} WHEN 'null' THEN NULL ELSE COALESCE(${sent}::pg_catalog.text, ${present}) END)`;
}
