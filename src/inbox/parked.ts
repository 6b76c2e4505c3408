/**
 * What a person sees of the incoming changes that are not applied yet, and may do to them: have them tried again, or drop them.
 * An action is one statement with the record of who, when and why in it; every id that was asked for is answered. What the daemon
 * is applying at this moment it applies: whoever comes second finds nothing left to do.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { requester, wakeDaemon } from '../queue/manage.js';
import { after, type Filter, iso } from '../queue/read.js';

export const INCOMING_STATUSES = ['parked', 'waiting'];

export type ParkedItem = {
  id: string;
  entity_type: string;
  entity_id: string;
  operation: string;
  cloud_version: number | null;
  source: string;
  status: 'parked' | 'waiting';
  attempts: number;
  received_at: string;
  next_attempt_at: string | null;
  reason: string | null;
  waits_for: { entity_type: string; entity_id: string } | null;
};

/** The oldest first. @param filter without a status: what is parked */
export async function listIncoming(db: Db, filter: Filter): Promise<ParkedItem[]> {
  const status = filter.status ?? 'parked';
  const conditions: RawBuilder<boolean>[] = [sql`i.status = ${status}`];
  if (filter.entity) conditions.push(sql`i.entity_type = ${filter.entity.type}`);
  if (filter.entity?.id !== undefined) conditions.push(sql`i.entity_id = ${filter.entity.id}`);
  if (filter.since) conditions.push(sql`i.received_at >= ${after(filter.since)}`);
  if (filter.beyond) conditions.push(sql`i.id > ${filter.beyond.id}::bigint`);
  const { rows } = await sql<Omit<ParkedItem, 'waits_for'> & { waits_for: string | null }>`
    SELECT i.id, i.entity_type, i.entity_id, i.operation, i.cloud_version::float8 AS cloud_version, i.source, i.status, i.attempts,
           ${iso('i.received_at')} AS received_at, ${iso('i.next_attempt_at')} AS next_attempt_at, i.reason,
           CASE WHEN i.waits_for_id IS NOT NULL
                THEN json_build_object('entity_type', i.waits_for_type, 'entity_id', i.waits_for_id)::text END AS waits_for
    FROM syncd.incoming i WHERE ${sql.join(conditions, sql` AND `)} ORDER BY i.id LIMIT ${filter.limit}`.execute(db);
  return rows.map((row) => ({ ...row, waits_for: row.waits_for === null ? null : JSON.parse(row.waits_for) }));
}

export async function countIncoming(db: Db): Promise<Record<'parked' | 'waiting', number>> {
  const { rows } = await sql<{ parked: number; waiting: number }>`
    SELECT count(*) FILTER (WHERE status = 'parked')::int AS parked, count(*) FILTER (WHERE status = 'waiting')::int AS waiting
    FROM syncd.incoming`.execute(db);
  return rows[0] as { parked: number; waiting: number };
}

/** waiting: its turn comes by itself. malformed: it was no change when it came, and no further try makes it one. */
export type InboxRefusal = 'unknown' | 'waiting' | 'malformed';
export type InboxVerdict =
  | { id: string; done: true; entity_type: string; entity_id: string }
  | { id: string; done: false; why: InboxRefusal };

type Done = { id: string; entity_type: string; entity_id: string };

/** Parked on arrival: nobody has tried it. */
const MALFORMED = sql`(i.status = 'parked' AND i.attempts = 0)`;
const PUT_OFF = sql`(i.status = 'parked' OR i.next_attempt_at IS NOT NULL)`;

/** @param ids undefined: all that is parked and could be applied */
export async function retryIncoming(db: Db, ids: string[] | undefined, who: string): Promise<InboxVerdict[]> {
  const which = ids === undefined ? sql`i.status = 'parked'` : sql`i.id = ANY (${ids}::bigint[])`;
  const { rows } = await sql<Done>`
    WITH done AS (
      UPDATE syncd.incoming i SET next_attempt_at = clock_timestamp() WHERE ${which} AND ${PUT_OFF} AND NOT ${MALFORMED}
      RETURNING i.id, i.entity_type, i.entity_id
    ), record AS (
      INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
      SELECT 'inbox retry', json_build_object('ids', json_agg(id::text ORDER BY id)), ${requester(who)}, clock_timestamp(),
             CASE count(*) WHEN 1 THEN '1 change is tried again' ELSE count(*)::text || ' changes are tried again' END
      FROM done HAVING count(*) > 0
    )
    SELECT id, entity_type, entity_id FROM done ORDER BY id`.execute(db);
  if (rows.length > 0) await wakeDaemon(db);
  return verdicts(db, ids ?? rows.map(({ id }) => id), rows);
}

/** The shop's row stays as it is until the cloud sends a newer version. What is dropped stays on record, its data aside. */
export async function dropIncoming(db: Db, ids: string[], who: string, reason: string): Promise<InboxVerdict[]> {
  const { rows } = await sql<Done>`
    WITH done AS (
      DELETE FROM syncd.incoming i WHERE i.id = ANY (${ids}::bigint[]) AND ${PUT_OFF}
      RETURNING i.id, i.entity_type, i.entity_id, i.operation, i.cloud_version, i.reason
    ), record AS (
      INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
      SELECT 'inbox drop', json_build_object('reason', ${reason}::text, 'changes', json_agg(json_build_object('id', id::text,
               'entity_type', entity_type, 'entity_id', entity_id, 'operation', operation, 'cloud_version', cloud_version,
               'parked_for', reason) ORDER BY id)),
             ${requester(who)}, clock_timestamp(), CASE count(*) WHEN 1 THEN '1 change' ELSE count(*)::text || ' changes' END || ' dropped'
      FROM done HAVING count(*) > 0
    )
    SELECT id, entity_type, entity_id FROM done ORDER BY id`.execute(db);
  return verdicts(db, ids, rows);
}

async function verdicts(db: Db, ids: string[], done: Done[]): Promise<InboxVerdict[]> {
  const byId = new Map(done.map((row) => [row.id, row]));
  const left = [...new Set(ids)].filter((id) => !byId.has(id));
  const { rows } = await sql<{ id: string; malformed: boolean }>`
    SELECT i.id, ${MALFORMED} AS malformed FROM syncd.incoming i WHERE i.id = ANY (${left}::bigint[])`.execute(db);
  const whys = new Map(
    rows.map(({ id, malformed }) => [id, malformed ? ('malformed' as const) : ('waiting' as const)]),
  );
  return [...new Set(ids)].map((id): InboxVerdict => {
    const row = byId.get(id);
    return row ? { ...row, done: true } : { id, done: false, why: whys.get(id) ?? 'unknown' };
  });
}
