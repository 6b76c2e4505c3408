/**
 * Reads what the cloud is asked about before a conflict is judged: changes that are unsettled here and may have arrived unheard.
 * Nothing is written.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { claimSpecial } from './claim-special.js';
import { type ClaimedRow, changeColumns, changeDetails, changeState } from './claimed.js';
import { places } from './places.js';

/** An entity of which everything is asked for. */
export type Kin = { entity_type: string; entity_id: string };

/**
 * These changes, and all of these entities, the oldest first; failed ones included. Fresh ones have no index by entity: where
 * there are such entities all that waits is looked through once, however many they are.
 */
export async function claimUnheard(
  db: Db,
  ids: readonly string[],
  kin: readonly Kin[],
  offsetMs: number,
): Promise<ClaimedRow[]> {
  const named = sql`SELECT spot FROM ${places([...ids])} AS p`;
  const page = await claimSpecial(
    db,
    sql`SELECT ${changeColumns(offsetMs)}, ${changeDetails}, q.status = 'failed' AS failed, NULL AS supersedes
    FROM syncd.sync_queue q ${changeState}
    WHERE q.ctid = ANY (ARRAY(${kin.length === 0 ? named : sql`${named} UNION ${allOf(kin)}`})) AND q.status IN ('pending', 'failed')
    ORDER BY q.id`,
  );
  return page.rows;
}

/** In a CASE it is no join: a nested loop would look through all that waits once for each entity. */
const allOf = (kin: readonly Kin[]) => sql`
  SELECT w.ctid FROM syncd.sync_queue w
  WHERE w.status = 'pending' AND w.next_attempt_at IS NULL
    AND CASE WHEN (w.entity_type, w.entity_id) IN (SELECT k.entity_type, k.entity_id FROM ${listed(kin)}) THEN true ELSE false END
  UNION ALL
  SELECT w.ctid FROM ${listed(kin)} JOIN syncd.sync_queue w ON w.entity_type = k.entity_type AND w.entity_id = k.entity_id
  WHERE w.status IN ('failed', 'conflict') OR w.next_attempt_at IS NOT NULL`;

const listed = (kin: readonly Kin[]) => sql`
  unnest(${arrayLiteral(kin.map((one) => one.entity_type))}::text[], ${arrayLiteral(kin.map((one) => one.entity_id))}::text[]) AS k (entity_type, entity_id)`;
