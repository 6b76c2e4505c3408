/**
 * Goes on after the cloud was restored from a backup. What both sides had agreed on is held against what the cloud holds now, for
 * its versions stand for nothing any more: what it has lost is queued again as the shop has it, what it holds of types that are
 * pulled comes anew. Pushing, pulling and applying are stopped meanwhile, and go on with the one transaction that writes it all.
 * A crash before it leaves everything stopped and as it was.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { SyncError } from '../errors.js';
import { putAwayIncoming } from '../ops/identity/put-away.js';
import { requester, wakeDaemon } from '../queue/manage.js';
import { requestReconcile } from '../walk/request.js';
import { agreeAnew, type Repaired } from './repair.js';
import type { Proof } from './verify.js';

export type RestoredCloud = {
  /** What the outlet knew it by, and what it calls itself now. */
  known: string | null;
  told: string;
  proofs: readonly Proof[];
  /** By type: what the cloud has left of entities that both sides had agreed to be gone; null: nothing. */
  tombstones: ReadonlyMap<string, ReadonlyMap<string, number | null>>;
};

/** Older deletions than any backup that a cloud would be restored from. */
const FORGOTTEN_DAYS = 90;

/** Entities that both sides agreed to be gone: under which version, the restored cloud has to be asked. */
export async function agreedGone(db: Db, entity_type: string): Promise<string[]> {
  const { rows } = await sql<{ entity_id: string }>`
    SELECT entity_id FROM syncd.entity_state
    WHERE entity_type = ${entity_type} AND deleted AND last_synced_at > clock_timestamp() - ${FORGOTTEN_DAYS} * interval '1 day'`.execute(
    db,
  );
  return rows.map(({ entity_id }) => entity_id);
}

export type GoneOn = {
  cloud_epoch: string;
  /** Of the changes that had come from the cloud's old history and were not applied yet. */
  put_away: number;
  repaired: (Repaired & { entity_type: string })[];
};

/** A key that is used again builds on the tombstone that the cloud has now. */
async function agreeTombstones(
  trx: Db,
  entity_type: string,
  versions: ReadonlyMap<string, number | null>,
): Promise<void> {
  await sql`
    UPDATE syncd.entity_state s SET cloud_version = w.version, cloud_id = CASE WHEN w.version IS NOT NULL THEN s.cloud_id END
    FROM unnest(${arrayLiteral([...versions.keys()])}::text[], ${arrayLiteral([...versions.values()])}::bigint[]) AS w (entity_id, version)
    WHERE s.entity_type = ${entity_type} AND s.entity_id = w.entity_id AND s.deleted`.execute(trx);
}

const CAUSE = 'the cloud was restored from a backup';

/**
 * What the cloud said in a conflict, it says no more. Its changes go again without a base, so that they meet whatever it says now;
 * where none waits, the walk sends the row.
 */
async function endConflicts(trx: Db, who: string): Promise<void> {
  const { rows } = await sql<{ entity_type: string }>`
    WITH ended AS (
      UPDATE syncd.sync_conflicts SET status = 'resolved', resolved_at = clock_timestamp(), resolved_by = ${requester(who)}, reason = ${CAUSE}
      WHERE status = 'open' RETURNING entity_type, entity_id
    ), again AS (
      UPDATE syncd.sync_queue q SET status = 'pending', retry_count = 0, hold_count = 0, next_attempt_at = clock_timestamp()
      FROM ended e WHERE q.status = 'conflict' AND q.entity_type = e.entity_type AND q.entity_id = e.entity_id
    ), loose AS (
      UPDATE syncd.entity_state s SET cloud_version = NULL, sync_status = 'synced', row_hash = coalesce(s.row_hash, 0), row_shape = NULL
      FROM ended e WHERE s.entity_type = e.entity_type AND s.entity_id = e.entity_id
    )
    SELECT DISTINCT entity_type FROM ended`.execute(trx);
  const types = rows.map(({ entity_type }) => entity_type);
  if (types.length > 0) await requestReconcile(trx, types, CAUSE, who);
}

/** @throws SyncError `failed` where somebody has decided meanwhile; then nothing was changed */
export async function goOnWithRestored(
  db: Db,
  { known, told, proofs, tombstones }: RestoredCloud,
  who: string,
): Promise<GoneOn> {
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ same: boolean; outlet_id: string }>`
      SELECT stopped_code = 'cloud_restored' AND cloud_epoch IS NOT DISTINCT FROM ${known}::text AS same, outlet_id
      FROM syncd.outlet_config FOR UPDATE`.execute(trx);
    const [outlet] = rows;
    if (outlet?.same !== true)
      throw new SyncError('failed', 'nothing was changed: somebody else has just decided', {
        hint: 'See: syncd status',
      });
    for (const [entity_type, versions] of tombstones) await agreeTombstones(trx, entity_type, versions);
    const repaired: GoneOn['repaired'] = [];
    for (const { entity_type, direction, differences } of proofs) {
      if (differences.length === 0) continue;
      const done = await agreeAnew(trx, { entity_type, direction, differences, who, cause: CAUSE, restored: true });
      repaired.push({ entity_type, ...done.repaired });
    }
    await endConflicts(trx, who);
    const put_away = await putAwayIncoming(trx, outlet.outlet_id);
    // Without a cursor the cloud tells everything that it has; what is known by its version changes nothing.
    await sql`
      UPDATE syncd.outlet_config
      SET cloud_epoch = ${told}, pull_cursor = NULL, stopped_code = NULL, stopped_reason = NULL, stopped_at = NULL, stopped_epoch = NULL`.execute(
      trx,
    );
    await sql`
      INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
      VALUES ('adopt', ${JSON.stringify({ as: 'cloud-restored', was: known, is: told, repaired })}::json, ${requester(who)}, clock_timestamp(),
              'adopted as cloud-restored')`.execute(trx);
    await wakeDaemon(trx);
    return { cloud_epoch: told, put_away, repaired };
  });
}
