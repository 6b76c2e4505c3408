/**
 * Writes rows of the cloud into a table of the POS, by sets: one row given as a parameter or a thousand from syncd.incoming take
 * the same way. The caller holds the transaction, has locked the rows that are there with `lockRows`, and looks only afterwards at
 * what was changed here: a statement that decides by a snapshot older than its own wait for a lock overwrites a sale.
 *
 * Only columns that the data brings are written; generated ones and those that stay in the shop never. A crash undoes all of it.
 */
import { type RawBuilder, sql } from 'kysely';
import { keyText, payload } from '../capture/expressions.js';
import { identifier } from '../capture/names.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { AnotherKey } from './refusal.js';
import { matches, ownName, record, type Source, value, writable } from './rows.js';
import { passSequences } from './sequences.js';
import type { AppliedTable, TableColumn } from './tables.js';

/** `present`: in the table. `locked`: present, and nobody else can change it before our end. Neither is in the table's order. */
export type Locked = { locked: Set<string>; present: Set<string> };

/**
 * Locks those rows that nobody else is just writing. One by one by the key's index: a plan that reads the whole table would read
 * it under the locks.
 * @param purpose `update` lets a sale go on that only refers to the row
 * @returns the ids of the rows that nobody else can change before our end
 * @throws class 22 where an id cannot be a key of this table
 */
export async function lockThose(
  trx: Db,
  table: AppliedTable,
  entityIds: readonly string[],
  purpose: 'update' | 'delete',
): Promise<readonly string[]> {
  const locking = purpose === 'delete' ? sql`FOR UPDATE OF t SKIP LOCKED` : sql`FOR NO KEY UPDATE OF t SKIP LOCKED`;
  return doneOf(
    trx,
    sql`SELECT s.entity_id FROM ${named(entityIds)}
        CROSS JOIN LATERAL (SELECT FROM ${sql.raw(table.table)} AS t WHERE ${matches(table)} ${locking}) AS locked`,
    entityIds,
  );
}

const named = (entityIds: readonly string[]) => sql`unnest(${arrayLiteral(entityIds)}::text[]) AS s(entity_id)`;

/**
 * The same, and looks afterwards which rows are there, with a snapshot of its own. A row that is present and not locked belongs to
 * a sale at this moment.
 */
export async function lockRows(
  trx: Db,
  table: AppliedTable,
  entityIds: readonly string[],
  purpose: 'update' | 'delete',
): Promise<Locked> {
  const locked = await lockThose(trx, table, entityIds, purpose);
  if (locked.length === entityIds.length) return { locked: new Set(locked), present: new Set(locked) };
  const present = await idsOf(
    trx,
    sql`SELECT s.entity_id FROM ${named(entityIds)}
        CROSS JOIN LATERAL (SELECT FROM ${sql.raw(table.table)} AS t WHERE ${matches(table)} OFFSET 0) AS there`,
  );
  return { locked: new Set(locked), present: new Set(present) };
}

/** The row's text exactly as capture writes it; undefined where there is none. */
export async function currentRow(trx: Db, table: AppliedTable, entityId: string): Promise<string | undefined> {
  const { rows } = await sql<{ payload: string }>`
    SELECT ${sql.raw(payload(table, 't'))}::text AS payload
    FROM ${sql.raw(table.table)} AS t, (SELECT ${entityId}::text AS entity_id) AS s WHERE ${matches(table)}`.execute(
    trx,
  );
  return rows[0]?.payload;
}

/** The columns that one row's data brings. @throws class 22 where it is no object */
export async function columnsIn(trx: Db, table: AppliedTable, data: string): Promise<TableColumn[]> {
  const { rows } = await sql<{ brought: string[] }>`
    SELECT ARRAY(SELECT pg_catalog.json_object_keys(${data}::pg_catalog.json)) AS brought`.execute(trx);
  return writable(table, rows[0]?.brought ?? []);
}

/**
 * @param entityIds all that the source names, here and below
 * @returns the ids whose rows are now as the data says; the others are not there, or bear another name in the data
 */
export async function updateRows(
  trx: Db,
  table: AppliedTable,
  source: Source,
  entityIds: readonly string[],
  columns: readonly TableColumn[],
): Promise<readonly string[]> {
  const set = columns.filter((column) => !column.key && column.kind === 'plain');
  const same = sql.raw(
    table.keys.map(({ name, equals }) => `t.${identifier(name)} ${equals} n.${identifier(name)}`).join(' AND '),
  );
  const found = sql`${same} AND ${ownName(table)} AND ${matchingText(table)}`;
  const from = sql`(${source}) AS s CROSS JOIN LATERAL ${record(table, set)}`;
  const statement =
    set.length === 0
      ? sql`SELECT s.entity_id FROM ${from} JOIN ${sql.raw(table.table)} AS t ON ${found}`
      : sql`UPDATE ${sql.raw(table.table)} AS t
            SET ${sql.raw(set.map((column) => `${identifier(column.name)} = ${value(column)}`).join(', '))}
            FROM ${from} WHERE ${found} RETURNING s.entity_id`;
  return doneOf(trx, statement, entityIds);
}

const matchingText = (table: AppliedTable): RawBuilder<boolean> =>
  sql.raw(`${keyText(table, 't')} OPERATOR(pg_catalog.=) s.entity_id`);

/**
 * @returns the ids whose rows were made; the others are there already, or bear another name in the data
 * @throws AnotherKey where a trigger of the POS made another row of one; the caller rolls back, or each try leaves one more
 */
export async function insertRows(
  trx: Db,
  table: AppliedTable,
  source: Source,
  entityIds: readonly string[],
  columns: readonly TableColumn[],
): Promise<readonly string[]> {
  const keys = table.columns.filter((column) => column.key && column.kind !== 'generated');
  const list = [...keys, ...columns.filter((column) => !column.key)];
  const names = (all: readonly { name: string }[]) => all.map(({ name }) => identifier(name)).join(', ');
  const there = sql`EXISTS (SELECT FROM ${sql.raw(table.table)} AS t WHERE ${matches(table)})`;
  // Where no index can tell, a row that somebody else makes at this moment is a unique violation, and its sale comes first.
  const elsewhere = table.arbiter ? sql`` : sql`AND NOT ${there}`;
  const arbiter = table.arbiter ? sql`ON CONFLICT (${sql.raw(names(table.keys))}) DO NOTHING` : sql``;
  const { ids: made, others } = await told(
    trx,
    sql`INSERT INTO ${sql.raw(table.table)} AS t (${sql.raw(names(list))}) OVERRIDING SYSTEM VALUE
        SELECT ${sql.raw(list.map(value).join(', '))}
        FROM (${source}) AS s CROSS JOIN LATERAL ${record(table, list)} WHERE ${ownName(table)} ${elsewhere}
        ${arbiter} RETURNING ${sql.raw(keyText(table, 't'))} AS entity_id`,
    entityIds,
    sql`done JOIN ${named(entityIds)} USING (entity_id)`,
  );
  if (others) throw new AnotherKey(`a trigger of ${table.table} gives the row another key`);
  const brought = table.sequences.filter(({ column }) => list.some(({ name }) => name === column));
  if (made.length > 0) await passSequences(trx, brought, source, made);
  return made;
}

/** @returns the ids whose rows went; the others were not there */
export async function deleteRows(
  trx: Db,
  table: AppliedTable,
  source: Source,
  entityIds: readonly string[],
): Promise<readonly string[]> {
  return doneOf(
    trx,
    sql`DELETE FROM ${sql.raw(table.table)} AS t USING (${source}) AS s WHERE ${matches(table)} RETURNING s.entity_id`,
    entityIds,
  );
}

/** The ids that a statement returns, as one text: a thousand rows of one column cost more than what they say. */
async function idsOf(trx: Db, statement: RawBuilder<unknown>): Promise<string[]> {
  const { rows } = await sql<{ ids: string | null }>`
    WITH found AS (${statement}) SELECT json_agg(entity_id)::text AS ids FROM found`.execute(trx);
  return JSON.parse(rows[0]?.ids ?? '[]');
}

async function doneOf(
  trx: Db,
  statement: RawBuilder<unknown>,
  entityIds: readonly string[],
): Promise<readonly string[]> {
  return (await told(trx, statement, entityIds, sql`done`)).ids;
}

type Told = { ids: readonly string[]; others: boolean };

/**
 * The same of a statement that usually returns all of `entityIds`: then nothing but that is said. Each counts once, however many rows
 * bear its name: those of a table and its inheritance children may.
 * @param from what of `done`, which is all that the statement returned; `others`: that was not all of it
 */
async function told(
  trx: Db,
  statement: RawBuilder<unknown>,
  entityIds: readonly string[],
  from: RawBuilder<unknown>,
): Promise<Told> {
  const { rows } = await sql<{ told: string | null }>`
    WITH done AS (${statement}), each AS (SELECT DISTINCT entity_id FROM ${from})
    SELECT CASE WHEN (SELECT count(*) FROM each) <> ${entityIds.length}
                THEN json_build_object('ids', coalesce((SELECT json_agg(entity_id) FROM each), '[]'),
                  'others', EXISTS (SELECT FROM done WHERE entity_id NOT IN (SELECT entity_id FROM each)))::text END AS told`.execute(
    trx,
  );
  const answer = rows[0]?.told ?? null;
  return answer === null ? { ids: entityIds, others: false } : JSON.parse(answer);
}

/** Entities of the source whose data is the row of another one, or of none. */
export async function withAnotherName(trx: Db, table: AppliedTable, source: Source): Promise<Set<string>> {
  const statement = sql`
    SELECT s.entity_id FROM (${source}) AS s CROSS JOIN LATERAL ${record(table, [])} WHERE (${ownName(table)}) IS NOT TRUE`;
  return new Set(await idsOf(trx, statement));
}
