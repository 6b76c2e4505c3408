/**
 * Reads the queue into the backlog, pass by pass (see queue/claim for what a pass is). Owns what has to be known while a read
 * is under way: whatever is settled between the database's look and the rows' arrival is taken out of the rows again. A crash
 * here loses nothing: the next pass reads the same rows.
 */
import type { Db } from '../db/connect.js';
import type { Log } from '../log.js';
import { claimPage, claimSpreads, flushCommits } from '../queue/claim.js';
import { claimCorrections, claimDue } from '../queue/claim-special.js';
import type { ClaimedRow } from '../queue/claimed.js';
import type { QueueFloor } from '../queue/floor.js';
import { monotonicMs } from '../time.js';
import {
  type Backlog,
  type EntityState,
  entityKey,
  type Limits,
  newerState,
  type PendingChange,
  SPREAD,
} from './backlog.js';
import { EchoBrake } from './echo-brake.js';
import { pendingOf, stateOf } from './pending.js';

export type PassDeps = {
  /** Reads pages; `special` reads what needs other plans. */
  reader: Db;
  special: Db;
  backlog: Backlog;
  floor: QueueFloor;
  /** Entities that send only their newest state. */
  coalesced: ReadonlySet<string>;
  /** Added to the outlet's instants, in ms. */
  correctionMs: () => number;
  /** The longest wait that a retry is ever given. */
  longestWaitMs?: number;
  log?: Log;
};

const MIN_PAGE = 500;
const MAX_PAGE = 1_000;
/** Retries and corrections that one pass takes up. */
const MAX_SPECIAL = 500;
/**
 * They are looked for among all that is held back: beside 100,000 failed changes that takes 200 ms, and a look comes every second.
 * A look that took long and found nothing is not repeated before twenty times as long has passed.
 */
const LONG_MS = 50;
const REST = 20;
const MOST_REST_MS = 20_000;

export class Pass {
  readonly #deps: PassDeps;
  readonly #brake: EchoBrake;
  #begun = '0';
  #after = '0';
  #snapshot: string | undefined;
  #spreads: ReadonlyMap<string, number> | undefined;
  /** The retries that this pass has loaded, by entity; those of entities held anew are out again. */
  readonly #due = new Map<string, string>();
  /** Every change that left its place in the queue to go first, and those that it makes superfluous. */
  readonly #ahead = new Set<string>();
  #trouble = false;
  #owned: ReadonlySet<string> = new Set();
  #heldTypes: readonly string[] = [];
  /** Retries and corrections are not looked for before. Outlives the pass, as does what follows. */
  #specialDueMs = 0;
  #settledId: string | undefined;
  #ended = true;
  #reading = false;
  /** The id behind which the read under way began. */
  #readFrom = 0;
  #generation = 0;
  /** What happened while a read was under way. */
  readonly #settledMeanwhile = new Set<string>();
  readonly #statesMeanwhile = new Map<string, EntityState>();
  readonly #heldMeanwhile = new Set<string>();

  constructor(deps: PassDeps) {
    this.#deps = deps;
    this.#brake = new EchoBrake(monotonicMs, ({ entity_type }) =>
      deps.log?.warn('triggers of the POS send rows to and fro; syncd doctor names them', {
        trouble: `${entity_type} to and fro`,
        entity_type,
      }),
    );
  }

  /** Everything that the pass's snapshot saw has been read. */
  get ended(): boolean {
    return this.#ended;
  }

  get reading(): boolean {
    return this.#reading;
  }

  /**
   * @param owned ids that are in flight or suspect now: this pass does not take them in
   * @param trouble whether anything is held back, so that retries and corrections have to be looked for
   * @param heldTypes entity types that wait as a whole; where they change the pass has to be abandoned
   */
  begin(trouble: boolean, owned: ReadonlySet<string>, heldTypes: readonly string[] = []): void {
    this.#owned = owned;
    this.#heldTypes = heldTypes;
    this.#begun = this.#deps.floor.id;
    this.#after = this.#begun;
    this.#snapshot = undefined;
    this.#spreads = undefined;
    this.#due.clear();
    this.#ahead.clear();
    this.#trouble = trouble;
    this.#ended = false;
  }

  /** Forgets the pass, and the page that is just being read; the next one starts from the table. */
  abandon(): void {
    this.#generation++;
    this.#ended = true;
    this.#deps.floor.forget();
    this.lookAtAll();
  }

  /**
   * The next pass looks for retries and corrections, however long that took the last time.
   * @param asked by a person: it also takes in what waits for it goes to and fro
   */
  lookAtAll(asked = false): void {
    this.#specialDueMs = 0;
    if (asked) this.#brake.release();
  }

  /** From now on entities may be held back that were not when the pass began. */
  expectTrouble(): void {
    this.#trouble = true;
  }

  /**
   * Reads the next page into the backlog.
   * @returns how many changes were taken in; undefined when the pass was abandoned meanwhile, so that nothing was learnt
   */
  async read(limits: Limits): Promise<number | undefined> {
    this.#reading = true;
    this.#readFrom = Number(this.#after);
    this.#settledMeanwhile.clear();
    this.#statesMeanwhile.clear();
    this.#heldMeanwhile.clear();
    try {
      return await this.#readPage(limits);
    } finally {
      this.#reading = false;
    }
  }

  /** To be called for every settled change, whether a read is under way or not. */
  noteSettled(id: string): void {
    // What the pass has read before is not on the page that is under way.
    if (this.#reading && Number(id) > this.#readFrom) this.#settledMeanwhile.add(id);
  }

  noteState(key: string, state: EntityState): void {
    if (this.#reading) this.#statesMeanwhile.set(key, state);
  }

  noteHeld(key: string): void {
    // What follows a retry that was put off again must wait with it, also on the pages still to come.
    this.#due.delete(key);
    if (this.#reading) this.#heldMeanwhile.add(key);
  }

  async #readPage(limits: Limits): Promise<number | undefined> {
    const { reader, special, backlog, floor, correctionMs } = this.#deps;
    const offsetMs = correctionMs();
    const generation = this.#generation;
    const begins = this.#snapshot === undefined;
    let taken = 0;
    if (begins && this.#trouble && monotonicMs() >= this.#specialDueMs) {
      const ahead = await this.#readSpecials(offsetMs);
      if (ahead === undefined) return undefined;
      taken = ahead;
    }
    const size = Math.min(MAX_PAGE, Math.max(MIN_PAGE, limits.changes));
    const pass = {
      after: this.#after,
      snapshot: this.#snapshot,
      due: [...this.#due.values()],
      trouble: this.#trouble,
      heldTypes: this.#heldTypes,
      settled_id: this.#settledId,
    };
    const page = await claimPage(reader, pass, size, offsetMs);
    this.#settledId = page.settled_id ?? this.#settledId;
    if (!page.flushed) await flushCommits(reader);
    if (generation !== this.#generation) return undefined;
    const last = page.rows.at(-1);
    if (last) {
      this.#after = last.id;
      this.#snapshot ??= page.snapshot;
    }
    if (page.more && this.#spreads === undefined && this.#snapshot !== undefined) {
      this.#spreads = await claimSpreads(special, this.#snapshot, SPREAD, this.#begun);
      if (generation !== this.#generation) return undefined;
    }
    const read = this.#accept(this.#ahead.size === 0 ? page.rows : page.rows.filter((row) => !this.#ahead.has(row.id)));
    // Only where this is all that there is: what follows elsewhere must not go in front of it.
    const changes = begins && !page.more && backlog.size === 0 ? this.#brake.without(read) : read;
    backlog.add(
      changes,
      page.more ? Number(this.#after) : Number.POSITIVE_INFINITY,
      this.#spreads ?? new Map(),
      limits,
    );
    // Nobody waits for it; what keeps it from asking keeps the next look from reading, too.
    if (!page.more) floor.raise().catch(() => {});
    this.#ended = !page.more;
    return taken + changes.length;
  }

  /** Puts retries that are due, and corrections, in front. @returns as `read` */
  async #readSpecials(offsetMs: number): Promise<number | undefined> {
    const { reader, special, backlog, longestWaitMs } = this.#deps;
    const generation = this.#generation;
    const begunMs = monotonicMs();
    const wanted = { longestWaitMs, heldTypes: this.#heldTypes };
    const due = await claimDue(special, MAX_SPECIAL, offsetMs, wanted);
    const corrections = await claimCorrections(special, MAX_SPECIAL, offsetMs, { ...wanted, floor: this.#begun });
    const corrected = new Set(corrections.rows.flatMap((row) => (row.supersedes ?? []).map(({ id }) => id)));
    due.rows = due.rows.filter(({ id }) => !corrected.has(id));
    const specials = [due, corrections];
    if (specials.some((page) => !page.flushed)) await flushCommits(reader);
    if (generation !== this.#generation) return undefined;
    const tookMs = monotonicMs() - begunMs;
    if (tookMs > LONG_MS && specials.every((page) => page.rows.length === 0))
      this.#specialDueMs = monotonicMs() + Math.min(MOST_REST_MS, REST * tookMs);
    for (const row of due.rows) {
      const key = entityKey(row.entity_type, row.entity_id);
      if (!this.#heldMeanwhile.has(key)) this.#due.set(key, row.id);
    }
    const changes = this.#accept(specials.flatMap((page) => page.rows));
    // A person may release one of them before the page is read; it would be on the page as well.
    for (const change of changes) for (const { id } of [change, ...change.supersedes]) this.#ahead.add(id);
    backlog.addFirst(changes);
    return changes.length;
  }

  #accept(rows: ClaimedRow[]): PendingChange[] {
    const changes: PendingChange[] = [];
    const some = this.#owned.size + this.#settledMeanwhile.size + this.#heldMeanwhile.size > 0;
    for (const row of rows) {
      const key = entityKey(row.entity_type, row.entity_id);
      if (!some || !this.#isGone(row.id, key)) changes.push(this.#toChange(row, key));
    }
    return changes;
  }

  #isGone(id: string, key: string): boolean {
    return this.#owned.has(id) || this.#settledMeanwhile.has(id) || this.#heldMeanwhile.has(key);
  }

  #toChange(claimed: ClaimedRow, key: string): PendingChange {
    // What comes from a page is cut out of its long texts and keeps them in memory. Most of it leaves soon, but what a long
    // transaction has strewn over a hundred pages waits for the last of them.
    const row = this.#spreads?.has(claimed.txid) ? (JSON.parse(JSON.stringify(claimed)) as ClaimedRow) : claimed;
    const known = stateOf(row);
    const state = newerState(known, this.#statesMeanwhile.get(key) ?? known);
    return pendingOf(row, key, state, this.#deps.coalesced.has(row.entity_type));
  }
}
