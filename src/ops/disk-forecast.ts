/** How long the disk lasts, and what to do about it. Pure. */

/** Who has suspended capture, as status tells it. */
export const DISK_AUTHOR = 'syncd, for want of disk space';

/** `at` in epoch milliseconds, sizes in bytes. */
export type DiskReading = { at: number; free: number; database: number };

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Once there is so much more room than the floor, capture goes on: no switching back and forth at the edge. */
const ROOM_AGAIN = 1.25;

/**
 * Days until the floor is reached at the rate since the first reading, of the disk or of the database alone, whichever is the
 * faster: somebody else may make room meanwhile, or fill it.
 * @param readings of the last 24 hours, the oldest first
 * @returns undefined: less than an hour is known, or nothing grows
 */
export function daysLeft(readings: readonly DiskReading[], floor: number): number | undefined {
  const [first] = readings;
  const last = readings.at(-1);
  if (!first || !last || last.at - first.at < HOUR_MS) return undefined;
  const grown = Math.max(first.free - last.free, last.database - first.database);
  if (grown <= 0) return undefined;
  return Math.max(0, last.free - floor) / ((grown / (last.at - first.at)) * DAY_MS);
}

/** What becomes of capture. @param suspended for want of room, by us */
export function onDisk(free: number, floor: number, suspended: boolean): 'suspend' | 'resume' | 'nothing' {
  if (free < floor) return 'suspend';
  return suspended && free >= floor * ROOM_AGAIN ? 'resume' : 'nothing';
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

/** `1.5 GB`, as the configuration counts them. */
export function bytes(size: number): string {
  let unit = 0;
  let left = size;
  while (left >= 1_000 && unit < UNITS.length - 1) {
    left /= 1_000;
    unit += 1;
  }
  return `${unit === 0 || left >= 100 ? Math.round(left) : left.toFixed(1).replace(/\.0$/, '')} ${UNITS[unit]}`;
}
