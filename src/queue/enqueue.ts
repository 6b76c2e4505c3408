/**
 * Puts one row of the shop into the queue as it is now, as if it had just been changed: by hand, or to repair. The row's text
 * is made by the same expressions as in the capture triggers, by Postgres.
 *
 * The order must hold: a sale that changed the row and has its place in the queue before ours, but has not committed yet, would
 * be overtaken by our older copy. So after our insert we wait for every transaction that was writing to the table then, and
 * look again: if the row is not what we queued, we take it back and start over. Sales never wait for us.
 */
import { type RawBuilder, sql } from 'kysely';
import { keyText, payload } from '../capture/expressions.js';
import { givenParts, notAKey, typedParts } from '../capture/given-key.js';
import { readKeys, type TypedKey } from '../capture/keys.js';
import { pinTexts } from '../capture/row-hash.js';
import type { Db } from '../db/connect.js';
import { codeOf, INSTALL, SyncError } from '../errors.js';
import { monotonicMs, sleep } from '../time.js';
import { requester } from './manage.js';
import { writersHaveEnded } from './writers.js';

export type Enqueued = {
  id: string;
  change_id: string;
  entity_type: string;
  entity_id: string;
  operation: 'create' | 'update' | 'delete';
};

const PATIENCE_MS = 10_000;

type Captured = { table: string; keys: TypedKey[]; excluded: string[] };

/** @throws SyncError `failed` when the entity is unknown, or its table is being written to without a pause */
export async function enqueueEntity(db: Db, entityType: string, entityId: string, who: string): Promise<Enqueued> {
  const captured = await capturedTable(db, entityType);
  const parts = givenParts(captured.keys, entityId);
  const deadline = monotonicMs() + PATIENCE_MS;
  while (monotonicMs() < deadline) {
    const enqueued = await db
      .transaction()
      .execute((trx) => attempt(trx, { entityType, captured, parts, who, deadline }))
      .catch((error: unknown) => {
        // Taking back what we queued is a rollback.
        if (error instanceof Overtaken) return undefined;
        if (codeOf(error)?.startsWith('22')) throw notAKey(captured.keys, entityType, entityId);
        throw error;
      });
    if (enqueued) return enqueued;
    await sleep(20);
  }
  throw new SyncError(
    'failed',
    `${entityType} ${entityId} was not queued: its table is being written to without a pause`,
    {
      hint: 'Its changes are captured as they are made; try again in a quieter moment.',
    },
  );
}

/** Nobody knows an entity of this type and id. */
export class UnknownEntity extends SyncError {
  constructor(message: string, hint: string) {
    super('failed', message, { hint });
    this.name = 'UnknownEntity';
  }
}

class Overtaken extends Error {}

type Attempt = { entityType: string; captured: Captured; parts: string[]; who: string; deadline: number };

async function attempt(trx: Db, { entityType, captured, parts, who, deadline }: Attempt): Promise<Enqueued> {
  await pinTexts.execute(trx);
  const current = currentRow(captured, parts);
  const { rows } = await sql<Enqueued & { conflict: string | null }>`
    WITH named AS (
      SELECT ${sql.raw(keyText(captured, 't'))} AS entity_id FROM (SELECT ${typedParts(captured.keys, parts)}) AS t
    ), found AS (${current}
    ), known AS (
      SELECT EXISTS (SELECT FROM syncd.entity_state s, named n WHERE s.entity_type = ${entityType} AND s.entity_id = n.entity_id AND NOT s.deleted)
          OR EXISTS (SELECT FROM syncd.unsettled u, named n WHERE u.entity_type = ${entityType} AND u.entity_id = n.entity_id) AS known
    ), conflict AS (
      SELECT k.id FROM syncd.sync_conflicts k, named n
      WHERE k.status = 'open' AND k.entity_type = ${entityType} AND k.entity_id = n.entity_id
    ), queued AS (
      INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, undated)
      SELECT ${entityType}, coalesce(f.entity_id, n.entity_id),
             CASE WHEN f.entity_id IS NULL THEN 'delete' WHEN k.known THEN 'update' ELSE 'create' END, f.payload, true
      FROM named n CROSS JOIN known k LEFT JOIN found f ON true
      WHERE (f.entity_id IS NOT NULL OR k.known) AND NOT EXISTS (SELECT FROM conflict)
      RETURNING id, change_id, entity_type, entity_id, operation
    ), record AS (
      INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
      SELECT 'push', json_build_object('entity_type', entity_type, 'entity_id', entity_id, 'id', id::text), ${requester(who)},
             clock_timestamp(), 'queued as ' || operation
      FROM queued
    )
    SELECT q.*, c.id AS conflict FROM (SELECT) AS one LEFT JOIN queued q ON true LEFT JOIN conflict c ON true`.execute(
    trx,
  );
  const { conflict, ...queued } = rows[0] as Enqueued & { conflict: string | null };
  if (conflict !== null) throw inConflict(entityType, parts, conflict);
  if (queued.id === null) {
    throw new UnknownEntity(
      `there is no ${entityType} ${parts.join(', ')}: neither in ${captured.table} nor at the cloud`,
      'The id is the primary key; a composite key is a JSON array of texts, ["7","2"].',
    );
  }
  if (!(await writersHaveEnded(trx, captured.table, deadline))) throw new Overtaken();
  const { rows: same } = await sql<{ same: boolean }>`
    WITH found AS (${current})
    SELECT (SELECT payload::text FROM found) IS NOT DISTINCT FROM payload::text AS same
    FROM syncd.sync_queue WHERE id = ${queued.id}::bigint AND status = 'pending' AND next_attempt_at IS NULL`.execute(
    trx,
  );
  if (same[0]?.same !== true) throw new Overtaken();
  await sql`SELECT syncd.wake()`.execute(trx);
  return queued;
}

/** The row, or none: its id and text, in the capture's own words. */
function currentRow(captured: Captured, parts: string[]): RawBuilder<unknown> {
  const conditions = captured.keys.map(
    (key, i) => sql`t.${sql.id(key.name)} ${sql.raw(key.equals)} ${parts[i]}::${sql.raw(key.type)}`,
  );
  return sql`
      SELECT ${sql.raw(keyText(captured, 't'))} AS entity_id, ${sql.raw(payload(captured, 't'))} AS payload
      FROM ${sql.raw(captured.table)} AS t WHERE ${sql.join(conditions, sql` AND `)}`;
}

async function capturedTable(db: Db, entityType: string): Promise<Captured> {
  const row = await db
    .selectFrom('syncd.capture')
    .select(['table_name', 'keys', 'excluded'])
    .where('entity_type', '=', entityType)
    .executeTakeFirst();
  if (!row) {
    const known = await db.selectFrom('syncd.capture').select('entity_type').orderBy('entity_type').execute();
    throw new UnknownEntity(
      `no entity ${entityType} is captured`,
      known.length > 0 ? `Known are: ${known.map((one) => one.entity_type).join(', ')}.` : `Run: ${INSTALL}`,
    );
  }
  const keys = await readKeys(db, row.table_name, row.keys);
  return { table: row.table_name, keys, excluded: row.excluded };
}

/** A copy that does not say what was changed in it could not be merged with the cloud's side any more. */
function inConflict(entityType: string, parts: string[], conflict: string): SyncError {
  return new SyncError('failed', `${entityType} ${parts.join(', ')} was not queued: it is in conflict ${conflict}`, {
    hint: `syncd resolve ${conflict} --strategy local_wins sends it as the shop has it.`,
  });
}
