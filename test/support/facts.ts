/** The facts of a shop where all is well, to be spoilt by a test. */
import type { DaemonFacts, Facts } from '../../src/ops/status/read.js';

export const NOW = '2026-11-22T15:40:11.000000Z';
const DAEMON: DaemonFacts = {
  pid: 812,
  host: 'till-7',
  version: '0.1.0',
  started_at: '2026-11-22T01:01:00.000000Z',
  silent_ms: 900,
  stopped_at: null,
  online: true,
  offline_since: null,
  last_error: null,
  next_try_at: null,
  refused: null,
  pull_error: null,
  pull_offline_since: null,
  clock_offset_ms: 12.5,
  config_changed_at: null,
};

export function daemonFacts(change: Partial<DaemonFacts>): DaemonFacts {
  return { ...DAEMON, ...change };
}

export function shopFacts(change: Partial<Facts> = {}): Facts {
  return {
    now: NOW,
    outlet: { id: 'outlet-7', code: 'JKT-014', stopped_reason: null, stopped_at: null },
    enabled: true,
    switched_off: false,
    paused: null,
    last_sync_at: '2026-11-22T15:39:58.123456Z',
    last_pull_at: '2026-11-22T15:40:01.500000Z',
    parked: { count: 0, reason: null },
    daemon: DAEMON,
    standbys: [],
    last_outage: null,
    pending: 0,
    pending_estimated: false,
    oldest_pending_at: null,
    failed: 0,
    conflicts: 0,
    held: 0,
    verdicts: { accepted: 1996, refused: 4 },
    average_sync_duration_ms: 84.26,
    today: { captured: 412, pushed: 412, pulled: 0 },
    capture: [
      { entity_type: 'order', healthy: true, failures: 0, healed: 0 },
      { entity_type: 'payment', healthy: true, failures: 0, healed: 0 },
    ],
    suspended: [],
    walks: [],
    disk: null,
    drifts: [],
    holds: [],
    truncated: [],
    older: [],
    compared: null,
    ...change,
  };
}

export const RULES = { oldestPendingMs: 300_000, offlineMs: 1_800_000, entities: ['order', 'payment'] };
