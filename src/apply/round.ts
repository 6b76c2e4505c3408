/**
 * One round of applying: picks the changes that are due, sorts them out, and sees them through. A chunk that fails is undone whole
 * and tried again in two halves, until one bad row stands alone and is parked with its reason; rows that only lack their parent
 * are taken out together. What is parked costs the others nothing any more. Nothing is kept in memory that a crash would lose.
 */
import type { Db } from '../db/connect.js';
import { tookTooLong } from '../db/holding.js';
import { takenOver } from '../db/leader.js';
import { codeOf, INSTALL, wordsOf } from '../errors.js';
import type { Log } from '../log.js';
import { queuePosition } from '../queue/position.js';
import { applyChunk, type ChunkContext, type ChunkDeps, type ChunkReport } from './chunk.js';
import type { Divided } from './chunk-size.js';
import { joinCircles } from './circles.js';
import { type Fault, judgeFault, parkedMs, soonMs } from './faults.js';
import type { Horizon } from './horizon.js';
import {
  type Incoming,
  nothingDealt,
  type Picked,
  type PickedChange,
  type PutOff,
  pick,
  settleIncoming,
} from './incoming.js';
import { askForParents, findOrphans, type Orphan } from './orphans.js';
import { inOrder, partsOf } from './parts.js';
import { sortOut } from './sort-out.js';
import { passOver } from './strangers.js';
import type { AppliedTable, AppliedTables } from './tables.js';
import type { Work } from './work.js';

export type RoundDeps = ChunkDeps & {
  /** Every entity of the configuration, installed or not. */
  configured: ReadonlySet<string>;
  horizon: Horizon;
  log: Log;
};

export type RoundReport = {
  /** How many changes were looked at. */
  taken: number;
  counts: ChunkReport['counts'];
  /** Left because their entity is only sent. */
  pushOnly: number;
  parked: number;
  hints: Incoming[];
  /** `lockedMs`: of the chunk that held its locks longest. */
  divided: Divided;
  /** Some table is not as it was read: read it again. */
  outdated: boolean;
  /** The server cannot at this moment; what was picked still waits. */
  trouble: string | undefined;
};

/** After so many rows of a table were refused for the same lack, a chunk of it that is refused too is not taken apart any more. */
const MOST_ALIKE = 5;
/** A child whose parent was missing this often is not merely early. */
const ASK_AFTER = 1;
const COLLISION =
  'it waits until the row that stands there makes room; two that change places need a third value in between';

/** What a round is to deal with, where the queue stood before that was looked up, and whether there may be more. */
export type Look = Picked & { position: string; full: boolean };

/** @param beyond as `pick` has it, and `heldTypes` */
export async function lookAhead(db: Db, limit: number, heldTypes?: readonly string[], beyond?: string): Promise<Look> {
  const position = await queuePosition(db);
  const picked = await pick(db, limit, beyond, heldTypes);
  return { position, ...picked, full: picked.incoming.length >= limit };
}

/** @param most rows that one transaction holds */
export async function applyRound(
  deps: RoundDeps,
  tables: AppliedTables,
  look: Look,
  most = look.incoming.length,
): Promise<RoundReport> {
  return new Round(deps, tables, look).run(most);
}

class Round {
  readonly #deps: RoundDeps;
  readonly #tables: AppliedTables;
  readonly #report: RoundReport = {
    taken: 0,
    counts: { ignore: 0, wait: 0, adopt: 0, write: 0, delete: 0, refresh: 0, conflict: 0, fetch: 0 },
    pushOnly: 0,
    parked: 0,
    hints: [],
    divided: { brokenOff: false, largest: 0, lockedMs: 0 },
    outdated: false,
    trouble: undefined,
  };
  readonly #putOff: PutOff[] = [];
  readonly #orphans: Orphan[] = [];
  /** By table and lack. */
  readonly #alike = new Map<string, number>();
  readonly #context: ChunkContext;
  readonly #unreadable: string | undefined;
  readonly #picked: PickedChange[];

  constructor(
    deps: RoundDeps,
    tables: AppliedTables,
    { incoming, fresh, xmin, xmax, position, troubled, unreadable }: Look,
  ) {
    this.#deps = deps;
    this.#tables = tables;
    this.#picked = incoming;
    const ahead = { ids: fresh, above: deps.horizon.note({ position, xmin, xmax }) };
    this.#context = { ahead, position, troubled };
    this.#unreadable = unreadable;
  }

  async run(most: number): Promise<RoundReport> {
    const incoming = this.#picked;
    const report = this.#report;
    report.taken = incoming.length;
    if (incoming.length === 0) return report;
    const sorted = sortOut(incoming, this.#tables, this.#deps.configured);
    report.pushOnly = sorted.pushOnly;
    const passed = await passOver(this.#deps.db, sorted.strangers, this.#deps.log);
    this.#putOff.push(...sorted.parked, ...passed.parked);
    const dropped = [...sorted.dropped, ...passed.dropped];
    const work = this.#withColumns(sorted.work);
    for (const part of partsOf(inOrder(work), most)) {
      if (report.trouble !== undefined) break;
      await this.#attempt(part, dropped.splice(0));
    }
    await this.#setAside(dropped);
    return report;
  }

  #withColumns(sorted: readonly { incoming: PickedChange; table: AppliedTable }[]): Work[] {
    const work: Work[] = [];
    for (const { incoming, table } of sorted) {
      const { operation, cloud_version, brought } = incoming;
      const isRow = (operation === 'create' || operation === 'update') && cloud_version !== null;
      if (isRow && brought === null) this.#park({ incoming }, this.#unreadable ?? 'its data is no JSON object');
      else work.push({ incoming, table, brought: brought ?? '' });
    }
    return work;
  }

  /** Applies this work, or as much of it as can be. */
  async #attempt(work: readonly Work[], dropped: readonly string[]): Promise<void> {
    let writing: AppliedTable | undefined;
    try {
      const chunk = await applyChunk(this.#deps, work, this.#context, dropped, (table) => {
        writing = table;
      });
      this.#add(chunk, work.length);
    } catch (error) {
      const fault = judgeFault(codeOf(error));
      if (fault === 'up') throw error;
      if (fault === 'server') {
        this.#report.trouble = wordsOf(error);
        return;
      }
      await this.#mend(work, dropped, fault, error, writing);
    }
  }

  async #mend(work: readonly Work[], dropped: readonly string[], fault: Fault, error: unknown, table?: AppliedTable) {
    if (fault === 'table') this.#report.outdated = true;
    if (fault === 'reference') {
      const orphans = await findOrphans(this.#deps.db, this.#tables, work);
      if (orphans.length > 0) {
        const waiting = new Set(orphans.map((orphan) => orphan.id));
        this.#orphans.push(...orphans);
        for (const one of work) if (waiting.has(one.incoming.id)) this.#orphan(one, orphans, error);
        const rest = work.filter((one) => !waiting.has(one.incoming.id));
        return rest.length > 0 ? this.#attempt(rest, dropped) : this.#setAside(dropped);
      }
    }
    const [only] = work;
    if (work.length === 1 && only) {
      this.#setOff(only, fault, error);
      return this.#setAside(dropped);
    }
    const lack = `${table?.entity} ${codeOf(error)}`;
    const hopeless =
      (fault === 'rights' || fault === 'table') &&
      (this.#alike.get(lack) ?? 0) >= MOST_ALIKE &&
      work.every((one) => one.table === table);
    if (hopeless) {
      for (const one of work) this.#setOff(one, fault, error);
      return this.#setAside(dropped);
    }
    if (tookTooLong(error)) this.#report.divided.brokenOff = true;
    const middle = Math.ceil(work.length / 2);
    await this.#attempt(work.slice(0, middle), dropped);
    if (this.#report.trouble === undefined) await this.#attempt(work.slice(middle), []);
  }

  #add({ counts, hints, parked, lockedMs }: ChunkReport, rows: number): void {
    const report = this.#report;
    const { divided } = report;
    divided.largest = Math.max(divided.largest, rows);
    divided.lockedMs = Math.max(divided.lockedMs, lockedMs);
    report.parked += parked;
    for (const [decision, count] of Object.entries(counts)) report.counts[decision as keyof typeof counts] += count;
    report.hints.push(...hints);
  }

  /** A row that failed alone. */
  #setOff(work: Work, fault: Fault, error: unknown): void {
    const { incoming, table } = work;
    const lack = `${table.entity} ${codeOf(error)}`;
    this.#alike.set(lack, (this.#alike.get(lack) ?? 0) + 1);
    switch (fault) {
      case 'soon':
        this.#putOff.push({
          id: incoming.id,
          parked: false,
          delayMs: soonMs(incoming.attempts),
          reason: wordsOf(error),
        });
        return;
      case 'reference':
        this.#orphan(work, [], error);
        return;
      case 'rights':
        this.#park(
          work,
          `${wordsOf(error)}; if a trigger of ${table.table} writes there, list that under entities.${table.entity}.also_writes; then: ${INSTALL}`,
        );
        return;
      case 'table':
        this.#putOff.push({
          id: incoming.id,
          parked: true,
          delayMs: parkedMs(incoming.attempts),
          reason: `${wordsOf(error)}; after a change of the table: ${INSTALL}`,
        });
        return;
      case 'collision':
        this.#putOff.push({
          id: incoming.id,
          parked: true,
          delayMs: parkedMs(incoming.attempts),
          reason: `${wordsOf(error)}; ${COLLISION}`,
        });
        return;
      case 'row':
        this.#park(work, wordsOf(error));
        return;
      case 'up':
      case 'server':
        return;
      default:
        fault satisfies never;
    }
  }

  #park({ incoming }: Pick<Work, 'incoming'>, reason: string): void {
    this.#putOff.push({ id: incoming.id, parked: true, delayMs: null, reason });
  }

  #orphan({ incoming }: Work, orphans: readonly Orphan[], error: unknown): void {
    const waitsFor = orphans.find(({ id }) => id === incoming.id)?.parent;
    const reason = waitsFor ? `waits for ${waitsFor.entity_type} ${waitsFor.entity_id}` : wordsOf(error);
    this.#putOff.push({ id: incoming.id, parked: true, delayMs: parkedMs(incoming.attempts), reason, waitsFor });
  }

  /** Writes down what could not be applied. */
  async #setAside(dropped: readonly string[]): Promise<void> {
    const { db, leader_epoch, log } = this.#deps;
    const putOff = this.#putOff.splice(0);
    if (putOff.length === 0 && dropped.length === 0) return;
    const parked = putOff.filter((one) => one.parked);
    this.#report.parked += parked.length;
    const reason = parked[0]?.reason ?? null;
    const entry = { changes: parked.length + dropped.length, applied: 0, durationMs: 0, error: reason };
    const dealt = { ...nothingDealt(), dropped: [...dropped], putOff };
    const { leads } = await settleIncoming(db, leader_epoch, dealt, entry.changes > 0 ? entry : undefined);
    if (!leads) throw takenOver();
    if (parked.length > 0) log.warn('incoming changes are parked', { trouble: 'parked', changes: parked.length });
    const known = new Set(putOff.filter((one) => one.waitsFor).map((one) => one.id));
    const lonely = this.#orphans.splice(0).filter(({ id }) => known.has(id));
    if (lonely.length > 0) await joinCircles(db, lonely);
    const wanted = lonely.filter(({ parent }) => this.#tables.get(parent.entity_type)?.direction !== 'push');
    if (wanted.length > 0) await askForParents(db, wanted, ASK_AFTER);
  }
}
