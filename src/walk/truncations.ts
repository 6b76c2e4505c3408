/**
 * Settles what a TRUNCATE left open: the marker that keeps an entity's changes waiting, because nobody can tell from a TRUNCATE
 * whether the rows shall be deleted in the cloud too or were only put away. Deleting is a walk over the agreements, which the
 * daemon does; restoring is done row by row by the one who asks (see apply/restore), and is noted here when it is done.
 */
import { type RawBuilder, sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { byIndex } from '../db/indexed.js';
import { SyncError } from '../errors.js';
import { requester, wakeDaemon } from '../queue/manage.js';
import { hasDeparted } from './departed.js';
import { requestWalks } from './request.js';
import { hasRow, type WalkedTable } from './table.js';

export type OpenTruncation = { entity_type: string; truncated_at: string; together: string[] };

/**
 * Entities with an open one.
 * `together`: what the same transaction has emptied too, a TRUNCATE … CASCADE say.
 */
async function openTruncations(db: Db): Promise<OpenTruncation[]> {
  const { rows } = await sql<OpenTruncation>`
    SELECT t.entity_type, min(t.truncated_at)::text AS truncated_at,
      ARRAY(SELECT DISTINCT o.entity_type FROM syncd.truncations o
            WHERE o.settled_at IS NULL AND o.entity_type <> t.entity_type AND o.txid = ANY (array_agg(t.txid)) ORDER BY 1) AS together
    FROM syncd.truncations t WHERE t.settled_at IS NULL GROUP BY t.entity_type ORDER BY t.entity_type`.execute(db);
  return rows;
}

/** @throws SyncError `usage` for an entity without an open one */
export async function mustBeOpen(db: Db, entityTypes: readonly string[]): Promise<OpenTruncation[]> {
  const open = await openTruncations(db);
  const not = entityTypes.filter((type) => !open.some(({ entity_type }) => entity_type === type));
  if (not.length === 0) return open;
  const known = open.map(({ entity_type }) => entity_type).join(', ');
  throw new SyncError('usage', `nobody has emptied the table of ${not.join(', ')}, or it was settled before`, {
    hint: known === '' ? 'No TRUNCATE waits for a decision.' : `A decision is wanted for: ${known}.`,
  });
}

/** The entities' changes go on, and whatever the shop does not have any more is queued as deleted. @param entityTypes children first */
export async function settleByDeleting(db: Db, entityTypes: readonly string[], who: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await settle(trx, entityTypes, 'deleted', who);
    await requestWalks(trx, 'delete', entityTypes, 'a TRUNCATE is to be deleted in the cloud too', who);
  });
  await wakeDaemon(db);
}

/** To be called when the rows are back in the table: the entities' changes go on. */
export async function settleAsRestored(db: Db, entityTypes: readonly string[], who: string): Promise<void> {
  await db.transaction().execute((trx) => settle(trx, entityTypes, 'restored', who));
  await wakeDaemon(db);
}

async function settle(trx: Db, entityTypes: readonly string[], as: 'deleted' | 'restored', who: string): Promise<void> {
  await sql`
    WITH settled AS (
      UPDATE syncd.truncations SET settled_at = clock_timestamp(), settled_as = ${as}
      WHERE entity_type = ANY (${arrayLiteral(entityTypes)}::text[]) AND settled_at IS NULL RETURNING id
    )
    INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
    SELECT 'truncate', json_build_object('entities', ${JSON.stringify(entityTypes)}::json, 'truncations', (SELECT json_agg(id::text) FROM settled)),
           ${requester(who)}, clock_timestamp(), ${as}`.execute(trx);
}

/** `payload`: what the shop last said of it and the cloud has not settled; null: the cloud has it as it was. */
export type LostRow = { entity_id: string; payload: string | null };

/** `last`: where the next page begins; null: this was the end. */
export type LostPage = { rows: LostRow[]; last: string | null };

/**
 * Entities that both sides had, or that were on their way, and that have no row now; in the order of their ids.
 * @param limit how many entities are looked at
 */
export async function lostRows(db: Db, walked: WalkedTable, after: string | null, limit: number): Promise<LostPage> {
  const { entity, keys, departed } = walked;
  const behind: RawBuilder<boolean> = after === null ? sql<boolean>`true` : sql<boolean>`entity_id > ${after}`;
  const { rows } = await byIndex(db, (trx) =>
    sql<LostRow & { lost: boolean }>`
    WITH said AS MATERIALIZED (
      SELECT DISTINCT ON (entity_id) entity_id, operation, payload FROM syncd.unsettled
      WHERE entity_type = ${entity} ORDER BY entity_id, id DESC
    )
    SELECT one.entity_id, u.payload::text AS payload, u.operation IS DISTINCT FROM 'delete' AND NOT ${hasRow(walked, 'one.entity_id', true)}
      AND NOT ${hasDeparted(keys, departed, 'one.entity_id', true)} AS lost
    FROM ((SELECT entity_id FROM syncd.entity_state WHERE ${behind} AND entity_type = ${entity} AND NOT deleted
           ORDER BY entity_id LIMIT ${limit})
          UNION SELECT entity_id FROM said WHERE ${behind}
          ORDER BY entity_id LIMIT ${limit}) AS one
    LEFT JOIN said u ON u.entity_id = one.entity_id
    ORDER BY one.entity_id`.execute(trx),
  );
  const last = rows.length < limit ? null : (rows.at(-1)?.entity_id ?? null);
  return { rows: rows.filter(({ lost }) => lost).map(({ entity_id, payload }) => ({ entity_id, payload })), last };
}
