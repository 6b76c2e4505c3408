/**
 * A captured table as a walk needs it: what it is read from, in which order, and how the place that a walk has reached is
 * compared. Read anew at every turn, for the POS may alter its table while a walk goes on; a table that cannot be walked now is
 * told with the reason. Reads the catalogue only.
 */

import { type RawBuilder, sql } from 'kysely';
import { keyPart } from '../capture/expressions.js';
import { keyMatch, mayName, readKeys, type TypedKey } from '../capture/keys.js';
import { identifier } from '../capture/names.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { INSTALL } from '../errors.js';
import { type Departed, readDeparted } from './departed.js';

export type WalkedTable = {
  entity: string;
  /** Schema and table, as SQL writes them. */
  table: string;
  /** In key order: what an entity is named by. */
  keys: TypedKey[];
  /** The same in the order of their index: what the walk follows. */
  order: TypedKey[];
  /** What to read from, one after the other: the table, and the inheritance children that are no entities of their own. */
  parts: string[];
  /** What is no part of it any more: its rows count as put away. */
  departed: Departed[];
  excluded: string[];
  shape: number;
  /** Not everything in it is known to be in the cloud as it is. */
  older: boolean;
};

type Read = {
  table: string;
  keys: string[];
  excluded: string[];
  shape: number;
  older: boolean;
  there: boolean;
  missing: string[];
  ordered: string[] | null;
  parts: string[];
};

/** @returns words where it cannot be walked as it is */
export async function readWalkedTable(db: Db, entity: string): Promise<WalkedTable | string> {
  const { rows } = await sql<Read>`
    WITH RECURSIVE captured AS (
      SELECT c.*, to_regclass(c.table_name)::oid AS oid FROM syncd.capture c WHERE c.entity_type = ${entity}
    ), member(oid) AS (
      SELECT oid FROM captured WHERE oid IS NOT NULL
      UNION SELECT r.oid FROM member m JOIN pg_inherits i ON i.inhparent = m.oid
      JOIN pg_class r ON r.oid = i.inhrelid AND NOT r.relispartition AND r.relkind = 'r'
      WHERE NOT EXISTS (SELECT FROM syncd.capture o WHERE o.entity_type <> ${entity} AND to_regclass(o.table_name)::oid = r.oid)
    ), present AS (
      SELECT a.attname::text AS name FROM captured c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    )
    SELECT c.table_name AS table, c.keys, c.excluded, c.shape, c.older_rows AS older, c.oid IS NOT NULL AS there,
      ARRAY(SELECT name FROM unnest(c.keys || c.excluded) AS name EXCEPT SELECT name FROM present) AS missing,
      (SELECT array_agg(a.attname::text ORDER BY k.place)
       FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)
       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
       WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
         AND i.indnkeyatts = cardinality(c.keys) AND k.place <= i.indnkeyatts
       GROUP BY i.indexrelid HAVING bool_and(a.attname::text = ANY (c.keys)) ORDER BY i.indexrelid LIMIT 1) AS ordered,
      ARRAY(SELECT CASE r.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END || format('%I.%I', n.nspname, r.relname)
            FROM member m JOIN pg_class r ON r.oid = m.oid JOIN pg_namespace n ON n.oid = r.relnamespace ORDER BY r.oid) AS parts
    FROM captured c`.execute(db);
  const read = rows[0];
  if (!read) return `${entity} is not captured any more`;
  if (!read.there) return `the table ${plain(read.table)} is gone`;
  // An excluded column that was renamed must not leave the shop under its new name.
  if (read.missing.length > 0)
    return `${plain(read.table)} has no column ${read.missing.join(', ')} any more: run ${INSTALL}`;
  const keys = await readKeys(db, read.table, read.keys);
  const order = (read.ordered ?? read.keys).map((name) => keys.find((key) => key.name === name) as TypedKey);
  return { entity, ...read, keys, order, departed: await readDeparted(db, entity) };
}

/** For people: quotes only where a name needs them. */
const plain = (table: string): string => table.replaceAll(/"([a-z_][a-z0-9_]*)"/g, '$1');

/** Whether the columns that stay at home are still called as they were: to be asked in the transaction that reads the rows. */
export async function excludesAsInstalled(trx: Db, { table, excluded }: WalkedTable): Promise<boolean> {
  if (excluded.length === 0) return true;
  const { rows } = await sql<{ found: number }>`
    SELECT count(*)::int AS found FROM pg_attribute
    WHERE attrelid = ${table}::regclass AND attname = ANY (${arrayLiteral(excluded)}::text[]) AND NOT attisdropped`.execute(
    trx,
  );
  return rows[0]?.found === excluded.length;
}

/**
 * The table has a row of this name.
 * @param id an expression of type text
 * @param doubted it may come from under an older key, which this one cannot read
 */
export function hasRow({ table, keys }: WalkedTable, id: string, doubted: boolean): RawBuilder<boolean> {
  const found = sql<boolean>`EXISTS (SELECT FROM ${sql.raw(table)} AS t WHERE ${sql.raw(keyMatch(keys, id))} OFFSET 0)`;
  return doubted ? sql<boolean>`CASE WHEN ${sql.raw(mayName(keys, id))} THEN ${found} ELSE false END` : found;
}

const column = ({ name }: TypedKey) => `t.${identifier(name)}`;

/** What the walk follows, in words that are others as soon as the rows come in another order. */
export const orderOf = ({ order }: WalkedTable): string =>
  order.map(({ name, type, collation }) => [name, type, collation].join(' ')).join(', ');

export const inOrder = ({ order }: WalkedTable): RawBuilder<unknown> => sql.raw(order.map(column).join(', '));

/** The place of row `t` in the walk: the texts of its key, in walking order. */
export const placeOf = ({ order }: WalkedTable): RawBuilder<string[]> =>
  sql.raw(`ARRAY[${order.map((key) => keyPart(key, 't')).join(', ')}]`);

/**
 * Row `t` comes behind this place. Compared as rows, which one index condition answers; where the operators stand in several
 * schemas that cannot be written, and the first column alone leads to the place.
 */
export function beyond({ order }: WalkedTable, place: readonly string[] | undefined): RawBuilder<boolean> {
  if (place === undefined) return sql<boolean>`true`;
  const values = order.map((key, i) => sql`${place[i]}::text::${sql.raw(key.type)}`);
  const greater = order.map(({ equals }) => sql.raw(equals.replace(/=\)$/, '>)')));
  const columns = order.map((key) => sql.raw(column(key)));
  const [first] = order;
  if (first && order.every(({ equals }) => equals === first.equals))
    return sql<boolean>`(${sql.join(columns)}) ${greater[0]} (${sql.join(values)})`;
  const steps = order.map((_, i) => {
    const before = order.slice(0, i).map((key, n) => sql`${columns[n]} ${sql.raw(key.equals)} ${values[n]}`);
    return sql`(${sql.join([...before, sql`${columns[i]} ${greater[i]} ${values[i]}`], sql` AND `)})`;
  });
  const atLeast = sql.raw((first as TypedKey).equals.replace(/=\)$/, '>=)'));
  return sql<boolean>`(${columns[0]} ${atLeast} ${values[0]} AND (${sql.join(steps, sql` OR `)}))`;
}
