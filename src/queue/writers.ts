/**
 * Waits for those who are writing to a table now, without keeping anybody from it. Who puts a row into the queue by hand needs
 * that: a sale that has its place in the queue already, but has not committed, would be overtaken by an older copy of its row.
 */
import { sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { monotonicMs, sleep } from '../time.js';

const LOOK_MS = 10;

/** The parts are read from the catalogue: pg_partition_tree would lock them all, and sales would wait behind whoever waits for us. */
const writers = (table: string) => sql`
  SELECT l.virtualtransaction FROM pg_locks l
  WHERE l.locktype = 'relation' AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid() AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.relation IN (WITH RECURSIVE part(oid) AS (
                         SELECT ${table}::regclass::oid UNION SELECT i.inhrelid FROM part p JOIN pg_inherits i ON i.inhparent = p.oid)
                       SELECT oid FROM part)`;

/** The transactions that may have written to the table or a part of it and have not ended, by names that are never used again. */
export async function writersNow(db: Db, table: string): Promise<string[]> {
  const { rows } = await sql<{ virtualtransaction: string }>`${writers(table)}`.execute(db);
  return [...new Set(rows.map((row) => row.virtualtransaction))];
}

/** Which of them have not ended yet. */
export async function writersLeft(db: Db, table: string, then: readonly string[]): Promise<string[]> {
  if (then.length === 0) return [];
  const { rows } = await sql<{ virtualtransaction: string }>`
    SELECT DISTINCT w.virtualtransaction FROM (${writers(table)}) AS w
    WHERE w.virtualtransaction = ANY (${arrayLiteral(then)}::text[])`.execute(db);
  return rows.map((row) => row.virtualtransaction);
}

/** Somebody waits for a table that our own transaction has read: whoever sells stands behind him. */
async function areWaitedFor(trx: Db): Promise<boolean> {
  const { rows } = await sql`
    SELECT FROM pg_locks l WHERE NOT l.granted AND l.locktype = 'relation' AND pg_backend_pid() = ANY (pg_blocking_pids(l.pid)) LIMIT 1`.execute(
    trx,
  );
  return rows.length > 0;
}

/**
 * @param deadline on the monotonic clock
 * @returns true when nobody who holds a write lock on the table or a part of it now holds one any more; false: too late, or one of
 *   them, or another, waits for us
 */
export async function writersHaveEnded(trx: Db, table: string, deadline: number): Promise<boolean> {
  const then = await writersNow(trx, table);
  while ((await writersLeft(trx, table, then)).length > 0) {
    if (monotonicMs() > deadline || (await areWaitedFor(trx))) return false;
    await sleep(LOOK_MS);
  }
  return true;
}
