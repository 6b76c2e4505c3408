/**
 * Puts the way in together on one session's connections: the pull, and the inbox that applies. Made by the daemon, which also
 * tells each part when it may work. What is known of the cloud outlives the session; the tables know the rest.
 */

import { Horizon } from '../apply/horizon.js';
import type { CloudClient } from '../cloud/client.js';
import type { ClockOffset } from '../cloud/clock.js';
import type { Settings } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { InboxLoop } from '../inbox/loop.js';
import type { Log } from '../log.js';
import type { CloudHistory } from '../ops/identity/cloud-history.js';
import type { IncomingTotals } from '../ops/now-request.js';
import { type FetchMemory, fetchEntity } from '../pull/fetch.js';
import { PullLoop } from '../pull/loop.js';
import { newPullMemory, type PullMemory } from '../pull/memory.js';
import type { PushMemory } from '../push/memory.js';
import { conflictBook } from '../resolve/conflicts.js';
import { resolveOpen } from '../resolve/resolve.js';
import type { OnStep } from '../step.js';
import { steadyMs } from '../time.js';

export type IncomingMemory = { pull: PullMemory; fetch: FetchMemory };

export function newIncomingMemory(settings: Settings): IncomingMemory {
  return { pull: newPullMemory(settings.sync.longPollMs), fetch: { standing: { kind: 'unknown' }, enabled: false } };
}

export type IncomingDeps = {
  settings: Settings;
  log: Log;
  client: CloudClient;
  clock: ClockOffset;
  history: CloudHistory;
  memory: IncomingMemory;
  /** What pushing knows of the cloud. */
  cloud: PushMemory;
  /** Where pages are stored. */
  store: Db;
  onStored: () => void;
  onStanding: () => void;
  onEnd: (call: number, failure: string | undefined) => void;
  onStep: OnStep | undefined;
};

/** Undefined where nothing comes from the cloud at all. */
export function createPull(deps: IncomingDeps): PullLoop | undefined {
  const { settings, client, clock, history, memory, cloud, log } = deps;
  const types = [...settings.entities].filter(([, { direction }]) => direction !== 'push').map(([entity]) => entity);
  if (types.length === 0) return undefined;
  return new PullLoop({
    db: deps.store,
    client,
    clock,
    memory: memory.pull,
    types,
    retry: settings.sync.retry,
    intervalMs: settings.sync.intervalMs,
    longPollMs: settings.sync.longPollMs,
    since: settings.sync.since,
    timeoutMs: settings.cloud.timeoutMs,
    waits: () => cloud.capabilities?.long_poll === true,
    checkEpoch: (cloud_epoch) => history.check(cloud_epoch),
    log,
    nowMs: Date.now,
    steadyMs,
    random: Math.random,
    onStored: deps.onStored,
    onStanding: deps.onStanding,
    onEnd: deps.onEnd,
    onStep: deps.onStep,
  });
}

export type InboxDeps = Pick<IncomingDeps, 'settings' | 'log' | 'client' | 'memory' | 'onStep'> & {
  /** As `openApplier` makes it. */
  db: Db;
  /** What is fetched is stored on this one, and read ahead. */
  store: Db;
  leader_epoch: string;
  onLocalChanges: () => void;
  onQuiet: (look: number, totals: IncomingTotals) => void;
};

export function createInbox(deps: InboxDeps): InboxLoop {
  const { db, store, settings, leader_epoch, log, client, memory, onStep } = deps;
  const fetching = {
    db: store,
    client,
    memory: memory.fetch,
    retry: settings.sync.retry,
    nowMs: Date.now,
    steadyMs,
    random: Math.random,
    onStep,
  };
  const horizon = new Horizon();
  const longestWaitMs = settings.sync.retry.maxBackoffMs;
  const inbox = new InboxLoop({
    db,
    reader: store,
    settings,
    leader_epoch,
    conflicts: conflictBook,
    resolveOpen: (tables, heldTypes) =>
      resolveOpen({ db, tables, leader_epoch, log, horizon, heldTypes, longestWaitMs, onStep }),
    fetchEntity: (entity_type, entity_id) => fetchEntity(fetching, entity_type, entity_id),
    onLocalChanges: deps.onLocalChanges,
    onQuiet: deps.onQuiet,
    log,
    onStep,
  });
  // Until the first look has shown that nothing stands in the way.
  inbox.configure(true, []);
  return inbox;
}
