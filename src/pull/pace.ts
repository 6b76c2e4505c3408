/**
 * How a pull goes at the cloud: how many changes it asks for, how long it lets the cloud wait, and how soon the next one goes
 * where answers come faster than they bring anything. Pure. No answer, however wrong, may make the loop a busy one.
 */

export type Pace = {
  /** Changes asked for at once: fewer on a line that does not carry more within the deadline. */
  readonly limit: number;
  /** Longest wait that the line has held so far, in ms: a proxy in between may cut what stays silent. */
  readonly waitMs: number;
  /** Whole waits in a row since it last cut one. */
  readonly held: number;
  /** Long polls in a row that were answered at once, with nothing. */
  readonly hasty: number;
  /** Empty pages in a row that promised more. */
  readonly empty: number;
};

const FIRST_LIMIT = 500;
const MOST = 1_000;
/** An answer within this share of its deadline may grow. */
const FAST_SHARE = 0.1;
const LEAST_WAIT_MS = 1_000;
/** A call that failed sooner did not fail for its waiting. */
const CUT_AFTER_MS = 2_000;
const CUT_SHARE = 0.7;
const WAITS_TO_GROW = 20;
/** News for others may end a wait now and then; a cloud that does not wait ends every one. */
const HASTY_MS = 1_000;
const HASTY_FREE = 3;
const EMPTY_FREE = 10;
const FIRST_DELAY_MS = 250;

/** @param longPollMs the longest wait that is configured */
export function newPace(longPollMs: number): Pace {
  return { limit: FIRST_LIMIT, waitMs: longPollMs, held: 0, hasty: 0, empty: 0 };
}

export type AnsweredPull = {
  changes: number;
  more: boolean;
  /** What the cloud was allowed to wait; 0: not at all. */
  waitedMs: number;
  durationMs: number;
  deadlineMs: number;
};

/** @param longPollMs the longest wait that the configuration allows */
export function afterPage(pace: Pace, page: AnsweredPull, longPollMs: number): Pace {
  const full = page.changes >= pace.limit * 0.9 && page.durationMs < page.deadlineMs * FAST_SHARE;
  const idle = page.changes === 0;
  const held = page.waitedMs > 0 && page.durationMs >= page.waitedMs * 0.9 ? pace.held + 1 : pace.held;
  const grows = held >= WAITS_TO_GROW;
  return {
    limit: full ? Math.min(MOST, pace.limit * 2) : pace.limit,
    waitMs: grows ? Math.min(longPollMs, pace.waitMs * 1.5) : pace.waitMs,
    held: grows ? 0 : held,
    hasty: idle && page.waitedMs > 0 && page.durationMs < HASTY_MS ? pace.hasty + 1 : 0,
    empty: idle && page.more ? pace.empty + 1 : 0,
  };
}

/** @param tooMuch the answer was too long for the deadline or for our memory */
export function afterFailure(pace: Pace, tooMuch: boolean, waitedMs: number, durationMs: number): Pace {
  if (waitedMs === 0) return tooMuch ? { ...pace, limit: Math.max(1, Math.floor(pace.limit / 2)) } : pace;
  if (durationMs < CUT_AFTER_MS) return pace;
  return { ...pace, waitMs: Math.max(LEAST_WAIT_MS, Math.min(pace.waitMs, durationMs * CUT_SHARE)), held: 0 };
}

/** Milliseconds before the next pull for the sake of answers that bring nothing; never above the interval. */
export function delayMs(pace: Pace, intervalMs: number): number {
  const excess = Math.max(pace.hasty - HASTY_FREE, pace.empty - EMPTY_FREE);
  return excess <= 0 ? 0 : Math.min(intervalMs, FIRST_DELAY_MS * 2 ** Math.min(excess - 1, 20));
}
