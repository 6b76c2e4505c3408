/**
 * Changes whose text is not UTF-8. A database in SQL_ASCII takes whatever bytes the POS gives it, and PostgreSQL refuses to hand
 * them to us: one such row makes the whole page unreadable, and all others would wait behind it for ever. So it fails alone, with
 * the reason; what becomes of it a person decides.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { codeOf, SyncError } from '../errors.js';

const WHY =
  'its row holds bytes that are not UTF-8 text, so it cannot be sent: correct the row in the POS, whose database takes any bytes (SQL_ASCII)';

/** PostgreSQL found a text that it could not hand over. */
export function isUnreadable(error: unknown): boolean {
  return codeOf(error instanceof SyncError ? error.cause : error) === '22021';
}

/**
 * Looks at every change that may be sent, and fails those that cannot be read. A name that is not UTF-8 is written with escapes, or
 * no list could show the change. A change of the row that follows, with the whole row in it, replaces it as it does any failed one.
 * @returns how many there were
 */
export async function failUnreadable(db: Db): Promise<number> {
  return db.transaction().execute(async (trx) => {
    await sql`SELECT set_config('syncd.unreadable', '0', true)`.execute(trx);
    await sql.raw(LOOK).execute(trx);
    const { rows } = await sql<{ n: number }>`SELECT current_setting('syncd.unreadable')::int AS n`.execute(trx);
    return rows[0]?.n ?? 0;
  });
}

/** The server alone can look at the bytes, and tells that they are no text by failing: a block for each row catches that. */
const LOOK = `
DO $$
DECLARE
  one record;
  found integer := 0;
BEGIN
  -- Under any other encoding the bytes are no UTF-8, and the text is: there something else was told by the same code.
  IF getdatabaseencoding() <> 'SQL_ASCII' THEN RETURN; END IF;
  FOR one IN SELECT id, entity_id, payload::text AS payload FROM syncd.sync_queue WHERE status = 'pending' LOOP
    BEGIN
      PERFORM convert_from(convert_to(concat(one.entity_id, one.payload), getdatabaseencoding()), 'UTF8');
    EXCEPTION WHEN character_not_in_repertoire THEN
      UPDATE syncd.sync_queue SET status = 'failed', next_attempt_at = NULL, error_message = '${WHY}',
        entity_id = CASE WHEN entity_id ~ '^[\\x01-\\x7f]*$' THEN entity_id ELSE encode(convert_to(entity_id, getdatabaseencoding()), 'escape') END
      WHERE id = one.id AND status = 'pending';
      found := found + 1;
    END;
  END LOOP;
  PERFORM set_config('syncd.unreadable', found::text, true);
END
$$`;
