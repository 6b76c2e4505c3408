/**
 * What is written down of walks beside their position: which is next, that one begins, ends or waits, and whether the queue has room
 * for more. Each is one statement.
 */
import { sql } from 'kysely';
import { textHash } from '../capture/row-hash.js';
import type { Db } from '../db/connect.js';
import { byIndex } from '../db/indexed.js';
import type { WalkKind } from '../db/schema-walks.js';
import type { GivenUp } from './pages.js';

export type Walk = {
  id: string;
  entity_type: string;
  kind: WalkKind;
  started: boolean;
  position: string | null;
  waits_for: string | null;
  /** What keeps its table from being walked now, in words. */
  kept: string | null;
};

/** All that are not finished, in the order in which they are done: what repairs before what fills in. */
export async function unfinishedWalks(db: Db): Promise<Walk[]> {
  const { rows } = await sql<Walk>`
    SELECT b.id, b.entity_type, b.kind, b.started_at IS NOT NULL AS started, b.position, b.waits_for,
      CASE WHEN c.suspended_at IS NOT NULL THEN 'capture is suspended'
           WHEN c.drift_misses OR c.holds_push THEN c.drift
           WHEN EXISTS (SELECT FROM syncd.truncations t WHERE t.entity_type = b.entity_type AND t.settled_at IS NULL)
           THEN 'a person has to decide on a TRUNCATE' END AS kept
    FROM syncd.backfills b LEFT JOIN syncd.capture c USING (entity_type)
    WHERE b.finished_at IS NULL ORDER BY b.kind = 'backfill', b.id`.execute(db);
  return rows;
}

/**
 * Few changes wait that may go at once: what is queued now goes soon, and keeps no sale waiting for long.
 * @param most more than so many are no room
 */
export async function queueHasRoom(db: Db, most: number): Promise<boolean> {
  const { rows } = await byIndex(db, (trx) =>
    sql<{ waiting: number }>`
    SELECT count(*)::int AS waiting FROM (
      SELECT FROM syncd.sync_queue q
      WHERE q.status = 'pending' AND q.next_attempt_at IS NULL
        AND NOT EXISTS (SELECT FROM syncd.holds h WHERE h.holds_push AND h.entity_type = q.entity_type)
        AND NOT EXISTS (SELECT FROM syncd.sync_queue h WHERE h.entity_type = q.entity_type AND h.entity_id = q.entity_id
                        AND (h.status IN ('failed', 'conflict') OR h.next_attempt_at IS NOT NULL))
      LIMIT ${most + 1}) AS fresh`.execute(trx),
  );
  return (rows[0]?.waiting ?? 0) <= most;
}

/** The failure counter as it stands. To be read before those are waited for who may have moved it. */
export async function failuresNow(db: Db, entity: string): Promise<string> {
  const { rows } = await sql<{ failures: string }>`
    SELECT coalesce(pg_sequence_last_value(to_regclass(failures)), 0)::text AS failures FROM syncd.capture
    WHERE entity_type = ${entity}`.execute(db);
  return rows[0]?.failures ?? '0';
}

/**
 * @param failures the failure counter as `failuresNow` read it
 * @param estimate rows to go over; null: not known
 */
export async function noteBegun(db: Db, id: string, failures: string, estimate: string | null): Promise<void> {
  await sql`
    UPDATE syncd.backfills SET started_at = clock_timestamp(), failures = ${failures}::bigint, estimate = ${estimate}::bigint, waits_for = NULL
    WHERE id = ${id}::bigint AND started_at IS NULL AND finished_at IS NULL`.execute(db);
}

/** What it waits for; written only where that is news. */
export async function noteWaiting(db: Db, walk: Walk, what: string): Promise<void> {
  if (walk.waits_for === what) return;
  walk.waits_for = what;
  await sql`UPDATE syncd.backfills SET waits_for = ${what} WHERE id = ${walk.id}::bigint AND finished_at IS NULL`.execute(
    db,
  );
}

/** It cannot be done at all; whoever still needs it has to ask again. */
export async function noteGivenUp(db: Db, id: string, error: string): Promise<void> {
  await sql`
    UPDATE syncd.backfills SET finished_at = clock_timestamp(), error = ${error}, waits_for = NULL
    WHERE id = ${id}::bigint AND finished_at IS NULL`.execute(db);
}

export type ChunkDone = {
  id: string;
  leader_epoch: string;
  /** As it was stored before. */
  position: string | null;
  /** Null: the walk is finished. */
  next: string | null;
  counts: { walked: number; queued: number; deleted: number };
};

/**
 * Notes how far a chunk came, in the chunk's own transaction. A table that was walked to its end has no older rows left that
 * nobody knows of, and one that was compared no gap from before the walk began.
 * @returns false where somebody else has gone on from the same place, or another daemon leads
 */
export async function noteChunk(trx: Db, { id, leader_epoch, position, next, counts }: ChunkDone): Promise<boolean> {
  const { rows } = await sql`
    WITH noted AS (
      UPDATE syncd.backfills
      SET position = coalesce(${next}, position), walked = walked + ${counts.walked}::int, queued = queued + ${counts.queued}::int,
          deleted = deleted + ${counts.deleted}::int, waits_for = NULL,
          finished_at = CASE WHEN ${next === null}::boolean THEN clock_timestamp() END
      WHERE id = ${id}::bigint AND position IS NOT DISTINCT FROM ${position}::text AND finished_at IS NULL
        AND ${leader_epoch}::bigint = (SELECT max(leader_epoch) FROM syncd.daemon)
      RETURNING entity_type, kind, failures, finished_at
    ), seen AS (
      UPDATE syncd.capture c
      SET failures_seen = CASE WHEN n.kind = 'reconcile' THEN greatest(c.failures_seen, n.failures) ELSE c.failures_seen END,
          older_rows = false
      FROM noted n
      WHERE c.entity_type = n.entity_type AND n.kind IN ('reconcile', 'backfill') AND n.finished_at IS NOT NULL
    )
    SELECT FROM noted`.execute(trx);
  return rows.length === 1;
}

/**
 * States without a hash, of an older program say, learn it from the last change that was accepted, while the queue still has it:
 * without one, nothing is known and the row is sent again.
 */
export async function learnHashes(db: Db, entity: string, shape: number): Promise<void> {
  await sql`
    WITH unknown AS (
      SELECT EXISTS (SELECT FROM syncd.entity_state WHERE entity_type = ${entity} AND row_hash IS NULL AND NOT deleted) AS any
    ), last AS (
      SELECT DISTINCT ON (q.entity_id) q.entity_id, ${textHash(sql`q.payload`)} AS hash FROM syncd.sync_queue q
      WHERE (SELECT unknown.any FROM unknown) AND q.entity_type = ${entity} AND q.synced_at IS NOT NULL AND q.settled_as = 'accepted'
      ORDER BY q.entity_id, q.id DESC
    )
    UPDATE syncd.entity_state e SET row_hash = last.hash, row_shape = ${shape}
    FROM last WHERE e.entity_id = last.entity_id AND e.entity_type = ${entity} AND e.row_hash IS NULL AND NOT e.deleted
      AND last.hash IS NOT NULL`.execute(db);
}

const MOST_GIVEN_UP = 10_000;

/** Entities whose newest settled change was discarded by a person, with the hash of what the cloud was not to get. */
export async function givenUpChanges(db: Db, entity: string): Promise<GivenUp> {
  const { rows } = await sql<{ entity_id: string; hash: string }>`
    SELECT entity_id, hash FROM (
      SELECT DISTINCT ON (q.entity_id) q.entity_id, q.settled_as, ${textHash(sql`q.payload`)}::text AS hash FROM syncd.sync_queue q
      WHERE q.entity_type = ${entity} AND q.synced_at IS NOT NULL
        AND EXISTS (SELECT FROM syncd.sync_queue d WHERE d.entity_type = ${entity} AND d.synced_at IS NOT NULL AND d.settled_as = 'discarded')
      ORDER BY q.entity_id, q.id DESC) AS newest
    WHERE settled_as = 'discarded' AND hash IS NOT NULL LIMIT ${MOST_GIVEN_UP}`.execute(db);
  return new Map(rows.map((row) => [row.entity_id, row.hash]));
}
