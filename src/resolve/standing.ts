/**
 * How one entity stands in the shop: its row, and its changes that never reached the cloud. Fresh changes have no index by entity, so
 * they are looked for once before any row of the POS is locked, and under the lock only what has come since (whole: 0.6 s in a
 * backlog of 500,000).
 */
import { type RawBuilder, sql } from 'kysely';
import type { Horizon } from '../apply/horizon.js';
import type { Ahead } from '../apply/look.js';
import { matches } from '../apply/rows.js';
import type { AppliedTable } from '../apply/tables.js';
import { payload } from '../capture/expressions.js';
import type { Operation } from '../cloud/wire.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { queuePosition } from '../queue/position.js';

/** An unsettled change. `place`: its ctid. */
export type Unsettled = {
  place: string;
  id: string;
  change_id: string;
  operation: Operation;
  has_previous: boolean;
  supersedes: string[] | null;
};

export type Standing = {
  /** The oldest first. */
  changes: Unsettled[];
  /** The row as capture writes it; undefined: there is none. */
  live: string | undefined;
};

/** Fresh changes of the entities in these conflicts, as they are before anything is locked. */
export async function lookAhead(db: Db, horizon: Horizon, conflictIds: readonly string[]): Promise<Ahead> {
  const position = await queuePosition(db);
  const { rows } = await sql<{ ids: string[]; xmin: string; xmax: string }>`
    SELECT ARRAY(
      SELECT q.id::text FROM syncd.sync_queue q JOIN syncd.sync_conflicts k USING (entity_type, entity_id)
      WHERE q.status = 'pending' AND q.next_attempt_at IS NULL AND k.id = ANY (${arrayLiteral(conflictIds)}::bigint[])
    ) AS ids, pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text AS xmin,
      pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text AS xmax`.execute(db);
  const { ids, xmin, xmax } = rows[0] as { ids: string[]; xmin: string; xmax: string };
  return { ids, above: horizon.note({ position, xmin, xmax }) };
}

type Purpose = 'look' | 'take';
/** Changes `q` that wait behind an answer, or for a person: they have an index by entity. */
export const HELD = sql`(q.status IN ('failed', 'conflict') OR (q.next_attempt_at IS NOT NULL AND q.status = 'pending'))`;

const unsettled = (entity_type: string, entity_id: string, where: RawBuilder<unknown>, purpose: Purpose) => sql`
  SELECT q.ctid::text AS place, q.id::text AS id, q.change_id, q.operation, q.previous IS NOT NULL AS has_previous, q.supersedes
  FROM syncd.sync_queue q WHERE q.entity_type = ${entity_type} AND q.entity_id = ${entity_id} AND ${where}
  ${purpose === 'take' ? sql`FOR UPDATE` : sql``}`;

/** @param purpose `take` locks the changes until the end of the transaction */
export async function standingOf(
  trx: Db,
  table: AppliedTable,
  entity_id: string,
  ahead: Ahead,
  purpose: Purpose,
): Promise<Standing> {
  const fresh = (where: RawBuilder<unknown>) =>
    unsettled(table.entity, entity_id, sql`q.status = 'pending' AND q.next_attempt_at IS NULL AND ${where}`, purpose);
  const { rows } = await sql<{ changes: string | null; live: string | null }>`
    WITH known AS (${fresh(sql`q.id = ANY (${arrayLiteral(ahead.ids)}::bigint[]) AND q.id <= ${ahead.above}::bigint`)}
    ), late AS (${fresh(sql`q.id > ${ahead.above}::bigint`)}
    ), held AS (${unsettled(table.entity, entity_id, HELD, purpose)})
    SELECT (SELECT json_agg(c ORDER BY c.id::bigint) FROM (
             SELECT * FROM known UNION ALL SELECT * FROM late UNION ALL SELECT * FROM held) AS c)::text AS changes,
           its.live
    FROM (SELECT ${entity_id}::text AS entity_id) AS s LEFT JOIN LATERAL (
      SELECT ${sql.raw(payload(table, 't'))}::text AS live FROM ${sql.raw(table.table)} AS t WHERE ${matches(table)} LIMIT 1) AS its ON true`.execute(
    trx,
  );
  const { changes, live } = rows[0] as (typeof rows)[0];
  return { changes: JSON.parse(changes ?? '[]'), live: live ?? undefined };
}

/** A write of the row leaves a change, so a row that was changed and changed back is noticed as well. */
export const isSame = (one: Standing, other: Standing): boolean => JSON.stringify(one) === JSON.stringify(other);
