/**
 * Up to which id the queue is done with: no change at or below it has to be read as a fresh one again, so a look begins there
 * and not at the queue's beginning. While somebody keeps an old snapshot open (a dump, a report, a forgotten psql) what was
 * settled since cannot leave the index, and every look would read all of it again: 200,000 such entries cost 45 ms, ten times
 * for every sale.
 *
 * Ids are drawn before their transactions commit, so an id is not done with while anybody who may own it still runs: whoever
 * holds the queue's write lock just after the last id was read. Once they have ended, everything up to that id is visible to
 * whoever looks next, and the first that is still fresh bounds the floor. Kept in memory alone; lost, it begins at zero.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { queuePosition } from './position.js';
import { writersLeft, writersNow } from './writers.js';

const QUEUE = 'syncd.sync_queue';
const RAISE_EVERY_MS = 30_000;
/** Mostly they have ended long before. */
const WRITERS_MS = 1_000;
/** Now and then all of the queue is searched: whatever made an old change fresh again, it waits no longer than this. */
const SEARCH_ALL_MS = 600_000;

/** The last id drawn so far, and those who may own one up to it. */
type Candidate = { last: string; writers: readonly string[] };
type Step = { id: string; candidate: Candidate | undefined; waitMs: number };

export class QueueFloor {
  readonly #db: Db;
  readonly #nowMs: () => number;
  #id = '0';
  #candidate: Candidate | undefined;
  #dueAt = 0;
  #searchedAt: number;
  #raising: Promise<void> | undefined;
  #generation = 0;

  /** @param nowMs a monotonic clock */
  constructor(db: Db, nowMs: () => number) {
    this.#db = db;
    this.#nowMs = nowMs;
    this.#searchedAt = nowMs();
  }

  get id(): string {
    return this.#id;
  }

  /** Old changes may have become fresh again. */
  forget(): void {
    this.#generation++;
    this.#id = '0';
    this.#candidate = undefined;
    this.#dueAt = 0;
  }

  /** To be called after every look; asks the database now and then, and takes one step at a time. @throws what Postgres says */
  raise(): Promise<void> {
    if (this.#raising === undefined && this.#nowMs() < this.#dueAt) return Promise.resolve();
    this.#raising ??= this.#step().finally(() => {
      this.#raising = undefined;
    });
    return this.#raising;
  }

  async #step(): Promise<void> {
    const generation = this.#generation;
    const next = this.#candidate ? await this.#settle(this.#candidate) : await this.#propose();
    if (generation !== this.#generation) return;
    this.#id = next.id;
    this.#candidate = next.candidate;
    this.#dueAt = this.#nowMs() + next.waitMs;
  }

  async #propose(): Promise<Step> {
    const last = await queuePosition(this.#db);
    if (last === this.#id && !this.#mustSearchAll()) return { id: last, candidate: undefined, waitMs: RAISE_EVERY_MS };
    // The order matters: who draws an id before it is read here holds the lock that is looked for now, or has ended.
    const writers = await writersNow(this.#db, QUEUE);
    return { id: this.#id, candidate: { last, writers }, waitMs: WRITERS_MS };
  }

  async #settle({ last, writers }: Candidate): Promise<Step> {
    const left = await writersLeft(this.#db, QUEUE, writers);
    if (left.length > 0) return { id: this.#id, candidate: { last, writers: left }, waitMs: WRITERS_MS };
    const searchAll = this.#mustSearchAll();
    const { rows } = await sql<{ first: string | null }>`
      SELECT min(id)::text AS first FROM syncd.sync_queue
      WHERE status = 'pending' AND next_attempt_at IS NULL AND id > ${searchAll ? '0' : this.#id}::bigint`.execute(
      this.#db,
    );
    const first = rows[0]?.first ?? null;
    const below = first === null ? BigInt(last) : BigInt(first) - 1n;
    if (searchAll) this.#searchedAt = this.#nowMs();
    return { id: String(below < BigInt(last) ? below : last), candidate: undefined, waitMs: RAISE_EVERY_MS };
  }

  #mustSearchAll(): boolean {
    return this.#nowMs() - this.#searchedAt >= SEARCH_ALL_MS;
  }
}
