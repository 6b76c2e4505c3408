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
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { atHome, tablesExchanged } from '../db/place.js';
import { PLANNED_ANEW } from '../db/prepared.js';
import { type ClaimedRow, changeColumns, changedFields, changeState, type Page, withoutHeld } from './claimed.js';
import { type PageTexts, pageTexts, rfc3339, rowsOf } from './page-text.js';

/** Payload bytes, as stored, after which a page ends early; a row above it comes alone. */
const PAGE_BYTES = 8 * 1024 * 1024;

/**
 * What keeps an entity's fresh changes back, again looked up for each row: a conflict, a failed change, or a retry that is not
 * due (or not in `due`).
 */
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
  heldTypes?: readonly string[];
  /** How far the queue was settled when it was last looked at: it never goes back. */
  settled_id?: string | undefined;
};

const fresh = (pass: PassState, limit: number) => sql`
  SELECT * FROM syncd.sync_queue q
  WHERE status = 'pending' AND next_attempt_at IS NULL AND id > ${pass.after}::bigint
    ${pass.snapshot === undefined ? sql`` : sql`AND pg_visible_in_snapshot(txid, ${pass.snapshot}::pg_snapshot)`}
    ${pass.trouble ? sql`AND NOT ${troubled(pass.due)}` : sql``} ${withoutHeld(pass.heldTypes)}
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
  if (texts.at_home === false || hasGoneBack(texts, pass)) throw tablesExchanged();
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
