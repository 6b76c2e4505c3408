/** Whether a change that the cloud holds has waited in vain: nothing has happened to what it waits for. Nothing is written. */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { PLANNED_ANEW } from '../db/prepared.js';

/**
 * Which of these held changes wait for an entity that was settled since they were last held. A deletion waits for a child to go:
 * one that is sold day and night would keep it waiting for ever, and nobody would be told.
 * @param delays_ms how long after its last hold each was to be tried again
 */
export async function movedSinceHeld(
  db: Db,
  held: { ids: string[]; entity_types: string[]; entity_ids: string[]; delays_ms: number[] },
): Promise<Set<string>> {
  const { rows } = await sql<{ id: string }>`
    SELECT ${PLANNED_ANEW} o.id::text AS id
    FROM unnest(${arrayLiteral(held.ids)}::bigint[], ${arrayLiteral(held.entity_types)}::text[], ${arrayLiteral(held.entity_ids)}::text[], ${arrayLiteral(held.delays_ms)}::float8[])
         AS o (id, entity_type, entity_id, delay_ms)
    JOIN syncd.sync_queue q ON q.id = o.id AND q.status = 'pending' AND q.next_attempt_at IS NOT NULL
    JOIN syncd.entity_state s ON s.entity_type = o.entity_type AND s.entity_id = o.entity_id
    WHERE s.last_synced_at > q.next_attempt_at - o.delay_ms * interval '1 ms' AND (q.operation <> 'delete' OR s.deleted)`.execute(
    db,
  );
  return new Set(rows.map((row) => row.id));
}
