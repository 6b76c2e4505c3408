/**
 * The minute's figures, for charts that survive a restart: one row for every minute that ended while a daemon worked, made from
 * the tables alone. Counts what the minute brought, and how things stand a moment after its end. A minute that nobody wrote
 * down stays away; a crash loses one at most. Kept are as many rows as 8 days have minutes, whatever the clock was set to
 * meanwhile.
 */
import { sql } from 'kysely';
import type { Db } from '../../db/connect.js';
import { byIndex } from '../../db/indexed.js';
import type { SamplesTable } from '../../db/schema-figures.js';
import { iso } from '../../queue/read.js';
import { monotonicMs } from '../../time.js';
import type { Chore } from '../chores.js';
import { FRESH, waitingOf } from '../status/waiting.js';

/** A row as JSON brings it: its minute is ISO. */
export type Sample = Omit<SamplesTable, 'push_bytes'> & { push_bytes: number };

const KEPT = 8 * 24 * 60;
/** A sale that is just committing is counted too. */
const SETTLING_MS = 2_000;
const LOOK_MS = 5_000;

/** @param online whether the cloud is within reach; undefined: not known yet */
export function samplesChore(db: Db, online: () => boolean | undefined): Chore {
  let dueMs = 0;
  return {
    name: 'samples',
    everyMs: LOOK_MS,
    async run() {
      if (monotonicMs() < dueMs) return false;
      const leftMs = await takeSample(db, online() ?? null);
      dueMs = monotonicMs() + leftMs + SETTLING_MS;
      return false;
    },
  };
}

/**
 * Writes down the last whole minute, unless that was done. Measured: 7 ms beside an empty queue, 20 ms beside a million rows
 * that wait, 1 s after a minute in which a million were settled.
 * @returns the milliseconds until the present minute ends
 */
export async function takeSample(db: Db, online: boolean | null): Promise<number> {
  return byIndex(db, async (trx) => {
    const { rows } = await sql<{ left_ms: number }>`
      WITH RECURSIVE clock AS MATERIALIZED (
        SELECT t.now, date_trunc('minute', t.now) - interval '1 minute' AS begun, date_trunc('minute', t.now) AS ended
        FROM (SELECT clock_timestamp() AS now) t
      ), ${waitingOf(sql`clock.begun`)}, fresh AS (
        SELECT count(*) AS captured FROM syncd.sync_queue, clock
        WHERE ${FRESH} AND id >= (SELECT since FROM first) AND created_at >= clock.begun AND created_at < clock.ended
      ), restless_then AS (
        SELECT count(*) AS captured FROM troubled, clock WHERE created_at >= clock.begun AND created_at < clock.ended
      ), settled AS (
        -- What the minute captured and is settled was settled since it began.
        SELECT count(*) AS captured FROM syncd.sync_queue, clock
        WHERE synced_at IS NOT NULL AND synced_at >= clock.begun AND created_at >= clock.begun AND created_at < clock.ended
      ), exchanges AS MATERIALIZED (
        SELECT l.* FROM syncd.sync_logs l, clock WHERE l.at >= clock.begun AND l.at < clock.ended
      ), log AS (
        SELECT coalesce(sum(accepted) FILTER (WHERE direction = 'push'), 0) AS pushed,
               coalesce(sum(accepted) FILTER (WHERE direction = 'pull'), 0) AS pulled,
               count(*) FILTER (WHERE direction = 'push' AND http_status IS NOT NULL) AS pushes,
               coalesce(sum(duration_ms) FILTER (WHERE direction = 'push' AND http_status IS NOT NULL), 0) AS push_ms,
               coalesce(sum(wire_bytes) FILTER (WHERE direction = 'push' AND http_status IS NOT NULL), 0) AS push_bytes
        FROM exchanges
      ), refused AS (
        SELECT count(*) AS refused FROM exchanges l, unnest(l.outcomes) AS verdict (given)
        WHERE l.direction = 'push' AND l.accepted < l.changes AND l.http_status = 200 AND verdict.given IN ('rejected', 'conflict', 'failed')
      ), sample AS (
        INSERT INTO syncd.samples
        SELECT clock.begun, fresh.captured + restless_then.captured + settled.captured, log.pushed, log.pulled, refused.refused,
               waiting.pending, coalesce(greatest(0, extract(epoch FROM clock.now - waiting.oldest)) * 1000, 0), waiting.failed,
               (SELECT count(*) FROM syncd.sync_conflicts WHERE status = 'open'), waiting.held,
               log.pushes, log.push_ms, log.push_bytes, ${online}::boolean
        FROM clock, waiting, fresh, restless_then, settled, log, refused
        ON CONFLICT (minute) DO NOTHING
      ), tidied AS (
        DELETE FROM syncd.samples
        WHERE minute <= (SELECT minute FROM syncd.samples ORDER BY minute DESC OFFSET ${KEPT - 1}::int LIMIT 1)
      )
      SELECT (extract(epoch FROM clock.ended + interval '1 minute' - clock.now) * 1000)::float8 AS left_ms FROM clock`.execute(
      trx,
    );
    return (rows[0] as { left_ms: number }).left_ms;
  });
}

const MOST = 2_000;

/**
 * The samples of the last `spanMs`, the oldest first, put together in steps: what a step brought is the sum of its minutes, how
 * things stood is the worst of them. What the clock once dated into the future is left out.
 * @param stepMs whole minutes; a week in steps of ten minutes are 1,008 points
 * @param limit at most so many, the newest
 */
export async function listSamples(
  db: Db,
  { spanMs, stepMs = 60_000, limit = MOST }: { spanMs: number; stepMs?: number; limit?: number },
): Promise<Sample[]> {
  const step = Math.max(1, Math.round(stepMs / 60_000)) * 60;
  const { rows } = await sql<Omit<Sample, 'push_bytes'> & { push_bytes: string }>`
    SELECT ${iso('g.minute')} AS minute, captured, pushed, pulled, refused, queue_depth, oldest_pending_ms, failed, conflicts, held,
           push_count, push_ms, push_bytes, online
    FROM (
      SELECT to_timestamp(floor(extract(epoch FROM s.minute) / ${step}::int) * ${step}::int) AS minute,
             sum(captured)::int AS captured, sum(pushed)::int AS pushed, sum(pulled)::int AS pulled, sum(refused)::int AS refused,
             max(queue_depth) AS queue_depth, max(oldest_pending_ms) AS oldest_pending_ms, max(failed) AS failed,
             max(conflicts) AS conflicts, max(held) AS held, sum(push_count)::int AS push_count, sum(push_ms) AS push_ms,
             sum(push_bytes)::bigint AS push_bytes, bool_and(online) AS online
      FROM syncd.samples s
      WHERE s.minute >= statement_timestamp() - ${spanMs} * interval '1 ms' AND s.minute <= statement_timestamp()
      GROUP BY 1 ORDER BY 1 DESC LIMIT ${Math.min(limit, MOST)}
    ) g ORDER BY g.minute`.execute(db);
  return rows.map((row) => ({ ...row, push_bytes: Number(row.push_bytes) }));
}
