/** How many rows the next page of a walk looks at. Pure. */

/** As many rows as one transaction queues. */
export const SMALLEST_PAGE = 500;
const LARGEST_PAGE = 8_000;
const SLOW_MS = 250;

/** Pages grow while they are quick and bring nothing to queue, and shrink when they take long. */
export function nextPageSize(size: number, tookMs: number, queued: number): number {
  if (tookMs > SLOW_MS || queued > 0) return Math.max(SMALLEST_PAGE, Math.floor(size / 2));
  return Math.min(LARGEST_PAGE, size * 2);
}
