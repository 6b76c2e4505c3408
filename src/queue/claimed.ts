/** A change as it is read from the queue to be sent: its columns in SQL, and the row that they come as. */
import { sql } from 'kysely';
import type { Operation } from '../cloud/wire.js';
import { arrayLiteral } from '../db/array.js';

/** A row of the queue with its entity's state, as text. */
export type ClaimedRow = {
  id: string;
  change_id: string;
  txid: string;
  entity_type: string;
  entity_id: string;
  operation: Operation;
  payload: string | null;
  /** RFC 3339, corrected by the clock's offset. */
  changed_at: string;
  version: string | null;
  cloud_version: string | null;
  cloud_id: string | null;
  /** JSON text. Null or absent, here and below: none, zero, false. */
  changed_fields?: string | null;
  retry_count?: number | null;
  hold_count?: number | null;
  /** Made of a row that came in, by triggers of the POS; absent where nothing came in, or it was put off once. */
  echo?: boolean | null;
  retried?: boolean;
  failed?: boolean;
  supersedes?: { id: string; change_id: string }[] | null;
  /** Changes that it contains and that are settled already: it was made by a resolution. */
  replaces?: string[] | null;
};

/** `more`: the page ended at its limit of rows or bytes, not at the end of the queue. */
export type Page = {
  rows: ClaimedRow[];
  snapshot: string | undefined;
  flushed: boolean;
  more: boolean;
  settled_id?: string | undefined;
};

/** What a change `q` needs on the wire. */
export const changeColumns = (offsetMs: number, payload = sql`q.payload::text`) => sql`
  q.id, q.change_id, q.txid::text AS txid, q.entity_type, q.entity_id, q.operation, ${payload} AS payload,
  ${offsetMs === 0 ? sql`q.created_at` : sql`(q.created_at + ${offsetMs} * interval '1 ms')`}::text AS changed_at,
  s.version, s.cloud_version, s.cloud_id`;

export const changedFields = sql`
  CASE WHEN q.previous IS NOT NULL THEN (SELECT json_agg(k)::text FROM json_object_keys(q.previous) AS k) END`;

export const changeDetails = sql`${changedFields} AS changed_fields, q.supersedes AS replaces, q.retry_count, q.hold_count, q.next_attempt_at IS NOT NULL AS retried`;

/** As `s`. OFFSET 0 leaves the planner one way: to look up each row's state by its key. */
export const changeState = sql`LEFT JOIN LATERAL (
  SELECT * FROM syncd.entity_state s WHERE s.entity_type = q.entity_type AND s.entity_id = q.entity_id OFFSET 0) AS s ON true`;

/** Leaves out what waits as a whole; on a good day the condition is not even there. */
export const withoutHeld = (heldTypes: readonly string[] = []) =>
  heldTypes.length === 0 ? sql`` : sql`AND q.entity_type <> ALL (${arrayLiteral(heldTypes)}::text[])`;
