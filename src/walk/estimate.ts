/**
 * How many rows there are to walk: counted where that is done in a moment, else as the planner reckons, from the files' size and the
 * density at the last ANALYZE. Statistics alone know nothing of what was loaded since: with them a bar stood at 99 % from the
 * beginning. Takes a lock that hinders no sale, and does not wait long for it.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { codeOf } from '../errors.js';

/** Lock not available, query cancelled. */
const IN_VAIN = ['55P03', '57014'];

/** @param parts what is read, as SQL writes it. @returns null: not known */
export async function estimateRows(db: Db, parts: readonly string[]): Promise<string | null> {
  return (await rowsBy(counted, db, parts)) ?? (await rowsBy(planned, db, parts));
}

async function rowsBy(look: typeof counted, db: Db, parts: readonly string[]): Promise<string | null> {
  try {
    return await db.transaction().execute(async (trx) => {
      // A million rows take 70 ms; beside the till it is one process that works, not several.
      await sql`SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = '1s'; SET LOCAL max_parallel_workers_per_gather = 0`.execute(
        trx,
      );
      let rows = 0;
      for (const part of parts) rows += await look(trx, part);
      return String(rows);
    });
  } catch (error) {
    if (IN_VAIN.includes(codeOf(error) ?? '')) return null;
    throw error;
  }
}

async function counted(trx: Db, part: string): Promise<number> {
  const { rows } = await sql<{ n: number }>`SELECT count(*)::float8 AS n FROM ${sql.raw(part)}`.execute(trx);
  return rows[0]?.n ?? 0;
}

async function planned(trx: Db, part: string): Promise<number> {
  const { rows } = await sql<{ 'QUERY PLAN': string }>`EXPLAIN (FORMAT JSON) SELECT FROM ${sql.raw(part)}`.execute(trx);
  return JSON.parse(rows[0]?.['QUERY PLAN'] ?? '[]')[0]?.Plan['Plan Rows'] ?? 0;
}
