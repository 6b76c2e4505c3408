/**
 * What a person gave up may have arrived unheard, and nothing was waiting then that could have named it to the cloud: the next
 * change of its entity would be in conflict with it, `merge` count the same sale twice, and `cloud_wins` lose the next one.
 */
import { type RawBuilder, sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { PLANNED_ANEW } from '../db/prepared.js';
import { placed } from './places.js';

/**
 * A SELECT of `payload`: what was given up of an entity since both sides last agreed on it, as long as the queue keeps it. What is
 * like a row of before that is somebody's own edit. It is found by when it was settled, for it has no other index.
 */
export const rowsGivenUp = ({ entity_type, entity_id }: Omit<Refused, 'id' | 'named'>): RawBuilder<unknown> => sql`
  SELECT q.payload FROM syncd.commands c
  JOIN syncd.sync_queue q ON q.synced_at BETWEEN c.finished_at - interval '1 min' AND c.finished_at
  WHERE c.command = 'discard' AND q.settled_as = 'discarded' AND q.entity_type = ${entity_type} AND q.entity_id = ${entity_id}
    AND EXISTS (SELECT FROM json_to_recordset(c.args -> 'changes') AS one (entity_type text, entity_id text)
                WHERE one.entity_type = ${entity_type} AND one.entity_id = ${entity_id})
    AND NOT EXISTS (SELECT FROM syncd.entity_state s
                    WHERE s.entity_type = ${entity_type} AND s.entity_id = ${entity_id} AND s.last_synced_at > c.finished_at)`;

/** A list without an end would make a change too large to be sent: of one row the latest that were given up are named. */
const MOST_NAMES = 500;

/** `named`: what it superseded when it was sent. */
export type Refused = { id: string; entity_type: string; entity_id: string; named: readonly string[] };

/**
 * Lets changes that the cloud calls a conflict name all that was given up of their entities. Where that is what the cloud holds,
 * they build on it; where not, they meet the same conflict again. Not by its time: an older change that had arrived with it, and is
 * answered only afterwards, makes an agreement that it is no part of.
 * @returns the ids of those that name more now than they were sent with
 */
export async function nameGivenUp(db: Db, refused: readonly Refused[]): Promise<Set<string>> {
  const column = (pick: (one: Refused) => string) => arrayLiteral(refused.map(pick));
  const found = sql`(
    SELECT r.id, r.named::uuid[] AS named, (array_agg(g.change_id ORDER BY g.id DESC, g.change_id))[:${sql.lit(MOST_NAMES)}] AS names
    FROM unnest(${column(({ id }) => id)}::bigint[], ${column((one) => one.entity_type)}::text[], ${column((one) => one.entity_id)}::text[],
                ${column(({ named }) => arrayLiteral(named))}::text[]) AS r (id, entity_type, entity_id, named)
    JOIN given_up g ON g.entity_type = r.entity_type AND g.entity_id = r.entity_id
    GROUP BY r.id, r.named) AS o`;
  const ids = refused.map(({ id }) => id);
  const { rows } = await sql<{ id: string }>`
    ${PLANNED_ANEW} WITH given_up AS MATERIALIZED (
      SELECT c.id, one.entity_type, one.entity_id, named.change_id
      FROM syncd.commands c
      CROSS JOIN LATERAL json_to_recordset(c.args -> 'changes') AS one (entity_type text, entity_id text, change_ids uuid[])
      CROSS JOIN LATERAL unnest(one.change_ids) AS named (change_id)
      WHERE c.command = 'discard'
    )
    UPDATE syncd.sync_queue q SET supersedes = q.supersedes || ARRAY(SELECT unnest(o.names) EXCEPT SELECT unnest(q.supersedes))
    FROM ${placed(ids, found)}
    WHERE q.ctid = o.spot AND q.status = 'pending' AND NOT o.names <@ o.named
    RETURNING q.id`.execute(db);
  return new Set(rows.map(({ id }) => id));
}
