/** Where the queue stands now. */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';

/** The last id that anybody has drawn, as it is at this moment, whatever the snapshot; `'0'` before the first. */
export async function queuePosition(db: Db): Promise<string> {
  const { rows } = await sql<{ position: string }>`
    SELECT (CASE WHEN is_called THEN last_value ELSE 0 END)::text AS position FROM syncd.sync_queue_id_seq`.execute(db);
  return rows[0]?.position ?? '0';
}
