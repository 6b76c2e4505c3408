/**
 * What the shop's owner and the person on call ask: is everything in the cloud, and if not, why, since when, what happens
 * next. Gathers the facts with one statement and one snapshot, for the command now and for anybody who asks the same later.
 *
 * The rates, in words: of all verdicts that the cloud gave on single changes in the last 24 hours, `success_rate` is the part
 * that was accepted or known already, `failure_rate` the part that was rejected or in conflict. An outage gives no verdict and
 * a held change is not judged yet; both count for neither. `average_sync_duration_ms` is the mean time of the exchanges in
 * which anything was accepted. All three are null where there was nothing to judge.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { SyncError } from '../errors.js';

export type Facts = {
  /** The database's clock, ISO. */
  now: string;
  outlet: { id: string; code: string | null; stopped_reason: string | null; stopped_at: string | null };
  enabled: boolean;
  paused: { by: string; at: string } | null;
  last_sync_at: string | null;
  last_pull_at: string | null;
  /** Changes of the cloud that cannot be applied, and why the latest of them cannot. */
  parked: { count: number; reason: string | null };
  daemon: DaemonFacts | null;
  /** Daemons that wait beside it and are alive. */
  standbys: { host: string; pid: number }[];
  last_outage: OutageFacts | null;
  pending: number;
  oldest_pending_at: string | null;
  failed: number;
  conflicts: number;
  held: number;
  verdicts: { accepted: number; refused: number };
  average_sync_duration_ms: number | null;
  today: { captured: number; pushed: number; pulled: number };
  capture: CaptureFacts[];
  /** Entities whose triggers step aside. */
  suspended: SuspendedFacts[];
  walks: WalkFacts[];
  disk: DiskFacts | null;
  /** Entities whose table is not as it was installed. */
  drifts: DriftFacts[];
  /** Entities whose captured changes wait as a whole, and why. */
  holds: { entity_type: string; cause: string; reason: string; hint: string }[];
  /** Entities whose table was emptied by a TRUNCATE that nobody has settled. */
  truncated: string[];
};

/** The last one that is over. `drained_*`: null while some of what waited is on its way. */
export type OutageFacts = {
  began_at: string;
  ended_at: string;
  duration_ms: number;
  waited: number;
  drained_at: string | null;
  drained_changes: number | null;
  drain_ms: number | null;
};

export type DaemonFacts = {
  pid: number;
  host: string;
  version: string;
  started_at: string;
  silent_ms: number;
  stopped_at: string | null;
  online: boolean | null;
  offline_since: string | null;
  last_error: string | null;
  next_try_at: string | null;
  refused: string | null;
  pull_error: string | null;
  pull_offline_since: string | null;
  clock_offset_ms: number | null;
  config_changed_at: string | null;
};

/** `text` and `hint`: in words, what is different and what to type. */
export type DriftFacts = { entity_type: string; text: string; since: string; hint: string };

/** `failures`: changes that were not captured and not looked for since; `healed`: those that were found again. */
export type CaptureFacts = { entity_type: string; healthy: boolean; failures: number; healed: number };

export type SuspendedFacts = { entity_type: string; by: string; at: string; reason: string | null };

/** A walk over a table that goes on, or that compares and was given up. */
export type WalkFacts = {
  entity_type: string;
  kind: 'backfill' | 'reconcile' | 'delete';
  cause: string;
  walked: number;
  estimate: number | null;
  waits_for: string | null;
  error: string | null;
};

/** The last look, if it is not long ago. `days_left`: until the floor; null: not to be foreseen. */
export type DiskFacts = {
  path: string;
  free_bytes: number | null;
  total_bytes: number | null;
  days_left: number | null;
  problem: string | null;
};

/** Instants leave as ISO 8601 in UTC, with the microseconds that Postgres keeps. */
const ISO = sql.raw(`'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`);
const iso = (column: string) => sql`to_char(${sql.ref(column)} AT TIME ZONE 'UTC', ${ISO})`;

/** The condition of the index that holds what may go at once; a query that repeats it to the letter is answered from there. */
export const FRESH = sql.raw(`status = 'pending' AND next_attempt_at IS NULL`);

/**
 * One pass over the index of what waits: measured 60 ms for a million rows, 2 ms for a thousand.
 * @param timezone where "today" begins
 * @throws what Postgres says: class 3F or 42 where the schema is missing
 */
export async function gatherFacts(db: Db, timezone: string): Promise<Facts> {
  const { rows } = await sql<{ facts: string }>`
    WITH RECURSIVE clock AS MATERIALIZED (
      SELECT t.now, date_trunc('day', t.now AT TIME ZONE ${timezone}) AT TIME ZONE ${timezone} AS midnight, t.now - interval '24 hours' AS day_ago
      FROM (SELECT clock_timestamp() AS now) t
    ), search AS (
      -- Ids follow time closely enough to halve one's way to the first change of today: some twenty probes of the index.
      SELECT min(id) AS low, max(id) + 1 AS high FROM syncd.sync_queue WHERE ${FRESH}
      UNION ALL
      SELECT CASE WHEN probe.created_at < clock.midnight THEN probe.id + 1 ELSE low END,
             CASE WHEN probe.created_at < clock.midnight THEN high ELSE middle END
      FROM search CROSS JOIN clock CROSS JOIN LATERAL (SELECT (low + high) / 2 AS middle) halved
      LEFT JOIN LATERAL (
        SELECT id, created_at FROM syncd.sync_queue WHERE ${FRESH} AND id >= middle ORDER BY id LIMIT 1) probe ON true
      WHERE low < high
    ), fresh AS (
      SELECT count(*) AS pending, count(*) FILTER (WHERE id >= (SELECT low FROM search WHERE low >= high)) AS today,
             (SELECT created_at FROM syncd.sync_queue WHERE ${FRESH} ORDER BY id LIMIT 1) AS oldest
      FROM syncd.sync_queue WHERE ${FRESH}
    ), troubled AS MATERIALIZED (
      SELECT q.entity_type, q.entity_id, q.id, q.status, q.created_at, q.next_attempt_at > clock.now AS later
      FROM syncd.sync_queue q, clock
      WHERE q.status IN ('failed', 'conflict') OR (q.next_attempt_at IS NOT NULL AND q.status = 'pending')
    ), blockers AS (
      SELECT entity_type, entity_id FROM troubled WHERE status = 'conflict' OR (status = 'pending' AND later) GROUP BY 1, 2
    ), behind AS (
      SELECT count(*) AS held FROM syncd.sync_queue q JOIN blockers b ON b.entity_type = q.entity_type AND b.entity_id = q.entity_id
      WHERE q.status = 'pending' AND q.next_attempt_at IS NULL
    ), restless AS (
      SELECT count(*) FILTER (WHERE status = 'pending') AS pending, min(created_at) FILTER (WHERE status = 'pending') AS oldest,
             count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE status = 'pending' AND later) AS later,
             count(*) FILTER (WHERE created_at >= clock.midnight) AS today
      FROM troubled, clock
    ), settled AS (
      -- What was captured today and is settled was settled today.
      SELECT count(*) AS captured FROM syncd.sync_queue, clock
      WHERE status = 'synced' AND synced_at >= clock.midnight AND created_at >= clock.midnight
    ), log AS (
      SELECT coalesce(sum(accepted) FILTER (WHERE direction = 'push' AND at >= clock.midnight), 0) AS pushed,
             coalesce(sum(accepted) FILTER (WHERE direction = 'pull' AND at >= clock.midnight), 0) AS pulled,
             coalesce(sum(accepted) FILTER (WHERE direction = 'push' AND at >= clock.day_ago), 0) AS accepted,
             avg(duration_ms) FILTER (WHERE direction = 'push' AND accepted > 0 AND at >= clock.day_ago) AS duration
      FROM syncd.sync_logs, clock WHERE at >= least(clock.midnight, clock.day_ago)
    ), refused AS (
      -- Only the exchanges in which not everything went through are looked into.
      SELECT count(*) AS refused FROM syncd.sync_logs l, clock, unnest(l.outcomes) AS verdict (given)
      WHERE l.at >= clock.day_ago AND l.direction = 'push' AND l.accepted < l.changes AND l.http_status = 200
        AND verdict.given IN ('rejected', 'conflict', 'failed')
    ), daemon AS (
      SELECT d.* FROM syncd.daemon d WHERE d.role = 'leader' ORDER BY d.leader_epoch DESC LIMIT 1
    ), line AS (
      -- An outage is older than the run of the daemon that met it again.
      SELECT CASE WHEN d.online IS NOT TRUE THEN least(d.offline_since, (SELECT began_at FROM syncd.outages WHERE ended_at IS NULL)) END AS away_since
      FROM daemon d
    ), tables AS (
      SELECT c.entity_type, greatest(0, f.last - c.failures_seen) AS failures, least(f.last, c.failures_seen) AS healed,
             NOT c.drift_misses AND c.suspended_at IS NULL AND (SELECT count(DISTINCT t.tgname) = 4 FROM pg_trigger t
              WHERE t.tgrelid = coalesce((c.recorded ->> 'oid')::oid, to_regclass(c.table_name))
                AND t.tgname LIKE '!syncd %' AND t.tgenabled IN ('O', 'A')) AS healthy
      FROM syncd.capture c
      CROSS JOIN LATERAL (SELECT coalesce(pg_sequence_last_value(to_regclass(c.failures)), 0) AS last) AS f
    )
    SELECT json_build_object(
      'now', ${iso('clock.now')},
      'outlet', json_build_object('id', o.outlet_id, 'code', o.code, 'stopped_reason', o.stopped_reason, 'stopped_at', ${iso('o.stopped_at')}),
      'enabled', o.sync_enabled,
      'paused', CASE WHEN NOT o.sync_enabled THEN (
        SELECT json_build_object('by', p.requested_by, 'at', ${iso('p.requested_at')}) FROM syncd.commands p
        WHERE p.command = 'pause' ORDER BY p.id DESC LIMIT 1) END,
      'last_sync_at', ${iso('o.last_sync_at')},
      'last_pull_at', ${iso('o.last_pull_at')},
      'parked', (SELECT json_build_object('count', count(*), 'reason', (
                   SELECT format('%s %s: %s', entity_type, left(entity_id, 80), reason) FROM syncd.incoming
                   WHERE id = (SELECT max(id) FROM syncd.incoming WHERE status = 'parked')))
                 FROM syncd.incoming WHERE status = 'parked'),
      'standbys', (SELECT coalesce(json_agg(json_build_object('host', s.host, 'pid', s.pid) ORDER BY s.started_at), '[]') FROM syncd.daemon s
                   WHERE s.role = 'standby' AND s.heartbeat_at > clock.now - interval '15 s'),
      'daemon', (SELECT json_build_object('pid', d.pid, 'host', d.host, 'version', d.version, 'started_at', ${iso('d.started_at')},
        'silent_ms', extract(epoch FROM clock.now - d.heartbeat_at) * 1000, 'stopped_at', ${iso('d.stopped_at')}, 'online', d.online,
        'offline_since', (SELECT ${iso('line.away_since')} FROM line), 'last_error', d.last_error, 'next_try_at', ${iso('d.next_try_at')},
        'refused', d.refused, 'pull_error', d.pull_error, 'pull_offline_since', ${iso('d.pull_offline_since')}, 'clock_offset_ms', d.clock_offset_ms,
        'config_changed_at', ${iso('d.config_changed_at')}) FROM daemon d),
      'last_outage', (SELECT json_build_object('began_at', ${iso('o.began_at')}, 'ended_at', ${iso('o.ended_at')},
        'duration_ms', round(extract(epoch FROM o.ended_at - o.began_at) * 1000), 'waited', o.waited, 'drained_at', ${iso('o.drained_at')},
        'drained_changes', o.drained_changes, 'drain_ms', round(extract(epoch FROM o.drained_at - o.ended_at) * 1000))
        FROM syncd.outages o WHERE o.ended_at IS NOT NULL ORDER BY o.id DESC LIMIT 1),
      'pending', fresh.pending + restless.pending,
      'oldest_pending_at', (SELECT ${iso('oldest.at')} FROM (SELECT least(fresh.oldest, restless.oldest) AS at) oldest),
      'failed', restless.failed,
      'conflicts', (SELECT count(*) FROM syncd.sync_conflicts WHERE status = 'open'),
      'held', least(fresh.pending + restless.pending, behind.held + restless.later + CASE
        WHEN EXISTS (SELECT FROM syncd.holds WHERE holds_push)
        THEN (SELECT count(*) FROM syncd.sync_queue WHERE ${FRESH} AND entity_type IN (SELECT entity_type FROM syncd.holds WHERE holds_push))
        ELSE 0 END),
      'verdicts', json_build_object('accepted', log.accepted, 'refused', refused.refused),
      'average_sync_duration_ms', log.duration,
      'today', json_build_object('captured', fresh.today + restless.today + settled.captured, 'pushed', log.pushed, 'pulled', log.pulled),
      'capture', (SELECT coalesce(json_agg(tables ORDER BY tables.entity_type), '[]') FROM tables),
      'suspended', (SELECT coalesce(json_agg(json_build_object('entity_type', c.entity_type, 'by', c.suspended_by, 'at', ${iso('c.suspended_at')},
                    'reason', c.suspended_reason) ORDER BY c.entity_type), '[]') FROM syncd.capture c WHERE c.suspended_at IS NOT NULL),
      'walks', (SELECT coalesce(json_agg(json_build_object('entity_type', b.entity_type, 'kind', b.kind, 'cause', b.cause, 'walked', b.walked,
                'estimate', b.estimate, 'waits_for', b.waits_for, 'error', b.error) ORDER BY b.id), '[]') FROM syncd.backfills b
                WHERE b.finished_at IS NULL OR (b.error IS NOT NULL AND b.kind <> 'backfill' AND NOT EXISTS (
                  SELECT FROM syncd.backfills l WHERE l.entity_type = b.entity_type AND l.kind = b.kind AND l.id > b.id))),
      'disk', (SELECT json_build_object('path', r.path, 'free_bytes', r.free_bytes, 'total_bytes', r.total_bytes, 'days_left', r.days_left,
               'problem', r.problem) FROM syncd.disk_readings r WHERE r.at > clock.now - interval '1 hour' ORDER BY r.at DESC LIMIT 1),
      'drifts', (SELECT coalesce(json_agg(json_build_object('entity_type', c.entity_type, 'text', c.drift, 'since', ${iso('c.drift_at')}, 'hint', c.drift_hint)
                                 ORDER BY c.entity_type), '[]') FROM syncd.capture c WHERE c.drift IS NOT NULL),
      'holds', (SELECT coalesce(json_agg(json_build_object('entity_type', entity_type, 'cause', cause, 'reason', reason, 'hint', hint) ORDER BY entity_type), '[]')
                FROM syncd.holds WHERE holds_push),
      'truncated', (SELECT coalesce(json_agg(DISTINCT t.entity_type), '[]') FROM syncd.truncations t WHERE t.settled_at IS NULL)
    )::text AS facts
    FROM clock, fresh, behind, restless, settled, log, refused, syncd.outlet_config o`.execute(db);
  const [row] = rows;
  if (!row) {
    throw new SyncError('configuration', 'the syncd schema knows no outlet: the installation was not finished', {
      hint: 'Run: syncd install',
    });
  }
  return JSON.parse(row.facts);
}
