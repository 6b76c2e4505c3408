/**
 * What waits, counted now and then for the line that `systemctl status` shows; `Tally` outlives the session that counts. Bounded:
 * with a long backlog nobody needs the last digit.
 */
import { sql } from 'kysely';
import type { Db } from '../../db/connect.js';
import type { Chore } from '../chores.js';
import { COUNTED_TO, type Tally } from '../status/systemd-line.js';

const EVERY_MS = 20_000;

export function tallyChore(db: Db, tally: Tally): Chore {
  return {
    name: 'tally',
    everyMs: EVERY_MS,
    async run() {
      const { rows } = await sql<{ waiting: number; enabled: boolean }>`
        SELECT (SELECT count(*)::int FROM (SELECT FROM syncd.unsettled LIMIT ${COUNTED_TO + 1}) u) AS waiting, sync_enabled AS enabled
        FROM syncd.outlet_config`.execute(db);
      Object.assign(tally, rows[0]);
      return false;
    },
  };
}
