/**
 * Counts, by type, what waits for a person: there the two sides may hold different rows, and a comparison does not call it a
 * difference, for somebody has been told already. Reads only.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';

export type Undecided = {
  open_conflicts: number;
  /** Changes that will not reach the cloud by themselves. */
  failed: number;
  /** Changes of the cloud that cannot be applied. */
  parked: number;
};

export const NOTHING_UNDECIDED: Undecided = { open_conflicts: 0, failed: 0, parked: 0 };

/** Types where nothing is undecided are left out. */
export async function undecidedOf(db: Db, types: readonly string[]): Promise<Map<string, Undecided>> {
  const { rows } = await sql<Undecided & { entity_type: string }>`
    WITH waiting AS (
      SELECT entity_type, 'conflict' AS kind FROM syncd.sync_conflicts WHERE status = 'open'
      UNION ALL SELECT entity_type, 'failed' FROM syncd.unsettled WHERE status = 'failed'
      UNION ALL SELECT entity_type, 'parked' FROM syncd.incoming WHERE status = 'parked'
    )
    SELECT entity_type, count(*) FILTER (WHERE kind = 'conflict')::int AS open_conflicts,
           count(*) FILTER (WHERE kind = 'failed')::int AS failed, count(*) FILTER (WHERE kind = 'parked')::int AS parked
    FROM waiting WHERE entity_type = ANY (${arrayLiteral(types)}::text[]) GROUP BY entity_type`.execute(db);
  return new Map(rows.map(({ entity_type, ...undecided }) => [entity_type, undecided]));
}
