/**
 * The part of a settle that puts conflicts on record: which change ran into one, and both sides' rows. An entity has one open
 * conflict at most; a second answer refreshes it. Stands or falls with the settle's one statement.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Strategy } from '../config/settings.js';
import { arrayLiteral } from '../db/array.js';

/** The answers that were `conflict`; every array is parallel to its neighbours. */
export type Divergences = {
  ids: string[];
  /** Where in the answer's results the cloud's values stand. */
  indexes: number[];
  cloud_versions: number[];
  updated_ats: (string | null)[];
  deleted: boolean[];
  strategies: Strategy[];
};

/** Columns whose values differ between two rows of JSON; a row that is not there has none. */
export const differing = (local: RawBuilder<unknown>, cloud: RawBuilder<unknown>): RawBuilder<string[]> => sql`
  ARRAY(SELECT coalesce(l.key, r.key)
        FROM jsonb_each(coalesce(${local}::jsonb, '{}')) l FULL JOIN jsonb_each(coalesce(${cloud}::jsonb, '{}')) r ON r.key = l.key
        WHERE l.value IS DISTINCT FROM r.value ORDER BY 1)`;

/**
 * What an open conflict takes over from a later finding, as `SET …`: nothing newer may be forgotten, and a cloud that says it has
 * nothing has lost whatever version it told before. Then the entity's strategy has its say again.
 */
export const REFRESH = sql`
  SET local = excluded.local, cloud = excluded.cloud, cloud_version = excluded.cloud_version,
      cloud_updated_at = excluded.cloud_updated_at, cloud_deleted = excluded.cloud_deleted, fields = excluded.fields, strategy = excluded.strategy, reason = NULL,
      attempts = 0, next_attempt_at = NULL
  WHERE excluded.cloud_version >= k.cloud_version OR excluded.cloud_version = 0`;

/**
 * Works on `others`, what the settle has just put aside, so that a change which somebody settled meanwhile leaves no conflict.
 * The row text inside `current` goes from the answer into the table without passing through JavaScript's numbers.
 * @param answer the cloud's, as text
 */
export const divergences = (found: Divergences, answer: string | null): RawBuilder<unknown> => sql`, conflicts AS (
  INSERT INTO syncd.sync_conflicts AS k (entity_type, entity_id, queue_id, change_id, source, strategy, base, local, cloud,
                                         cloud_version, cloud_updated_at, cloud_deleted, fields)
  SELECT q.entity_type, q.entity_id, q.id, q.change_id, 'push', o.strategy, q.previous, q.payload, c.data, o.cloud_version,
         o.updated_at, o.deleted, ${differing(sql`q.payload`, sql`c.data`)}
  FROM unnest(${arrayLiteral(found.ids)}::bigint[], ${arrayLiteral(found.indexes)}::int[], ${arrayLiteral(found.cloud_versions)}::bigint[],
              ${arrayLiteral(found.updated_ats)}::timestamptz[], ${arrayLiteral(found.deleted)}::boolean[],
              ${arrayLiteral(found.strategies)}::text[])
       AS o (id, index, cloud_version, updated_at, deleted, strategy)
  JOIN others q ON q.id = o.id
  CROSS JOIN LATERAL (SELECT CASE WHEN json_typeof(d) = 'object' THEN d END AS data
                      FROM (SELECT ${answer}::json -> 'results' -> o.index -> 'current' -> 'data' AS d) AS answered) c
  ON CONFLICT (entity_type, entity_id) WHERE status = 'open' DO UPDATE ${REFRESH})`;
