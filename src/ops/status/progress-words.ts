/** How far long work is, in words. Pure: how long it took so far comes with the call. */
import { age } from './words.js';

const WIDTH = 20;
/** Sooner nothing can be said of the rest. */
const KNOWN_MS = 2_000;

export type Progress = {
  done: number;
  /** Undefined: not known. */
  of: number | undefined;
  /** What was done since it is watched, and how long that is. */
  since: { done: number; ms: number };
};

/** `██████░░░░  13 %  1,204 of about 9,000 rows, 2 min left`. */
export function progressWords({ done, of, since }: Progress): string {
  const rows = done.toLocaleString('en-GB');
  if (of === undefined || of <= 0) return `${rows} rows`;
  // An estimate may be too low, and work that is not finished is never whole.
  const part = Math.min(0.99, done / of);
  const full = Math.round(part * WIDTH);
  const left = remainingMs({ done, of, since });
  const rest = left === undefined ? '' : `, ${age(left)} left`;
  const about = `${rows} of about ${Math.max(of, done).toLocaleString('en-GB')} rows`;
  return `${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${String(Math.floor(part * 100)).padStart(3)} %  ${about}${rest}`;
}

/** At the rate that was watched; undefined while there is none. */
export function remainingMs({ done, of, since }: Progress): number | undefined {
  if (of === undefined || since.ms < KNOWN_MS || since.done <= 0) return undefined;
  return (Math.max(0, of - done) / since.done) * since.ms;
}
