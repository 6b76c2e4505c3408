/**
 * Puts the way out together on one session's connections. Made by the session, which also tells it what the other parts have to
 * know; what is known of the cloud and of the line outlives the session.
 */

import type { CloudClient } from '../cloud/client.js';
import type { ClockOffset } from '../cloud/clock.js';
import type { Standing } from '../cloud/standing.js';
import type { Settings } from '../config/settings.js';
import { WakeGate } from '../db/wake.js';
import type { Log } from '../log.js';
import type { Judged, Metrics } from '../ops/figures/metrics.js';
import type { CloudHistory } from '../ops/identity/cloud-history.js';
import type { Identity } from '../ops/identity/outlet.js';
import { PushLoop } from '../push/loop.js';
import type { PushMemory } from '../push/memory.js';
import type { Verdict } from '../push/verdict.js';
import { strategyOf } from '../resolve/strategy.js';
import type { OnStep } from '../step.js';
import { steadyMs } from '../time.js';
import type { Connections } from './connections.js';

export type OutgoingDeps = {
  settings: Settings;
  log: Log;
  client: CloudClient;
  clock: ClockOffset;
  history: CloudHistory;
  memory: PushMemory;
  connections: Connections;
  identity: Identity;
  onStanding: (standing: Standing) => void;
  onQuiet: (pass: number) => void;
  onFork: (reason: string, epoch: number | undefined) => Promise<void>;
  metrics: Metrics;
  /** An entity waits for a decision. */
  onHeld: () => void;
  onStep: OnStep | undefined;
};

export function createPush(deps: OutgoingDeps): PushLoop {
  const { settings, log, client, clock, history, memory, connections, identity } = deps;
  const { onStanding, onQuiet, onFork, onHeld, onStep } = deps;
  return new PushLoop({
    db: connections.settler,
    reader: connections.reader,
    gate: new WakeGate(connections.gating),
    leader_epoch: connections.lead.leader_epoch,
    client,
    clock,
    memory,
    identity,
    retry: settings.sync.retry,
    coalesced: new Set([...settings.entities].filter(([, { coalesce }]) => coalesce).map(([name]) => name)),
    strategyOf: (entity_type) => strategyOf(settings, entity_type),
    timeoutMs: settings.cloud.timeoutMs,
    checkEpoch: (cloud_epoch) => history.check(cloud_epoch),
    log,
    nowMs: Date.now,
    steadyMs,
    random: Math.random,
    onStanding,
    onQuiet,
    onFork,
    onHeld,
    onStep,
    onVerdicts: (verdicts, durationMs) => deps.metrics.notePush(verdicts.map(judged), durationMs),
  });
}

function judged({ change, outcome }: Verdict): Judged {
  const known = outcome.kind === 'accepted' && outcome.duplicate;
  return { entity_type: change.entity_type, outcome: known ? 'duplicate' : outcome.kind };
}
