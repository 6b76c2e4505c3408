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

/** @param lockedMs for how long the last chunk, of `taken` changes, held its locks */
export function nextChunkSize(size: number, taken: number, lockedMs: number): number {
  // A chunk that was not full tells only that it was too much, never that more would do.
  const fits = Math.round((taken * TARGET_MS) / Math.max(lockedMs, 1));
  if (taken < size && fits >= taken) return size;
  return Math.max(FEWEST, Math.min(MOST, fits, size * 2));
}
