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
      const { rows } = await sql<Tally>`
        WITH held AS (
          SELECT count(*) FILTER (WHERE status = 'pending')::int AS waiting, count(*) FILTER (WHERE status = 'failed')::int AS failed,
                 count(*) FILTER (WHERE status = 'conflict')::int AS conflicts
          FROM (SELECT status FROM syncd.sync_queue
                WHERE status IN ('failed', 'conflict') OR (next_attempt_at IS NOT NULL AND status = 'pending') LIMIT ${COUNTED_TO + 1}) q
        ), fresh AS (
          SELECT count(*)::int AS waiting
          FROM (SELECT FROM syncd.sync_queue WHERE status = 'pending' AND next_attempt_at IS NULL LIMIT ${COUNTED_TO + 1}) q
        )
        SELECT fresh.waiting + held.waiting AS waiting, held.failed, held.conflicts, o.sync_enabled AS enabled
        FROM syncd.outlet_config o, fresh, held`.execute(db);
      Object.assign(tally, rows[0]);
      return false;
    },
  };
}
