/** The cursor between two pulls, and how much waits to be applied. The cursor itself moves with its page, in inbox/receive. */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';

export async function readCursor(db: Db): Promise<string | null> {
  const outlet = await db.selectFrom('syncd.outlet_config').select('pull_cursor').executeTakeFirst();
  return outlet?.pull_cursor ?? null;
}

/** The cursor is too old for the cloud: the next pull starts again without one, unless somebody has set another meanwhile. */
export async function dropCursor(db: Db, cursor: string): Promise<void> {
  await db.updateTable('syncd.outlet_config').set({ pull_cursor: null }).where('pull_cursor', '=', cursor).execute();
}

/** Whether at least so many changes wait to be applied at once. What was put off does not count: the page that it waits for may be still to come. */
export async function isFull(db: Db, most: number): Promise<boolean> {
  const { rows } = await sql<{ n: number }>`
    SELECT count(*)::int AS n FROM (
      SELECT FROM syncd.incoming WHERE status = 'waiting' AND next_attempt_at IS NULL LIMIT ${most}
    ) AS waiting`.execute(db);
  return (rows[0]?.n ?? 0) >= most;
}
