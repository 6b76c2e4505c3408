/**
 * Takes back what the capture triggers wrote because of our own writes, in the same transaction: the queue's rows of our txid
 * that say nothing which the cloud does not know. What the POS's own triggers changed or wrote beyond that stays, and goes out.
 *
 * Looked at is the row as it stands now: where it is what the cloud sent, whatever happened to it in between is nobody's
 * concern. Else only those rows of the queue go that equal what was sent, column by column of the data, `local` ones aside.
 */
import { type RawBuilder, sql } from 'kysely';
import { payload } from '../capture/expressions.js';
import { textHash } from '../capture/row-hash.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { compared, matches, type Source, sameImage } from './rows.js';
import type { AppliedTable } from './tables.js';

/**
 * The short way, where nothing of the POS's own can have happened beside our writes: the tables have no triggers but ours, no
 * rules, and no foreign key that would carry a change on. Then whatever was captured in this transaction is what we wrote, each
 * row of the queue another entity's. Asked of the catalogue in the same statement, for our locks keep a new trigger out until we
 * are done.
 * @returns two parts of a WITH RECURSIVE: `simple` (one row: whether it is that simple; else nothing is taken back) and `gone`
 * (entity_type, entity_id, hash of the row as it was captured)
 */
export function takingBackAll(tables: readonly AppliedTable[], position: string): RawBuilder<unknown> {
  const names = arrayLiteral(tables.map((one) => one.table));
  return sql`member(oid) AS (
      SELECT unnest(${names}::text[])::regclass::oid
      UNION SELECT i.inhrelid FROM member m JOIN pg_catalog.pg_inherits i ON i.inhparent = m.oid
    ), simple AS MATERIALIZED (
      SELECT NOT EXISTS (
        SELECT FROM member m JOIN pg_catalog.pg_trigger g ON g.tgrelid = m.oid JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid
        WHERE NOT g.tgisinternal AND p.pronamespace <> 'syncd'::regnamespace
      ) AND NOT EXISTS (SELECT FROM member m JOIN pg_catalog.pg_class c ON c.oid = m.oid WHERE c.relhasrules)
        AND NOT EXISTS (
        SELECT FROM member m JOIN pg_catalog.pg_constraint k ON k.confrelid = m.oid AND k.contype = 'f'
        WHERE k.confupdtype IN ('c', 'n', 'd') OR k.confdeltype IN ('c', 'n', 'd')) AS simple
    ), gone AS (
      DELETE FROM syncd.sync_queue q USING simple
      WHERE simple.simple AND q.status = 'pending' AND q.next_attempt_at IS NULL AND q.id > ${position}::bigint
        AND q.txid = pg_catalog.pg_current_xact_id()
      RETURNING q.entity_type, q.entity_id, ${textHash(sql`q.payload`)} AS hash
    )`;
}

/** What was captured of these in this transaction, and what was sent of them. */
const captured = (table: AppliedTable, source: Source, position: string) => sql`
  SELECT q.ctid AS place, q.id, q.entity_id, q.operation, q.payload, q.previous, s.data
  FROM syncd.sync_queue q JOIN (${source}) AS s ON s.entity_id = q.entity_id
  WHERE q.status = 'pending' AND q.next_attempt_at IS NULL AND q.id > ${position}::bigint
    AND q.txid = pg_catalog.pg_current_xact_id() AND q.entity_type = ${table.entity}`;

/**
 * @param source what was written: the rows with their data, and with null those that were deleted
 * @param position of the queue before the first write
 */
export async function takeBackEcho(trx: Db, table: AppliedTable, source: Source, position: string): Promise<void> {
  // Nothing is captured there.
  if (table.direction === 'pull') return;
  const { rows } = await sql<{ stays: boolean; unsaid: boolean }>`
    WITH own AS MATERIALIZED (${captured(table, source, position)}
    ), looked AS (
      SELECT s.place, s.id, s.entity_id,
        CASE WHEN s.data IS NULL THEN s.operation = 'delete'
             WHEN now.t IS NULL THEN false
             WHEN ${sameImage(table)} THEN true
             ELSE s.operation <> 'delete' AND ${sentOtherwise(table)} IS NULL END AS same
      FROM own AS s LEFT JOIN LATERAL (${compared(table)}) AS now ON true
    ), judged AS (
      SELECT place, same OR last_value(same) OVER (PARTITION BY entity_id ORDER BY id
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS echo FROM looked
    ), echo AS (
      DELETE FROM syncd.sync_queue WHERE ctid = ANY (ARRAY(SELECT place FROM judged WHERE echo))
    )
    SELECT EXISTS (SELECT FROM judged WHERE NOT echo) AS stays,
           EXISTS (SELECT FROM (${source}) AS s WHERE s.data IS NOT NULL AND s.entity_id NOT IN (SELECT entity_id FROM own)) AS unsaid`.execute(
    trx,
  );
  if (rows[0]?.stays) await buildOnCloudsRow(trx, table, source, position);
  if (rows[0]?.unsaid) await sayWhatStands(trx, table, source, position);
}

/**
 * What triggers of the POS made of a row that came in stays, and builds on the row that the cloud sent, not on the one that stood
 * here before: a later version of the cloud would be merged with its own change once more. Nobody in the shop has made that edit.
 */
async function buildOnCloudsRow(trx: Db, table: AppliedTable, source: Source, position: string): Promise<void> {
  await sql`
    WITH own AS (
      SELECT *, row_number() OVER (PARTITION BY entity_id ORDER BY id) = 1 AS first,
             bool_or(operation = 'delete') OVER (PARTITION BY entity_id) AS goes
      FROM (${captured(table, source, position)}) AS q
    ), told AS MATERIALIZED (
      SELECT s.place, CASE WHEN s.first THEN ${sentOtherwise(table)} ELSE s.previous END AS previous
      FROM own AS s CROSS JOIN LATERAL (${compared(table)}) AS now WHERE s.data IS NOT NULL AND NOT s.goes
    )
    UPDATE syncd.sync_queue q SET operation = 'update', previous = told.previous, undated = true
    FROM told WHERE q.ctid = told.place`.execute(trx);
}

/**
 * A trigger of the POS that gives a row back what it held leaves nothing to capture: the row is as it was, and not as the cloud
 * sent it. It goes out as what any other trigger makes of a row, or both sides would differ and nobody would know.
 */
async function sayWhatStands(trx: Db, table: AppliedTable, source: Source, position: string): Promise<void> {
  await sql`
    WITH own AS MATERIALIZED (${captured(table, source, position)})
    INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, previous, undated)
    SELECT ${table.entity}, s.entity_id, 'update', s.payload, sent.otherwise, true
    FROM (
      SELECT w.entity_id, w.data, t.payload FROM (${source}) AS w
      CROSS JOIN LATERAL (SELECT ${sql.raw(payload(table, 't'))} AS payload FROM ${sql.raw(table.table)} AS t
                          WHERE ${matches(table, 'w.entity_id')} LIMIT 1) AS t
      WHERE w.data IS NOT NULL AND w.entity_id NOT IN (SELECT entity_id FROM own)
    ) AS s
    CROSS JOIN LATERAL (${compared(table)}) AS now
    CROSS JOIN LATERAL (SELECT ${sentOtherwise(table)} AS otherwise) AS sent
    WHERE NOT ${sameImage(table)} AND sent.otherwise IS NOT NULL`.execute(trx);
}

/** What was sent in the columns that the queue's text holds otherwise, but for those that nobody wrote or nobody cares about; null: none. */
function sentOtherwise(table: AppliedTable) {
  const leftAside = table.columns.filter(
    (column) => column.kind === 'generated' || column.excluded || table.local.includes(column.name),
  );
  return sql`(
    SELECT pg_catalog.json_object_agg(b.key, b.value) FROM pg_catalog.json_each(s.payload) AS a(key, value)
    JOIN pg_catalog.json_each(pg_catalog.row_to_json(now.n)) AS b(key, value) ON b.key = a.key
    WHERE a.value::text <> b.value::text AND a.key <> ALL (${arrayLiteral(leftAside.map((column) => column.name))}::text[]))`;
}
