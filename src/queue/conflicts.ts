/**
 * Lists conflicts for people and programs. Reads only. Both sides' rows stay text all the way: what a program gets is JSON that
 * Postgres wrote, digits and all; what a person sees are the texts of single values.
 */
import { type RawBuilder, sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { after, type Filter, iso } from './read.js';

export const CONFLICT_STATUSES = ['open', 'resolved'];

/** A column's three values as JSON texts; undefined: it has none there. */
export type Difference = {
  name: string;
  before: string | undefined;
  shop: string | undefined;
  cloud: string | undefined;
};

export type ConflictItem = {
  id: string;
  entity_type: string;
  entity_id: string;
  status: 'open' | 'resolved';
  strategy: string;
  source: string;
  detected_at: string;
  resolution: string | null;
  resolved_at: string | null;
  resolved_by: string | null;
  reason: string | null;
  /** What each side holds. */
  shop: 'row' | 'deleted';
  cloud: 'row' | 'deleted' | 'nothing';
  differences: Difference[];
  /** The whole of it, as one JSON object. */
  json: string;
};

/** The shop's side of a conflict where it is not as it is on record: the row, null where it is gone, and what differs now. */
export type ShopSide = { id: string; local: string | null; fields: string[] };

/**
 * Open ones come oldest first, resolved ones newest first.
 * @param filter without a status: the open ones
 * @param moved what stands in for what is on record
 */
export async function listConflicts(db: Db, filter: Filter, moved: readonly ShopSide[] = []): Promise<ConflictItem[]> {
  const status = filter.status ?? 'open';
  const newestFirst = status === 'resolved';
  const conditions: RawBuilder<boolean>[] = [sql`k.status = ${status}`];
  if (filter.entity) conditions.push(sql`k.entity_type = ${filter.entity.type}`);
  if (filter.entity?.id !== undefined) conditions.push(sql`k.entity_id = ${filter.entity.id}`);
  if (filter.since) conditions.push(sql`k.detected_at >= ${after(filter.since)}`);
  if (filter.beyond) {
    conditions.push(newestFirst ? sql`k.id < ${filter.beyond.id}::bigint` : sql`k.id > ${filter.beyond.id}::bigint`);
  }
  return select(db, conditions, newestFirst, filter.limit, moved);
}

/** @param moved as in `listConflicts` */
export async function findConflict(
  db: Db,
  id: string,
  moved: readonly ShopSide[] = [],
): Promise<ConflictItem | undefined> {
  const [found] = await select(db, [sql`k.id = ${id}::bigint`], false, 1, moved);
  return found;
}

/** Differs whenever a conflict has come or was ended. */
export async function conflictMark(db: Db): Promise<string> {
  const { rows } = await sql<{ mark: string }>`
    SELECT format('%s of %s', (SELECT count(*) FROM syncd.sync_conflicts WHERE status = 'open'),
                  (SELECT max(id) FROM syncd.sync_conflicts)) AS mark`.execute(db);
  return (rows[0] as { mark: string }).mark;
}

type Row = Omit<ConflictItem, 'differences'> & { differences: string };

async function select(
  db: Db,
  conditions: RawBuilder<boolean>[],
  newestFirst: boolean,
  limit: number,
  moved: readonly ShopSide[],
): Promise<ConflictItem[]> {
  const column = (pick: (side: ShopSide) => string | null) => arrayLiteral(moved.map(pick));
  const { rows } = await sql<Row>`
    SELECT k.id, k.entity_type, k.entity_id, k.status, k.strategy, k.source, ${iso('k.detected_at')} AS detected_at,
           k.resolution, ${iso('k.resolved_at')} AS resolved_at, k.resolved_by, k.reason,
           CASE WHEN v.local IS NULL THEN 'deleted' ELSE 'row' END AS shop,
           CASE WHEN k.cloud IS NOT NULL THEN 'row' WHEN k.cloud_version = 0 THEN 'nothing' ELSE 'deleted' END AS cloud,
           (SELECT coalesce(json_agg(json_strip_nulls(json_build_object('name', f.name,
                     'before', CASE WHEN k.base IS NOT NULL THEN coalesce(k.base -> f.name, k.local -> f.name) END::text,
                     'shop', (v.local -> f.name)::text, 'cloud', (k.cloud -> f.name)::text)) ORDER BY f.place), '[]')
            FROM unnest(v.fields) WITH ORDINALITY AS f (name, place))::text AS differences,
           json_build_object('id', k.id::text, 'entity_type', k.entity_type, 'entity_id', k.entity_id, 'fields', v.fields,
             'base', k.base, 'local', v.local, 'cloud', k.cloud, 'cloud_version', k.cloud_version,
             'cloud_deleted', k.cloud_deleted, 'source', k.source, 'strategy', k.strategy, 'status', k.status,
             'detected_at', ${iso('k.detected_at')}, 'resolution', k.resolution, 'result', k.result,
             'resolved_at', ${iso('k.resolved_at')}, 'resolved_by', k.resolved_by, 'reason', k.reason)::text AS json
    FROM syncd.sync_conflicts k
    LEFT JOIN unnest(${column(({ id }) => id)}::bigint[], ${column(({ local }) => local)}::json[],
                     ${column(({ fields }) => arrayLiteral(fields))}::text[]) AS m (id, local, fields) ON m.id = k.id
    CROSS JOIN LATERAL (SELECT CASE WHEN m.id IS NULL THEN k.local ELSE m.local END AS local,
                               CASE WHEN m.id IS NULL THEN k.fields ELSE m.fields::text[] END AS fields) AS v
    WHERE ${sql.join(conditions, sql` AND `)}
    ORDER BY k.id ${newestFirst ? sql`DESC` : sql``} LIMIT ${limit}`.execute(db);
  return rows.map((row) => ({ ...row, differences: JSON.parse(row.differences) }));
}

export async function countOpenConflicts(db: Db): Promise<number> {
  const { open } = await db
    .selectFrom('syncd.sync_conflicts')
    .select(sql<string>`count(*)`.as('open'))
    .where('status', '=', 'open')
    .executeTakeFirstOrThrow();
  return Number(open);
}
