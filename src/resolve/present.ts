/**
 * Open conflicts as they stand at this moment, for whoever is to choose: what stands in syncd.sync_conflicts of the shop's side
 * is from when the conflict was found or last looked at, and the shop sells on. Reads only, without a lock; what a resolution
 * then decides by it reads again.
 */
import { sql } from 'kysely';
import { matches } from '../apply/rows.js';
import { type AppliedTable, loadTables } from '../apply/tables.js';
import { payload } from '../capture/expressions.js';
import type { Settings } from '../config/settings.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { codeOf } from '../errors.js';
import { type ConflictItem, findConflict, listConflicts, type ShopSide } from '../queue/conflicts.js';
import type { Filter } from '../queue/read.js';
import { type Conflict, differingNow } from './sides.js';

/** As `listConflicts`, the shop's side of open ones as its tables hold it now. */
export async function listPresentConflicts(db: Db, settings: Settings, filter: Filter): Promise<ConflictItem[]> {
  const items = await listConflicts(db, filter);
  const moved = await movedSince(db, settings, items);
  return moved.length === 0 ? items : listConflicts(db, filter, moved);
}

/**
 * As `findConflict`, the shop's side of an open one as its table holds it now.
 * @returns undefined where there is no such id
 */
export async function findPresentConflict(db: Db, settings: Settings, id: string): Promise<ConflictItem | undefined> {
  const found = await findConflict(db, id);
  const moved = found === undefined ? [] : await movedSince(db, settings, [found]);
  return moved.length === 0 ? found : findConflict(db, id, moved);
}

async function movedSince(db: Db, settings: Settings, items: readonly ConflictItem[]): Promise<ShopSide[]> {
  const open = items.filter(({ status }) => status === 'open');
  if (open.length === 0) return [];
  const types = new Set(open.map(({ entity_type }) => entity_type));
  const entities = new Map([...settings.entities].filter(([name]) => types.has(name)));
  const moved: ShopSide[] = [];
  for (const table of (await loadTables(db, { ...settings, entities })).values()) {
    const ids = open.filter(({ entity_type }) => entity_type === table.entity).map(({ id }) => id);
    moved.push(...(await movedSides(db, table, ids)));
  }
  return moved;
}

/** The shop's side of those conflicts whose row is not as it is on record. */
async function movedSides(db: Db, table: AppliedTable, ids: readonly string[]): Promise<ShopSide[]> {
  try {
    const { rows } = await sql<Pick<Conflict, 'id' | 'entity_id' | 'cloud'> & { live: string | null }>`
      SELECT s.id, s.entity_id, s.cloud, t.live
      FROM (SELECT k.id, k.entity_id, k.cloud::text AS cloud, k.local::text AS local
            FROM syncd.sync_conflicts k WHERE k.id = ANY (${arrayLiteral(ids)}::bigint[])) AS s
      LEFT JOIN LATERAL (SELECT ${sql.raw(payload(table, 't'))}::text AS live
                         FROM ${sql.raw(table.table)} AS t WHERE ${matches(table)}) AS t ON true
      WHERE t.live IS DISTINCT FROM s.local`.execute(db);
    const sides: ShopSide[] = [];
    for (const { id, live, ...cloud } of rows) {
      sides.push({ id, local: live, fields: await differingNow(db, table, cloud, live ?? undefined) });
    }
    return sides;
  } catch (error) {
    // A table that is just being changed, or may not be read: what is on record is better than no list.
    if (!/^(22|42)/.test(codeOf(error) ?? '')) throw error;
    return [];
  }
}
