/**
 * The heart of the way in: applies what waits in syncd.incoming, chunk by chunk, lets the rules settle the conflicts that show, and
 * has the entities fetched that the cloud only hinted at. It finds its work by looking; a wake-up only makes it look sooner. All its
 * memory may be lost at any moment.
 */
import type { ConflictBook } from '../apply/chunk.js';
import { FIRST_CHUNK, nextChunkSize, nextMost } from '../apply/chunk-size.js';
import { judgeFault } from '../apply/faults.js';
import { Horizon } from '../apply/horizon.js';
import { type Incoming, nothingDealt, releaseParked, settleIncoming, whatWaits } from '../apply/incoming.js';
import { rehearse } from '../apply/rehearse.js';
import { applyRound, type Look, lookAhead, type RoundReport } from '../apply/round.js';
import { type AppliedTables, loadTables } from '../apply/tables.js';
import type { Settings } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { isConnectionLoss } from '../db/database-error.js';
import { codeOf, SyncError, wordsOf } from '../errors.js';
import type { Log } from '../log.js';
import type { IncomingTotals } from '../ops/now-request.js';
import type { Health } from '../service.js';
import type { OnStep } from '../step.js';
import { Flag, monotonicMs } from '../time.js';

/** What became of asking the cloud for one entity. */
export type Fetched =
  | { kind: 'stored' }
  | { kind: 'missing' | 'unusable'; reason: string }
  | { kind: 'later'; delayMs: number };

export type InboxLoopDeps = {
  /** A connection as `openApplier` makes it. */
  db: Db;
  /** Another one, to read ahead on. */
  reader: Db;
  settings: Settings;
  leader_epoch: string;
  conflicts: ConflictBook;
  /** Settles what a rule can decide. `minted`: changes to be pushed; `busy`: conflicts to be looked at again soon. */
  resolveOpen: (tables: AppliedTables, heldTypes: readonly string[]) => Promise<{ minted: number; busy: number }>;
  /** Stores the entity as the cloud holds it among the incoming changes. */
  fetchEntity: (entity_type: string, entity_id: string) => Promise<Fetched>;
  /** Told when changes were minted, or may have been captured by what the POS's triggers did. */
  onLocalChanges: () => void;
  /** Told when the look of this number found nothing to apply, with what has become of all that came so far. */
  onQuiet?: (look: number, totals: IncomingTotals) => void;
  log: Log;
  onStep?: OnStep | undefined;
};

/** The backstop for hints that were lost: everything that comes in wakes the loop. */
const POLL_MS = 10_000;
const BUSY_POLL_MS = 100;
/** The server has no room or no memory. */
const TROUBLE_MS = 5_000;
const TABLES_MS = 5_000;
/** Below every id. */
const BEGINNING = '0';
/** A chunk has been read ahead; conflicts are looked for in between. */
const AT_ONCE = { due: true, dueMs: null, conflicts: true };

export class InboxLoop {
  readonly #deps: InboxLoopDeps;
  readonly #flag = new Flag();
  readonly #horizon = new Horizon();
  readonly #fetching = new Map<string, Incoming>();
  #fetcher: Promise<void> | undefined;
  #tables: AppliedTables | undefined;
  #tablesAt = Number.NEGATIVE_INFINITY;
  #rehearsed = false;
  #looks = 0;
  #totals: IncomingTotals = { applied: 0, parked: 0, conflicts: 0 };
  #size = FIRST_CHUNK;
  #most: number | undefined;
  #next: Promise<Look> | undefined;
  /** The last chunk has left something parked. */
  #parked = false;
  /** Where the release of what is parked goes on; undefined: it is over. */
  #release: string | undefined = BEGINNING;
  #stopped = false;
  /** Entity types that wait as a whole. */
  #heldTypes: readonly string[] = [];
  #fault: unknown;
  #progressAt = monotonicMs();

  constructor(deps: InboxLoopDeps) {
    this.#deps = deps;
  }

  /** Runs until `signal` aborts; what is being written or fetched comes to its end. @throws what the database says */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#fault === undefined) {
      this.#flag.lower();
      this.#progressAt = monotonicMs();
      const waitMs = await this.step();
      if (waitMs > 0 && this.#fault === undefined) await this.#flag.wait(waitMs, signal);
    }
    await this.#fetcher;
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Something may have come in, or a conflict may have shown. */
  wake(): void {
    this.#flag.raise();
  }

  /** A person asks: what was parked is tried again. */
  tryNow(): void {
    this.#release = BEGINNING;
    this.wake();
  }

  /**
   * @param stopped nothing may be applied: the cloud's history is another one
   * @param heldTypes entity types of which nothing may be applied; the others go on
   */
  configure(stopped: boolean, heldTypes: readonly string[]): void {
    if (stopped === this.#stopped && heldTypes.join('\n') === this.#heldTypes.join('\n')) return;
    this.#stopped = stopped;
    this.#heldTypes = heldTypes;
    this.#next = undefined;
    this.#tables = undefined;
    this.wake();
  }

  /** Looks for something to apply, begun so far. */
  get looks(): number {
    return this.#looks;
  }

  /** What has become of all that came so far. */
  get totals(): IncomingTotals {
    return { ...this.#totals };
  }

  health(): Health {
    const detail = this.#stopped ? 'stopped' : 'applying';
    return { ok: this.#fault === undefined, detail, progressAt: this.#progressAt };
  }

  /** Applies one chunk, and what follows from it. @returns ms until there may be something to do again */
  async step(): Promise<number> {
    const { db, log, resolveOpen, onLocalChanges } = this.#deps;
    if (this.#stopped) {
      this.#next = undefined;
      return POLL_MS;
    }
    if (this.#release === BEGINNING) this.#release = await releaseParked(db, BEGINNING);
    const look = ++this.#looks;
    const waiting = this.#next ? AT_ONCE : await whatWaits(db, this.#heldTypes);
    // After the first portion what has just come goes before what could not be applied.
    if (!waiting.due && this.#release !== undefined) {
      this.#release = await releaseParked(db, this.#release);
      return 0;
    }
    const later = Math.min(POLL_MS, Math.max(1, waiting.dueMs ?? POLL_MS));
    if (!waiting.due && !waiting.conflicts) {
      if (this.#fetching.size === 0) this.#deps.onQuiet?.(look, this.totals);
      return later;
    }
    const tables = await this.#readTables();
    if (tables === undefined) return BUSY_POLL_MS;
    const trouble = waiting.due ? await this.#apply(tables) : undefined;
    const { minted, busy } = await resolveOpen(tables, this.#heldTypes);
    if (minted > 0) onLocalChanges();
    if (trouble !== undefined) {
      log.warn('the server cannot take the incoming changes now; they wait', { trouble: 'apply', error: trouble });
      return TROUBLE_MS;
    }
    if (waiting.due) return 0;
    return busy > 0 ? BUSY_POLL_MS : later;
  }

  /** @returns why the server cannot, where it cannot */
  async #apply(tables: AppliedTables): Promise<string | undefined> {
    const configured = new Set(this.#deps.settings.entities.keys());
    const read = await (this.#next ?? lookAhead(this.#deps.db, this.#size, this.#heldTypes));
    // What was read ahead may release what was parked meanwhile, or make it superfluous.
    const look = { ...read, troubled: read.troubled || this.#parked };
    this.#next = this.#readAhead(look);
    const round = await applyRound({ ...this.#deps, configured, horizon: this.#horizon }, tables, look, this.#most);
    this.#parked = round.parked > 0;
    // What takes its time row by row is looked at as ever, so that rows which need each other are found together.
    this.#most = nextMost(this.#most, round.divided);
    const { brokenOff, largest, lockedMs } = round.divided;
    const [size, taken] = brokenOff ? [largest, largest] : [this.#size, round.taken];
    this.#size = this.#most === undefined ? nextChunkSize(size, taken, lockedMs) : FIRST_CHUNK;
    if (round.outdated) this.#tables = undefined;
    if (round.trouble !== undefined) this.#next = undefined;
    this.#tell(round);
    this.#fetch(round.hints);
    // The POS's triggers may have written something of their own.
    if (round.counts.write + round.counts.delete > 0) this.#deps.onLocalChanges();
    return round.trouble;
  }

  /** The next chunk, while this one is written; only where nothing was put off, whose time may come first. */
  #readAhead({ incoming, full, troubled }: Look): Promise<Look> | undefined {
    const last = incoming.at(-1);
    if (last === undefined || !full || troubled) return undefined;
    const next = lookAhead(this.#deps.reader, this.#size, this.#heldTypes, last.id);
    // Whoever waits for it hears of a failure.
    next.catch(() => {});
    return next;
  }

  /** Undefined where a table was dropped or altered while it was read: the next look finds it as it is. */
  async #readTables(): Promise<AppliedTables | undefined> {
    if (this.#tables !== undefined && monotonicMs() - this.#tablesAt <= TABLES_MS) return this.#tables;
    try {
      this.#tables = await loadTables(this.#deps.db, this.#deps.settings);
      if (!this.#rehearsed) await this.#rehearse(this.#tables);
      this.#tablesAt = monotonicMs();
    } catch (error) {
      if (!isTableFault(error)) throw error;
      this.#tables = undefined;
    }
    return this.#tables;
  }

  async #rehearse(tables: AppliedTables): Promise<void> {
    const { db, leader_epoch, log } = this.#deps;
    this.#rehearsed = true;
    try {
      await rehearse(db, tables, leader_epoch);
    } catch (error) {
      if (isConnectionLoss(error)) throw error;
      // A table that may not be written, say: the change that is for it will tell.
      log.debug('the first chunk is applied without a rehearsal', { error: wordsOf(error) });
    }
  }

  #tell({ counts, taken, parked, divided, trouble }: RoundReport): void {
    if (taken > 0 && trouble === undefined)
      this.#deps.log.info('changes of the cloud are applied again', { recovered: 'apply' });
    const applied = counts.write + counts.delete + counts.adopt;
    const found = counts.conflict + counts.refresh;
    this.#totals.applied += applied;
    this.#totals.parked += parked;
    this.#totals.conflicts += counts.conflict;
    if (applied + found === 0) return;
    const fields = { changes: taken, applied, ms: Math.round(divided.lockedMs) };
    this.#deps.log.info('applied', {
      ...fields,
      ...(found > 0 && { conflicts: found }),
      ...(parked > 0 && { parked }),
    });
  }

  /** One after the other, beside the applying: the cloud may take its time. */
  #fetch(hints: readonly Incoming[]): void {
    for (const hint of hints) this.#fetching.set(hint.id, hint);
    if (this.#fetching.size === 0) return;
    this.#fetcher ??= this.#fetchAll()
      .catch((error) => {
        this.#fault ??= error;
      })
      .finally(() => {
        this.#fetcher = undefined;
        this.#flag.raise();
      });
  }

  async #fetchAll(): Promise<void> {
    for (const [id, hint] of this.#fetching) {
      const fetched = await this.#deps.fetchEntity(hint.entity_type, hint.entity_id);
      await this.#hintAnswered(id, fetched);
      this.#fetching.delete(id);
      this.#flag.raise();
    }
  }

  async #hintAnswered(id: string, fetched: Fetched): Promise<void> {
    const { db, leader_epoch } = this.#deps;
    const dealt = nothingDealt();
    switch (fetched.kind) {
      case 'stored':
      case 'missing':
        dealt.dropped.push(id);
        break;
      case 'unusable':
        dealt.putOff.push({ id, parked: true, delayMs: null, reason: fetched.reason });
        break;
      case 'later':
        dealt.putOff.push({ id, parked: false, delayMs: fetched.delayMs, reason: null });
        break;
      default:
        fetched satisfies never;
    }
    await settleIncoming(db, leader_epoch, dealt, undefined);
  }
}

/** A table that went, or lost a key column, while the catalogue was read. */
function isTableFault(error: unknown): boolean {
  if (error instanceof SyncError) return error.code === 'failed';
  // As an internal error PostgreSQL tells of a table that was dropped between two looks of one statement.
  return codeOf(error) === 'XX000' || judgeFault(codeOf(error)) === 'table';
}
