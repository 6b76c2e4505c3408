/** The cursor between two pulls, and whether there is room for another page. The cursor moves with its page, in inbox/receive. */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';

/** Where the next pull goes on: the cloud's own words, never looked into; null before the first and where it starts again. */
export async function readCursor(db: Db): Promise<string | null> {
  const outlet = await db.selectFrom('syncd.outlet_config').select('pull_cursor').executeTakeFirst();
  return outlet?.pull_cursor ?? null;
}

/**
 * What came of a type before it was configured was passed over, and the cursor with it: for one that is new among those that come
 * in, the next pull starts again without one. What is known by then changes nothing.
 * @param types what comes in by the configuration, in any order
 * @returns whether it does: there was a cursor, and it was dropped
 */
export async function restartForNewTypes(db: Db, types: readonly string[]): Promise<boolean> {
  const { rows } = await sql<{ anew: boolean }>`
    UPDATE syncd.outlet_config o
    SET pull_types = now.types, pull_cursor = CASE WHEN was.pull_types @> now.types THEN o.pull_cursor END
    FROM syncd.outlet_config was, (SELECT ${arrayLiteral([...types].sort())}::text[] AS types) AS now
    WHERE was.one = o.one AND was.pull_types IS DISTINCT FROM now.types
    RETURNING was.pull_cursor IS NOT NULL AND o.pull_cursor IS NULL AS anew`.execute(db);
  return rows[0]?.anew === true;
}

/** The cursor is too old for the cloud: the next pull starts again without one, unless somebody has set another meanwhile. */
export async function dropCursor(db: Db, cursor: string): Promise<void> {
  await db.updateTable('syncd.outlet_config').set({ pull_cursor: null }).where('pull_cursor', '=', cursor).execute();
}

/**
 * Whether at least so many changes wait to be applied at once. What was put off does not count: the page that it waits for may be
 * still to come.
 */
export async function isInboxFull(db: Db, most: number): Promise<boolean> {
  const { rows } = await sql<{ n: number }>`
    SELECT count(*)::int AS n FROM (
      SELECT FROM syncd.incoming WHERE status = 'waiting' AND next_attempt_at IS NULL LIMIT ${most}
    ) AS waiting`.execute(db);
  return (rows[0]?.n ?? 0) >= most;
}
