/**
 * Brings one row back that the shop has lost: made anew as the cloud holds it, or as the shop last said in a change that still
 * waits. The way is that of applying: the POS's own triggers and constraints run, and what capture makes of it is taken back in
 * the same transaction. A row that is there again is left alone. A crash between two rows leaves the rest to be asked for again.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { holdingRows } from '../db/holding.js';
import { queuePosition } from '../queue/position.js';
import { takeBackEcho } from './echo.js';
import { oneRow } from './rows.js';
import { agree, oneAgreement } from './state.js';
import type { AppliedTable } from './tables.js';
import { columnsIn, currentRow, insertRows } from './write.js';

/** `version`: of the cloud's row; undefined where the row comes from the shop's own waiting change. */
export type Restored = {
  entity_id: string;
  data: string;
  version?: { cloud_version: string; cloud_id: string | null };
};

/**
 * @param db as `openApplier` makes it
 * @returns false where it was not made: it is there, or the data is the row of another entity
 * @throws what Postgres says of the row
 */
export function restoreRow(db: Db, table: AppliedTable, row: Restored): Promise<boolean> {
  return holdingRows(db, (trx) => makeAnew(trx, table, row));
}

async function makeAnew(trx: Db, table: AppliedTable, { entity_id, data, version }: Restored): Promise<boolean> {
  const position = await queuePosition(trx);
  const source = oneRow(entity_id, data);
  const made = await insertRows(trx, table, source, [entity_id], await columnsIn(trx, table, data));
  if (made.length === 0) return false;
  if (table.deferrable) await sql`SET CONSTRAINTS ALL IMMEDIATE`.execute(trx);
  await takeBackEcho(trx, table, source, position);
  if (version) {
    const row = await currentRow(trx, table, entity_id);
    await agree(trx, oneAgreement({ entity_type: table.entity, entity_id, deleted: false, row, ...version }));
  }
  return true;
}

/** The cloud has deleted it as well: then both agree. */
export async function agreeGone(
  db: Db,
  entity_type: string,
  entity_id: string,
  version: { cloud_version: string; cloud_id: string | null },
): Promise<void> {
  await agree(db, oneAgreement({ entity_type, entity_id, deleted: true, row: undefined, ...version }));
}
