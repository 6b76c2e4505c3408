/**
 * What a copied database brought along from the outlet that it was copied from leaves the tables that syncd works with, and is kept
 * in syncd.put_away. Part of the adoption's transaction; what a till captures meanwhile is the new outlet's own and stays.
 */
import { sql } from 'kysely';
import type { Db } from '../../db/connect.js';

/** Everything that was agreed with the cloud, or was about to be, under the other outlet's name. */
const OF_THE_OUTLET = [
  'sync_queue',
  'entity_state',
  'sync_conflicts',
  'incoming',
  'inbox',
  'truncations',
  'backfills',
  'sync_logs',
] as const;

/** @returns how many rows were put away */
export async function putAway(trx: Db, outlet_id: string): Promise<number> {
  let moved = 0;
  for (const table of OF_THE_OUTLET) moved += await move(trx, outlet_id, table);
  // The rows themselves came along, and the cloud knows none of them under the new name.
  await sql`UPDATE syncd.capture SET older_rows = true WHERE direction <> 'pull'`.execute(trx);
  return moved;
}

/** What the cloud said and was not applied yet. @returns how many changes were put away */
export function putAwayIncoming(trx: Db, outlet_id: string): Promise<number> {
  return move(trx, outlet_id, 'incoming');
}

async function move(trx: Db, outlet_id: string, table: (typeof OF_THE_OUTLET)[number]): Promise<number> {
  const { numAffectedRows } = await sql`
    WITH gone AS (DELETE FROM ${sql.table(`syncd.${table}`)} RETURNING *)
    INSERT INTO syncd.put_away (outlet_id, install_id, source, record)
    SELECT ${outlet_id}, o.install_id, ${table}::text, row_to_json(gone) FROM gone CROSS JOIN syncd.outlet_config o`.execute(
    trx,
  );
  return Number(numAffectedRows ?? 0);
}
