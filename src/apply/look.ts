/**
 * Finds out how entities stand here. `lookAhead` reads what may be read before the rows of the POS are locked; `lookAt` is the
 * look that decides, under the locks and with a snapshot of its own.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import type { Local, Pending } from './decide.js';
import type { Horizon } from './horizon.js';
import { compared, matches, type Source, sameImage } from './rows.js';
import type { AppliedTable } from './tables.js';

/** Fresh changes of the entities concerned, as they were before anything was locked; others lie above `above`. */
export type Ahead = { ids: string[]; above: string };

export type Named = { entity_type: string; entity_id: string };

/** @param position of the queue, read by an earlier statement */
export async function lookAhead(db: Db, horizon: Horizon, named: readonly Named[], position: string): Promise<Ahead> {
  const { rows } = await sql<{ ids: string[]; xmin: string; xmax: string }>`
    SELECT ARRAY(
      SELECT q.id::text FROM syncd.sync_queue q
      JOIN unnest(${arrayLiteral(named.map((one) => one.entity_type))}::text[], ${arrayLiteral(named.map((one) => one.entity_id))}::text[])
           AS o (entity_type, entity_id) ON q.entity_type = o.entity_type AND q.entity_id = o.entity_id
      WHERE q.status = 'pending' AND q.next_attempt_at IS NULL
    ) AS ids, pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text AS xmin,
      pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text AS xmax`.execute(db);
  const { ids, xmin, xmax } = rows[0] as { ids: string[]; xmin: string; xmax: string };
  return { ids, above: horizon.note({ position, xmin, xmax }) };
}

export type Looked = Omit<Local, 'locked' | 'equal' | 'copyOnly'> & { entity_id: string };

type Row = {
  entity_id: string;
  present: boolean;
  known: boolean;
  cloud_version: string | null;
  deleted: boolean | null;
  conflict: string | null;
  fresh: Pending | null;
  fresh_id: string | null;
  held: Pending | null;
  held_id: string | null;
  due: boolean | null;
  holding: boolean | null;
};

/** Every partial index below is empty on a good day: then a probe costs next to nothing. */
export async function lookAt(
  trx: Db,
  table: AppliedTable,
  entityIds: readonly string[],
  ahead: Ahead,
): Promise<Looked[]> {
  const fresh = (where: ReturnType<typeof sql>) => sql`
    SELECT q.id, q.entity_id, q.operation FROM syncd.sync_queue q
    WHERE q.status = 'pending' AND q.next_attempt_at IS NULL AND ${where} AND q.entity_type = ${table.entity}`;
  const { rows } = await sql<Row>`
    WITH fresh AS MATERIALIZED (
      SELECT DISTINCT ON (entity_id) entity_id, id, operation FROM (
        ${fresh(sql`q.id > ${ahead.above}::bigint`)}
        UNION ALL ${fresh(sql`q.id = ANY (${arrayLiteral(ahead.ids)}::bigint[])`)}) AS one
      ORDER BY entity_id, id DESC
    )
    SELECT s.entity_id, EXISTS (SELECT FROM ${sql.raw(table.table)} AS t WHERE ${matches(table)}) AS present,
           e.known IS NOT NULL AS known, e.cloud_version, e.deleted, c.cloud_version AS conflict,
           f.operation AS fresh, f.id::text AS fresh_id, h.operation AS held, h.id::text AS held_id, h.due, h.holding
    FROM unnest(${arrayLiteral(entityIds)}::text[]) AS s (entity_id)
    LEFT JOIN LATERAL (
      SELECT true AS known, cloud_version::text AS cloud_version, deleted FROM syncd.entity_state
      WHERE entity_id = s.entity_id AND entity_type = ${table.entity} OFFSET 0) e ON true
    LEFT JOIN LATERAL (
      SELECT max(cloud_version)::text AS cloud_version FROM syncd.sync_conflicts
      WHERE entity_type = ${table.entity} AND entity_id = s.entity_id AND status = 'open') c ON true
    LEFT JOIN LATERAL (
      SELECT (array_agg(operation ORDER BY id DESC))[1] AS operation, max(id) AS id,
             bool_or(status = 'pending' AND next_attempt_at <= clock_timestamp()) AS due,
             bool_or(status = 'conflict' OR (status = 'pending' AND next_attempt_at > clock_timestamp())) AS holding
      FROM syncd.sync_queue
      WHERE entity_type = ${table.entity} AND entity_id = s.entity_id
        AND (status IN ('failed', 'conflict') OR next_attempt_at IS NOT NULL) AND status <> 'synced') h ON true
    LEFT JOIN fresh f ON f.entity_id = s.entity_id`.execute(trx);
  return rows.map((row) => ({
    entity_id: row.entity_id,
    present: row.present,
    state: row.known ? { cloud_version: row.cloud_version, deleted: row.deleted === true } : undefined,
    conflict: row.conflict ?? undefined,
    pending: Number(row.fresh_id ?? -1) > Number(row.held_id ?? -1) ? (row.fresh as Pending) : (row.held ?? undefined),
    // What waits behind a change that was put off waits here too; behind a failed one it goes out as its correction.
    inFlight: row.due === true || (row.fresh !== null && row.holding !== true),
  }));
}

/** Of rows without an agreement: those that the data would leave as they are, `local` columns aside. */
export async function equalRows(trx: Db, table: AppliedTable, source: Source): Promise<Set<string>> {
  const { rows } = await sql<{ entity_id: string }>`
    SELECT s.entity_id FROM (${source}) AS s CROSS JOIN LATERAL (${compared(table)}) AS now
    WHERE ${sameImage(table)}`.execute(trx);
  return new Set(rows.map((row) => row.entity_id));
}
