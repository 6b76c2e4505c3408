/**
 * Stores what came in, before it is answered and before it is applied: one statement writes the event, its changes, the log and,
 * for a page, the cursor that follows it. Every event is taken in once, by its id with its source in front; a crash before the
 * statement leaves the cloud to send it again, one after it leaves the changes waiting in syncd.incoming.
 *
 * A page is stored only where the cursor is still the one that it was asked for with: whoever set another one meanwhile (a
 * person after a restore, another daemon) must not find it moved.
 */
import { sql } from 'kysely';
import { isAscii } from '../cloud/ascii.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { codeOf } from '../errors.js';
import type { IncomingChange } from './change.js';

export type IncomingEvent = {
  /** Unique among those of its source. */
  event_id: string;
  /** `conflict` is the webhook of that name. */
  source: 'pull' | 'fetch' | 'webhook' | 'conflict';
  sent_at: string | null;
  changes: readonly IncomingChange[];
  /** Of the exchange that brought it, for the log. */
  bytes: number;
  durationMs: number;
  httpStatus: number | null;
  /** Of a page: the cursor that it was asked for with, and the one that follows it. */
  page?: { after: string | null; cursor: string };
  /** A webhook that was signed together with its time: once one is stored, those without are refused (inbox/ratchet). */
  timestamped?: boolean;
};

export type Received =
  /** `changes`: how many were sound; the others are parked. */
  | { kind: 'stored'; changes: number; parked: number }
  /** Taken in before; nothing was written. */
  | { kind: 'duplicate' }
  /** A page that follows a cursor which is not the present one; nothing was written. */
  | { kind: 'stale' };

/** Measured: a page of 10,000 changes and 10 MB takes 0.4 s, most of it in the server. */
export async function receive(db: Db, event: IncomingEvent): Promise<Received> {
  try {
    return await store(db, event);
  } catch (error) {
    // Class 22 is "data exception": a character that this database's encoding does not know, say. It must not stop the rest.
    if (!codeOf(error)?.startsWith('22')) throw error;
    return store(db, { ...event, changes: event.changes.map(withEscapes) });
  }
}

/**
 * A cloud that brings back what the outlet sent brings mostly sales. Of a type that is only sent nothing is ever applied: its rows
 * would be written, looked at and deleted, a sixth of all that a sale costs the database's log.
 */
const ONLY_SENT = sql`ARRAY(SELECT entity_type FROM syncd.capture WHERE direction = 'push')`;

async function store(db: Db, event: IncomingEvent): Promise<Received> {
  const { changes, page } = event;
  const source = event.source === 'conflict' ? 'webhook' : event.source;
  // An empty page is no event: a long poll would leave one every half a minute.
  const isEvent = page === undefined || changes.length > 0;
  const outlet = page
    ? sql`UPDATE syncd.outlet_config SET pull_cursor = ${page.cursor}, last_pull_at = clock_timestamp()
          WHERE pull_cursor IS NOT DISTINCT FROM ${page.after}::text RETURNING 1`
    : sql`SELECT 1`;
  const { rows } = await sql<{ current: boolean; stored: boolean }>`
    WITH outlet AS (${outlet}), event AS (
      INSERT INTO syncd.inbox (event_id, source, sent_at, changes)
      SELECT ${`${source}:${event.event_id}`}, ${source}, ${event.sent_at}::timestamptz, ${changes.length}::int
      FROM outlet WHERE ${isEvent}::boolean
      ON CONFLICT (event_id) DO NOTHING RETURNING id
    ), incoming AS (
      INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, cloud_id, operation, cloud_version, updated_at, data,
                                  status, reason)
      SELECT event.id, ${event.source}, c.entity_type, c.entity_id, c.cloud_id, c.operation, c.cloud_version, c.updated_at, c.data,
             CASE WHEN c.fault IS NULL THEN 'waiting' ELSE 'parked' END, c.fault
      FROM event, ${columnsOf(changes)} WITH ORDINALITY
           AS c (entity_type, entity_id, cloud_id, operation, cloud_version, updated_at, data, fault, place)
      WHERE ${event.source === 'fetch'}::boolean OR c.fault IS NOT NULL OR c.entity_type <> ALL (${ONLY_SENT})
      ORDER BY c.place
    ), log AS (
      INSERT INTO syncd.sync_logs (direction, outcome, http_status, changes, bytes, duration_ms)
      SELECT 'pull', 'received', ${event.httpStatus}::int, ${changes.length}::int, ${event.bytes}::bigint, ${event.durationMs}::float8
      FROM event
    ), ratchet AS (
      UPDATE syncd.outlet_config SET webhooks_timestamped = true FROM event
      WHERE ${event.timestamped === true}::boolean AND NOT webhooks_timestamped
    )
    SELECT EXISTS (SELECT FROM outlet) AS current, EXISTS (SELECT FROM event) AS stored`.execute(db);
  const [row] = rows;
  if (row?.current !== true) return { kind: 'stale' };
  if (isEvent && !row.stored) return { kind: 'duplicate' };
  const parked = changes.reduce((sum, { fault }) => sum + (fault === undefined ? 0 : 1), 0);
  return { kind: 'stored', changes: changes.length - parked, parked };
}

function columnsOf(changes: readonly IncomingChange[]) {
  const column = (pick: (change: IncomingChange) => string | null) => arrayLiteral(changes.map(pick));
  return sql`unnest(${column((one) => one.entity_type)}::text[], ${column((one) => one.entity_id)}::text[], ${column((one) => one.cloud_id)}::text[],
    ${column((one) => one.operation)}::text[], ${column((one) => one.cloud_version)}::bigint[], ${column((one) => one.updated_at)}::timestamptz[],
    ${column((one) => one.data)}::json[], ${column((one) => one.fault ?? null)}::text[])`;
}

/** The same change in characters that every encoding knows: a row as it is, by escapes; a name that would be another one parks it. */
function withEscapes(change: IncomingChange): IncomingChange {
  const names = [change.entity_type, change.entity_id, change.cloud_id ?? ''];
  const fault =
    change.fault ?? (names.every(isAscii) ? undefined : 'its name holds characters that this database may not know');
  return {
    ...change,
    entity_type: escaped(change.entity_type),
    entity_id: escaped(change.entity_id),
    cloud_id: change.cloud_id === null ? null : escaped(change.cloud_id),
    data: change.data === null ? null : escaped(change.data),
    ...(fault !== undefined && { fault: escaped(fault) }),
  };
}

function escaped(text: string): string {
  return text.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
