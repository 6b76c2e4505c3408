/**
 * What a person gave up may have arrived unheard, and nothing was waiting then that could have named it to the cloud: the next
 * change of its entity would be in conflict with it, `merge` count the same sale twice, and `cloud_wins` lose the next one.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { PLANNED_ANEW } from '../db/prepared.js';
import { placed } from './places.js';

export type Refused = { id: string; entity_type: string; entity_id: string };

/**
 * Lets changes that the cloud calls a conflict name what was given up of their entities since these were last agreed on. Where
 * that is what the cloud holds, they build on it; where not, they meet the same conflict again.
 * @returns the ids of those that name more now than they were sent with
 */
export async function nameGivenUp(db: Db, refused: readonly Refused[]): Promise<Set<string>> {
  const column = (name: keyof Refused) => arrayLiteral(refused.map((one) => one[name]));
  const found = sql`(
    SELECT r.id, array_agg(DISTINCT g.change_id) AS names
    FROM unnest(${column('id')}::bigint[], ${column('entity_type')}::text[], ${column('entity_id')}::text[]) AS r (id, entity_type, entity_id)
    JOIN given_up g ON g.entity_type = r.entity_type AND g.entity_id = r.entity_id
    WHERE NOT EXISTS (SELECT FROM syncd.entity_state s
                      WHERE s.entity_type = r.entity_type AND s.entity_id = r.entity_id AND s.last_synced_at > g.at)
    GROUP BY r.id) AS o`;
  const ids = refused.map(({ id }) => id);
  const { rows } = await sql<{ id: string }>`
    ${PLANNED_ANEW} WITH given_up AS MATERIALIZED (
      SELECT one.entity_type, one.entity_id, named.change_id, c.finished_at AS at
      FROM syncd.commands c
      CROSS JOIN LATERAL json_to_recordset(c.args -> 'changes') AS one (entity_type text, entity_id text, change_ids uuid[])
      CROSS JOIN LATERAL unnest(one.change_ids) AS named (change_id)
      WHERE c.command = 'discard'
    )
    UPDATE syncd.sync_queue q SET supersedes = coalesce(q.supersedes, '{}') || o.names
    FROM ${placed(ids, found)}
    WHERE q.ctid = o.spot AND q.status = 'pending' AND NOT o.names <@ coalesce(q.supersedes, '{}')
    RETURNING q.id`.execute(db);
  return new Set(rows.map(({ id }) => id));
}
