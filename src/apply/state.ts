/**
 * Writes down that outlet and cloud agree on entities at certain versions: what a pull has applied, what a resolution has settled.
 * In the transaction that made it true; the version never decreases, unless the cloud itself has gone back. With it stands the hash
 * of the row that both hold.
 */
import { type RawBuilder, sql } from 'kysely';
import { rowHash, shapeOf, textHash } from '../capture/row-hash.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { matches } from './rows.js';
import type { AppliedTable } from './tables.js';

/**
 * A SELECT of `entity_type, entity_id, cloud_version, cloud_id, deleted, hash`, each entity once. `hash`: of the row that both sides
 * hold now (see capture/row-hash); null where that is in doubt, or there is none.
 */
export type Agreements = RawBuilder<unknown>;

export type Agreement = {
  entity_type: string;
  entity_id: string;
  cloud_version: string;
  cloud_id: string | null;
  deleted: boolean;
  /** The shop's row as capture writes it, if that is what the cloud holds too. */
  row: string | undefined;
};

export const oneAgreement = (a: Agreement): Agreements => sql`
  SELECT ${a.entity_type}::text AS entity_type, ${a.entity_id}::text AS entity_id, ${a.cloud_version}::bigint AS cloud_version,
         ${a.cloud_id}::text AS cloud_id, ${a.deleted}::boolean AS deleted,
         ${textHash(sql`${a.row ?? null}::pg_catalog.json`)} AS hash`;

const SHAPE = sql`CASE WHEN a.hash IS NOT NULL THEN ${shapeOf(sql`a.entity_type`)} END`;

/** What is older than what is known says nothing. */
export const OLDER = sql`excluded.cloud_version < e.cloud_version`;

/**
 * The statement, for use on its own or as a part of another one.
 * @param older whether an agreement says nothing, by `e` and `excluded`
 */
export const agreeing = (agreements: Agreements, older: RawBuilder<unknown> = OLDER): RawBuilder<unknown> => sql`
  INSERT INTO syncd.entity_state AS e (entity_type, entity_id, version, cloud_version, cloud_id, sync_status, deleted, last_synced_at,
                                    row_hash, row_shape)
  SELECT a.entity_type, a.entity_id, 1, a.cloud_version, a.cloud_id, 'synced', a.deleted, pg_catalog.clock_timestamp(), a.hash, ${SHAPE}
  FROM (${agreements}) AS a
  ON CONFLICT (entity_type, entity_id) DO UPDATE
  SET version = e.version + 1, cloud_version = CASE WHEN ${older} THEN e.cloud_version ELSE coalesce(excluded.cloud_version, e.cloud_version) END,
      cloud_id = coalesce(excluded.cloud_id, e.cloud_id), sync_status = 'synced',
      deleted = CASE WHEN ${older} THEN e.deleted ELSE excluded.deleted END,
      row_hash = CASE WHEN ${older} THEN e.row_hash ELSE excluded.row_hash END,
      row_shape = CASE WHEN ${older} THEN e.row_shape ELSE excluded.row_shape END,
      last_synced_at = excluded.last_synced_at`;

/** The same where none is known to have a state; who is wrong about that fails. Half as dear as asking for each. */
export const agreeingFirst = (agreements: Agreements): RawBuilder<unknown> => sql`
  INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version, cloud_id, sync_status, deleted, last_synced_at,
                                    row_hash, row_shape)
  SELECT a.entity_type, a.entity_id, 1, a.cloud_version, a.cloud_id, 'synced', a.deleted, pg_catalog.clock_timestamp(), a.hash, ${SHAPE}
  FROM (${agreements}) AS a`;

/** The same where each is known to have one: a third cheaper. */
export const agreeingAnew = (agreements: Agreements): RawBuilder<unknown> => sql`
  UPDATE syncd.entity_state e
  SET version = e.version + 1, cloud_version = greatest(e.cloud_version, a.cloud_version), cloud_id = coalesce(a.cloud_id, e.cloud_id),
      sync_status = 'synced', deleted = CASE WHEN a.cloud_version < e.cloud_version THEN e.deleted ELSE a.deleted END,
      row_hash = CASE WHEN a.cloud_version < e.cloud_version THEN e.row_hash ELSE a.hash END,
      row_shape = CASE WHEN a.cloud_version < e.cloud_version THEN e.row_shape ELSE ${SHAPE} END,
      last_synced_at = pg_catalog.clock_timestamp()
  FROM (${agreements}) AS a WHERE e.entity_id = a.entity_id AND e.entity_type = a.entity_type`;

/**
 * Notes the hashes of rows as they stand, for what the queue's own text could not tell: nothing was captured of them, or more than
 * what the cloud sent. Entities with a change of ours that stays in the queue are left out: both sides do not hold the same.
 * @param position of the queue before the first write
 */
export async function noteRows(
  trx: Db,
  table: AppliedTable,
  entityIds: readonly string[],
  position: string,
): Promise<void> {
  // Nothing is captured there; or its text follows the search_path, which is the POS's own here.
  if (table.direction === 'pull' || table.columns.some(({ type }) => type.startsWith('reg'))) return;
  await sql`
    UPDATE syncd.entity_state e SET row_hash = a.hash, row_shape = ${SHAPE}
    FROM (SELECT ${table.entity}::text AS entity_type, s.entity_id, now.hash
          FROM unnest(${arrayLiteral(entityIds)}::text[]) AS s (entity_id)
          CROSS JOIN LATERAL (SELECT ${rowHash(table, 't')} AS hash FROM ${sql.raw(table.table)} AS t WHERE ${matches(table)} OFFSET 0) AS now
          WHERE s.entity_id NOT IN (
            SELECT q.entity_id FROM syncd.sync_queue q
            WHERE q.status = 'pending' AND q.next_attempt_at IS NULL AND q.id > ${position}::bigint
              AND q.txid = pg_catalog.pg_current_xact_id() AND q.entity_type = ${table.entity})) AS a
    WHERE e.entity_id = a.entity_id AND e.entity_type = a.entity_type`.execute(trx);
}

/** Writes the agreements into the caller's transaction; see `agreeing`. */
export async function agree(trx: Db, agreements: Agreements): Promise<void> {
  await agreeing(agreements).execute(trx);
}
