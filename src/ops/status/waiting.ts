/**
 * Counts what is not in the cloud yet, for status and for the samples: the part of a statement that both have. Up to `COUNTED_TO`
 * changes are counted; of a longer queue the rest is reckoned from slices at even distances, good to a per cent. A row costs a
 * microsecond while no vacuum has been there, so a million that came at once would cost a second, and every look would.
 */
import { type RawBuilder, sql } from 'kysely';

/** The condition of the index that holds what may go at once; a query that repeats it to the letter is answered from there. */
export const FRESH = sql.raw(`status = 'pending' AND next_attempt_at IS NULL`);

export const COUNTED_TO = 50_000;
const SLICES = 200;
const WIDTH = 100;

/**
 * The members of a WITH RECURSIVE that has a `clock (now)` before them. `waiting` has one row: `pending`, `oldest`, `failed`,
 * `held`, `since` (pending, failed or in conflict, and captured since `from`), `estimated`. Asked `byIndex`.
 * @param from the instant that `since` counts from; may name columns of `clock`
 */
export const waitingOf = (from: RawBuilder<unknown>) => sql`
    search AS (
      -- Ids follow time closely enough to halve one's way to the first change: some twenty probes of the index.
      SELECT min(id) AS low, max(id) + 1 AS high FROM syncd.sync_queue WHERE ${FRESH}
      UNION ALL
      SELECT CASE WHEN probe.created_at < ${from} THEN probe.id + 1 ELSE low END,
             CASE WHEN probe.created_at < ${from} THEN high ELSE middle END
      FROM search CROSS JOIN clock CROSS JOIN LATERAL (SELECT (low + high) / 2 AS middle) halved
      LEFT JOIN LATERAL (
        SELECT id, created_at FROM syncd.sync_queue WHERE ${FRESH} AND id >= middle ORDER BY id LIMIT 1) probe ON true
      WHERE low < high
    ), troubled AS MATERIALIZED (
      SELECT q.entity_type, q.entity_id, q.status, q.created_at, q.next_attempt_at > clock.now AS later
      FROM syncd.sync_queue q, clock
      WHERE q.status IN ('failed', 'conflict') OR (q.next_attempt_at IS NOT NULL AND q.status = 'pending')
    ), blockers AS NOT MATERIALIZED (
      SELECT entity_type, entity_id FROM troubled WHERE status = 'conflict' OR (status = 'pending' AND later)
    ), stopped AS MATERIALIZED (
      SELECT entity_type FROM syncd.holds WHERE holds_push
    ), first AS MATERIALIZED (
      SELECT low AS since FROM search WHERE low >= high
    ), head AS MATERIALIZED (
      SELECT count(*) AS pending, count(*) FILTER (WHERE id >= (SELECT since FROM first)) AS since, max(id) AS last
      FROM (SELECT id FROM syncd.sync_queue WHERE ${FRESH} ORDER BY id LIMIT ${COUNTED_TO}::int) h
    ), slices AS MATERIALIZED (
      SELECT s.begun + s.ids * n / ${SLICES}::int AS low,
             least(s.begun + s.ids * n / ${SLICES}::int + ${WIDTH}::int, s.begun + s.ids * (n + 1) / ${SLICES}::int) AS high, s.ids
      FROM (SELECT last + 1 AS begun, (SELECT max(id) FROM syncd.sync_queue WHERE ${FRESH}) - last AS ids
            FROM head WHERE pending = ${COUNTED_TO}::int) s
      CROSS JOIN generate_series(0, ${SLICES}::int - 1) AS n WHERE s.ids > 0
    ), tail AS MATERIALIZED (
      SELECT coalesce(max(ids) / sum(high - low), 1) AS weight, coalesce(sum(pending), 0) AS pending, coalesce(sum(since), 0) AS since
      FROM slices LEFT JOIN LATERAL (
        SELECT count(*) AS pending, count(*) FILTER (WHERE id >= (SELECT since FROM first)) AS since
        FROM syncd.sync_queue WHERE ${FRESH} AND id >= low AND id < high) q ON true
    ), behind AS MATERIALIZED (
      -- Only where anything blocks are the rows themselves looked at.
      SELECT CASE WHEN head.pending > 0 AND (EXISTS (SELECT FROM blockers) OR EXISTS (SELECT FROM stopped)) THEN
        (SELECT count(*) FROM (SELECT entity_type, entity_id FROM syncd.sync_queue WHERE ${FRESH} ORDER BY id LIMIT ${COUNTED_TO}::int) q WHERE ${BLOCKED})
        + tail.weight * (SELECT coalesce(sum(part.held), 0) FROM slices CROSS JOIN LATERAL (
            -- A limit keeps the planner from making one join of it, which reads the whole queue.
            SELECT count(*) AS held FROM (
              SELECT entity_type, entity_id FROM syncd.sync_queue WHERE ${FRESH} AND id >= low AND id < high LIMIT ${WIDTH}::int) q WHERE ${BLOCKED}) part)
        ELSE 0 END AS held
      FROM head, tail
    ), restless AS MATERIALIZED (
      SELECT count(*) FILTER (WHERE status = 'pending') AS pending, min(created_at) FILTER (WHERE status = 'pending') AS oldest,
             count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE status = 'pending' AND later) AS later,
             count(*) FILTER (WHERE created_at >= ${from}) AS since
      FROM troubled, clock
    ), waiting AS MATERIALIZED (
      SELECT tail.weight > 1 AS estimated, restless.failed,
             round(head.pending + tail.weight * tail.pending + restless.pending, rounded.to)::bigint AS pending,
             round(head.since + tail.weight * tail.since + restless.since, rounded.to)::bigint AS since,
             round(least(behind.held + restless.later, head.pending + tail.weight * tail.pending + restless.pending), rounded.to)::bigint AS held,
             least((SELECT created_at FROM syncd.sync_queue WHERE ${FRESH} ORDER BY id LIMIT 1), restless.oldest) AS oldest
      FROM head, tail, behind, restless, LATERAL (SELECT CASE WHEN tail.weight > 1 THEN -3 ELSE 0 END AS to) rounded
    )`;

const BLOCKED = sql.raw(
  '(q.entity_type, q.entity_id) IN (SELECT entity_type, entity_id FROM blockers) OR q.entity_type IN (SELECT entity_type FROM stopped)',
);
