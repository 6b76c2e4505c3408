/**
 * Settles open conflicts: those that a rule decides as soon as they appear, and any one when a person says how. Each in a
 * transaction of its own; whatever stands in the way leaves everything as it was. Works without the daemon and beside it.
 */
import { sql } from 'kysely';
import { judgeFault, parkedMs } from '../apply/faults.js';
import { Horizon } from '../apply/horizon.js';
import type { Ahead } from '../apply/look.js';
import { Overtaken, Refusal } from '../apply/refusal.js';
import { type AppliedTables, loadTables } from '../apply/tables.js';
import type { Settings, Strategy } from '../config/settings.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { isConnectionLoss } from '../db/database-error.js';
import { holdingRows, wasTooLong } from '../db/holding.js';
import { takenOver } from '../db/leader.js';
import { codeOf, INSTALL, SyncError, wordsOf } from '../errors.js';
import type { Log } from '../log.js';
import { requester } from '../queue/manage.js';
import type { OnStep } from '../step.js';
import { sleep } from '../time.js';
import type { Requested } from './plan.js';
import { leaveOpen, leaveRefused, type Result } from './record.js';
import { type Ending, endConflict } from './resolution.js';
import { lookAhead } from './standing.js';

export type ResolveDeps = {
  /** A connection as `openApplier` makes it: the POS's triggers run on it. */
  db: Db;
  tables: AppliedTables;
  leader_epoch: string;
  log: Log;
  /** Kept from call to call. */
  horizon: Horizon;
  /** Entity types that wait as a whole: their tables are not written now. */
  heldTypes?: readonly string[];
  /** However often a conflict comes back, the next change of ours waits no longer. */
  longestWaitMs: number;
  onStep?: OnStep | undefined;
};

/** `minted`: changes that are to be pushed. `busy`: conflicts whose row a sale was just writing; look again soon. */
export type Resolved = { resolved: number; minted: number; left: number; busy: number };

/** Conflicts that one call looks at. */
const MOST = 500;

/**
 * Settles what a rule can decide, or what turns out to be no difference at all. Where the table lacks a parent, or another row is in
 * the way, the rule is tried again later; the rest is marked as waiting for a person, with the reason, and not looked at again
 * until the cloud's side changes.
 */
export async function resolveOpen(deps: ResolveDeps): Promise<Resolved> {
  const open = sql`SELECT id FROM syncd.sync_conflicts WHERE status = 'open' AND entity_type <> ALL (${arrayLiteral(deps.heldTypes ?? [])}::text[])`;
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM (${open} AND reason IS NULL UNION ${open} AND next_attempt_at <= clock_timestamp()) AS one
    ORDER BY id LIMIT ${MOST}`.execute(deps.db);
  const sum: Resolved = { resolved: 0, minted: 0, left: 0, busy: 0 };
  if (rows.length === 0) return sum;
  const ahead = await lookAhead(
    deps.db,
    deps.horizon,
    rows.map(({ id }) => id),
  );
  const faulty: string[] = [];
  for (const { id } of rows) if (!count(sum, await byRule(deps, id, ahead, false))) faulty.push(id);
  // A row may have missed its parent, which the next conflict brought.
  for (const id of faulty) count(sum, await byRule(deps, id, ahead, true));
  return sum;
}

function count(sum: Resolved, ending: Ending | undefined): boolean {
  if (ending === undefined) return false;
  if (ending.kind === 'resolved') {
    sum.resolved++;
    if (ending.change_id !== null) sum.minted++;
  }
  if (ending.kind === 'left') sum.left++;
  if (ending.kind === 'busy') sum.busy++;
  return true;
}

/** @returns undefined where the POS's table refuses and `final` is not set: it may take it after others */
async function byRule(deps: ResolveDeps, id: string, ahead: Ahead, final: boolean): Promise<Ending | undefined> {
  const { db, tables, leader_epoch, log, longestWaitMs, onStep } = deps;
  const requested: Requested = { wish: { kind: 'automatic', longestWaitMs }, who: 'syncd', reason: null };
  try {
    const ending = await holdingRows(db, async (trx) => {
      await fence(trx, leader_epoch);
      const ended = await endConflict(trx, tables, id, ahead, requested);
      if (ended.kind === 'resolved') onStep?.('conflict recorded');
      return ended;
    });
    if (ending.kind === 'resolved') onStep?.('conflict committed');
    tell(log, ending);
    return ending;
  } catch (error) {
    const fault = faultOf(error);
    if (fault === 'busy') return { kind: 'busy' };
    if (!final) return undefined;
    return leaveWith(deps, id, fault);
  }
}

async function leaveWith(
  { db, log }: ResolveDeps,
  id: string,
  { message: reason, passing }: TableFault,
): Promise<Ending> {
  const { entity_type, entity_id, attempts } = await db
    .selectFrom('syncd.sync_conflicts')
    .select(['entity_type', 'entity_id', 'attempts'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const ending: Ending = { kind: 'left', entity_type, entity_id, reason };
  if (!passing) {
    await leaveOpen(db, id, reason);
    tell(log, ending);
    return ending;
  }
  const delayMs = parkedMs(attempts);
  await leaveRefused(db, id, reason, delayMs);
  log.warn('a conflict is tried again', { entity: `${entity_type}/${entity_id}`, reason, wait_ms: delayMs });
  return ending;
}

function tell(log: Log, ending: Ending): void {
  if (ending.kind === 'resolved') {
    const { entity_type, entity_id, resolution, reason, brake } = ending;
    const entity = `${entity_type}/${entity_id}`;
    log.info('a conflict was resolved', { entity, kept: resolution, reason });
    if (brake) log.warn('a conflict comes back', { entity, reason: brake.reason, wait_ms: brake.waitMs });
  } else if (ending.kind === 'left') {
    const { entity_type, entity_id, reason } = ending;
    log.warn('a conflict waits for a person', { entity: `${entity_type}/${entity_id}`, reason });
  }
}

async function fence(trx: Db, leader_epoch: string): Promise<void> {
  const { rows } = await sql<{ leads: boolean }>`
    SELECT ${leader_epoch}::pg_catalog.int8 = (SELECT pg_catalog.max(leader_epoch) FROM syncd.daemon) AS leads`.execute(
    trx,
  );
  if (!rows[0]?.leads) throw takenOver();
}

/** What a person wants of a conflict: a rule, or values as the text of a JSON object of columns. */
export type PersonsChoice = { strategy: Exclude<Strategy, 'manual'> } | { data: string };

/** What became of a person's choice. `refused`: nothing was changed, and why. */
export type ConflictVerdict =
  | ({ done: true } & Result)
  | { id: string; done: false; why: 'unknown' }
  | { id: string; done: false; why: 'resolved'; resolved_at: string; resolved_by: string }
  | { id: string; done: false; why: 'refused'; message: string; hint: string };

const TRIES = 40;
const PAUSE_MS = 50;

/**
 * A person ends a conflict.
 * @param db a connection as `openApplier` makes it
 * @param choice a side, or the text of a JSON object of columns
 * @param reason null: the rule's own words
 */
export async function resolveConflict(
  db: Db,
  settings: Settings,
  id: string,
  choice: PersonsChoice,
  who: string,
  reason: string | null,
): Promise<ConflictVerdict> {
  const tables = await loadTables(db, settings);
  const wish =
    'data' in choice
      ? ({ kind: 'data', text: choice.data } as const)
      : ({ kind: 'strategy', strategy: choice.strategy } as const);
  const horizon = new Horizon();
  await lookAhead(db, horizon, []);
  let blind = false;
  for (let tries = 0; tries < TRIES; tries++) {
    const ahead = await lookAhead(db, horizon, [id]);
    const ending = await attempt(db, tables, id, ahead, { wish, who, reason, ...(blind && { blind }) });
    switch (ending.kind) {
      case 'resolved': {
        const { kind, ...result } = ending;
        return { done: true, ...result };
      }
      case 'over':
        return { id, done: false, why: 'resolved', resolved_at: ending.resolved_at, resolved_by: ending.resolved_by };
      case 'unknown':
        return { id, done: false, why: 'unknown' };
      case 'refused':
        blind = ending.unfit === true && wish.kind === 'strategy' && wish.strategy === 'local_wins' && !blind;
        if (blind) break;
        return { id, done: false, why: 'refused', message: ending.message, hint: ending.hint };
      case 'left':
        return { id, done: false, why: 'refused', message: ending.reason, hint: '' };
      case 'busy':
        await sleep(PAUSE_MS);
        break;
      default:
        ending satisfies never;
    }
  }
  const message = 'its row is being written to without a pause';
  return { id, done: false, why: 'refused', message, hint: 'Try again in a quieter moment.' };
}

/** `unfit`: a value that the shop's table cannot hold. */
type Refused = { kind: 'refused'; message: string; hint: string; unfit?: boolean };

async function attempt(
  db: Db,
  tables: AppliedTables,
  id: string,
  ahead: Ahead,
  requested: Requested,
): Promise<Ending | Refused> {
  try {
    return await holdingRows(db, async (trx) => {
      // What a person was told is done must outlive a crash.
      await sql`SET LOCAL synchronous_commit = local`.execute(trx);
      const ending = await endConflict(trx, tables, id, ahead, requested);
      if (ending.kind === 'resolved') await recordCommand(trx, ending, requested);
      return ending;
    });
  } catch (error) {
    const fault = faultOf(error);
    if (fault === 'busy') return { kind: 'busy' };
    return {
      kind: 'refused',
      message: fault.message,
      hint: fault.hint,
      unfit: codeOf(error)?.startsWith('22') === true,
    };
  }
}

async function recordCommand(trx: Db, { id, resolution, change_id }: Result, requested: Requested): Promise<void> {
  const { wish, who, reason } = requested;
  const how = wish.kind === 'strategy' ? wish.strategy : wish.kind;
  await sql`
    INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
    VALUES ('resolve', json_build_object('id', ${id}::text, 'how', ${how}::text, 'reason', ${reason}::text),
            ${requester(who)}, clock_timestamp(), ${`kept: ${resolution}${change_id === null ? '' : '; on its way to the cloud'}`})`.execute(
    trx,
  );
  if (change_id !== null) await sql`SELECT syncd.wake()`.execute(trx);
}

/** `passing`: another row that comes or goes may end it. */
type TableFault = { message: string; hint: string; passing: boolean };

/** Locks that others hold pass; what the POS's table or the data does not allow is a fault. Everything else is thrown. */
function faultOf(error: unknown): 'busy' | TableFault {
  if (error instanceof Overtaken) return 'busy';
  if (error instanceof Refusal) return { message: error.message, hint: error.hint, passing: false };
  if (error instanceof SyncError || isConnectionLoss(error)) throw error;
  const code = codeOf(error) ?? '';
  // Deadlock, serialization failure, lock not available.
  if (code.startsWith('40') || code === '55P03' || wasTooLong(error)) return 'busy';
  if (!(error instanceof Error) || !('severity' in error)) throw error;
  const hint = code === '42501' ? `Grant it: list the table under also_writes of this entity. Then: ${INSTALL}` : '';
  const fault = judgeFault(code);
  const passing = fault === 'reference' || fault === 'collision';
  return { message: `the shop's table refuses it: ${wordsOf(error)}`, hint, passing };
}
