/** Writes down what came of a comparison: for `syncd status`, and beside everything else that people have asked for. */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { requester } from '../queue/manage.js';
import type { DifferenceKind } from './difference.js';
import { courseOf } from './repair.js';
import type { Proof } from './verify.js';

const LOST: DifferenceKind[] = ['missing_there', 'older_there'];

/** @param who asked for it */
export async function recordProofs(db: Db, proofs: readonly Proof[], who: string): Promise<void> {
  const rows = proofs.map(({ entity_type, direction, entities, on_the_way, differences, skipped }) => {
    const mendable = differences.filter((difference) => courseOf(direction, difference).how !== 'left');
    return {
      entity_type,
      entities,
      on_the_way,
      differences: mendable.length,
      lost: mendable.filter(({ kind }) => LOST.includes(kind)).length,
      beyond_repair: differences.length - mendable.length,
      skipped,
    };
  });
  const differ = rows.filter(({ differences }) => differences > 0);
  const outcome =
    differ.length === 0
      ? 'no differences'
      : `differences: ${differ.map(({ entity_type, differences }) => `${entity_type} ${differences}`).join(', ')}`;
  await sql`
    WITH proven AS (
      INSERT INTO syncd.proofs AS p (entity_type, compared_by, entities, on_the_way, differences, lost, beyond_repair, skipped)
      SELECT r.entity_type, ${requester(who)}, r.entities, r.on_the_way, r.differences, r.lost, r.beyond_repair, r.skipped
      FROM json_to_recordset(${JSON.stringify(rows)}::json)
           AS r (entity_type text, entities bigint, on_the_way bigint, differences bigint, lost bigint, beyond_repair bigint, skipped text)
      ON CONFLICT (entity_type) DO UPDATE
      SET compared_at = clock_timestamp(), compared_by = excluded.compared_by, entities = excluded.entities, on_the_way = excluded.on_the_way,
          differences = excluded.differences, lost = excluded.lost, beyond_repair = excluded.beyond_repair, skipped = excluded.skipped
    )
    INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
    VALUES ('verify', ${JSON.stringify({ types: rows })}::json, ${requester(who)}, clock_timestamp(), ${outcome})`.execute(
    db,
  );
}
