/**
 * Ends one conflict, in the caller's transaction: locks the shop's row and everything unsettled of the entity, looks, decides,
 * writes the shop's row where the decision asks for it, and leaves exactly one of two things behind: both sides are the same, or
 * one change is on its way that makes them so. Whatever it contains is settled with it, and what was discarded stays on record.
 *
 * A push that is still under way with one of the old changes does no harm: its answer finds nothing pending any more, and where
 * the cloud did apply it, the new change says so in `supersedes`.
 */
import { sql } from 'kysely';
import type { Strategy } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { queuePosition } from '../queue/position.js';
import { iso } from '../queue/read.js';
import { writersHaveEnded } from '../queue/writers.js';
import { monotonicMs } from '../time.js';
import { givenRow } from './given.js';
import { cloudsColumns, dropRow, mixture, putRow } from './put-row.js';
import { finish, leaveOpen, outgoing, type Result, takeBackOwn } from './record.js';
import { Overtaken, Refusal } from './refusal.js';
import { type Conflict, lookAtSides, type Seen, type Sides, takeChanges, type Unsettled } from './sides.js';
import { type Choice, choose } from './strategy.js';
import type { AppliedTable, AppliedTables } from './tables.js';
import { currentRow, lockRows } from './write.js';

/** What is to be done: what the conflict says by itself, what a person names, or values that a person gives. */
export type Wish =
  | { kind: 'automatic'; longestWaitMs: number }
  | { kind: 'strategy'; strategy: Strategy }
  | { kind: 'data'; text: string };

export type Requested = { wish: Wish; who: string; reason: string | null };

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
  seen: Seen,
  requested: Requested,
): Promise<Ending> {
  const posPath = await ownPath(trx);
  const found = await takeConflict(trx, id);
  if ('kind' in found) return found;
  const { conflict } = found;
  const table = tables.get(conflict.entity_type);
  if (!table)
    throw new Refusal(
      `${conflict.entity_type} is not configured any more`,
      'See: syncd discard; it works once syncd install has run.',
    );
  const position = await queuePosition(trx);
  if (!(await lockRow(trx, table, conflict))) return { kind: 'busy' };
  const changes = await takeChanges(trx, conflict.entity_type, conflict.entity_id, seen);
  const live = await currentRow(trx, table, conflict.entity_id);
  const sides = await lookAtSides(trx, table, conflict, changes, live);
  const choice: Choice | GivenChoice = found.untold
    ? { keep: 'open', reason: 'the cloud did not send its row' }
    : decideOn(table, conflict, sides, requested);
  if (choice.keep === 'open') {
    if (requested.wish.kind === 'automatic') return left(trx, conflict, sides, live, choice.reason);
    throw new Refusal(choice.reason, found.untold ? pullHint(conflict) : SIDES_HINT);
  }
  if (!(await write(trx, { table, conflict, changes, sides, live, posPath }, choice, requested.wish))) {
    return { kind: 'busy' };
  }
  const result = await currentRow(trx, table, conflict.entity_id);
  await takeBackOwn(trx, conflict, position);
  const change = await outgoing(trx, table, conflict, result);
  if (change !== undefined && table.direction === 'pull') {
    throw new Refusal(`${table.entity} is only pulled: the shop's side cannot go to the cloud`, 'Choose cloud_wins.');
  }
  const kept = choice.keep === 'given' ? 'data' : choice.keep;
  const by = 'by' in choice ? choice.by : 'syncd';
  const reason = wordsFor(choice, requested);
  const ended = { conflict, changes, sides, live, result, kept, change, by, reason } as const;
  const finished = await finish(trx, ended, requested);
  // A row that is not there, or is not ours to lock, others may make or change while we look.
  const unlocked = table.direction === 'push' || live === undefined;
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
const pullHint = ({ entity_type, entity_id }: Conflict) => `Fetch it: syncd pull ${entity_type} ${entity_id}`;

type GivenChoice = { keep: 'given'; reason: string };

function decideOn(table: AppliedTable, conflict: Conflict, sides: Sides, { wish }: Requested): Choice | GivenChoice {
  if (wish.kind === 'data') return { keep: 'given', reason: 'the values given' };
  const strategy = wish.kind === 'strategy' ? wish.strategy : (conflict.strategy as Strategy);
  return choose(strategy, table.merge_fallback, sides.divergence, wish.kind === 'strategy');
}

function wordsFor(choice: Choice | GivenChoice, { wish, reason }: Requested): string {
  return wish.kind === 'automatic' || reason === null ? choice.reason : reason;
}

type Scene = {
  table: AppliedTable;
  conflict: Conflict;
  changes: readonly Unsettled[];
  sides: Sides;
  live: string | undefined;
  posPath: string;
};

/** @returns false: somebody else has just made the row */
async function write(trx: Db, scene: Scene, choice: Choice | GivenChoice, wish: Wish): Promise<boolean> {
  const { table, conflict, changes, sides, live, posPath } = scene;
  const { entity_id, cloud } = conflict;
  let data: string | undefined;
  switch (choice.keep) {
    case 'open':
    case 'equal':
    case 'local':
      return true;
    case 'given':
      data = await givenRow(trx, table, conflict, live, wish.kind === 'data' ? wish.text : '');
      break;
    case 'merged': {
      const take = sides.divergence.merge.kind === 'merged' ? sides.divergence.merge.take : [];
      const apart = new Set(sides.columns.filter(({ equal }) => !equal).map(({ name }) => name));
      const changing = take.filter(({ name, from }) => from === 'sum' || (from === 'cloud' && apart.has(name)));
      if (changing.length === 0) return true;
      data = await mixture(trx, table, conflict, changes, live ?? '{}', changing);
      break;
    }
    case 'cloud':
      if (cloud === null) break;
      data =
        live === undefined ? cloud : await mixture(trx, table, conflict, changes, live, cloudsColumns(sides.columns));
      break;
    default:
      choice satisfies never;
  }
  if (table.direction === 'push') {
    throw new Refusal(`${table.entity} is only pushed: its rows in the shop are not written`, 'Choose local_wins.');
  }
  if (data === undefined) {
    await dropRow(trx, table, entity_id, posPath);
    if ((await currentRow(trx, table, entity_id)) === undefined) return true;
    throw new Refusal("the shop's row did not go: a trigger of the POS kept it");
  }
  if (await putRow(trx, table, entity_id, data, posPath)) return true;
  if (live === undefined && (await currentRow(trx, table, entity_id)) !== undefined) return false;
  throw new Refusal('the values bear another key: a row keeps its own');
}

async function left(
  trx: Db,
  conflict: Conflict,
  sides: Sides,
  live: string | undefined,
  reason: string,
): Promise<Ending> {
  await leaveOpen(trx, conflict.id, reason, { fields: sides.fields, local: live ?? null, base: sides.base });
  return { kind: 'left', entity_type: conflict.entity_type, entity_id: conflict.entity_id, reason };
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
    SELECT k.id, k.entity_type, k.entity_id, k.strategy, k.cloud::text AS cloud, k.cloud_version,
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
