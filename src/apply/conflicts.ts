/**
 * Puts on record what applying found: an incoming version that the shop's own changes stand against, or that meets a row from
 * before capture. Runs in the applying transaction, with the row locked. Afterwards one conflict is open, at least one change of
 * the entity is in it and holds the entity back, and the incoming change has nothing left to say.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { differing, REFRESH } from '../queue/divergence.js';
import type { ConflictBook } from './chunk.js';
import type { Incoming } from './incoming.js';
import { mintChange } from './mint.js';
import { bases } from './sides.js';
import { takeHeldChanges } from './standing.js';
import type { AppliedTable } from './tables.js';
import { currentRow } from './write.js';

/** The columns of syncd.incoming as the cloud's side of a conflict; `i` is the row. */
const CLOUD = sql`i.data, i.cloud_version, i.updated_at, i.operation = 'delete'`;

/** Opens a conflict, or refreshes the one that is open. @param incoming a row of syncd.incoming with a version */
async function openConflict(trx: Db, table: AppliedTable, incoming: Incoming): Promise<void> {
  const { id, entity_id } = incoming;
  const changes = await takeHeldChanges(trx, table.entity, entity_id);
  const live = await currentRow(trx, table, entity_id);
  const [first] = changes;
  // A row from before capture has no change of its own: one is made to stand for it, and is never sent as it is.
  const held = first ?? {
    ...(await mintChange(trx, {
      entity_type: table.entity,
      entity_id,
      operation: 'create',
      payload: live ?? null,
      previous: null,
      status: 'conflict',
      supersedes: [],
      edited_at: null,
    })),
    place: undefined,
  };
  await sql`
    INSERT INTO syncd.sync_conflicts AS k (entity_type, entity_id, queue_id, change_id, source, strategy, base, local, cloud,
                                           cloud_version, cloud_updated_at, cloud_deleted, fields)
    SELECT ${table.entity}, ${entity_id}, ${first ? held.id : null}::bigint, ${held.change_id}::uuid,
           CASE i.source WHEN 'conflict' THEN 'webhook' ELSE i.source END, ${table.conflict},
           (SELECT json_object_agg(b.key, b.value) FROM (${bases(changes)}) AS b), ${live ?? null}::json, ${CLOUD},
           ${differing(sql`${live ?? null}::json`, sql`i.data`)}
    FROM syncd.incoming i WHERE i.id = ${id}::bigint
    ON CONFLICT (entity_type, entity_id) WHERE status = 'open' DO UPDATE ${REFRESH}`.execute(trx);
  if (first) {
    await sql`
      UPDATE syncd.sync_queue SET status = 'conflict', next_attempt_at = NULL, error_message = 'the cloud holds another version'
      WHERE ctid = ${first.place}::tid`.execute(trx);
  }
  await sql`
    UPDATE syncd.entity_state SET sync_status = 'conflict' WHERE entity_type = ${table.entity} AND entity_id = ${entity_id}`.execute(
    trx,
  );
}

/** Gives the open conflict the cloud's newer side; the entity's strategy has its say again. */
async function refreshConflict(trx: Db, table: AppliedTable, { id, entity_id }: Incoming): Promise<boolean> {
  // Who resolves it holds the shop's row, and our look goes past that: whoever waits here may find it resolved.
  const { numAffectedRows } = await sql`
    UPDATE syncd.sync_conflicts k
    SET (cloud, cloud_version, cloud_updated_at, cloud_deleted) = (${CLOUD}), fields = ${differing(sql`k.local`, sql`i.data`)},
        strategy = ${table.conflict}, reason = NULL, attempts = 0, next_attempt_at = NULL
    FROM syncd.incoming i
    WHERE i.id = ${id}::bigint AND k.status = 'open' AND k.entity_type = ${table.entity} AND k.entity_id = ${entity_id}
      AND (i.cloud_version > k.cloud_version OR k.cloud_version = 0)`.execute(trx);
  return (numAffectedRows ?? 0n) > 0n;
}

export const conflictBook: ConflictBook = { open: openConflict, refresh: refreshConflict };
