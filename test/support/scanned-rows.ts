/** How many rows of the queue were read by scanning the table, while something ran: 0 where every row was found by an index. */
import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.js';

export function scannedRows(db: Db, run: (trx: Db) => Promise<unknown>): Promise<number> {
  const count = async (trx: Db) => {
    const { rows } = await sql<{ read: string }>`
      SELECT seq_tup_read::text AS read FROM pg_stat_xact_user_tables WHERE relid = 'syncd.sync_queue'::regclass`.execute(
      trx,
    );
    return Number(rows[0]?.read);
  };
  // In one transaction: between two, the server may hand the counters on and begin anew.
  return db.transaction().execute(async (trx) => {
    const before = await count(trx);
    await run(trx);
    return (await count(trx)) - before;
  });
}
