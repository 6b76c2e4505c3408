/**
 * Looks now and then at the files of the configuration: one that was changed and not read is written into the daemon's row, where
 * status finds it; a key that the cloud refuses is looked for anew. Asks the database only when there is something to write.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import type { Chore } from './chores.js';

export type WatchedConfiguration = {
  /** When the file was changed without having been read, ISO; undefined while it says what is in force. */
  unreadSince(): string | undefined;
  lookForKey(): void;
};

const EVERY_MS = 2_500;

/** @param refused whether the cloud refuses this outlet @param runId the daemon's row, new with every session */
export function configurationChore(
  db: Db,
  runId: string,
  configuration: WatchedConfiguration,
  refused: () => boolean,
): Chore {
  let written: string | undefined;
  return {
    name: 'configuration',
    everyMs: EVERY_MS,
    async run() {
      if (refused()) configuration.lookForKey();
      const since = configuration.unreadSince();
      if (since === written) return false;
      await sql`UPDATE syncd.daemon SET config_changed_at = ${since ?? null} WHERE id = ${runId}`.execute(db);
      written = since;
      return false;
    },
  };
}
