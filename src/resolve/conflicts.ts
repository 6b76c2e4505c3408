/**
 * Puts on record what applying found: incoming versions that the shop's own changes stand against, or that meet rows from before
 * capture. Runs in the applying transaction, with the rows locked: so it takes one statement, however many they are. Afterwards each
 * entity has one open conflict, at least one of its changes stands in that and holds the entity back, and the incoming change has
 * nothing left to say.
 */
import { type RawBuilder, sql } from 'kysely';
import type { ConflictBook } from '../apply/chunk.js';
import type { Incoming } from '../apply/incoming.js';
import { matches } from '../apply/rows.js';
import type { AppliedTable } from '../apply/tables.js';
import { payload } from '../capture/expressions.js';
import { plainLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { differing, REFRESH } from '../queue/divergence.js';
import { earliest } from './sides.js';
import { HELD } from './standing.js';

const idsOf = (incoming: readonly Incoming[]) => sql`${plainLiteral(incoming.map(({ id }) => id))}::bigint[]`;

/**
 * The incoming changes, each with how its entity stands here. Everything is looked up for one row after the other: a join of
 * thousands may be planned as a nested loop. A row from before capture has no change of its own, so one is made to stand for it,
 * under a name that is given here; it is never sent as it is.
 */
function found(table: AppliedTable, incoming: readonly Incoming[]): RawBuilder<unknown> {
  const held = sql`q.entity_type = ${table.entity} AND q.entity_id = i.entity_id AND ${HELD}`;
  return sql`
    SELECT i.entity_id, i.source, i.data, i.cloud_version, i.updated_at, i.operation = 'delete' AS deleted, its.live, first.id AS queue_id,
           coalesce(first.change_id, pg_catalog.gen_random_uuid()) AS change_id,
           (SELECT pg_catalog.json_object_agg(b.key, b.value) FROM (${earliest(held)}) AS b) AS base
    FROM syncd.incoming i
    LEFT JOIN LATERAL (
      SELECT q.id, q.change_id FROM syncd.sync_queue q WHERE ${held} ORDER BY q.id LIMIT 1 FOR UPDATE) AS first ON true
    LEFT JOIN LATERAL (
      SELECT ${sql.raw(payload(table, 't'))} AS live FROM ${sql.raw(table.table)} AS t WHERE ${matches(table, 'i.entity_id')} LIMIT 1) AS its ON true
    WHERE i.id = ANY (${idsOf(incoming)})`;
}

/** Opens conflicts, or refreshes those that are open. @param incoming rows of syncd.incoming with a version, each of another entity */
async function openConflicts(trx: Db, table: AppliedTable, incoming: readonly Incoming[]): Promise<void> {
  await sql`
    WITH found AS MATERIALIZED (${found(table, incoming)}
    ), standing_in AS (
      INSERT INTO syncd.sync_queue (change_id, entity_type, entity_id, operation, payload, status, undated)
      SELECT change_id, ${table.entity}, entity_id, 'create', live, 'conflict', true FROM found WHERE queue_id IS NULL
    ), noted AS (
      INSERT INTO syncd.sync_conflicts AS k (entity_type, entity_id, queue_id, change_id, source, strategy, base, local, cloud,
                                             cloud_version, cloud_updated_at, cloud_deleted, fields)
      SELECT ${table.entity}, f.entity_id, f.queue_id, f.change_id, CASE f.source WHEN 'conflict' THEN 'webhook' ELSE f.source END,
             ${table.conflict}, f.base, f.live, f.data, f.cloud_version, f.updated_at, f.deleted,
             ${differing(sql`f.live`, sql`f.data`)}
      FROM found f
      ON CONFLICT (entity_type, entity_id) WHERE status = 'open' DO UPDATE ${REFRESH}
    ), taken AS (
      UPDATE syncd.sync_queue q SET status = 'conflict', next_attempt_at = NULL, error_message = 'the cloud holds another version'
      -- Not by its place: what was waited for has another one, which this statement's snapshot does not see.
      FROM found f WHERE q.entity_type = ${table.entity} AND q.entity_id = f.entity_id AND q.id = f.queue_id AND ${HELD}
    )
    UPDATE syncd.entity_state SET sync_status = 'conflict'
    WHERE entity_type = ${table.entity} AND entity_id = ANY (ARRAY(SELECT entity_id FROM found))`.execute(trx);
}

/** Gives open conflicts the cloud's newer side; the entity's strategy has its say again. */
async function refreshConflicts(trx: Db, table: AppliedTable, incoming: readonly Incoming[]): Promise<Set<string>> {
  // Who resolves one holds the shop's row, and our look goes past that: whoever waits here may find it resolved.
  const { rows } = await sql<{ id: string }>`
    UPDATE syncd.sync_conflicts k
    SET cloud = i.data, cloud_version = i.cloud_version, cloud_updated_at = i.updated_at, cloud_deleted = i.operation = 'delete',
        fields = ${differing(sql`k.local`, sql`i.data`)}, strategy = ${table.conflict}, reason = NULL, attempts = 0, next_attempt_at = NULL
    FROM syncd.incoming i
    WHERE i.id = ANY (${idsOf(incoming)}) AND k.status = 'open' AND k.entity_type = ${table.entity} AND k.entity_id = i.entity_id
      AND (i.cloud_version > k.cloud_version OR k.cloud_version = 0)
    RETURNING i.id::text AS id`.execute(trx);
  return new Set(rows.map(({ id }) => id));
}

export const conflictBook: ConflictBook = { open: openConflicts, refresh: refreshConflicts };
