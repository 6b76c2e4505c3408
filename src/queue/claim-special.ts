/**
 * Reads what leaves before the fresh changes of its entity, or in their place: retries whose time has come, and corrections of what
 * the cloud refused. Nothing is written and nothing is leased, as in queue/claim.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { PLANNED_ANEW } from '../db/prepared.js';
import { type ClaimedRow, changeColumns, changeDetails, changeState, type Page, withoutHeld } from './claimed.js';
import { rfc3339 } from './page-text.js';

/** The longest wait that can be configured. */
const LONGEST_WAIT_MS = 7 * 86_400_000;

export type SpecialLook = {
  /** The longest wait that a retry is ever given. */
  longestWaitMs?: number | undefined;
  /** Entity types that wait as a whole. */
  heldTypes?: readonly string[];
  /** No fresh change stands at or below this id. */
  floor?: string;
};

/** Its time has come, or lies further away than any wait: the database's clock was set back since. */
const isDue = (longestWaitMs: number) => sql`(q.next_attempt_at <= clock_timestamp()
  OR q.next_attempt_at > clock_timestamp() + ${longestWaitMs} * interval '1 ms')`;

/**
 * Retries whose time has come, each the earliest of its entity that waits.
 * @param offsetMs added to the outlet's instants
 */
export function claimDue(
  db: Db,
  limit: number,
  offsetMs: number,
  { longestWaitMs = LONGEST_WAIT_MS, heldTypes }: Omit<SpecialLook, 'floor'> = {},
): Promise<Page> {
  return claimSpecial(
    db,
    sql`SELECT ${changeColumns(offsetMs)}, ${changeDetails}, NULL AS supersedes FROM syncd.sync_queue q ${changeState}
    WHERE q.status = 'pending' AND ${isDue(longestWaitMs)} ${withoutHeld(heldTypes)}
      AND NOT EXISTS (
        SELECT FROM syncd.sync_queue h
        WHERE h.entity_type = q.entity_type AND h.entity_id = q.entity_id
          AND (h.status IN ('failed', 'conflict') OR h.next_attempt_at IS NOT NULL)
          AND (h.status <> 'pending' OR h.id < q.id))
    ORDER BY q.id LIMIT ${limit}`,
  );
}

/**
 * For every entity with a failed change and no conflict: its newest pending change, naming all older ones as superseded. It
 * carries the whole row, so it is their correction. Likewise behind a deletion that the cloud holds: it may wait for a child that
 * lives again, as its parent does, and while that is sold day and night the parent's own changes would never leave.
 * @param offsetMs added to the outlet's instants
 */
export function claimCorrections(
  db: Db,
  limit: number,
  offsetMs: number,
  { longestWaitMs = LONGEST_WAIT_MS, heldTypes, floor = '0' }: SpecialLook = {},
): Promise<Page> {
  return claimSpecial(
    db,
    sql`WITH waiting AS MATERIALIZED (
      SELECT ctid AS spot, id, entity_type, entity_id, status, next_attempt_at, false AS bars FROM syncd.sync_queue
      WHERE status = 'pending' AND next_attempt_at IS NULL AND id > ${floor}::bigint
      UNION ALL
      SELECT ctid, id, entity_type, entity_id, status, next_attempt_at, operation = 'delete' AND hold_count > 0 FROM syncd.sync_queue
      WHERE next_attempt_at IS NOT NULL AND status = 'pending'
    ), candidates AS MATERIALIZED (
      -- A hundred thousand failed changes with nothing behind them cost a third of a core, were they looked at all the same.
      SELECT * FROM waiting
      UNION ALL
      SELECT ctid, id, entity_type, entity_id, status, next_attempt_at, false FROM syncd.sync_queue
      WHERE status IN ('failed', 'conflict') AND (SELECT EXISTS (SELECT FROM waiting))
    ), newest AS MATERIALIZED (
      -- Grouped, not joined: a join may become a nested loop.
      SELECT q.entity_type, q.entity_id, max(q.id) FILTER (WHERE q.status = 'pending') AS id FROM candidates q WHERE true ${withoutHeld(heldTypes)}
      GROUP BY q.entity_type, q.entity_id
      HAVING (bool_or(q.status = 'failed') OR max(q.id) FILTER (WHERE q.bars) < max(q.id) FILTER (WHERE q.status = 'pending'))
        AND NOT bool_or(q.status = 'conflict') AND max(q.id) FILTER (WHERE q.status = 'pending')
        <> coalesce(max(q.id) FILTER (WHERE q.status = 'pending' AND q.next_attempt_at IS NOT NULL AND NOT ${isDue(longestWaitMs)}), 0)
      ORDER BY 3 LIMIT ${sql.lit(limit)}
    ), alike AS MATERIALIZED (
      SELECT q.* FROM syncd.sync_queue q WHERE q.ctid = ANY (ARRAY(
        -- In a CASE it is no join either.
        SELECT c.spot FROM candidates c WHERE CASE WHEN (c.entity_type, c.entity_id) IN (SELECT n.entity_type, n.entity_id FROM newest n) THEN true ELSE false END))
    )
    SELECT ${changeColumns(offsetMs)}, ${changeDetails},
      (SELECT json_agg(json_build_object('id', CASE WHEN c.id = o.change_id THEN o.id ELSE 0 END::text, 'change_id', c.id) ORDER BY o.id)
       FROM alike o CROSS JOIN unnest(o.change_id || o.supersedes) AS c (id) WHERE o.entity_type = q.entity_type AND o.entity_id = q.entity_id AND o.id < q.id) AS supersedes
    FROM alike q JOIN newest USING (entity_type, entity_id, id) ${changeState}
    ORDER BY q.id`,
  );
}

/** Reads by a query that wants a plan of its own. */
export async function claimSpecial(db: Db, query: RawBuilder<unknown>): Promise<Page> {
  type Row = Omit<ClaimedRow, 'supersedes'> & { supersedes: string | null; flushed: boolean };
  const { rows } = await sql<Row>`
    SELECT ${PLANNED_ANEW} special.*, (SELECT pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn()) AS flushed
    FROM (${query}) AS special`.execute(db);
  const parsed = rows.map((row) => ({
    ...row,
    changed_at: rfc3339(row.changed_at),
    supersedes: row.supersedes === null ? null : JSON.parse(row.supersedes),
  }));
  return { rows: parsed, snapshot: undefined, flushed: rows[0]?.flushed ?? true, more: false };
}
