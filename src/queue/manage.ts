/**
 * What a person may do to a change: let it try again, or give it up. One statement each, with the record of who, when and why
 * in it: there is no action without its record, and a crash leaves neither. Only valid transitions happen; for every id that
 * was asked for the answer says what became of it.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../db/connect.js';

export type Verdict =
  | { id: string; done: true; entity_type: string; entity_id: string; was: 'failed' | 'pending' | 'conflict' }
  | { id: string; done: false; why: Refusal };
/** waiting: it is on its way already. conflict: two values, and nobody has chosen. */
export type Refusal = 'unknown' | 'synced' | 'discarded' | 'waiting' | 'conflict';

type Done = { id: string; entity_type: string; entity_id: string; was: 'failed' | 'pending' | 'conflict' };

/** `budi (syncd)`: the person, and the role that the database saw. */
export const requester = (who: string): RawBuilder<string> => sql`${who}::text || ' (' || session_user || ')'`;

/**
 * Failed changes, and those that wait for their next try, go again at once with all their attempts. The cloud's last words stay
 * until it has answered anew. Each stays marked as a retry, now due: a pass that is already beyond it must go on holding back
 * what follows it. @param ids undefined: every failed one
 */
export async function retryChanges(db: Db, ids: string[] | undefined, who: string): Promise<Verdict[]> {
  const which =
    ids === undefined
      ? sql`q.status = 'failed'`
      : sql`q.id = ANY (${ids}::bigint[]) AND (q.status = 'failed' OR (q.status = 'pending' AND q.next_attempt_at IS NOT NULL))`;
  const { rows } = await sql<Done>`
    WITH found AS MATERIALIZED (
      SELECT q.id, q.status FROM syncd.sync_queue q WHERE ${which} FOR UPDATE
    ), done AS (
      UPDATE syncd.sync_queue q SET status = 'pending', retry_count = 0, hold_count = 0, next_attempt_at = clock_timestamp()
      FROM found WHERE q.id = found.id AND (q.status = 'failed' OR (q.status = 'pending' AND q.next_attempt_at IS NOT NULL))
      RETURNING q.id, q.entity_type, q.entity_id, found.status AS was
    ), record AS (
      INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
      SELECT 'retry', json_build_object('ids', (SELECT json_agg(id::text ORDER BY id) FROM done)), ${requester(who)}, clock_timestamp(),
             CASE count(*) WHEN 1 THEN '1 change goes again' ELSE count(*) || ' changes go again' END
      FROM done HAVING count(*) > 0
    )
    SELECT id, entity_type, entity_id, was FROM done ORDER BY id`.execute(db);
  if (rows.length > 0) await wakeDaemon(db);
  return verdicts(db, ids ?? rows.map((row) => row.id), rows);
}

/**
 * Gives changes up: they count as settled, and what waited behind them may go. A conflict is closed with the last of its changes;
 * the cloud's side of it is then what the entity's next change builds on, or that one would only meet the same conflict.
 */
export async function discardChanges(db: Db, ids: string[], who: string, reason: string): Promise<Verdict[]> {
  const { rows } = await sql<Done>`
    WITH found AS MATERIALIZED (
      SELECT id, status FROM syncd.sync_queue q
      WHERE id = ANY (${ids}::bigint[])
        AND ((status = 'pending' AND next_attempt_at IS NULL) OR status IN ('failed', 'conflict') OR (status = 'pending' AND next_attempt_at IS NOT NULL))
      FOR UPDATE
    ), done AS (
      UPDATE syncd.sync_queue q SET status = 'synced', settled_as = 'discarded', synced_at = clock_timestamp(), next_attempt_at = NULL
      FROM found WHERE q.id = found.id AND q.status <> 'synced'
      RETURNING q.id, q.entity_type, q.entity_id, found.status AS was
    ), freed AS (
      SELECT DISTINCT d.entity_type, d.entity_id, left_over.status
      FROM done d CROSS JOIN LATERAL (
        SELECT coalesce(min(q.status::text), 'synced') AS status FROM syncd.sync_queue q
        WHERE q.entity_type = d.entity_type AND q.entity_id = d.entity_id
          AND q.status IN ('failed', 'conflict') AND q.id <> ALL (${ids}::bigint[])) AS left_over
    ), closed AS (
      UPDATE syncd.sync_conflicts c SET status = 'resolved', resolved_at = clock_timestamp(), resolved_by = ${requester(who)}, reason = ${reason}
      FROM freed f WHERE c.entity_type = f.entity_type AND c.entity_id = f.entity_id AND c.status = 'open' AND f.status <> 'conflict'
      RETURNING c.entity_type, c.entity_id, c.cloud_version, c.cloud_deleted
    ), relieved AS (
      INSERT INTO syncd.entity_state AS e (entity_type, entity_id, cloud_version, sync_status, deleted)
      SELECT f.entity_type, f.entity_id, nullif(c.cloud_version, 0), f.status, coalesce(c.cloud_deleted, false)
      FROM freed f LEFT JOIN closed c ON c.entity_type = f.entity_type AND c.entity_id = f.entity_id
      WHERE c.entity_id IS NOT NULL
         OR EXISTS (SELECT FROM syncd.entity_state s WHERE s.entity_type = f.entity_type AND s.entity_id = f.entity_id)
      ON CONFLICT (entity_type, entity_id) DO UPDATE
      SET sync_status = excluded.sync_status,
          cloud_version = CASE (SELECT c.cloud_version FROM closed c WHERE c.entity_type = e.entity_type AND c.entity_id = e.entity_id)
                          WHEN 0 THEN NULL ELSE greatest(e.cloud_version, excluded.cloud_version) END,
          deleted = CASE WHEN EXISTS (SELECT FROM closed c WHERE c.entity_type = e.entity_type AND c.entity_id = e.entity_id)
                         THEN excluded.deleted ELSE e.deleted END
    ), record AS (
      INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
      SELECT 'discard', json_build_object('ids', (SELECT json_agg(id::text ORDER BY id) FROM done), 'reason', ${reason}::text),
             ${requester(who)}, clock_timestamp(), CASE count(*) WHEN 1 THEN '1 change' ELSE count(*) || ' changes' END || ' discarded'
      FROM done HAVING count(*) > 0
    )
    SELECT id, entity_type, entity_id, was FROM done ORDER BY id`.execute(db);
  if (rows.length > 0) await wakeDaemon(db);
  return verdicts(db, ids, rows);
}

/** A hint to look now; the daemon's own look once a second would find it too. */
export async function wakeDaemon(db: Db): Promise<void> {
  await sql`SELECT syncd.wake()`.execute(db);
}

async function verdicts(db: Db, ids: string[], done: Done[]): Promise<Verdict[]> {
  const byId = new Map(done.map((row) => [row.id, row]));
  const left = [...new Set(ids)].filter((id) => !byId.has(id));
  const whys = left.length === 0 ? new Map<string, Refusal>() : await refusals(db, left);
  return [...new Set(ids)].map((id): Verdict => {
    const row = byId.get(id);
    return row ? { ...row, done: true } : { id, done: false, why: whys.get(id) ?? 'unknown' };
  });
}

/** Why these were left alone. Settled rows have no index by id: a scan, only for the one who typed a wrong number. */
async function refusals(db: Db, ids: string[]): Promise<Map<string, Refusal>> {
  const { rows } = await sql<{ id: string; why: Refusal }>`
    SELECT id, CASE WHEN settled_as = 'discarded' THEN 'discarded' WHEN status = 'synced' THEN 'synced'
                    WHEN status = 'conflict' THEN 'conflict' ELSE 'waiting' END AS why
    FROM syncd.sync_queue WHERE id = ANY (${ids}::bigint[])`.execute(db);
  return new Map(rows.map(({ id, why }) => [id, why]));
}
