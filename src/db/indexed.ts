/**
 * Work whose every query picks rows by an index, on a connection that others use otherwise. Statistics lag far behind a queue
 * that grows from nothing to a million rows and back: left to guess, the planner reads all of it.
 */
import { sql } from 'kysely';
import { BY_INDEX, type Db } from './connect.js';

/**
 * In the order of the index too: where statistics know of no settled change, the planner takes the first thousand of a million
 * by sorting all of them. Measured: 22 s for a chunk of retention, and 6 s for the status.
 */
const IN_ORDER = [...BY_INDEX, 'enable_bitmapscan=off'];

/** One transaction under the settings of `IN_ORDER`. */
export async function byIndex<T>(db: Db, work: (trx: Db) => Promise<T>): Promise<T> {
  return db.transaction().execute(async (trx) => {
    await sql.raw(IN_ORDER.map((setting) => `SET LOCAL ${setting.replace('=', ' = ')}`).join('; ')).execute(trx);
    return work(trx);
  });
}
