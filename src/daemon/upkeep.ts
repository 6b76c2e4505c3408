/**
 * Puts together what is done now and then beside syncing, on one session's connections. Which chore does what stands in its own
 * file; here stands how often, and what each is given.
 */

import type { CloudClient } from '../cloud/client.js';
import type { ClockOffset } from '../cloud/clock.js';
import type { Standing } from '../cloud/standing.js';
import type { Settings } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { createDriftWatch } from '../drift/watch.js';
import type { Log } from '../log.js';
import { AlertMessages } from '../ops/alerts/messages.js';
import { AlertWatch } from '../ops/alerts/watch.js';
import { type Chore, ChoresLoop } from '../ops/chores.js';
import { configurationChore, type WatchedConfiguration } from '../ops/configuration-watch.js';
import { diskChore } from '../ops/disk.js';
import type { OutageLedger } from '../ops/figures/outages.js';
import { samplesChore } from '../ops/figures/samples.js';
import { tallyChore } from '../ops/figures/tally.js';
import { historyChore } from '../ops/identity/cloud-history.js';
import { retentionChore } from '../ops/retention.js';
import type { Tally } from '../ops/status/systemd-line.js';
import type { PullMemory } from '../pull/memory.js';
import type { PushMemory } from '../push/memory.js';
import { VERSION } from '../version.js';
import { walkChores } from '../walk/chores.js';

export type UpkeepDeps = {
  settings: Settings;
  log: Log;
  /** A connection that nothing else waits for. */
  db: Db;
  client: Pick<CloudClient, 'capabilities'>;
  leader_epoch: string;
  memory: PushMemory;
  clock: ClockOffset;
  outages: OutageLedger;
  /** This run's row in syncd.daemon. */
  runId: string;
  /** What pulling knows of the cloud. */
  pulling: PullMemory;
  configuration: WatchedConfiguration | undefined;
  tally: Tally | undefined;
  /** Told when entities begin or cease to wait as a whole. */
  onHolds: () => void;
  /** Told when a chore has put changes into the queue. */
  onLocalChanges: () => void;
};

export function createUpkeep(deps: UpkeepDeps): ChoresLoop {
  const { log, db, memory, outages, pulling, configuration, tally } = deps;
  const refused = () => memory.standing.kind === 'refused' || pulling.standing.kind === 'refused';
  const drift = createDriftWatch({ db, settings: deps.settings, log, onHolds: deps.onHolds });
  const chores: Chore[] = [drift, outages.chore(db), samplesChore(db, () => isOnline(memory.standing))];
  chores.push(historyChore(db, deps.client, log));
  if (configuration) chores.push(configurationChore(db, deps.runId, configuration, refused));
  if (tally) chores.push(tallyChore(db, tally));
  chores.push(...walkChores({ db, leader_epoch: deps.leader_epoch, log, onQueued: deps.onLocalChanges }));
  chores.push(diskChore(db, deps.settings.disk, log));
  const { retention } = deps.settings;
  chores.push(...alertChores(deps), retentionChore({ db, log, retention, offsetMs: () => deps.clock.offsetMs }));
  return new ChoresLoop(chores, log);
}

function alertChores({ db, settings, log }: UpkeepDeps): Chore[] {
  const messages = new AlertMessages({ db, send: () => settings.alerts.send, log, version: VERSION });
  const watch = new AlertWatch({ db, settings, log, onMessages: () => messages.wake() });
  return [watch.chore, messages.chore];
}

/** As in the daemon's own row: a cloud that refuses or asks to wait is within reach. */
function isOnline({ kind }: Standing): boolean | undefined {
  return kind === 'unknown' ? undefined : kind !== 'offline' && kind !== 'trial';
}
