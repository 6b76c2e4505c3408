/**
 * The bookkeeping of a resolution, in its transaction: what remains to be sent, the old changes settled, the agreement with the
 * cloud, and the conflict's own record with everything that was discarded.
 */
import { type RawBuilder, sql } from 'kysely';
import { canonical, matches } from '../apply/rows.js';
import { agreeing, OLDER, oneAgreement } from '../apply/state.js';
import type { AppliedTable } from '../apply/tables.js';
import { payload } from '../capture/expressions.js';
import type { Operation } from '../cloud/wire.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { requester } from '../queue/manage.js';
import { type Brake, brakeAfter } from './brake.js';
import { minting } from './mint.js';
import type { Plan, Requested } from './plan.js';
import type { Conflict } from './sides.js';

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

export type Outgoing = { operation: Operation; previous: string | null };

/**
 * The shop's row as it is now, and what the cloud has to be told so that it holds the same (undefined: nothing). What our own writes
 * left in the queue for the entity goes: that is made anew, as one change.
 */
export async function whatRemains(
  trx: Db,
  table: AppliedTable,
  { entity_type, entity_id, cloud }: Conflict,
  position: string,
): Promise<{ result: string | undefined; change: Outgoing | undefined }> {
  const leftAside = table.columns.filter((one) => one.kind === 'generated' || table.local.includes(one.name));
  const differing = sql`(
    SELECT json_object_agg(c.key, c.value)
    FROM json_each(its.payload) l JOIN json_each(${canonical(table, sql`${entity_id}`, sql`${cloud}`)}) c ON c.key = l.key
    WHERE l.value::jsonb IS DISTINCT FROM c.value::jsonb
      AND l.key <> ALL (${arrayLiteral(leftAside.map(({ name }) => name))}::text[]))`;
  const { rows } = await sql<{ result: string | null; previous: string | null }>`
    WITH taken AS (
      DELETE FROM syncd.sync_queue
      WHERE id > ${position}::bigint AND status = 'pending' AND next_attempt_at IS NULL AND txid = pg_current_xact_id()
        AND entity_type = ${entity_type} AND entity_id = ${entity_id}
    )
    SELECT its.payload::text AS result, CASE WHEN its.payload IS NOT NULL THEN ${cloud === null ? sql`NULL` : differing} END::text AS previous
    FROM (SELECT ${entity_id}::text AS entity_id) AS s LEFT JOIN LATERAL (
      SELECT ${sql.raw(payload(table, 't'))} AS payload FROM ${sql.raw(table.table)} AS t WHERE ${matches(table)} LIMIT 1) AS its ON true`.execute(
    trx,
  );
  const { result, previous } = rows[0] as (typeof rows)[0];
  return { result: result ?? undefined, change: outgoing(cloud, result, previous) };
}

function outgoing(cloud: string | null, result: string | null, previous: string | null): Outgoing | undefined {
  if (cloud === null) return result === null ? undefined : { operation: 'create', previous: null };
  if (result === null) return { operation: 'delete', previous: null };
  return previous === null ? undefined : { operation: 'update', previous };
}

type Ended = {
  conflict: Conflict;
  plan: Plan;
  result: string | undefined;
  kept: Result['resolution'];
  change: Outgoing | undefined;
  /** The rule that decided. */
  by: string;
};

/** All of it in one statement: the row stays locked until it is done. */
export async function finish(trx: Db, ended: Ended, requested: Requested): Promise<Result> {
  const { conflict, plan, result, kept, change, by } = ended;
  const { sides, standing } = plan;
  const { id, entity_type, entity_id } = conflict;
  const { wish } = requested;
  const automatic = wish.kind === 'automatic';
  const reason = automatic || requested.reason === null ? plan.choice.reason : requested.reason;
  const brake = change && automatic ? brakeAfter(plan.rounds, wish.longestWaitMs) : undefined;
  const minted = change && {
    entity_type,
    entity_id,
    ...change,
    payload: result ?? null,
    supersedes: plan.names,
    // A person's choice is an edit of now; a rule only decides between edits that were made.
    edited_at: automatic ? sides.edited_at : 'now',
    brake,
  };
  const change_id = minted ? sql`(SELECT change_id FROM minted)` : sql`NULL::uuid`;
  const { rows } = await sql<{ change_id: string | null }>`
    WITH ${minted ? sql`minted AS (${minting(minted)}),` : sql``} settled AS (
      UPDATE syncd.sync_queue
      SET status = 'synced', settled_as = ${minted ? 'superseded' : 'cloud_won'}, superseded_by = ${change_id},
          synced_at = clock_timestamp(), next_attempt_at = NULL, error_message = NULL
      WHERE ctid = ANY (${arrayLiteral(standing.changes.map(({ place }) => place))}::tid[])
    ), agreed AS (${agreedOn(conflict, result, minted !== undefined)}
    ), outdated AS (${outdated(conflict)})
    UPDATE syncd.sync_conflicts
    SET status = 'resolved', resolved_at = clock_timestamp(), resolved_by = ${automatic ? by : requester(requested.who)},
        reason = ${reason}, resolution = ${kept}, result = ${result ?? null}::json, resolved_change_id = ${change_id},
        local = ${standing.live ?? null}::json, fields = ${arrayLiteral(sides.fields)}::text[],
        base = ${sides.base}::json
    WHERE id = ${id}::bigint RETURNING resolved_change_id AS change_id`.execute(trx);
  return { id, entity_type, entity_id, resolution: kept, change_id: rows[0]?.change_id ?? null, reason, brake };
}

/**
 * Whether an agreement says nothing. A cloud that refused a push has gone back where it names an older version than it had accepted:
 * built upon what is known, every later change of the entity would be refused as well, for ever.
 */
const saysNothing = ({ source }: Conflict) => (source === 'push' ? sql`false` : OLDER);

/**
 * From now on the entity builds on the version that was looked at; a cloud that has nothing is built upon from nothing.
 * @param underWay the cloud does not hold the result yet: a change brings it
 */
function agreedOn(conflict: Conflict, result: string | undefined, underWay: boolean): RawBuilder<unknown> {
  const { entity_type, entity_id, cloud, cloud_version } = conflict;
  if (cloud_version !== '0') {
    const deleted = cloud === null;
    const row = underWay ? undefined : result;
    return agreeing(
      oneAgreement({ entity_type, entity_id, cloud_version, cloud_id: null, deleted, row }),
      saysNothing(conflict),
    );
  }
  return sql`
    INSERT INTO syncd.entity_state AS e (entity_type, entity_id, version, sync_status, deleted, last_synced_at)
    VALUES (${entity_type}, ${entity_id}, 1, 'synced', ${result === undefined}, clock_timestamp())
    ON CONFLICT (entity_type, entity_id) DO UPDATE
    SET version = e.version + 1, cloud_version = NULL, sync_status = 'synced', deleted = excluded.deleted, row_hash = NULL,
        row_shape = NULL, last_synced_at = excluded.last_synced_at`;
}

/** What was parked of the versions that both sides have left behind now can only be ignored, and would be told of until then. */
const outdated = ({ entity_type, entity_id, cloud_version }: Conflict) => sql`
  DELETE FROM syncd.incoming
  WHERE entity_type = ${entity_type} AND entity_id = ${entity_id} AND (status = 'parked' OR next_attempt_at IS NOT NULL)
    AND cloud_version <= ${cloud_version}::bigint`;

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
