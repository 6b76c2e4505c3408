/**
 * Writes down that outlet and cloud agree on entities at certain versions: what a pull has applied, what a resolution has settled.
 * In the transaction that made it true; the version never decreases.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../db/connect.js';

/** A SELECT of `entity_type, entity_id, cloud_version, cloud_id, deleted`, each entity once. */
export type Agreements = RawBuilder<unknown>;

export type Agreement = {
  entity_type: string;
  entity_id: string;
  cloud_version: string;
  cloud_id: string | null;
  deleted: boolean;
};

export const oneAgreement = (a: Agreement): Agreements => sql`
  SELECT ${a.entity_type}::text AS entity_type, ${a.entity_id}::text AS entity_id, ${a.cloud_version}::bigint AS cloud_version,
         ${a.cloud_id}::text AS cloud_id, ${a.deleted}::boolean AS deleted`;

/** The statement, for use on its own or as a part of another one. */
export const agreeing = (agreements: Agreements): RawBuilder<unknown> => sql`
  INSERT INTO syncd.entity_state AS e (entity_type, entity_id, version, cloud_version, cloud_id, sync_status, deleted, last_synced_at)
  SELECT a.entity_type, a.entity_id, 1, a.cloud_version, a.cloud_id, 'synced', a.deleted, pg_catalog.clock_timestamp()
  FROM (${agreements}) AS a
  ON CONFLICT (entity_type, entity_id) DO UPDATE
  SET version = e.version + 1, cloud_version = greatest(e.cloud_version, excluded.cloud_version),
      cloud_id = coalesce(excluded.cloud_id, e.cloud_id), sync_status = 'synced',
      deleted = CASE WHEN excluded.cloud_version < e.cloud_version THEN e.deleted ELSE excluded.deleted END,
      last_synced_at = excluded.last_synced_at`;

/** The same where none is known to have a state; who is wrong about that fails. Half as dear as asking for each. */
export const agreeingFirst = (agreements: Agreements): RawBuilder<unknown> => sql`
  INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version, cloud_id, sync_status, deleted, last_synced_at)
  SELECT a.entity_type, a.entity_id, 1, a.cloud_version, a.cloud_id, 'synced', a.deleted, pg_catalog.clock_timestamp()
  FROM (${agreements}) AS a`;

/** The same where each is known to have one: a third cheaper. */
export const agreeingAnew = (agreements: Agreements): RawBuilder<unknown> => sql`
  UPDATE syncd.entity_state e
  SET version = e.version + 1, cloud_version = greatest(e.cloud_version, a.cloud_version), cloud_id = coalesce(a.cloud_id, e.cloud_id),
      sync_status = 'synced', deleted = CASE WHEN a.cloud_version < e.cloud_version THEN e.deleted ELSE a.deleted END,
      last_synced_at = pg_catalog.clock_timestamp()
  FROM (${agreements}) AS a WHERE e.entity_id = a.entity_id AND e.entity_type = a.entity_type`;

export async function agree(trx: Db, agreements: Agreements): Promise<void> {
  await agreeing(agreements).execute(trx);
}
