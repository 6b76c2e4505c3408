/**
 * The bookkeeping of a resolution, in its transaction: what remains to be sent, the old changes settled, the agreement with the
 * cloud, and the conflict's own record with everything that was discarded.
 */
import { sql } from 'kysely';
import type { Operation } from '../cloud/wire.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { requester } from '../queue/manage.js';
import { type Brake, brakeAfter, roundsInARow } from './brake.js';
import { type Minted, mintChange } from './mint.js';
import type { Requested } from './resolution.js';
import { canonical } from './rows.js';
import type { Conflict, Sides, Unsettled } from './sides.js';
import { agree, oneAgreement } from './state.js';
import type { AppliedTable } from './tables.js';

export type Result = {
  id: string;
  entity_type: string;
  entity_id: string;
  resolution: 'cloud' | 'local' | 'merged' | 'data' | 'equal';
  /** The change that brings the result to the cloud; null: the cloud has it. */
  change_id: string | null;
  reason: string;
  /** The change does not go out at once. */
  brake?: Brake | undefined;
};

/** The queue's rows that our own writes left for this entity: what is to be sent of them is made anew, as one change. */
export async function takeBackOwn(trx: Db, { entity_type, entity_id }: Conflict, position: string): Promise<void> {
  await sql`
    DELETE FROM syncd.sync_queue
    WHERE id > ${position}::bigint AND status = 'pending' AND next_attempt_at IS NULL AND txid = pg_current_xact_id()
      AND entity_type = ${entity_type} AND entity_id = ${entity_id}`.execute(trx);
}

export type Outgoing = { operation: Operation; previous: string | null };

/**
 * What the cloud has to be told so that it holds what the shop holds; undefined: nothing.
 * @param result the shop's row as it is now
 */
export async function outgoing(
  trx: Db,
  table: AppliedTable,
  { entity_id, cloud }: Conflict,
  result: string | undefined,
): Promise<Outgoing | undefined> {
  if (cloud === null) return result === undefined ? undefined : { operation: 'create', previous: null };
  if (result === undefined) return { operation: 'delete', previous: null };
  const apart = table.columns.filter((one) => one.kind === 'generated' || table.local.includes(one.name));
  const { rows } = await sql<{ previous: string | null }>`
    SELECT json_object_agg(c.key, c.value)::text AS previous
    FROM json_each(${result}::json) l JOIN json_each(${canonical(table, sql`${entity_id}`, sql`${cloud}`)}) c ON c.key = l.key
    WHERE l.value::jsonb IS DISTINCT FROM c.value::jsonb
      AND l.key <> ALL (${arrayLiteral(apart.map(({ name }) => name))}::text[])`.execute(trx);
  const previous = rows[0]?.previous ?? null;
  return previous === null ? undefined : { operation: 'update', previous };
}

type Ended = {
  conflict: Conflict;
  changes: readonly Unsettled[];
  sides: Sides;
  live: string | undefined;
  result: string | undefined;
  kept: Result['resolution'];
  change: Outgoing | undefined;
  /** The rule that decided. */
  by: string;
  reason: string;
};

export async function finish(trx: Db, ended: Ended, requested: Requested): Promise<Result> {
  const { conflict, changes, sides, live, result, kept, change, by, reason } = ended;
  const { id, entity_type, entity_id } = conflict;
  const { wish } = requested;
  const automatic = wish.kind === 'automatic';
  let minted: Minted | undefined;
  let brake: Brake | undefined;
  if (change) {
    const names = changes.flatMap(({ change_id, supersedes }) => [change_id, ...(supersedes ?? [])]);
    if (automatic) brake = brakeAfter(await roundsInARow(trx, conflict, names), wish.longestWaitMs);
    minted = await mintChange(trx, {
      entity_type,
      entity_id,
      ...change,
      payload: result ?? null,
      status: 'pending',
      supersedes: [...new Set(names)],
      // A person's choice is an edit of now; a rule only decides between edits that were made.
      edited_at: automatic ? sides.edited_at : 'now',
      brake,
    });
  }
  await settleChanges(trx, changes, minted);
  await agreeOn(trx, conflict, result, minted !== undefined);
  await dropOutdated(trx, conflict);
  await sql`
    UPDATE syncd.sync_conflicts
    SET status = 'resolved', resolved_at = clock_timestamp(), resolved_by = ${automatic ? by : requester(requested.who)},
        reason = ${reason}, resolution = ${kept}, result = ${result ?? null}::json, resolved_change_id = ${minted?.change_id ?? null}::uuid,
        local = ${live ?? null}::json, fields = ${arrayLiteral(sides.fields)}::text[],
        base = ${sides.base}::json
    WHERE id = ${id}::bigint`.execute(trx);
  return { id, entity_type, entity_id, resolution: kept, change_id: minted?.change_id ?? null, reason, brake };
}

async function settleChanges(trx: Db, changes: readonly Unsettled[], minted: Minted | undefined): Promise<void> {
  await sql`
    UPDATE syncd.sync_queue
    SET status = 'synced', settled_as = ${minted ? 'superseded' : 'cloud_won'}, superseded_by = ${minted?.change_id ?? null}::uuid,
        synced_at = clock_timestamp(), next_attempt_at = NULL, error_message = NULL
    WHERE ctid = ANY (${arrayLiteral(changes.map(({ place }) => place))}::tid[])`.execute(trx);
}

/**
 * From now on the entity builds on the version that was looked at; a cloud that has nothing is built upon from nothing.
 * @param apart the cloud does not hold the result yet: a change is on its way
 */
async function agreeOn(trx: Db, conflict: Conflict, result: string | undefined, apart: boolean): Promise<void> {
  const { entity_type, entity_id, cloud, cloud_version } = conflict;
  if (cloud_version !== '0') {
    const deleted = cloud === null;
    const row = apart ? undefined : result;
    return agree(trx, oneAgreement({ entity_type, entity_id, cloud_version, cloud_id: null, deleted, row }));
  }
  await sql`
    INSERT INTO syncd.entity_state AS e (entity_type, entity_id, version, sync_status, deleted, last_synced_at)
    VALUES (${entity_type}, ${entity_id}, 1, 'synced', ${result === undefined}, clock_timestamp())
    ON CONFLICT (entity_type, entity_id) DO UPDATE
    SET version = e.version + 1, cloud_version = NULL, sync_status = 'synced', deleted = excluded.deleted, row_hash = NULL,
        row_shape = NULL, last_synced_at = excluded.last_synced_at`.execute(trx);
}

/** What was parked of the versions that both sides have left behind now can only be ignored, and would be told of until then. */
async function dropOutdated(trx: Db, { entity_type, entity_id, cloud_version }: Conflict): Promise<void> {
  await sql`
    DELETE FROM syncd.incoming
    WHERE entity_type = ${entity_type} AND entity_id = ${entity_id} AND (status = 'parked' OR next_attempt_at IS NOT NULL)
      AND cloud_version <= ${cloud_version}::bigint`.execute(trx);
}

/**
 * The rule decides, and the shop's table does not take it: a parent that is not here yet, a place that another row has. The rule is
 * tried again after `delayMs`, or when the cloud's side changes.
 */
export async function leaveRefused(trx: Db, id: string, reason: string, delayMs: number): Promise<void> {
  await sql`
    UPDATE syncd.sync_conflicts
    SET reason = ${reason}, attempts = attempts + 1, next_attempt_at = clock_timestamp() + ${delayMs}::float8 * interval '1 ms'
    WHERE id = ${id}::bigint AND status = 'open'`.execute(trx);
}

/** No rule decides: from now on it waits for a person, until the cloud's side changes once more. */
export async function leaveOpen(
  trx: Db,
  id: string,
  reason: string,
  seen?: { fields: string[]; local: string | null; base: string | null },
): Promise<void> {
  await sql`
    UPDATE syncd.sync_conflicts SET strategy = 'manual', reason = ${reason}, attempts = 0, next_attempt_at = NULL
      ${seen ? sql`, fields = ${arrayLiteral(seen.fields)}::text[], local = ${seen.local}::json, base = ${seen.base}::json` : sql``}
    WHERE id = ${id}::bigint AND status = 'open'`.execute(trx);
}
