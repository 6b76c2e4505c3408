/** What people and the other parts of syncd want of the daemon, read in one statement that costs next to nothing. */
import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../db/connect.js';

export type Glance = {
  enabled: boolean;
  stopped: string | null;
  stopped_code: string | null;
  /** Changes were refused, are in conflict or wait for their next try: a pass has to look for what they hold back. */
  trouble: boolean;
  now_requested: boolean;
  /** The number of what a person did last. */
  last_command: string;
  /** Entity types that wait as a whole: to be sent, and to be applied. */
  held_push: string[];
  held_apply: string[];
  /** Walks over tables are asked for or under way. */
  walks: boolean;
  /** The highest id that a push has settled, null where no outlet is installed; and the database's clock in ms. */
  settled_id: string | null;
  now_ms: number;
};

const NOT_INSTALLED: Glance = {
  enabled: false,
  stopped: 'syncd is not installed here',
  stopped_code: 'uninstalled',
  trouble: false,
  now_requested: false,
  last_command: '0',
  held_push: [],
  held_apply: [],
  walks: false,
  settled_id: null,
  now_ms: 0,
};

/** @param beside a WITH clause that writes something down on the way */
export async function glance(db: Db, beside: RawBuilder<unknown> = sql``): Promise<Glance> {
  const { rows } = await sql<Glance>`
    ${beside}
    SELECT c.sync_enabled AS enabled, c.stopped_reason AS stopped, c.stopped_code, c.settled_id,
      extract(epoch FROM clock_timestamp())::float8 * 1000 AS now_ms,
      EXISTS (SELECT FROM syncd.sync_queue WHERE status IN ('failed', 'conflict') OR next_attempt_at IS NOT NULL) AS trouble,
      EXISTS (SELECT FROM syncd.commands WHERE finished_at IS NULL AND command = 'now') AS now_requested,
      (SELECT coalesce(max(id), 0)::text FROM syncd.commands) AS last_command,
      ARRAY(SELECT DISTINCT entity_type FROM syncd.holds WHERE holds_push ORDER BY 1) AS held_push,
      ARRAY(SELECT DISTINCT entity_type FROM syncd.holds WHERE holds_apply ORDER BY 1) AS held_apply,
      EXISTS (SELECT FROM syncd.backfills WHERE finished_at IS NULL) AS walks
    FROM syncd.outlet_config c`.execute(db);
  return rows[0] ?? NOT_INSTALLED;
}
