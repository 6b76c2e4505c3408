/**
 * Puts the way in together on one session's connections: the pull. Made by the daemon, which also tells each part when it may
 * work. What is known of the cloud outlives the session; the tables know the rest.
 */
import type { CloudClient } from './cloud/client.js';
import type { ClockOffset } from './cloud/clock.js';
import type { Settings } from './config/settings.js';
import type { Db } from './db/connect.js';
import type { Log } from './log.js';
import type { CloudHistory } from './ops/cloud-history.js';
import { PullLoop } from './pull/loop.js';
import { newPullMemory, type PullMemory } from './pull/memory.js';
import type { CloudMemory } from './push/memory.js';
import { steadyMs } from './time.js';

export type IncomingMemory = { pull: PullMemory };

export function newIncomingMemory(settings: Settings): IncomingMemory {
  return { pull: newPullMemory(settings.sync.longPollMs) };
}

export type IncomingDeps = {
  settings: Settings;
  log: Log;
  client: CloudClient;
  clock: ClockOffset;
  history: CloudHistory;
  memory: IncomingMemory;
  /** What pushing knows of the cloud. */
  cloud: CloudMemory;
  /** Opens a connection of this session. */
  open: (role: string, settings: string[], queryTimeoutMs?: number) => Db;
  onStored: () => void;
  onStanding: () => void;
};

/** Whether anything comes from the cloud at all. */
export function pullsAnything(settings: Settings): boolean {
  return [...settings.entities.values()].some(({ direction }) => direction !== 'push');
}

export function createPull(deps: IncomingDeps): PullLoop {
  const { settings, client, clock, history, memory, cloud, log } = deps;
  return new PullLoop({
    db: deps.open('pull', []),
    client,
    clock,
    memory: memory.pull,
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
  });
}
