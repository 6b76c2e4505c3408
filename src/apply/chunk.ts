/**
 * Applies one chunk of incoming changes in one READ COMMITTED transaction: lock the rows that are here, look with a new snapshot,
 * decide, write by sets, take back the echo, note the agreements, remove the changes. The order is what keeps a sale's value: a
 * sale that changed a row before our lock shows in the look, one that comes later waits for our end, some milliseconds.
 *
 * Either everything of a chunk happens or nothing. What becomes of a chunk that failed is for apply/round to decide.
 */
import { sql } from 'kysely';
import { plainLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { type Hurry, holdingRows } from '../db/holding.js';
import { takenOver } from '../db/leader.js';
import type { OnStep } from '../step.js';
import { monotonicMs } from '../time.js';
import { type Decision, decide, type Local, relationOf, situationOf } from './decide.js';
import { takeBackEcho, takingBackAll } from './echo.js';
import { soonMs, waitingMs } from './faults.js';
import { byColumns, byTable, split } from './groups.js';
import { type Dealt, type Incoming, nothingDealt, type PutOff, settleIncoming } from './incoming.js';
import { type Ahead, equalRows, type Looked, lookAt } from './look.js';
import { isDivisible } from './parts.js';
import { type Source, writable } from './rows.js';
import { noteRows } from './state.js';
import type { AppliedTable, TableColumn } from './tables.js';
import type { Work } from './work.js';
import { deleteRows, insertRows, lockThose, updateRows, withAnotherName } from './write.js';

/** What a conflict becomes is not decided here. Both write into the caller's transaction, and leave the incoming changes to it. */
export type ConflictBook = {
  open(trx: Db, table: AppliedTable, incoming: readonly Incoming[]): Promise<void>;
  /** @returns ids; the others' conflicts were resolved since the look, or got a side as new: they are to be decided on anew */
  refresh(trx: Db, table: AppliedTable, incoming: readonly Incoming[]): Promise<Set<string>>;
};

export type ChunkDeps = { db: Db; leader_epoch: string; conflicts: ConflictBook; onStep?: OnStep | undefined };

/** What the look knows besides the changes: fresh ones of the shop, the queue's position before, whether anything is put off. */
export type ChunkContext = { ahead: Ahead; position: string; troubled: boolean };

export type ChunkReport = {
  /** By what became of them. */
  counts: Record<Decision, number>;
  /** Entities whose rows are now as the cloud has them. */
  written: Work[];
  /** To be fetched. */
  hints: Incoming[];
  /** How many could not be written, and are not tried again by themselves. */
  parked: number;
  lockedMs: number;
};

/** A row that keeps losing against somebody who never shows: another name of the same key, or a trigger that drops it. */
const MOST_LOSSES = 6;
const HINT_MS = 1_000;
const waiting = ({ id, attempts }: Incoming): PutOff => ({
  id,
  parked: false,
  delayMs: waitingMs(attempts),
  reason: null,
});

/** The share of its time in which a chunk writes its rows; the rest is for recording that. */
const WRITTEN = 0.75;

type Judged = Work & { local: Looked; decision: Decision };

/** `done` and `putOff`: of what was to be written, what was and what could not be. */
type Written = { done: Judged[]; putOff: PutOff[] };
type ToSettle = Written & { judged: readonly Judged[]; dropped: readonly string[]; lockedAt: number };

/**
 * @param dropped ids that leave with this chunk: older versions of the same entities
 * @param writing told which table is about to be written, for whoever has to explain a failure
 * @throws what Postgres says; SyncError `anotherDaemon`
 */
export async function applyChunk(
  deps: ChunkDeps,
  work: readonly Work[],
  context: ChunkContext,
  dropped: readonly string[],
  writing: (table: AppliedTable) => void,
): Promise<ChunkReport> {
  let lockedAt = monotonicMs();
  const attempt = async (trx: Db, hurry: Hurry) => {
    lockedAt = monotonicMs();
    const judged: Judged[] = [];
    for (const [table, some] of byTable(work)) {
      writing(table);
      judged.push(...(await judge(trx, table, some, context.ahead)));
    }
    deps.onStep?.('chunk judged');
    const written = await write(trx, judged, writing, hurry);
    await hurry(1);
    const settled = await settle(deps, trx, { judged, dropped, lockedAt, ...written }, context, writing);
    deps.onStep?.('chunk recorded');
    return settled;
  };
  const report = await holdingRows(deps.db, attempt, isDivisible(work));
  deps.onStep?.('chunk committed');
  return { ...report, lockedMs: monotonicMs() - lockedAt };
}

/** The long way, for each table; what was captured there and says more than the cloud did goes out. */
async function takeBack(trx: Db, done: readonly Work[], position: string, writing: (table: AppliedTable) => void) {
  for (const [table, some] of byTable(done)) {
    writing(table);
    await takeBackEcho(trx, table, sourceOf(some), position);
  }
}

/** What was written, as the source of the statements: a deletion has no data. */
const sourceOf = (work: readonly Work[]): Source => sql`
  SELECT i.entity_id, i.data FROM syncd.incoming i WHERE i.id = ANY (${plainLiteral(work.map((one) => one.incoming.id))}::bigint[])`;

async function judge(trx: Db, table: AppliedTable, work: Work[], ahead: Ahead): Promise<Judged[]> {
  const locked = new Set<string>();
  for (const purpose of ['update', 'delete'] as const) {
    const ids = work
      .filter(({ incoming }) => (incoming.operation === 'delete') === (purpose === 'delete'))
      .map(({ incoming }) => incoming.entity_id);
    if (ids.length > 0) for (const id of await lockThose(trx, table, ids, purpose)) locked.add(id);
  }
  const byId = new Map(work.map((one) => [one.incoming.entity_id, one]));
  const looked = await lookAt(trx, table, [...byId.keys()], ahead);
  const judged = looked.map((local): Judged => {
    const one = byId.get(local.entity_id) as Work;
    const { incoming, brought } = one;
    return { incoming, table, brought, local, decision: decisionOn(one, local, locked, false) };
  });
  // Whether a row from before capture equals the cloud's is worth a comparison; for all others versions tell.
  const unmanaged = judged.filter(
    ({ decision, local, incoming }) =>
      decision === 'conflict' && local.pending === undefined && incoming.operation !== 'delete',
  );
  if (unmanaged.length === 0) return judged;
  const equal = await equalRows(trx, table, sourceOf(unmanaged));
  for (const one of unmanaged) one.decision = decisionOn(one, one.local, locked, equal.has(one.local.entity_id));
  return judged;
}

function decisionOn({ incoming, table }: Work, looked: Looked, locked: ReadonlySet<string>, equal: boolean): Decision {
  const { present, state, pending, inFlight, conflict } = looked;
  const copyOnly = table.direction === 'pull';
  const local: Local = {
    present,
    state,
    pending,
    inFlight,
    conflict,
    locked: locked.has(looked.entity_id),
    equal,
    copyOnly,
  };
  const relation = relationOf(incoming.cloud_version, incoming.source === 'fetch', local);
  return decide(situationOf(local), { operation: incoming.operation, relation });
}

/** Inserts before updates, for rows of one table that refer to each other; deletions last, and children's first. */
async function write(
  trx: Db,
  judged: readonly Judged[],
  writing: (table: AppliedTable) => void,
  hurry: Hurry,
): Promise<Written> {
  const done: Judged[] = [];
  const putOff: PutOff[] = [];
  const tables = byTable(judged.filter(({ decision }) => decision === 'write' || decision === 'delete'));
  for (const [table, some] of tables) {
    writing(table);
    for (const present of [false, true]) {
      const rows = some.filter((one) => one.decision === 'write' && one.local.present === present);
      for (const group of byColumns(rows)) {
        const columns = columnsOf(table, (group[0] as Work).brought, present);
        const names = group.map((one) => one.incoming.entity_id);
        await hurry(WRITTEN);
        const ids = await (present ? updateRows : insertRows)(trx, table, sourceOf(group), names, columns);
        const [written, unwritten] = split(group, ids);
        done.push(...written);
        if (unwritten.length > 0) putOff.push(...(await explain(trx, table, unwritten)));
      }
    }
  }
  for (const [table, some] of tables.reverse()) {
    writing(table);
    const rows = some.filter((one) => one.decision === 'delete');
    if (rows.length === 0) continue;
    const names = rows.map((one) => one.incoming.entity_id);
    await hurry(WRITTEN);
    const [gone, kept] = split(rows, await deleteRows(trx, table, sourceOf(rows), names));
    done.push(...gone);
    putOff.push(...kept.map(({ incoming }) => lost(incoming, `a trigger of ${table.table} keeps the row`)));
  }
  // What a deferred trigger of the POS still does must be done before the echo is looked at.
  if (tables.some(([table]) => table.deferrable)) await sql`SET CONSTRAINTS ALL IMMEDIATE`.execute(trx);
  return { done, putOff };
}

/** A row that is here keeps its columns that belong to the shop. */
function columnsOf(table: AppliedTable, brought: string, present: boolean): TableColumn[] {
  const columns = writable(table, brought.split('\n'));
  return present ? columns.filter(({ name }) => !table.local.includes(name)) : columns;
}

/** Rows that were neither made nor changed. */
async function explain(trx: Db, table: AppliedTable, unwritten: readonly Work[]): Promise<PutOff[]> {
  const misnamed = await withAnotherName(trx, table, sourceOf(unwritten));
  return unwritten.map(({ incoming }) =>
    misnamed.has(incoming.entity_id)
      ? { id: incoming.id, parked: true, delayMs: null, reason: 'its data is the row of another entity' }
      : lost(incoming, `another row of ${table.table} has its key, or a trigger of the table drops it`),
  );
}

/** Somebody else made or changed the row at this moment: decided anew, until that cannot be the reason any more. */
function lost({ id, attempts }: Incoming, reason: string): PutOff {
  const parked = attempts >= MOST_LOSSES;
  return { id, parked, delayMs: parked ? null : soonMs(attempts), reason };
}

async function settle(
  deps: ChunkDeps,
  trx: Db,
  { judged, dropped, lockedAt, done, putOff: unwritten }: ToSettle,
  { position, troubled }: ChunkContext,
  writing: (table: AppliedTable) => void,
): Promise<Omit<ChunkReport, 'lockedMs'>> {
  const dealt: Dealt = { ...nothingDealt(), dropped: [...dropped], putOff: [...unwritten], troubled };
  const agreed = ({ incoming, local }: Judged) =>
    (local.state ? dealt.agreed.known : dealt.agreed.first).push(incoming.id);
  for (const one of done) agreed(one);
  const counts = { ignore: 0, wait: 0, adopt: 0, write: 0, delete: 0, refresh: 0, conflict: 0, fetch: 0 };
  const hints: Incoming[] = [];
  const refreshed = await noteConflicts(deps, trx, judged);
  for (const one of judged) {
    const { incoming, decision } = one;
    counts[decision]++;
    switch (decision) {
      case 'write':
      case 'delete':
        break;
      case 'adopt':
        agreed(one);
        break;
      case 'ignore':
        dealt.dropped.push(incoming.id);
        break;
      case 'wait':
        dealt.putOff.push(waiting(incoming));
        break;
      case 'fetch':
        hints.push(incoming);
        dealt.putOff.push({ id: incoming.id, parked: false, delayMs: HINT_MS, reason: null });
        break;
      case 'conflict':
        dealt.dropped.push(incoming.id);
        break;
      case 'refresh':
        if (refreshed.has(incoming.id)) dealt.dropped.push(incoming.id);
        else dealt.putOff.push(waiting(incoming));
        break;
      default:
        decision satisfies never;
    }
  }
  const changes = judged.length + dropped.length;
  const idle = counts.wait + counts.fetch === changes;
  const applied = dealt.agreed.known.length + dealt.agreed.first.length;
  const log = { changes, applied, durationMs: monotonicMs() - lockedAt, error: null };
  const end = (echo?: ReturnType<typeof takingBackAll>) =>
    settleIncoming(trx, deps.leader_epoch, dealt, idle ? undefined : log, echo);
  const captured = done.some(({ table }) => table.direction !== 'pull');
  let settled = await end(captured ? takingBackAll([...new Set(done.map(({ table }) => table))], position) : undefined);
  if (!settled.taken) {
    await takeBack(trx, done, position, writing);
    settled = await end();
  }
  if (!settled.leads) throw takenOver();
  const unnoted = new Set(settled.unnoted);
  for (const [table, some] of byTable(judged.filter(({ incoming }) => unnoted.has(incoming.id)))) {
    const ids = some.map(({ incoming }) => incoming.entity_id);
    await noteRows(trx, table, ids, position);
  }
  return { counts, written: [...done], hints, parked: unwritten.filter(({ parked }) => parked).length };
}

/** @returns ids of those that gave an open conflict its newer side */
async function noteConflicts({ conflicts }: ChunkDeps, trx: Db, judged: readonly Judged[]): Promise<Set<string>> {
  const refreshed = new Set<string>();
  for (const [table, some] of byTable(judged)) {
    const those = (wanted: Decision) =>
      some.filter(({ decision }) => decision === wanted).map(({ incoming }) => incoming);
    const [found, newer] = [those('conflict'), those('refresh')];
    if (found.length > 0) await conflicts.open(trx, table, found);
    if (newer.length > 0) for (const id of await conflicts.refresh(trx, table, newer)) refreshed.add(id);
  }
  return refreshed;
}
