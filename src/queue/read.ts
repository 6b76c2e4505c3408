/**
 * Lists for people and programs: what waits, failed or was settled, and what was exchanged with the cloud. Reads only. What is
 * not in the cloud comes oldest first, for that is what holds things up; what is settled and the log come newest first.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../db/connect.js';
import type { ChangeStatus } from '../db/schema.js';

export type QueueItem = {
  id: string;
  change_id: string;
  entity_type: string;
  entity_id: string;
  operation: string;
  status: ChangeStatus;
  retry_count: number;
  next_attempt_at: string | null;
  error_message: string | null;
  created_at: string;
  synced_at: string | null;
};

export type LogItem = {
  id: string;
  at: string;
  direction: 'push' | 'pull';
  batch_id: string | null;
  outcome: string;
  changes: number;
  /** Of a push: those that the cloud took. */
  accepted: number;
  bytes: number;
  duration_ms: number;
  error: string | null;
};

/** How an exchange as a whole can end, as syncd.sync_logs has it. */
export const LOG_OUTCOMES = [
  'results',
  'offline',
  'wait',
  'refused',
  'too_large',
  'bad_batch',
  'rejected',
  'fork',
  'restored',
  'received',
  'applied',
];

export type Filter = {
  /** Only this status; undefined: everything that is not in the cloud yet. */
  status?: string | undefined;
  entity?: { type: string; id: string | undefined } | undefined;
  since?: Since | undefined;
  limit: number;
  /** Only what comes after this row, in the list's own order: a list is read on from where a page of it ended. */
  beyond?: Place | undefined;
};

/** The place of a row in a list. `at`: when it was settled, where the list goes by that. */
export type Place = { id: string; at?: string | undefined };

/** A span back from now, or an instant as the person wrote it, which without a zone is the outlet's time. */
export type Since = { agoMs: number } | { at: string; timezone: string };

export const iso = (column: string) =>
  sql<string>`to_char(${sql.ref(column)} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** The statement's own instant: of clock_timestamp(), which moves while it runs, no index is searched. */
export function after(since: Since): RawBuilder<string> {
  if ('agoMs' in since) return sql`statement_timestamp() - ${since.agoMs} * interval '1 ms'`;
  const zoned = /(Z|[+-]\d\d(:?\d\d)?)$/i.test(since.at) && since.at.includes(':');
  return zoned ? sql`${since.at}::timestamptz` : sql`${since.at}::timestamp AT TIME ZONE ${since.timezone}`;
}

export async function listQueue(db: Db, filter: Filter): Promise<QueueItem[]> {
  const settled = filter.status === 'synced';
  const { beyond } = filter;
  const part = (where: RawBuilder<boolean>) => {
    let query = db
      .selectFrom('syncd.sync_queue as q')
      .select(['q.id', 'q.change_id', 'q.entity_type', 'q.entity_id', 'q.operation', 'q.status', 'q.retry_count'])
      .select(['q.next_attempt_at', 'q.error_message', 'q.created_at', 'q.synced_at'])
      .where(where);
    if (filter.status !== undefined) query = query.where('q.status', '=', filter.status as ChangeStatus);
    if (filter.entity) query = query.where('q.entity_type', '=', filter.entity.type);
    if (filter.entity?.id !== undefined) query = query.where('q.entity_id', '=', filter.entity.id);
    if (filter.since) query = query.where(settled ? 'q.synced_at' : 'q.created_at', '>=', after(filter.since));
    if (beyond && !settled) query = query.where('q.id', '>', beyond.id);
    if (beyond && settled) {
      const at = sql<string>`${beyond.at}::timestamptz`;
      query = query
        .where('q.synced_at', '<=', at)
        .where(sql<boolean>`(q.synced_at, q.id) < (${at}, ${beyond.id}::bigint)`);
    }
    return query.limit(filter.limit);
  };
  // Instants are written out for what is shown alone: of 100,000 failed changes each would cost as much as to find it.
  const shown = sql`id, change_id, entity_type, entity_id, operation, status, retry_count, ${iso('next_attempt_at')} AS next_attempt_at,
    error_message, ${iso('created_at')} AS created_at, ${iso('synced_at')} AS synced_at`;
  if (settled) {
    const all = part(sql`q.synced_at IS NOT NULL`).orderBy('q.synced_at', 'desc').orderBy('q.id', 'desc');
    return (await sql<QueueItem>`SELECT ${shown} FROM (${all}) AS page`.execute(db)).rows;
  }
  // Each arm ordered and limited by itself, so that each stops early in its own index: 3 ms instead of 1.7 s for a million.
  const fresh = part(sql`q.status = 'pending' AND q.next_attempt_at IS NULL`).orderBy('q.id');
  const held = part(
    sql`(q.status IN ('failed', 'conflict') OR (q.next_attempt_at IS NOT NULL AND q.status = 'pending'))`,
  ).orderBy('q.id');
  const { rows } = await sql<QueueItem>`
    SELECT ${shown} FROM (
      SELECT * FROM ((${fresh}) UNION ALL (${held})) AS arms ORDER BY arms.id LIMIT ${filter.limit}) AS page`.execute(
    db,
  );
  return rows;
}

/** So many settled changes are looked at for the exchanges of a whole type, before all are. */
const LATEST = [20_000, 200_000];

/**
 * The exchanges, newest first; with `afterId` those that came after it, oldest first, to follow the log.
 * An entity's exchanges are those that carried one of its changes.
 */
export async function listLogs(db: Db, filter: Filter & { afterId?: string | undefined }): Promise<LogItem[]> {
  // Mostly a page of them is full before the latest changes are through: 0.1 s instead of 3 for two million changes.
  if (filter.entity && filter.entity.id === undefined && filter.afterId === undefined) {
    for (const changes of LATEST) {
      const latest = await selectLogs(db, filter, latestOf(filter.entity.type, changes));
      if (latest.length >= filter.limit) return latest;
    }
  }
  return selectLogs(db, filter, filter.entity && allOf(filter.entity));
}

/** @param carried the ids of the exchanges that may be listed */
async function selectLogs(
  db: Db,
  filter: Parameters<typeof listLogs>[1],
  carried: RawBuilder<unknown> | undefined,
): Promise<LogItem[]> {
  let query = db.selectFrom('syncd.sync_logs as l').select(LOG_COLUMNS).select(iso('l.at').as('at'));
  if (filter.status !== undefined) query = query.where('l.outcome', '=', filter.status);
  if (filter.since) query = query.where('l.at', '>=', after(filter.since));
  if (filter.beyond) query = query.where('l.id', '<', filter.beyond.id);
  if (filter.afterId !== undefined) query = query.where('l.id', '>', filter.afterId);
  if (carried) query = query.where(sql<boolean>`l.id IN (${carried})`);
  const rows = await query
    .orderBy('l.id', filter.afterId === undefined ? 'desc' : 'asc')
    .limit(filter.limit)
    .execute();
  return rows.map(logItem);
}

/** No index helps: a second for a million changes. */
const allOf = ({ type, id }: NonNullable<Filter['entity']>) => sql`
  WITH its AS MATERIALIZED (
    SELECT q.change_id, q.batch_id FROM syncd.sync_queue q
    WHERE q.entity_type = ${type} ${id === undefined ? sql`` : sql`AND q.entity_id = ${id}`})
  ${carrying(sql`'-infinity'::timestamptz`)}`;

/** An exchange comes no later than its changes are settled: since the first of the latest was, none is missing. */
const latestOf = (type: string, changes: number) => sql`
  WITH latest AS MATERIALIZED (
    SELECT change_id, batch_id, entity_type, synced_at FROM syncd.sync_queue
    WHERE synced_at IS NOT NULL ORDER BY synced_at DESC LIMIT ${sql.lit(changes)}
  ), its AS MATERIALIZED (
    SELECT change_id, batch_id FROM latest WHERE entity_type = ${type}
    UNION ALL SELECT change_id, batch_id FROM syncd.unsettled WHERE entity_type = ${type})
  ${carrying(sql`(SELECT min(synced_at) + interval '1 s' FROM latest)`)}`;

/**
 * The last push of a change goes by its name; those before it by the changes that they list, and only pushes that did not go
 * through as a whole are opened for that.
 */
const carrying = (since: RawBuilder<unknown>) => sql`
  SELECT b.id FROM syncd.sync_logs b WHERE b.at >= ${since} AND b.batch_id IN (SELECT its.batch_id FROM its)
  UNION ALL
  SELECT r.id FROM syncd.sync_logs r CROSS JOIN unnest(r.change_ids) AS listed (change_id)
  WHERE r.at >= ${since} AND r.direction = 'push' AND r.accepted < r.changes AND listed.change_id IN (SELECT its.change_id FROM its)`;

/** The number of the newest exchange, to follow the log from there. */
export async function lastLogId(db: Db): Promise<string> {
  const { id } = await db
    .selectFrom('syncd.sync_logs')
    .select(sql<string>`coalesce(max(id), 0)`.as('id'))
    .executeTakeFirstOrThrow();
  return id;
}

export const LOG_COLUMNS = [
  'l.id',
  'l.direction',
  'l.batch_id',
  'l.accepted',
  'l.outcome',
  'l.changes',
  'l.bytes',
  'l.duration_ms',
  'l.error',
] as const;

/** The keys in their order; `bytes` stays far below 2^53. */
export function logItem(row: Omit<LogItem, 'bytes'> & { bytes: string }): LogItem {
  const { id, at, direction, batch_id, outcome, changes, accepted, bytes, duration_ms, error } = row;
  return { id, at, direction, batch_id, outcome, changes, accepted, bytes: Number(bytes), duration_ms, error };
}

/** How many changes stand where, for the last line of a list; settled ones are not counted. */
export async function countUnsettled(db: Db): Promise<Record<'pending' | 'failed' | 'conflict', number>> {
  const rows = await db
    .selectFrom('syncd.unsettled')
    .select(['status', sql<string>`count(*)`.as('changes')])
    .groupBy('status')
    .execute();
  const counts = { pending: 0, failed: 0, conflict: 0 };
  for (const { status, changes } of rows) if (status !== 'synced') counts[status] = Number(changes);
  return counts;
}
