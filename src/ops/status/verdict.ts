/**
 * Judges the facts of ops/status/read: ok, warning or critical, and in words what is wrong, why it waits and what comes next. Pure;
 * the instant of the judgement is the database's, among the facts.
 */

import { INSTALL } from '../../errors.js';
import type { Finding, Topic } from './finding.js';
import type { DaemonFacts, Facts, OutageFacts } from './read.js';
import { differenceFindings, diskFindings, missedFindings, suspendedFindings, walkFindings } from './table-findings.js';
import { age, count, share } from './words.js';

export type State = 'ok' | 'warning' | 'critical' | 'unknown';
/** As monitoring systems number them; also the exit codes of `syncd status`. */
export const STATE_EXIT: Record<State, number> = { ok: 0, warning: 1, critical: 2, unknown: 3 };

/** Without a sign of life for so long, a daemon is not running. */
export const HEARTBEAT_LIMIT_MS = 15_000;

/** The frozen shape: keys may be added, none renamed, none left out. */
export type StatusReport = {
  state: State;
  reasons: string[];
  /** The same reasons with what each is about, for a screen that has words of its own. */
  findings: Finding[];
  /** The database's clock. */
  at: string | null;
  enabled: boolean | null;
  /** By the configuration; no resume changes that. */
  switched_off: boolean | null;
  paused: { by: string; at: string; reason: string | null } | null;
  /** Pushing waits for a person. */
  stopped: { reason: string; at: string | null } | null;
  daemon: { running: boolean | null; pid: number | null; since: string | null; version: string | null };
  standbys: { host: string; pid: number }[] | null;
  cloud: {
    online: boolean | null;
    offline_since: string | null;
    last_error: string | null;
    next_try_at: string | null;
    /** Why the cloud does not take this outlet's calls, in words. */
    refused: string | null;
  };
  pending: number | null;
  pending_estimated: boolean | null;
  oldest_pending_at: string | null;
  failed: number | null;
  conflicts: number | null;
  held: number | null;
  success_rate: number | null;
  failure_rate: number | null;
  average_sync_duration_ms: number | null;
  last_successful_sync_at: string | null;
  last_pull_at: string | null;
  parked: number | null;
  today: { captured: number | null; pushed: number | null; pulled: number | null };
  /** `failures`: not looked for yet; `healed`: found again and queued. */
  capture: { expected: number | null; healthy: number | null; failures: number | null; healed: number | null };
  suspended: Facts['suspended'] | null;
  /** Entities whose rows from before capture were never sent. */
  older_rows: string[] | null;
  walks: Facts['walks'] | null;
  disk: Facts['disk'];
  clock_offset_ms: number | null;
  /** With the cloud, by digest. */
  compared: Facts['compared'];
  last_outage: OutageFacts | null;
};

/** What the judgement goes by: `entities` are those of the configuration whose changes go out. */
export type Rules = {
  oldestPendingMs: number;
  offlineMs: number;
  entities: string[];
  /** The outlet that the configuration names; undefined: nobody looks whether the database is that one's. */
  outletId?: string | undefined;
  /** Undefined: nobody watches the disk. */
  diskWarnMs?: number | undefined;
};

export function judge(facts: Facts, rules: Rules): StatusReport {
  const { daemon, verdicts } = facts;
  const found = findings(facts, rules);
  const running = isRunning(daemon);
  const judged = verdicts.accepted + verdicts.refused;
  return {
    state: found.some(({ state }) => state === 'critical') ? 'critical' : found.length > 0 ? 'warning' : 'ok',
    reasons: found.map(({ reason }) => reason),
    findings: found,
    at: facts.now,
    enabled: facts.enabled,
    switched_off: facts.switched_off,
    paused: facts.paused,
    stopped:
      facts.outlet.stopped_reason === null
        ? null
        : { reason: facts.outlet.stopped_reason, at: facts.outlet.stopped_at },
    daemon: {
      running,
      pid: running ? (daemon?.pid ?? null) : null,
      since: running ? (daemon?.started_at ?? null) : null,
      version: daemon?.version ?? null,
    },
    standbys: facts.standbys,
    cloud: {
      // What a daemon that is gone last knew of the line says nothing about the line now.
      online: running ? (daemon?.online ?? null) : null,
      offline_since: daemon?.offline_since ?? null,
      last_error: daemon?.last_error ?? null,
      next_try_at: running ? (daemon?.next_try_at ?? null) : null,
      refused: running ? (daemon?.refused ?? null) : null,
    },
    pending: facts.pending,
    pending_estimated: facts.pending_estimated,
    oldest_pending_at: facts.oldest_pending_at,
    failed: facts.failed,
    conflicts: facts.conflicts,
    held: facts.held,
    success_rate: share(verdicts.accepted, judged),
    failure_rate: share(verdicts.refused, judged),
    average_sync_duration_ms:
      facts.average_sync_duration_ms === null ? null : Math.round(facts.average_sync_duration_ms * 10) / 10,
    last_successful_sync_at: facts.last_sync_at,
    last_pull_at: facts.last_pull_at,
    parked: facts.parked.count,
    today: facts.today,
    capture: {
      expected: rules.entities.length,
      healthy: rules.entities.length - unwatched(facts, rules).length,
      failures: facts.capture.reduce((sum, { failures }) => sum + failures, 0),
      healed: facts.capture.reduce((sum, { healed }) => sum + healed, 0),
    },
    suspended: facts.suspended,
    older_rows: facts.older,
    walks: facts.walks,
    disk: facts.disk,
    clock_offset_ms: daemon?.clock_offset_ms ?? null,
    compared: facts.compared,
    last_outage: facts.last_outage,
  };
}

/** The report where the database cannot be asked: nothing is known, and that is said. */
export function unknownReport(reason: string): StatusReport {
  return {
    state: 'unknown',
    reasons: [reason],
    findings: [],
    at: null,
    enabled: null,
    switched_off: null,
    paused: null,
    stopped: null,
    daemon: { running: null, pid: null, since: null, version: null },
    standbys: null,
    cloud: { online: null, offline_since: null, last_error: null, next_try_at: null, refused: null },
    pending: null,
    pending_estimated: null,
    oldest_pending_at: null,
    failed: null,
    conflicts: null,
    held: null,
    success_rate: null,
    failure_rate: null,
    average_sync_duration_ms: null,
    last_successful_sync_at: null,
    last_pull_at: null,
    parked: null,
    today: { captured: null, pushed: null, pulled: null },
    capture: { expected: null, healthy: null, failures: null, healed: null },
    suspended: null,
    older_rows: null,
    walks: null,
    disk: null,
    clock_offset_ms: null,
    compared: null,
    last_outage: null,
  };
}

/** What is wrong, the worst first. */
export function findings(facts: Facts, rules: Rules): Finding[] {
  const { daemon } = facts;
  const found: Finding[] = [];
  const critical = (topic: Topic, reason: string) => found.push({ state: 'critical', topic, reason });
  const warning = (topic: Topic, reason: string) => found.push({ state: 'warning', topic, reason });
  const running = isRunning(daemon);
  if (!running) critical('daemon', daemonGone(daemon));
  if (rules.outletId !== undefined && rules.outletId !== facts.outlet.id)
    critical(
      'stopped',
      `syncd.yaml names outlet ${rules.outletId}, but the database belongs to outlet ${facts.outlet.id}: nothing is sent`,
    );
  if (facts.outlet.stopped_reason !== null)
    critical('stopped', `pushing is stopped until a person acts: ${facts.outlet.stopped_reason}`);
  else if (running && daemon?.refused) critical('refused', `the cloud refuses this outlet: ${daemon.refused}`);
  const pullAwayMs = since(facts, daemon?.pull_offline_since ?? null);
  if (running && daemon?.pull_error && pullAwayMs === undefined)
    critical('pull', `the cloud refuses to be pulled from: ${daemon.pull_error}`);
  if (facts.failed > 0) {
    critical(
      'failed',
      `${count(facts.failed, 'change')} failed and will not reach the cloud by ${facts.failed === 1 ? 'itself' : 'themselves'}`,
    );
  }
  found.push(...missedFindings(facts), ...suspendedFindings(facts), ...differenceFindings(facts));

  const offlineMs = running && daemon?.online === false ? since(facts, daemon.offline_since) : undefined;
  if (offlineMs !== undefined && offlineMs > rules.offlineMs) {
    warning('offline', `the cloud has been out of reach for ${age(offlineMs)}: ${daemon?.last_error ?? 'no answer'}`);
  }
  // An outage that pushing has met as well is told already.
  if (running && offlineMs === undefined && pullAwayMs !== undefined && pullAwayMs > rules.offlineMs) {
    warning('pull', `nothing could be pulled from the cloud for ${age(pullAwayMs)}: ${daemon?.pull_error}`);
  }
  const { parked } = facts;
  if (parked.count > 0) {
    const why = parked.reason === null ? '' : `${parked.count === 1 ? '' : ', the latest for this'}: ${parked.reason}`;
    warning('parked', `${count(parked.count, 'change')} of the cloud cannot be applied${why}`);
  }
  if (facts.conflicts > 0)
    warning('conflicts', `${count(facts.conflicts, 'conflict')} ${facts.conflicts === 1 ? 'is' : 'are'} open`);
  for (const { entity_type, text, since: at, hint } of facts.drifts)
    warning('drift', `${entity_type}, for ${age(since(facts, at) ?? 0)}: ${text}; repair: ${hint}`);
  // What has drifted or is suspended is told already.
  const told = new Set([...facts.drifts, ...facts.suspended].map(({ entity_type }) => entity_type));
  const missing = unwatched(facts, rules).filter((entity) => !told.has(entity));
  if (missing.length > 0) warning('drift', `changes of ${missing.join(', ')} are not captured; repair: ${INSTALL}`);
  for (const entity of facts.truncated) {
    warning(
      'truncated',
      `the table of ${entity} was emptied by TRUNCATE: the cloud still has the rows, and a person has to decide`,
    );
  }
  found.push(...walkFindings(facts), ...diskFindings(facts, rules.diskWarnMs));
  const unreadMs = since(facts, daemon?.config_changed_at ?? null);
  if (running && unreadMs !== undefined) {
    warning(
      'configuration',
      `the configuration file was changed ${age(unreadMs)} ago and is not in force: syncd config checks it, systemctl reload syncd takes it (another outlet.id, database or state_dir: restart)`,
    );
  }
  const waitingMs = since(facts, facts.oldest_pending_at);
  // An outage explains its own backlog, and so do a refusal, a stop and a daemon that is not there.
  if (
    running &&
    offlineMs === undefined &&
    !daemon?.refused &&
    facts.outlet.stopped_reason === null &&
    waitingMs !== undefined &&
    waitingMs > rules.oldestPendingMs
  ) {
    warning(
      'backlog',
      `the oldest change has been waiting for ${age(waitingMs)}${facts.enabled ? '' : `, for syncing is ${facts.switched_off ? 'switched off' : 'paused'}`}`,
    );
  }
  return found;
}

/** By its row alone: it has not signed off, and gave a sign of life within the limit. */
export function isRunning(daemon: DaemonFacts | null): boolean {
  return daemon !== null && daemon.stopped_at === null && daemon.silent_ms <= HEARTBEAT_LIMIT_MS;
}

function daemonGone(daemon: DaemonFacts | null): string {
  if (!daemon) return 'the daemon is not running: it has never been started here';
  const how = daemon.stopped_at ? 'it was stopped' : 'its last sign of life was';
  return `the daemon is not running: ${how} ${age(daemon.silent_ms)} ago on ${daemon.host}`;
}

function unwatched(facts: Facts, rules: Rules): string[] {
  return rules.entities.filter((entity) => !facts.capture.some((one) => one.entity_type === entity && one.healthy));
}

/** Milliseconds from an instant to the instant of the facts; never negative. */
export function since(facts: Facts, at: string | null): number | undefined {
  return at === null ? undefined : Math.max(0, Date.parse(facts.now) - Date.parse(at));
}
