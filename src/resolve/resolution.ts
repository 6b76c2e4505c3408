/**
 * Ends one conflict, in the caller's transaction: finds out what is to be done, locks the shop's row and everything unsettled of the
 * entity, sees whether all is as it was, writes the shop's row where that is decided, and leaves exactly one of two things behind: both
 * sides are the same, or one change is on its way that makes them so. Whatever it contains is settled with it, and what was discarded
 * stays on record. A sale of the row waits from the lock to the commit, so in between there are as few questions to the server as
 * can be.
 *
 * A push that is still under way with one of the old changes does no harm: its answer finds nothing pending any more, and where
 * the cloud did apply it, the new change says so in `supersedes`.
 */
import { sql } from 'kysely';
import type { Ahead } from '../apply/look.js';
import { Overtaken, Refusal } from '../apply/refusal.js';
import type { AppliedTable, AppliedTables } from '../apply/tables.js';
import { currentRow, lockRows } from '../apply/write.js';
import type { Db } from '../db/connect.js';
import { queuePosition } from '../queue/position.js';
import { iso } from '../queue/read.js';
import { writersHaveEnded } from '../queue/writers.js';
import { monotonicMs } from '../time.js';
import { type Plan, planFor, type Requested } from './plan.js';
import { dropRow, putRow } from './put-row.js';
import { finish, leaveOpen, type Outgoing, type Result, whatRemains } from './record.js';
import type { Conflict } from './sides.js';
import { isSame, standingOf } from './standing.js';

export type Ending =
  | ({ kind: 'resolved' } & Result)
  /** No rule decides it; it stays open and waits for a person. */
  | { kind: 'left'; entity_type: string; entity_id: string; reason: string }
  /** Somebody else is at it, or at its row: to be tried again. */
  | { kind: 'busy' }
  | { kind: 'unknown' }
  | { kind: 'over'; resolved_at: string; resolved_by: string };

/** Who writes to a table whose row we could not lock is waited for this long at most. */
const WRITERS_MS = 1_000;

/** @throws Refusal, or what Postgres says of a row that does not fit; then the caller rolls back */
export async function endConflict(
  trx: Db,
  tables: AppliedTables,
  id: string,
  ahead: Ahead,
  requested: Requested,
): Promise<Ending> {
  const posPath = await ownPath(trx);
  const found = await takeConflict(trx, id);
  if ('kind' in found) return found;
  const untold = found.untold || requested.blind === true;
  const conflict = untold ? { ...found.conflict, cloud: null } : found.conflict;
  const table = tables.get(conflict.entity_type);
  if (!table)
    throw new Refusal(
      `${conflict.entity_type} is not configured any more`,
      'See: syncd discard; it works once syncd install has run.',
    );
  const question = { table, conflict, untold, requested };
  const position = await queuePosition(trx);
  let plan = await planFor(trx, question, await standingOf(trx, table, conflict.entity_id, ahead, 'look'));
  if (!(await lockRow(trx, table, conflict))) return { kind: 'busy' };
  const take = () => standingOf(trx, table, conflict.entity_id, ahead, 'take');
  // Of a change that somebody puts off meanwhile the statement that waits for it sees neither how it was nor how it is.
  if (!isSame(plan.standing, await take())) plan = await planFor(trx, question, await take());
  const { choice, sides, standing } = plan;
  if (choice.keep === 'open') {
    const { entity_type, entity_id } = conflict;
    const { reason } = choice;
    if (requested.wish.kind !== 'automatic')
      throw new Refusal(reason, untold ? untoldHint(table, conflict) : SIDES_HINT);
    await leaveOpen(trx, id, reason, { fields: sides.fields, local: standing.live ?? null, base: sides.base });
    return { kind: 'left', entity_type, entity_id, reason };
  }
  if (!(await write(trx, table, conflict, plan, posPath))) return { kind: 'busy' };
  const remains = await whatRemains(trx, table, conflict, position);
  const { result } = remains;
  // The cloud has a row, whatever is in it.
  const change = untold && result === undefined ? DELETION : remains.change;
  if (plan.write.kind === 'drop' && result !== undefined) {
    throw new Refusal("the shop's row did not go: a trigger of the POS kept it");
  }
  if (change !== undefined && table.direction === 'pull') {
    throw new Refusal(`${table.entity} is only pulled: the shop's side cannot go to the cloud`, 'Choose cloud_wins.');
  }
  const kept = choice.keep === 'given' ? 'data' : choice.keep;
  const by = 'by' in choice ? choice.by : 'syncd';
  const finished = await finish(trx, { conflict, plan, result, kept, change, by }, requested);
  // A row that is not there, or is not ours to lock, others may make or change while we look.
  const unlocked = table.direction === 'push' || standing.live === undefined;
  if (change && unlocked && !(await isCurrent(trx, table, conflict, result))) throw new Overtaken();
  return { kind: 'resolved', ...finished };
}

/** Of a table that is only pushed we may lock and write nothing. */
async function lockRow(trx: Db, table: AppliedTable, { entity_id, cloud }: Conflict): Promise<boolean> {
  if (table.direction === 'push') return true;
  const { locked, present } = await lockRows(trx, table, [entity_id], cloud === null ? 'delete' : 'update');
  return present.size === locked.size;
}

/**
 * Our change has its place in the queue. Whoever drew one before us has ended, and the row is still as we saw it: then no newer
 * state of it stands in front of ours.
 */
async function isCurrent(trx: Db, table: AppliedTable, conflict: Conflict, seen: string | undefined): Promise<boolean> {
  if (!(await writersHaveEnded(trx, table.table, monotonicMs() + WRITERS_MS))) return false;
  return (await currentRow(trx, table, conflict.entity_id)) === seen;
}

const SIDES_HINT = 'Name a side (cloud_wins, local_wins), or give values with --data.';
const KEEP_HINT = "To keep the shop's side: --strategy local_wins.";
const DELETION: Outgoing = { operation: 'delete', previous: null };

function untoldHint({ direction }: AppliedTable, { entity_type, entity_id }: Conflict): string {
  return direction === 'push' ? KEEP_HINT : `Fetch it: syncd pull ${entity_type} ${entity_id}. ${KEEP_HINT}`;
}

/** @returns false: somebody else has just made the row */
async function write(
  trx: Db,
  table: AppliedTable,
  { entity_id }: Conflict,
  { write, standing }: Plan,
  posPath: string,
): Promise<boolean> {
  if (write.kind === 'none') return true;
  if (write.kind === 'drop') {
    await dropRow(trx, table, entity_id, posPath);
    return true;
  }
  const present = standing.live !== undefined;
  if (await putRow(trx, table, entity_id, { present, ...write }, posPath)) return true;
  if (!present && (await currentRow(trx, table, entity_id)) !== undefined) return false;
  throw new Refusal('the values bear another key: a row keeps its own');
}

/** Our own statements run with pg_catalog alone, so that types are written as the capture triggers write them. */
async function ownPath(trx: Db): Promise<string> {
  const { rows } = await sql<{ path: string }>`
    SELECT pg_catalog.current_setting('search_path') AS path`.execute(trx);
  await sql`SET LOCAL search_path = pg_catalog`.execute(trx);
  await sql`SET CONSTRAINTS ALL IMMEDIATE`.execute(trx);
  return rows[0]?.path ?? '';
}

type Row = Conflict & { status: string; resolved_at: string | null; resolved_by: string | null; untold: boolean };

/** `untold`: the cloud says that it has a row, and did not send it. */
async function takeConflict(trx: Db, id: string): Promise<Ending | { conflict: Conflict; untold: boolean }> {
  const { rows } = await sql<Row>`
    SELECT k.id, k.entity_type, k.entity_id, k.strategy, k.source, k.cloud::text AS cloud, k.cloud_version,
           k.cloud_updated_at, k.status, ${iso('k.resolved_at')} AS resolved_at, k.resolved_by,
           k.cloud IS NULL AND NOT k.cloud_deleted AND k.cloud_version > 0 AS untold
    FROM syncd.sync_conflicts k WHERE k.id = ${id}::bigint FOR UPDATE SKIP LOCKED`.execute(trx);
  const [row] = rows;
  if (!row) {
    const { rows: there } = await sql`SELECT FROM syncd.sync_conflicts WHERE id = ${id}::bigint`.execute(trx);
    return { kind: there.length > 0 ? 'busy' : 'unknown' };
  }
  if (row.status === 'open') return { conflict: row, untold: row.untold };
  return { kind: 'over', resolved_at: row.resolved_at as string, resolved_by: row.resolved_by as string };
}
