/**
 * One entity as both sides know it: versions, status, what waits, what was settled, the exchanges that carried it. Reads only.
 *
 * Settled rows have no index by entity: it would cost every sale and every acknowledgement for the sake of a rare question. So
 * the past is looked for where it is likely to be, within a bound: among the latest settled changes of all, and among those
 * settled before the entity's own last one. `history_since` tells how far back that reached.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import type { ChangeStatus } from '../db/schema.js';
import { iso, LOG_COLUMNS, type LogItem, listQueue, logItem, type QueueItem } from './read.js';

export type EntityStanding = {
  entity_type: string;
  entity_id: string;
  status: ChangeStatus;
  version: number | null;
  cloud_version: number | null;
  cloud_id: string | null;
  deleted: boolean;
  last_synced_at: string | null;
};

/** Something from the cloud that could not be applied yet. */
export type IncomingItem = {
  id: string;
  source: string;
  operation: string;
  cloud_version: number | null;
  status: 'waiting' | 'parked';
  next_attempt_at: string | null;
  reason: string | null;
};

export type EntityHistory = EntityStanding & {
  queue: QueueItem[];
  log: LogItem[];
  incoming: IncomingItem[];
  /** Settled changes of before this instant may be missing in `queue`; null: none is. */
  history_since: string | null;
};

/** Settled rows that are looked at for one entity: measured 15 to 30 ms with half a million of them. */
const LOOK_BACK = 20_000;
const MOST = 200;

/** @returns undefined where neither side ever knew it */
export async function entityHistory(db: Db, type: string, id: string): Promise<EntityHistory | undefined> {
  const entity = { type, id };
  const unsettled = await listQueue(db, { entity, limit: MOST });
  const state = await stateOf(db, type, id);
  const [settled, since] = await settledOf(db, type, id, state?.last_synced_at ?? null);
  const incoming = await incomingOf(db, type, id);
  if (!state && unsettled.length + settled.length + incoming.length === 0) return undefined;
  const status: ChangeStatus =
    (['conflict', 'failed'] as const).find((one) => unsettled.some((item) => item.status === one)) ??
    (unsettled.length > 0 ? 'pending' : 'synced');
  const queue = [...unsettled, ...settled.map(({ batch_id: _, ...item }) => item)];
  return {
    entity_type: type,
    entity_id: id,
    status,
    version: state?.version ?? null,
    cloud_version: state?.cloud_version ?? null,
    cloud_id: state?.cloud_id ?? null,
    deleted: state?.deleted ?? false,
    last_synced_at: state?.last_synced_at ?? null,
    queue,
    log: await logOf(db, unsettled, settled),
    incoming,
    history_since: since,
  };
}

type State = Pick<EntityStanding, 'cloud_id' | 'deleted' | 'last_synced_at'> & {
  version: number;
  cloud_version: number | null;
};

async function stateOf(db: Db, type: string, id: string): Promise<State | undefined> {
  const row = await db
    .selectFrom('syncd.entity_state as e')
    .select(['e.version', 'e.cloud_version', 'e.cloud_id', 'e.deleted', iso('e.last_synced_at').as('last_synced_at')])
    .where('e.entity_type', '=', type)
    .where('e.entity_id', '=', id)
    .executeTakeFirst();
  if (!row) return undefined;
  return { ...row, version: Number(row.version), cloud_version: numberOf(row.cloud_version) };
}

type SettledItem = QueueItem & { batch_id: string | null };

type Looked = { items: SettledItem[]; oldest: string | null; all: boolean };

/** The newest first, and the instant before which nothing was looked at; null: everything was. */
async function settledOf(
  db: Db,
  type: string,
  id: string,
  lastAt: string | null,
): Promise<[SettledItem[], string | null]> {
  const latest = await lookBack(db, type, id, undefined);
  if (latest.all || latest.oldest === null) return [latest.items, null];
  // What was discarded or superseded leaves no date in the state: such a change may stand in either window.
  if (lastAt === null || lastAt >= latest.oldest) return [latest.items, latest.oldest];
  const earlier = await lookBack(db, type, id, lastAt);
  return [[...latest.items, ...earlier.items], earlier.all ? null : earlier.oldest];
}

/** @param until an instant of the entity's state, which is dated a moment before or after the change itself */
async function lookBack(db: Db, type: string, id: string, until: string | undefined): Promise<Looked> {
  const bound = until === undefined ? sql`` : sql`AND synced_at <= ${until}::timestamptz + interval '1 s'`;
  const { rows } = await sql<{ items: string | null; oldest: string | null; looked: string }>`
    SELECT looked, ${iso('looked.oldest')} AS oldest, items
    FROM (
      SELECT count(*) AS looked, min(w.synced_at) AS oldest,
             json_agg(json_build_object('id', w.id::text, 'change_id', w.change_id, 'entity_type', w.entity_type, 'entity_id', w.entity_id,
               'operation', w.operation, 'status', w.status, 'retry_count', w.retry_count, 'next_attempt_at', NULL,
               'error_message', w.error_message, 'created_at', ${iso('w.created_at')}, 'synced_at', ${iso('w.synced_at')},
               'batch_id', w.batch_id) ORDER BY w.synced_at DESC, w.id DESC)
             FILTER (WHERE w.entity_type = ${type} AND w.entity_id = ${id})::text AS items
      FROM (SELECT id, change_id, entity_type, entity_id, operation, status, retry_count, error_message, created_at, synced_at, batch_id
            FROM syncd.sync_queue WHERE status = 'synced' AND synced_at IS NOT NULL ${bound} ORDER BY synced_at DESC LIMIT ${LOOK_BACK}) w
    ) looked`.execute(db);
  const row = rows[0] as { items: string | null; oldest: string | null; looked: string };
  return {
    items: row.items === null ? [] : JSON.parse(row.items),
    oldest: row.oldest,
    all: Number(row.looked) < LOOK_BACK,
  };
}

/** Changes that wait, were parked or put off; those that came a moment ago are dealt with before anybody could look. */
async function incomingOf(db: Db, type: string, id: string): Promise<IncomingItem[]> {
  const rows = await db
    .selectFrom('syncd.incoming as i')
    .select(['i.id', 'i.source', 'i.operation', 'i.cloud_version', 'i.status', 'i.reason'])
    .select(iso('i.next_attempt_at').as('next_attempt_at'))
    .where('i.entity_type', '=', type)
    .where('i.entity_id', '=', id)
    .where(sql<boolean>`(i.status = 'parked' OR i.next_attempt_at IS NOT NULL)`)
    .orderBy('i.id')
    .limit(MOST)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    source: row.source,
    operation: row.operation,
    cloud_version: numberOf(row.cloud_version),
    status: row.status,
    next_attempt_at: row.next_attempt_at,
    reason: row.reason,
  }));
}

/**
 * The pushes that carried these changes, the newest first: the last one of each by its name; those before it by the changes
 * that they list, which only pushes that did not go through as a whole are opened for.
 */
async function logOf(db: Db, unsettled: QueueItem[], settled: SettledItem[]): Promise<LogItem[]> {
  const first = [...unsettled, ...settled].map((item) => item.created_at).sort()[0];
  if (first === undefined) return [];
  const changes = arrayLiteral([...unsettled, ...settled].map((item) => item.change_id));
  const batches = arrayLiteral(settled.map((item) => item.batch_id).filter((batch) => batch !== null));
  const rows = await db
    .selectFrom('syncd.sync_logs as l')
    .select(LOG_COLUMNS)
    .select(iso('l.at').as('at'))
    .where(sql<boolean>`l.at >= ${first}::timestamptz AND (l.batch_id = ANY (${batches}::uuid[])
      OR (l.direction = 'push' AND l.accepted < l.changes AND l.change_ids && ${changes}::uuid[]))`)
    .orderBy('l.id', 'desc')
    .limit(MOST)
    .execute();
  return rows.map(logItem);
}

/** Versions stay far below 2^53. */
function numberOf(text: string | null): number | null {
  return text === null ? null : Number(text);
}
