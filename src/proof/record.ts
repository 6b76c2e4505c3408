/** Writes down what came of a comparison: for `syncd status`, and beside everything else that people have asked for. */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { requester } from '../queue/manage.js';
import type { DifferenceKind } from './difference.js';
import type { Proof } from './verify.js';

const LOST: DifferenceKind[] = ['missing_there', 'older_there'];

/** What the cloud had accepted, and does not keep. */
const lostOf = ({ differences }: Pick<Proof, 'differences'>): number =>
  differences.filter(({ kind }) => LOST.includes(kind)).length;

/** @param who asked for it */
export async function recordProofs(db: Db, proofs: readonly Proof[], who: string): Promise<void> {
  const rows = proofs.map((proof) => {
    const { entity_type, entities, on_the_way, differences, skipped } = proof;
    return { entity_type, entities, on_the_way, differences: differences.length, lost: lostOf(proof), skipped };
  });
  const differ = rows.filter(({ differences }) => differences > 0);
  const outcome =
    differ.length === 0
      ? 'no differences'
      : `differences: ${differ.map(({ entity_type, differences }) => `${entity_type} ${differences}`).join(', ')}`;
  await sql`
    WITH proven AS (
      INSERT INTO syncd.proofs AS p (entity_type, compared_by, entities, on_the_way, differences, lost, skipped)
      SELECT entity_type, ${requester(who)}, entities, on_the_way, differences, lost, skipped
      FROM json_to_recordset(${JSON.stringify(rows)}::json)
           AS r (entity_type text, entities bigint, on_the_way bigint, differences bigint, lost bigint, skipped text)
      ON CONFLICT (entity_type) DO UPDATE
      SET compared_at = clock_timestamp(), compared_by = excluded.compared_by, entities = excluded.entities, on_the_way = excluded.on_the_way,
          differences = excluded.differences, lost = excluded.lost, skipped = excluded.skipped
    )
    INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
    VALUES ('verify', ${JSON.stringify({ types: rows })}::json, ${requester(who)}, clock_timestamp(), ${outcome})`.execute(
    db,
  );
}
