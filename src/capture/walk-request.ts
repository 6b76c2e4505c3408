/**
 * Asks for walks over tables: rows that are older than capture, or everything compared with what was last agreed. A request is a
 * row of syncd.backfills; the daemon does the walk. One that stands and has not begun serves whoever asks next, for it will see
 * all that is committed by then; one that has begun may have passed the row in question, so a new one is queued behind it.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';

export type WalkKind = 'backfill' | 'reconcile' | 'delete';

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
