/**
 * Reads what may be sent. Nothing is written and nothing is leased: a change that was sent and not settled is simply read again.
 *
 * A *pass* sees the queue with one snapshot. Its first page brings the snapshot along, later pages skip whatever committed
 * since: a transaction that commits late may own ids behind and ahead of the page, and half of it must not leave. Within a
 * pass an id bound keeps settled rows from being read again; across passes there is none, or a late commit would be lost.
 *
 * A commit is visible before it is flushed where the POS commits with `synchronous_commit = off`. Each page says whether
 * everything it saw is safely on disk; if not, `flushCommits` makes it so before anything is sent.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Operation } from '../cloud/wire.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { atHome, exchanged } from '../db/place.js';
import { PLANNED_ANEW } from '../db/prepared.js';
import { type PageTexts, pageTexts, rfc3339, rowsOf } from './page-text.js';

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

/** Payload bytes, as stored, after which a page ends early; a row above it comes alone. */
const PAGE_BYTES = 8 * 1024 * 1024;

/** What a change `q` needs on the wire. */
export const changeColumns = (offsetMs: number, payload = sql`q.payload::text`) => sql`
  q.id, q.change_id, q.txid::text AS txid, q.entity_type, q.entity_id, q.operation, ${payload} AS payload,
  ${offsetMs === 0 ? sql`q.created_at` : sql`(q.created_at + ${offsetMs} * interval '1 ms')`}::text AS changed_at,
  s.version, s.cloud_version, s.cloud_id`;

const changedFields = sql`
  CASE WHEN q.previous IS NOT NULL THEN (SELECT json_agg(k)::text FROM json_object_keys(q.previous) AS k) END`;

export const changeDetails = sql`${changedFields} AS changed_fields, q.supersedes AS replaces, q.retry_count, q.hold_count, q.next_attempt_at IS NOT NULL AS retried`;

/** As `s`. OFFSET 0 leaves the planner one way: to look up each row's state by its key. */
export const changeState = sql`LEFT JOIN LATERAL (
  SELECT * FROM syncd.entity_state s WHERE s.entity_type = q.entity_type AND s.entity_id = q.entity_id OFFSET 0) AS s ON true`;

/** What keeps an entity's fresh changes back, again looked up for each row: a conflict, a failed change, or a retry that is not due (or not in `due`). */
const troubled = (due: string[]) => sql`EXISTS (
  SELECT FROM syncd.sync_queue h
  WHERE h.entity_type = q.entity_type AND h.entity_id = q.entity_id
    AND (h.status IN ('failed', 'conflict') OR h.next_attempt_at IS NOT NULL)
    AND (h.status <> 'pending' OR h.id <> ALL (${due}::bigint[]))
  OFFSET 0)`;

export type PassState = {
  /** The last id read; at first the queue's floor. */
  after: string;
  /** Undefined for the first page. */
  snapshot: string | undefined;
  /** Retries that this pass has loaded already. */
  due: string[];
  /** Whether anything at all is held back, so that a good day pays nothing. */
  trouble: boolean;
  /** Entity types that wait as a whole. */
  held?: readonly string[];
  /** How far the queue was settled when it was last looked at: it never goes back. */
  settled_id?: string | undefined;
};

/** Leaves out what waits as a whole; on a good day the condition is not even there. */
const free = (held: readonly string[] = []) =>
  held.length === 0 ? sql`` : sql`AND q.entity_type <> ALL (${arrayLiteral(held)}::text[])`;

const fresh = (pass: PassState, limit: number) => sql`
  SELECT * FROM syncd.sync_queue q
  WHERE status = 'pending' AND next_attempt_at IS NULL AND id > ${pass.after}::bigint
    ${pass.snapshot === undefined ? sql`` : sql`AND pg_visible_in_snapshot(txid, ${pass.snapshot}::pg_snapshot)`}
    ${pass.trouble ? sql`AND NOT ${troubled(pass.due)}` : sql``} ${free(pass.held)}
  ORDER BY id LIMIT ${limit}`;

/** What few fresh changes have. */
const rare = sql`
  CASE WHEN q.previous IS NOT NULL OR q.supersedes IS NOT NULL OR q.retry_count + q.hold_count > 0
       THEN json_build_object('changed_fields', ${changedFields}, 'replaces', q.supersedes,
                              'retry_count', q.retry_count, 'hold_count', q.hold_count,
                              'echo', q.undated AND q.previous IS NOT NULL AND q.supersedes IS NULL) END AS rare`;

/** What a page says of itself. */
const glimpse = (pass: PassState) => sql`
  ${pass.snapshot === undefined ? sql`(SELECT pg_current_snapshot()::text) AS snapshot,` : sql``}
  (SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()) AS unflushed, ${atHome} AS at_home,
  (SELECT o.settled_id FROM syncd.outlet_config o) AS settled_id`;

type Glimpse = { snapshot?: string; unflushed: boolean; at_home: boolean | null; settled_id: string | null };

const pageOf = (rows: ClaimedRow[], pass: PassState, seen: Glimpse | undefined, more: boolean): Page => ({
  rows,
  snapshot: pass.snapshot ?? seen?.snapshot,
  flushed: seen?.unflushed !== true,
  more,
});

/** The next page of fresh changes, in id order. @throws SyncError where the tables are not those that the outlet settled in */
export async function claimPage(db: Db, pass: PassState, limit: number, offsetMs: number): Promise<Page> {
  const mean = Math.floor(PAGE_BYTES / limit);
  // A large payload is left out, and with it the need to add up the bytes of every page: that would be a fifth of its price.
  const { rows: found } = await sql<PageTexts & Glimpse>`
    SELECT ${pageTexts}, ${glimpse(pass)}
    FROM (SELECT ${changeColumns(offsetMs, sql`CASE WHEN pg_column_size(q.payload) <= ${mean} THEN q.payload::text END`)}, ${rare}
          FROM (${fresh(pass, limit)}) AS q ${changeState}
          ORDER BY q.id) AS p`.execute(db);
  const texts = found[0] as PageTexts & Glimpse;
  if (texts.at_home === false || hasGoneBack(texts, pass)) throw exchanged();
  const rows = rowsOf(texts);
  const leftOut = rows?.some((row) => row.payload === null && row.operation !== 'delete');
  if (rows === undefined || leftOut) return claimBounded(db, pass, limit, offsetMs);
  const page = pageOf(rows, pass, rows.length === 0 ? undefined : texts, rows.length >= limit);
  return { ...page, settled_id: texts.settled_id ?? undefined };
}

/** The rows alone were restored, into the same tables. */
const hasGoneBack = (now: Glimpse, before: PassState) =>
  now.settled_id !== null && before.settled_id !== undefined && BigInt(now.settled_id) < BigInt(before.settled_id);

/** The same page row by row, cut off where its payloads exceed the bound. */
async function claimBounded(db: Db, pass: PassState, limit: number, offsetMs: number): Promise<Page> {
  const { rows } = await sql<ClaimedRow & Glimpse & { rare: string | null; found: string }>`
    WITH page AS (
      SELECT *, sum(coalesce(pg_column_size(payload), 0)) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
      FROM (${fresh(pass, limit)}) AS fresh
    )
    SELECT ${changeColumns(offsetMs)}, ${rare}, ${glimpse(pass)}, (SELECT count(*) FROM page) AS found
    FROM page q ${changeState}
    WHERE q.before IS NULL OR q.before < ${PAGE_BYTES}
    ORDER BY q.id`.execute(db);
  for (const row of rows) {
    row.changed_at = rfc3339(row.changed_at);
    if (row.rare !== null) Object.assign(row, JSON.parse(row.rare));
  }
  const found = Number(rows[0]?.found ?? 0);
  return pageOf(rows, pass, rows[0], found >= limit || found > rows.length);
}

/** The longest wait that can be configured. */
const FARTHEST_MS = 7 * 86_400_000;

/** Its time has come, or lies further away than any wait: the database's clock was set back since. */
const isDue = (farthestMs: number) => sql`(q.next_attempt_at <= clock_timestamp()
  OR q.next_attempt_at > clock_timestamp() + ${farthestMs} * interval '1 ms')`;

/**
 * Retries whose time has come, each the earliest of its entity that waits.
 * @param farthestMs the longest wait that a retry is ever given
 */
export function claimDue(
  db: Db,
  limit: number,
  offsetMs: number,
  farthestMs = FARTHEST_MS,
  held: readonly string[] = [],
): Promise<Page> {
  return claimSpecial(
    db,
    sql`SELECT ${changeColumns(offsetMs)}, ${changeDetails}, NULL AS supersedes FROM syncd.sync_queue q ${changeState}
    WHERE q.status = 'pending' AND ${isDue(farthestMs)} ${free(held)}
      AND NOT EXISTS (
        SELECT FROM syncd.sync_queue h
        WHERE h.entity_type = q.entity_type AND h.entity_id = q.entity_id
          AND (h.status IN ('failed', 'conflict') OR h.next_attempt_at IS NOT NULL)
          AND (h.status <> 'pending' OR h.id < q.id))
    ORDER BY q.id LIMIT ${limit}`,
  );
}

/**
 * For every entity with a failed change and no conflict: its newest pending change, naming all older ones as superseded. It
 * carries the whole row, so it is their correction. Likewise behind a deletion that the cloud holds: it may wait for a child that
 * lives again, as its parent does, and while that is sold day and night the parent's own changes would never leave.
 * @param floor no fresh change stands at or below this id
 */
export function claimCorrections(
  db: Db,
  limit: number,
  offsetMs: number,
  farthestMs = FARTHEST_MS,
  held: readonly string[] = [],
  floor = '0',
): Promise<Page> {
  return claimSpecial(
    db,
    sql`WITH waiting AS MATERIALIZED (
      SELECT ctid AS spot, id, entity_type, entity_id, status, next_attempt_at, false AS bars FROM syncd.sync_queue
      WHERE status = 'pending' AND next_attempt_at IS NULL AND id > ${floor}::bigint
      UNION ALL
      SELECT ctid, id, entity_type, entity_id, status, next_attempt_at, operation = 'delete' AND hold_count > 0 FROM syncd.sync_queue
      WHERE next_attempt_at IS NOT NULL AND status = 'pending'
    ), candidates AS MATERIALIZED (
      -- A hundred thousand failed changes with nothing behind them cost a third of a core, were they looked at all the same.
      SELECT * FROM waiting
      UNION ALL
      SELECT ctid, id, entity_type, entity_id, status, next_attempt_at, false FROM syncd.sync_queue
      WHERE status IN ('failed', 'conflict') AND (SELECT EXISTS (SELECT FROM waiting))
    ), newest AS MATERIALIZED (
      -- Grouped, not joined: a join may become a nested loop.
      SELECT q.entity_type, q.entity_id, max(q.id) FILTER (WHERE q.status = 'pending') AS id FROM candidates q WHERE true ${free(held)}
      GROUP BY q.entity_type, q.entity_id
      HAVING (bool_or(q.status = 'failed') OR max(q.id) FILTER (WHERE q.bars) < max(q.id) FILTER (WHERE q.status = 'pending'))
        AND NOT bool_or(q.status = 'conflict') AND max(q.id) FILTER (WHERE q.status = 'pending')
        <> coalesce(max(q.id) FILTER (WHERE q.status = 'pending' AND q.next_attempt_at IS NOT NULL AND NOT ${isDue(farthestMs)}), 0)
      ORDER BY 3 LIMIT ${sql.lit(limit)}
    ), alike AS MATERIALIZED (
      SELECT q.* FROM syncd.sync_queue q WHERE q.ctid = ANY (ARRAY(
        -- In a CASE it is no join either.
        SELECT c.spot FROM candidates c WHERE CASE WHEN (c.entity_type, c.entity_id) IN (SELECT n.entity_type, n.entity_id FROM newest n) THEN true ELSE false END))
    )
    SELECT ${changeColumns(offsetMs)}, ${changeDetails},
      (SELECT json_agg(json_build_object('id', CASE WHEN c.id = o.change_id THEN o.id ELSE 0 END::text, 'change_id', c.id) ORDER BY o.id)
       FROM alike o CROSS JOIN unnest(o.change_id || o.supersedes) AS c (id) WHERE o.entity_type = q.entity_type AND o.entity_id = q.entity_id AND o.id < q.id) AS supersedes
    FROM alike q JOIN newest USING (entity_type, entity_id, id) ${changeState}
    ORDER BY q.id`,
  );
}

/** Reads by a query that wants a plan of its own. */
export async function claimSpecial(db: Db, query: RawBuilder<unknown>): Promise<Page> {
  type Row = Omit<ClaimedRow, 'supersedes'> & { supersedes: string | null; flushed: boolean };
  const { rows } = await sql<Row>`
    SELECT ${PLANNED_ANEW} special.*, (SELECT pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn()) AS flushed
    FROM (${query}) AS special`.execute(db);
  const parsed = rows.map((row) => ({
    ...row,
    changed_at: rfc3339(row.changed_at),
    supersedes: row.supersedes === null ? null : JSON.parse(row.supersedes),
  }));
  return { rows: parsed, snapshot: undefined, flushed: rows[0]?.flushed ?? true, more: false };
}

/**
 * The last ids of the transactions that spread over more than `spread` ids; few, for a transaction is short and its ids lie
 * close together. One scan of what waits, taken once a pass.
 * @param after where the pass began
 */
export async function claimSpreads(
  db: Db,
  snapshot: string,
  spread: number,
  after = '0',
): Promise<Map<string, number>> {
  const { rows } = await sql<{ txid: string; last: string }>`
    SELECT ${PLANNED_ANEW} txid::text AS txid, max(id)::text AS last FROM syncd.sync_queue q
    WHERE status = 'pending' AND next_attempt_at IS NULL AND id > ${after}::bigint
      AND pg_visible_in_snapshot(txid, ${snapshot}::pg_snapshot)
    GROUP BY q.txid HAVING max(id) - min(id) > ${spread}`.execute(db);
  return new Map(rows.map((row) => [row.txid, Number(row.last)]));
}

/** Returns once every commit that was visible before the call is on disk: a commit of our own flushes all before it. */
export async function flushCommits(db: Db): Promise<void> {
  await sql`SELECT pg_logical_emit_message(true, 'syncd', '')`.execute(db);
}
