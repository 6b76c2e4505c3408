/**
 * The log of what was known of the outlet's clock, and how an edit is dated by it: the rule "the newest edit wins" needs the
 * offset that was known when the edit was captured, and has to stand back where the clock was set since. Written while the
 * daemon runs, one row whenever something changed; a crash loses at most one look.
 */
import { type RawBuilder, sql } from 'kysely';
import type { ClockOffset } from '../cloud/clock.js';
import type { Db } from './connect.js';

/** A smaller change of the offset is the line's noise. */
const NOTICEABLE_MS = 250;
/** The wall clock is slewed by far less between two looks: it was set, or the machine slept. */
const JUMP_MS = 1_000;
/** Rows that are kept; on a line whose delay swings, one may come with every look. */
const KEPT = 10_000;

export type Clocks = {
  /** The wall's clock, epoch ms. */
  nowMs: () => number;
  /** One that never jumps; only differences mean anything. */
  monotonicMs: () => number;
};

type Entry = { offset_ms: number | null };

/** One for the life of the process: a clock that is set while the database is away must show afterwards. */
export class ClockLog {
  readonly #clock: ClockOffset;
  readonly #clocks: Clocks;
  /** Wall less monotonic clock at the last look. */
  #between: number | undefined;
  /** How far the wall clock was set since the last entry. */
  #setByMs = 0;
  #last: Entry | undefined;
  /** The offset was known at some time in this run; until then what an earlier run knew holds. */
  #learnt = false;

  constructor(clock: ClockOffset, clocks: Clocks) {
    this.#clock = clock;
    this.#clocks = clocks;
  }

  /** Notes what has changed since the last look; to be called every few seconds. */
  async look(db: Db): Promise<void> {
    this.#watch();
    const known = this.#last ?? (await lastEntry(db));
    const offset_ms = this.#clock.offsetMs ?? null;
    if (offset_ms !== null) this.#learnt ||= true;
    let setByMs = this.#setByMs;
    if (known && !this.#last && setByMs === 0 && known.offset_ms !== null && offset_ms !== null) {
      // The first thing that this run learns does not fit what the run before knew: the clock was set in between.
      const apartMs = known.offset_ms - offset_ms;
      if (Math.abs(apartMs) > JUMP_MS) setByMs = apartMs;
    }
    if (known && setByMs === 0 && (!this.#learnt || !isNoticeable(known.offset_ms, offset_ms))) {
      if (this.#learnt) this.#last = known;
      return;
    }
    // Where the offset needs no learning, both clocks are one and always were.
    const since = known || offset_ms === null ? sql`clock_timestamp()` : sql`'-infinity'::timestamptz`;
    const from = setByMs === 0 ? sql`NULL::timestamptz` : sql`clock_timestamp() - ${setByMs} * interval '1 ms'`;
    await sql`
      WITH entry AS (
        INSERT INTO syncd.clock_offsets (at, offset_ms, jumped_from)
        SELECT ${since}, ${offset_ms}::float8, ${from} RETURNING id
      )
      DELETE FROM syncd.clock_offsets o USING entry WHERE o.id <= entry.id - ${KEPT}`.execute(db);
    this.#last = { offset_ms };
    this.#setByMs = 0;
  }

  #watch(): void {
    const between = this.#clocks.nowMs() - this.#clocks.monotonicMs();
    const movedMs = this.#between === undefined ? 0 : between - this.#between;
    this.#between = between;
    if (Math.abs(movedMs) <= JUMP_MS) return;
    this.#setByMs += movedMs;
    this.#clock.forget();
  }
}

async function lastEntry(db: Db): Promise<Entry | undefined> {
  return db.selectFrom('syncd.clock_offsets').select('offset_ms').orderBy('id', 'desc').limit(1).executeTakeFirst();
}

function isNoticeable(before: number | null, now: number | null): boolean {
  if (before === null || now === null) return before !== now;
  return Math.abs(before - now) >= NOTICEABLE_MS;
}

/** The offset that was known at an instant of the outlet's clock: float8, null where it was not known. */
export const offsetAt = (at: RawBuilder<unknown>): RawBuilder<number | null> =>
  sql`(SELECT o.offset_ms FROM syncd.clock_offsets o WHERE o.at <= ${at} ORDER BY o.id DESC LIMIT 1)`;

/** Whether the clock was set after that instant, or so that the instant may have been before or after. */
export const jumpedSince = (at: RawBuilder<unknown>): RawBuilder<boolean> =>
  sql`EXISTS (SELECT FROM syncd.clock_offsets o WHERE o.jumped_from IS NOT NULL AND greatest(o.at, o.jumped_from) >= ${at})`;
