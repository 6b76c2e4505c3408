/**
 * Sees that a failure counter has moved: a change of that table was not captured, so the table is to be compared. The counter
 * moves in the sale's own transaction and at once, which may be before the sale is committed; the walk waits for that.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { requestReconcile } from './request.js';

/** A comparison that was given up is tried again after so long. */
const AGAIN_MS = 300_000;

/** @returns the entities that are to be compared because of it */
export async function lookAtFailures(db: Db): Promise<string[]> {
  const { rows } = await sql<{ entity_type: string; missed: string; reset: boolean }>`
    SELECT c.entity_type, c.last - c.failures_seen AS missed, c.last < c.failures_seen AS reset
    FROM (SELECT *, coalesce(pg_sequence_last_value(to_regclass(failures)), 0) AS last FROM syncd.capture) AS c
    WHERE c.last <> c.failures_seen AND NOT EXISTS (
      SELECT FROM syncd.backfills b WHERE b.entity_type = c.entity_type AND b.kind = 'reconcile'
        AND CASE WHEN b.finished_at IS NULL THEN b.started_at IS NULL OR b.failures >= c.last
                 ELSE b.error IS NOT NULL AND b.finished_at > clock_timestamp() - ${AGAIN_MS} * interval '1 ms' END)`.execute(
    db,
  );
  const entities: string[] = [];
  for (const { entity_type, missed, reset } of rows) {
    // Somebody has set the counter back by hand.
    if (reset) await sql`UPDATE syncd.capture SET failures_seen = 0 WHERE entity_type = ${entity_type}`.execute(db);
    else {
      await requestReconcile(
        db,
        [entity_type],
        `capture failed ${missed === '1' ? 'once' : `${missed} times`}`,
        'syncd',
      );
      entities.push(entity_type);
    }
  }
  return entities;
}
