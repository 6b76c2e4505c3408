/**
 * Work whose every query picks rows by an index, on a connection that others use otherwise. Statistics lag far behind a queue
 * that grows from nothing to a million rows and back: left to guess, the planner reads all of it.
 */
import { sql } from 'kysely';
import { BY_INDEX, type Db } from './connect.js';

/** One transaction under the settings of `BY_INDEX`. */
export async function byIndex<T>(db: Db, work: (trx: Db) => Promise<T>): Promise<T> {
  return db.transaction().execute(async (trx) => {
    await sql.raw(BY_INDEX.map((setting) => `SET LOCAL ${setting.replace('=', ' = ')}`).join('; ')).execute(trx);
    return work(trx);
  });
}
