/**
 * Puts together what is done now and then beside syncing, on one session's connections. Which chore does what stands in its own
 * file; here stands how often, and what each is given.
 */
import type { Settings } from './config/settings.js';
import type { Db } from './db/connect.js';
import type { Log } from './log.js';
import { type Chore, ChoresLoop } from './ops/chores.js';

export type UpkeepDeps = {
  settings: Settings;
  log: Log;
  /** A connection that nothing else waits for. */
  db: Db;
  leader_epoch: string;
  /** Told when a chore has put changes into the queue. */
  onLocalChanges: () => void;
};

export function createUpkeep({ log }: UpkeepDeps): ChoresLoop {
  const chores: Chore[] = [];
  return new ChoresLoop(chores, log);
}
