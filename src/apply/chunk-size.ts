/**
 * How many changes the next chunk takes. Pure. Rows stay locked until the chunk's end, and a sale that wants one of them waits so
 * long: the size follows what the last chunk took.
 */

/** Below the 50 ms that a sale may wait at most, for not every row costs the same. */
const TARGET_MS = 42;
const FEWEST = 50;
const MOST = 2_000;
/** Nothing is known yet, and the first chunk of a session is the slowest: what runs for the first time is planned then. */
export const FIRST_CHUNK = 50;

/**
 * @param size of what was looked at, or of the largest part that came to its end where the whole did not
 * @param lockedMs for how long the last chunk, of `taken` changes, held its locks
 */
export function nextChunkSize(size: number, taken: number, lockedMs: number): number {
  // A chunk that was not full tells only that it was too much, never that more would do.
  const fits = Math.round((taken * TARGET_MS) / Math.max(lockedMs, 1));
  if (taken < size && fits >= taken) return size;
  return Math.max(FEWEST, Math.min(MOST, fits, size * 2));
}

export type Divided = {
  /** A chunk took too long and was divided. */
  brokenOff: boolean;
  /** Rows of the largest chunk that came to its end. */
  largest: number;
  lockedMs: number;
};

/**
 * The same below the fewest, where a trigger of the POS takes its time for each row. Not by what a chunk took: on a busy machine that
 * is our own waiting for the processor, which even a single row does not spare; only by what the server had to break off.
 * @param most rows that a chunk may hold so far; undefined: as many as it takes
 */
export function nextMost(most: number | undefined, { brokenOff, largest, lockedMs }: Divided): number | undefined {
  if (brokenOff && largest < FEWEST) return Math.max(1, largest);
  if (most === undefined || lockedMs * 2 > TARGET_MS) return most;
  return most * 2 < FEWEST ? most * 2 : undefined;
}
