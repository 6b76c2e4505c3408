/**
 * Asks for walks over tables: rows that are older than capture, or everything compared with what was last agreed. A request is a
 * row of syncd.backfills; the daemon does the walk. One that stands and has not begun serves whoever asks next, for it will see
 * all that is committed by then; one that has begun may have passed the row in question, so a new one is queued behind it.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import type { WalkKind } from '../db/schema-walks.js';

/**
 * In the caller's transaction, if it has one. Walks are done in the order of the entity types given.
 * @param cause why, in words that status can show
 * @returns the walks that will do it, old or new; types that are not captured have none
 */
export async function requestWalks(
  db: Db,
  kind: WalkKind,
  entityTypes: readonly string[],
  cause: string,
  who: string,
): Promise<{ id: string; entity_type: string }[]> {
  const { rows } = await sql<{ id: string; entity_type: string }>`
    INSERT INTO syncd.backfills AS b (entity_type, kind, cause, requested_by)
    SELECT c.entity_type, ${kind}, ${cause}, ${who}
    FROM unnest(${arrayLiteral(entityTypes)}::text[]) WITH ORDINALITY AS wanted (entity_type, place)
    JOIN syncd.capture c ON c.entity_type = wanted.entity_type AND c.direction <> 'pull'
    ORDER BY wanted.place
    ON CONFLICT (entity_type, kind) WHERE started_at IS NULL AND finished_at IS NULL DO UPDATE SET cause = b.cause
    RETURNING b.id, b.entity_type`.execute(db);
  return rows;
}

/** Has a table compared with what was last agreed: whatever went by uncaptured is queued. */
export function requestReconcile(db: Db, entityTypes: readonly string[], cause: string, who: string) {
  return requestWalks(db, 'reconcile', entityTypes, cause, who);
}

/** Rows from before capture, to be queued. One that is under way for a type goes on instead. @returns all that will do it */
export async function requestBackfill(db: Db, entityTypes: readonly string[], who: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    WITH under_way AS (
      SELECT id, entity_type FROM syncd.backfills
      WHERE kind = 'backfill' AND finished_at IS NULL AND entity_type = ANY (${arrayLiteral(entityTypes)}::text[])
    ), made AS (
      INSERT INTO syncd.backfills (entity_type, kind, cause, requested_by)
      SELECT w.entity_type, 'backfill', 'rows from before capture', ${who}
      FROM unnest(${arrayLiteral(entityTypes)}::text[]) WITH ORDINALITY AS w (entity_type, place)
      WHERE NOT EXISTS (SELECT FROM under_way u WHERE u.entity_type = w.entity_type)
      ORDER BY w.place
      ON CONFLICT (entity_type, kind) WHERE started_at IS NULL AND finished_at IS NULL DO NOTHING
      RETURNING id
    )
    SELECT id FROM under_way UNION ALL SELECT id FROM made ORDER BY id`.execute(db);
  return rows.map(({ id }) => id);
}

/** Ends backfills that are not finished; what they have queued stays queued. @returns their entity types */
export async function stopBackfills(db: Db, entityTypes: readonly string[], who: string): Promise<string[]> {
  const { rows } = await sql<{ entity_type: string }>`
    UPDATE syncd.backfills SET finished_at = clock_timestamp(), error = ${`stopped by ${who}`}, waits_for = NULL
    WHERE kind = 'backfill' AND finished_at IS NULL AND entity_type = ANY (${arrayLiteral(entityTypes)}::text[])
    RETURNING entity_type`.execute(db);
  return rows.map(({ entity_type }) => entity_type);
}

export type WalkProgress = {
  entity_type: string;
  requested_at: string;
  started_at: string | null;
  walked: number;
  queued: number;
  estimate: number | null;
  waits_for: string | null;
  finished_at: string | null;
  error: string | null;
};

/** @param ids of requests; unknown ones are left out. In the order in which they were asked for */
export async function walkProgress(db: Db, ids: readonly string[]): Promise<WalkProgress[]> {
  const { rows } = await sql<WalkProgress>`
    SELECT entity_type, requested_at::text, started_at::text, walked::float8 AS walked, queued::float8 AS queued,
           estimate::float8 AS estimate, waits_for, finished_at::text, error
    FROM syncd.backfills WHERE id = ANY (${arrayLiteral(ids)}::bigint[]) ORDER BY backfills.id`.execute(db);
  return rows;
}
