/**
 * What was sent of one entity and what was answered: to every change of its history the row as it was captured, and the verdict
 * of each exchange that carried it. Reads only. Rows stay the text that Postgres wrote.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { entityHistory } from './history.js';
import { iso } from './read.js';

/** @returns a JSON object; undefined where neither side ever knew the entity */
export async function entityTimeline(db: Db, type: string, id: string): Promise<string | undefined> {
  const history = await entityHistory(db, type, id);
  if (!history) return undefined;
  const { queue, log, ...standing } = history;
  const changes = arrayLiteral(queue.map((item) => item.change_id));
  // A settled row has no index by its name: the instants at which these were settled lead to it.
  const instants = arrayLiteral(queue.flatMap((item) => item.synced_at ?? []));
  const exchanges = arrayLiteral(log.map((item) => item.id));
  const { rows } = await sql<{ changes: string }>`
    WITH its AS MATERIALIZED (
      SELECT u.* FROM syncd.unsettled u WHERE u.entity_type = ${type} AND u.entity_id = ${id}
      UNION ALL
      SELECT q.* FROM syncd.sync_queue q
      WHERE q.synced_at IS NOT NULL AND q.synced_at = ANY (${instants}::timestamptz[]) AND q.change_id = ANY (${changes}::uuid[])
    ), verdicts AS (
      SELECT listed.change_id, json_agg(json_build_object('log_id', l.id::text, 'at', ${iso('l.at')}, 'verdict', listed.verdict,
               'http_status', l.http_status, 'error', l.error) ORDER BY l.id) AS answers
      FROM syncd.sync_logs l CROSS JOIN unnest(l.change_ids, l.outcomes) AS listed (change_id, verdict)
      WHERE l.id = ANY (${exchanges}::bigint[]) AND listed.change_id = ANY (${changes}::uuid[]) GROUP BY listed.change_id
    )
    SELECT coalesce(json_agg(json_build_object('id', its.id::text, 'change_id', its.change_id, 'operation', its.operation,
             'status', its.status, 'settled_as', its.settled_as, 'superseded_by', its.superseded_by, 'retry_count', its.retry_count,
             'next_attempt_at', ${iso('its.next_attempt_at')}, 'error_message', its.error_message,
             'created_at', ${iso('its.created_at')}, 'synced_at', ${iso('its.synced_at')},
             'data', its.payload, 'previous', its.previous, 'answers', coalesce(verdicts.answers, '[]')) ORDER BY its.id DESC), '[]')::text AS changes
    FROM its LEFT JOIN verdicts USING (change_id) WHERE its.change_id = ANY (${changes}::uuid[])`.execute(db);
  return `${JSON.stringify(standing).slice(0, -1)},"changes":${rows[0]?.changes ?? '[]'}}`;
}
