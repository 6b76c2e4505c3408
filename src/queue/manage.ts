/**
 * What a person may do to a change: let it try again, or give it up. One statement each, with the record of who, when and why
 * in it: there is no action without its record, and a crash leaves neither. Only valid transitions happen; for every id that
 * was asked for the answer says what became of it.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../db/connect.js';

export type ChangeVerdict =
  | { id: string; done: true; entity_type: string; entity_id: string; was: 'failed' | 'pending' | 'conflict' }
  | { id: string; done: false; why: Exclude<ChangeRefusal, 'conflict'> }
  /** Two values, and nobody has chosen. `conflict_id`: the open conflict; null where there is none. */
  | { id: string; done: false; why: 'conflict'; conflict_id: string | null };
/** waiting: it is on its way already. */
export type ChangeRefusal = 'unknown' | 'synced' | 'discarded' | 'waiting' | 'conflict';

type Done = { id: string; entity_type: string; entity_id: string; was: 'failed' | 'pending' | 'conflict' };

/** `budi (syncd)`: the person, and the role that the database saw. */
export const requester = (who: string): RawBuilder<string> => sql`${who}::text || ' (' || session_user || ')'`;

/**
 * Failed changes, and those that wait for their next try, go again at once with all their attempts. The cloud's last words stay
 * until it has answered anew. Each stays marked as a retry, now due: a pass that is already beyond it must go on holding back
 * what follows it. What was captured before them and still waits (between a failed change and its failed correction, say) is marked
 * with them: read as what follows, it would go out behind the newest, and the cloud would keep the older row.
 * @param ids undefined: every failed one
 */
export async function retryChanges(db: Db, ids: string[] | undefined, who: string): Promise<ChangeVerdict[]> {
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
    ), latest AS MATERIALIZED (
      SELECT d.entity_type, d.entity_id, max(d.id) AS id FROM done d GROUP BY d.entity_type, d.entity_id
    ), before_them AS (
      UPDATE syncd.sync_queue q SET next_attempt_at = clock_timestamp() FROM latest l
      WHERE q.status = 'pending' AND q.next_attempt_at IS NULL
        AND q.entity_type = l.entity_type AND q.entity_id = l.entity_id AND q.id < l.id
    ), record AS (
      INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
      SELECT 'retry', json_build_object('ids', (SELECT json_agg(id::text ORDER BY id) FROM done)), ${requester(who)}, clock_timestamp(),
             CASE count(*) WHEN 1 THEN '1 change goes again' ELSE count(*)::text || ' changes go again' END
      FROM done HAVING count(*) > 0
    )
    SELECT id, entity_type, entity_id, was FROM done ORDER BY id`.execute(db);
  if (rows.length > 0) await wakeDaemon(db);
  return verdicts(db, ids ?? rows.map((row) => row.id), rows);
}

/**
 * An open conflict of a row that the cloud may change as well: whoever gave up the shop's change of it would leave the two sides
 * apart with nobody who knows, so it has to be resolved. Of a table that is only pushed, or is not captured any more, nothing of
 * the cloud's is ever written here, and a change may be given up: then the row's next change meets the same conflict.
 */
const TO_BE_RESOLVED = sql`EXISTS (
  SELECT FROM syncd.sync_conflicts k JOIN syncd.capture c USING (entity_type)
  WHERE k.status = 'open' AND k.entity_type = q.entity_type AND k.entity_id = q.entity_id
    AND c.direction <> 'push' AND to_regclass(c.table_name) IS NOT NULL)`;

const FRESH = sql`(q.status = 'pending' AND q.next_attempt_at IS NULL)`;

/** All that is not synced, spelt as the queue's two partial indexes are: by "status <> 'synced'" neither of them would be used. */
const UNSETTLED = sql`(${FRESH} OR q.status IN ('failed', 'conflict')
  OR (q.status = 'pending' AND q.next_attempt_at IS NOT NULL))`;

/**
 * Gives changes up: they count as settled, and what waited behind them may go. A conflict is closed with the last of its changes.
 * The newest of what waited may have gone already, as a correction that contains the rest, and its answer be lost: so all but the
 * newest go out as what was tried before. Should one of them run into that very row, the cloud is asked first whose it is; as a
 * fresh change it would be in conflict with it, and `merge` would count the same sale twice. What was given up may have arrived as
 * well: the next change of its entity names it, for its row contains it.
 */
export async function discardChanges(db: Db, ids: string[], who: string, reason: string): Promise<ChangeVerdict[]> {
  const done = await db.transaction().execute(async (trx) => {
    // Locked by a statement of its own: an answer that is just being settled has opened its conflict by the time of the next one.
    await sql`SELECT FROM syncd.sync_queue q WHERE q.id = ANY (${ids}::bigint[]) AND ${UNSETTLED} FOR UPDATE`.execute(
      trx,
    );
    const { rows } = await sql<Done>`
      WITH found AS MATERIALIZED (
        SELECT q.id, q.status, q.error_message, q.status = 'failed' OR q.next_attempt_at IS NOT NULL AS was_answered
        FROM syncd.sync_queue q
        WHERE q.id = ANY (${ids}::bigint[]) AND ${UNSETTLED} AND NOT ${TO_BE_RESOLVED}
      ), done AS (
        UPDATE syncd.sync_queue q SET status = 'synced', settled_as = 'discarded', synced_at = clock_timestamp(),
          next_attempt_at = NULL, error_message = NULL
        FROM found WHERE q.id = found.id AND q.status <> 'synced'
        RETURNING q.id, q.entity_type, q.entity_id, found.status AS was, found.error_message AS words, found.was_answered, q.change_id, q.supersedes
      ), given_up AS (
        SELECT d.entity_type, d.entity_id, bool_or(d.was_answered) AS was_answered, max(d.id) AS newest FROM done d GROUP BY d.entity_type, d.entity_id
      ), behind AS MATERIALIZED (
        SELECT q.ctid AS spot, q.id, q.entity_type, q.entity_id,
          NOT ${FRESH} AND q.id < g.newest AS is_contained,
          g.was_answered AND ${FRESH} AND q.id < max(q.id) FILTER (WHERE ${FRESH}) OVER (PARTITION BY q.entity_type, q.entity_id) AS is_older
        FROM syncd.sync_queue q JOIN given_up g ON g.entity_type = q.entity_type AND g.entity_id = q.entity_id
        WHERE ${UNSETTLED} AND q.id NOT IN (SELECT id FROM done)
      ), named AS (
        SELECT n.id, array_agg(c.id) AS change_ids FROM (
          SELECT d.change_id, d.supersedes, min(b.id) AS id
          FROM done d JOIN behind b ON b.entity_type = d.entity_type AND b.entity_id = d.entity_id AND b.id > d.id
          GROUP BY d.id, d.change_id, d.supersedes) AS n CROSS JOIN unnest(n.change_id || n.supersedes) AS c (id)
        GROUP BY n.id
      ), passed_on AS (
        UPDATE syncd.sync_queue q SET
          hold_count = CASE WHEN b.is_contained THEN greatest(q.hold_count, 1) ELSE q.hold_count END,
          supersedes = CASE WHEN n.id IS NULL THEN q.supersedes ELSE coalesce(q.supersedes, '{}') || n.change_ids END,
          next_attempt_at = CASE WHEN b.is_older THEN clock_timestamp() ELSE q.next_attempt_at END
        FROM behind b LEFT JOIN named n ON n.id = b.id
        WHERE q.ctid = b.spot AND (b.is_older OR b.is_contained OR n.id IS NOT NULL) AND q.status <> 'synced'
      ), freed AS (
        SELECT DISTINCT d.entity_type, d.entity_id, left_over.status
        FROM done d CROSS JOIN LATERAL (
          SELECT coalesce(min(q.status::text), 'synced') AS status FROM syncd.sync_queue q
          WHERE q.entity_type = d.entity_type AND q.entity_id = d.entity_id
            AND q.status IN ('failed', 'conflict') AND q.id NOT IN (SELECT id FROM done)) AS left_over
      ), closed AS (
        UPDATE syncd.sync_conflicts c SET status = 'resolved', resolved_at = clock_timestamp(), resolved_by = ${requester(who)}, reason = ${reason}
        FROM freed f WHERE c.entity_type = f.entity_type AND c.entity_id = f.entity_id AND c.status = 'open' AND f.status <> 'conflict'
      ), relieved AS (
        UPDATE syncd.entity_state e SET sync_status = f.status
        FROM freed f WHERE e.entity_type = f.entity_type AND e.entity_id = f.entity_id
      ), record AS (
        INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
        SELECT 'discard', json_build_object('ids', json_agg(id::text ORDER BY id), 'reason', ${reason}::text,
                 'errors', coalesce(json_object_agg(id, words) FILTER (WHERE words IS NOT NULL), '{}'),
                 'changes', json_agg(json_build_object('entity_type', entity_type, 'entity_id', entity_id, 'change_ids', change_id || supersedes))),
               ${requester(who)}, clock_timestamp(), CASE count(*) WHEN 1 THEN '1 change' ELSE count(*)::text || ' changes' END || ' discarded'
        FROM done HAVING count(*) > 0
      )
      SELECT id, entity_type, entity_id, was FROM done ORDER BY id`.execute(trx);
    if (rows.length > 0) await wakeDaemon(trx);
    return rows;
  });
  return verdicts(db, ids, done);
}

/** A hint to look now; the daemon's own look once a second would find it too. */
export async function wakeDaemon(db: Db): Promise<void> {
  await sql`SELECT syncd.wake()`.execute(db);
}

async function verdicts(db: Db, ids: string[], done: Done[]): Promise<ChangeVerdict[]> {
  const byId = new Map(done.map((row) => [row.id, row]));
  const left = [...new Set(ids)].filter((id) => !byId.has(id));
  const refused = left.length === 0 ? new Map<string, ChangeVerdict>() : await refusals(db, left);
  return [...new Set(ids)].map((id): ChangeVerdict => {
    const row = byId.get(id);
    return row ? { ...row, done: true } : (refused.get(id) ?? { id, done: false, why: 'unknown' });
  });
}

/** Why these were left alone. Settled rows have no index by id: a scan, only for the one who typed a wrong number. */
async function refusals(db: Db, ids: string[]): Promise<Map<string, ChangeVerdict>> {
  const { rows } = await sql<{ id: string; why: ChangeRefusal; conflict_id: string | null }>`
    SELECT q.id, CASE WHEN settled_as = 'discarded' THEN 'discarded' WHEN q.status = 'synced' THEN 'synced'
                      WHEN q.status = 'conflict' OR k.id IS NOT NULL THEN 'conflict' ELSE 'waiting' END AS why, k.id AS conflict_id
    FROM syncd.sync_queue q LEFT JOIN syncd.sync_conflicts k
      ON k.status = 'open' AND k.entity_type = q.entity_type AND k.entity_id = q.entity_id
    WHERE q.id = ANY (${ids}::bigint[])`.execute(db);
  return new Map(
    rows.map(({ id, why, conflict_id }) => [
      id,
      why === 'conflict' ? { id, done: false, why, conflict_id } : { id, done: false, why },
    ]),
  );
}
