/**
 * Rows that wait for each other: each came with a page of its own and refers to the next, the last to the first. Tried one by one
 * none could ever be applied; at one time they are one piece of work, and the foreign keys hold. Only their time is changed: the
 * next round tries them together, and if they fail even so, each is put off as before.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import type { Orphan } from './orphans.js';

/** A longer way round is not looked for. */
export const LONGEST = 16;

/**
 * @param orphans as they were just put off. Those in a circle become due at the same time, the earliest of theirs that is still to
 * come: others of the round are due until it comes to them, and a circle that cannot be made would be tried without a pause.
 */
export async function joinCircles(db: Db, orphans: readonly Orphan[]): Promise<void> {
  await sql`
    WITH RECURSIVE way AS (
      SELECT i.entity_type, i.entity_id, i.waits_for_type, i.waits_for_id, ARRAY[i.id] AS ids
      FROM syncd.incoming i WHERE i.id = ANY (${arrayLiteral(orphans.map(({ id }) => id))}::bigint[])
      UNION ALL
      SELECT w.entity_type, w.entity_id, p.waits_for_type, p.waits_for_id, w.ids || p.id
      FROM way w CROSS JOIN LATERAL (
        SELECT i.id, i.waits_for_type, i.waits_for_id FROM syncd.incoming i
        WHERE i.entity_type = w.waits_for_type AND i.entity_id = w.waits_for_id AND (i.status = 'parked' OR i.next_attempt_at IS NOT NULL)
          AND i.waits_for_id IS NOT NULL AND i.id <> ALL (w.ids) OFFSET 0) AS p
      WHERE cardinality(w.ids) < ${LONGEST}
    ), due AS (
      SELECT w.ids, (SELECT min(i.next_attempt_at) FROM syncd.incoming i
                     WHERE i.id = ANY (w.ids) AND i.next_attempt_at > pg_catalog.statement_timestamp()) AS at
      FROM way w WHERE w.waits_for_type = w.entity_type AND w.waits_for_id = w.entity_id AND cardinality(w.ids) > 1
    )
    UPDATE syncd.incoming i SET next_attempt_at = due.at FROM due WHERE i.id = ANY (due.ids) AND due.at IS NOT NULL`.execute(
    db,
  );
}
