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
import type { Db } from '../../db/connect.js';
import { byIndex } from '../../db/indexed.js';
import type { WalkKind } from '../../db/schema-walks.js';
import { INSTALL, SyncError } from '../../errors.js';
import { waitingOf } from './waiting.js';

export type Facts = {
  /** The database's clock, ISO. */
  now: string;
  outlet: { id: string; code: string | null; stopped_reason: string | null; stopped_at: string | null };
  enabled: boolean;
  /** The configuration keeps it from sending: nobody's resume changes that. */
  switched_off: boolean;
  paused: { by: string; at: string; reason: string | null } | null;
  last_sync_at: string | null;
  last_pull_at: string | null;
  /** Changes of the cloud that cannot be applied, and why the latest of them cannot. */
  parked: { count: number; reason: string | null };
  daemon: DaemonFacts | null;
  /** Daemons that wait beside it and are alive. */
  standbys: { host: string; pid: number }[];
  last_outage: OutageFacts | null;
  pending: number;
  /** A long queue: `pending`, `held` and today's captured are reckoned, and rounded to thousands. */
  pending_estimated: boolean;
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
  /** Entities whose table had rows before it was captured, which no backfill has brought. */
  older: string[];
  /** The comparison with the cloud that lies furthest back, and what differed; null: never compared. */
  compared: ComparedFacts | null;
};

/** `lost`: of the differences, what the cloud had accepted and does not keep. */
export type ComparedFacts = {
  at: string;
  differing: { entity_type: string; at: string; differences: number; lost: number }[];
  /** Entities that nothing here can mend. */
  beyond_repair: number;
  /** What could not be compared, and why. */
  skipped: { entity_type: string; reason: string }[];
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
  kind: WalkKind;
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

/** Settled changes that are counted one by one, each a visit to the table: 50,000 took 0.2 s, the log tells as much in 0.05. */
const SETTLED_TO = 10_000;

/** Instants leave as ISO 8601 in UTC, with the microseconds that Postgres keeps. */
const ISO = sql.raw(`'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`);
const iso = (column: string) => sql`to_char(${sql.ref(column)} AT TIME ZONE 'UTC', ${ISO})`;

/**
 * Measured: 7 ms beside an empty queue, 35 ms beside a million that no vacuum has seen (47 ms with 200 of them in conflict), 12 ms
 * after one, 67 ms once a million were settled today.
 * @param timezone where "today" begins
 * @throws what Postgres says: class 3F or 42 where the schema is missing
 */
export async function gatherFacts(db: Db, timezone: string): Promise<Facts> {
  const { rows } = await byIndex(db, (trx) =>
    sql<{ facts: string }>`
    WITH RECURSIVE clock AS MATERIALIZED (
      SELECT t.now, date_trunc('day', t.now AT TIME ZONE ${timezone}) AT TIME ZONE ${timezone} AS midnight, t.now - interval '24 hours' AS day_ago
      FROM (SELECT clock_timestamp() AS now) t
    ), ${waitingOf(sql`clock.midnight`)}, settled_first AS MATERIALIZED (
      -- What was captured today and is settled was settled today.
      SELECT count(*) AS settled, count(*) FILTER (WHERE status = 'synced' AND created_at >= clock.midnight) AS captured
      FROM clock, LATERAL (
        SELECT status, created_at FROM syncd.sync_queue WHERE synced_at IS NOT NULL AND synced_at >= clock.midnight
        ORDER BY synced_at LIMIT ${SETTLED_TO}::int) q GROUP BY ()
    ), turn AS (
      -- The oldest go first: on a day on which more than that was settled, halves its way to where today's own began to be.
      SELECT clock.midnight AS low, clock.now AS high FROM clock, settled_first WHERE settled = ${SETTLED_TO}::int
      UNION ALL
      SELECT CASE WHEN probe.created_at < clock.midnight THEN middle ELSE low END,
             CASE WHEN probe.created_at < clock.midnight THEN high ELSE middle END
      FROM turn CROSS JOIN clock CROSS JOIN LATERAL (SELECT low + (high - low) / 2 AS middle) halved
      LEFT JOIN LATERAL (
        SELECT created_at FROM syncd.sync_queue WHERE synced_at IS NOT NULL AND synced_at >= middle ORDER BY synced_at LIMIT 1) probe ON true
      WHERE high - low > interval '1 s'
    ), settled AS MATERIALIZED (
      SELECT CASE WHEN settled < ${SETTLED_TO}::int THEN captured
             ELSE (SELECT coalesce(sum(accepted), 0) FROM syncd.sync_logs
                   WHERE direction = 'push' AND at >= (SELECT low FROM turn WHERE high - low <= interval '1 s')) END AS captured
      FROM settled_first
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
      -- Whoever asks knows the configuration.
      'switched_off', false,
      'paused', CASE WHEN NOT o.sync_enabled THEN (
        SELECT json_build_object('by', p.requested_by, 'at', ${iso('p.requested_at')}, 'reason', p.args ->> 'reason') FROM syncd.commands p
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
      'pending', waiting.pending,
      'pending_estimated', waiting.estimated,
      'oldest_pending_at', ${iso('waiting.oldest')},
      'failed', waiting.failed,
      'conflicts', (SELECT count(*) FROM syncd.sync_conflicts WHERE status = 'open'),
      'held', waiting.held,
      'verdicts', json_build_object('accepted', log.accepted, 'refused', refused.refused),
      'average_sync_duration_ms', log.duration,
      'today', json_build_object('captured', waiting.since + settled.captured, 'pushed', log.pushed, 'pulled', log.pulled),
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
      'truncated', (SELECT coalesce(json_agg(DISTINCT t.entity_type), '[]') FROM syncd.truncations t WHERE t.settled_at IS NULL),
      'older', (SELECT coalesce(json_agg(c.entity_type ORDER BY c.entity_type), '[]') FROM syncd.capture c
                WHERE c.older_rows AND c.direction <> 'pull'),
      'compared', (SELECT CASE WHEN count(*) > 0 THEN json_build_object('at', to_char(min(p.compared_at) AT TIME ZONE 'UTC', ${ISO}),
                     'differing', coalesce(json_agg(json_build_object('entity_type', p.entity_type, 'at', ${iso('p.compared_at')},
                       'differences', p.differences, 'lost', p.lost) ORDER BY p.entity_type) FILTER (WHERE p.differences > 0), '[]'),
                     'beyond_repair', sum(p.beyond_repair),
                     'skipped', coalesce(json_agg(json_build_object('entity_type', p.entity_type, 'reason', p.skipped) ORDER BY p.entity_type)
                                         FILTER (WHERE p.skipped IS NOT NULL), '[]')) END
                   FROM syncd.proofs p JOIN syncd.capture c USING (entity_type))
    )::text AS facts
    FROM clock, waiting, settled, log, refused, syncd.outlet_config o`.execute(trx),
  );
  const [row] = rows;
  if (!row) {
    throw new SyncError('configuration', 'the syncd schema knows no outlet: the installation was not finished', {
      hint: `Run: ${INSTALL}`,
    });
  }
  return JSON.parse(row.facts);
}
