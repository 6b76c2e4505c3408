/**
 * Waits for those who are writing to a table now, without keeping anybody from it. Who puts a row into the queue by hand needs
 * that: a sale that has its place in the queue already, but has not committed, would be overtaken by an older copy of its row.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { monotonicMs, sleep } from '../time.js';

/**
 * @param deadline on the monotonic clock
 * @returns true when nobody who holds a write lock on the table or a part of it now holds one any more; false: too late
 */
export async function writersHaveEnded(trx: Db, table: string, deadline: number): Promise<boolean> {
  const writers = sql`
    SELECT l.virtualtransaction FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid() AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.relation IN (SELECT ${table}::regclass UNION SELECT relid FROM pg_partition_tree(${table}::regclass)
                         UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = ${table}::regclass)`;
  const { rows } = await sql<{ virtualtransaction: string }>`${writers}`.execute(trx);
  const then = [...new Set(rows.map((row) => row.virtualtransaction))];
  while (then.length > 0) {
    const { rows: left } =
      await sql`SELECT FROM (${writers}) AS w WHERE w.virtualtransaction = ANY (${then}::text[]) LIMIT 1`.execute(trx);
    if (left.length === 0) return true;
    if (monotonicMs() > deadline) return false;
    await sleep(20);
  }
  return true;
}
