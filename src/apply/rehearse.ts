/**
 * Goes once through what a chunk does while it holds locks, without a single row: what a connection does for the first time
 * (reading the catalogue, planning, and compiling on our side) takes several times as long, and a till must not wait for that.
 * Nothing is written to the POS's tables, so none of its triggers runs; everything is undone.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { queuePosition } from '../queue/position.js';
import { takingBackAll } from './echo.js';
import { nothingDealt, settleIncoming } from './incoming.js';
import { lookAt } from './look.js';
import type { AppliedTable, AppliedTables } from './tables.js';
import { lockThose } from './write.js';

class Enough extends Error {}

/** @param db the connection that will apply; its plans are its own */
export async function rehearse(db: Db, tables: AppliedTables, leader_epoch: string): Promise<void> {
  const position = await queuePosition(db);
  const log = { changes: 0, applied: 0, durationMs: 0, error: null };
  for (const table of tables.values()) {
    if (table.direction === 'push') continue;
    await db
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async (trx) => {
        await lockThose(trx, table, [], 'update');
        await lookAt(trx, table, [], { ids: [], above: position });
        await plan(trx, table);
        await settleIncoming(trx, leader_epoch, nothingDealt(), log, takingBackAll([table], position));
        throw new Enough();
      })
      .catch((error: unknown) => {
        if (!(error instanceof Enough)) throw error;
      });
  }
}

/** The write itself is only planned: executed, even without a row, it would run the POS's triggers for each statement. */
async function plan(trx: Db, { table, columns }: AppliedTable): Promise<void> {
  const plain = columns.filter(({ kind, key }) => kind === 'plain' && !key);
  if (plain.length === 0) return;
  const set = sql.join(plain.map(({ name }) => sql`${sql.id(name)} = t.${sql.id(name)}`));
  await sql`EXPLAIN UPDATE ${sql.raw(table)} AS t SET ${set} WHERE false`.execute(trx);
}
