/** What the pull knows of its endpoint and of the line; it outlives a lost database connection, not the process. */
import type { Standing } from '../cloud/standing.js';
import { newPace, type Pace } from './pace.js';

export type PullMemory = {
  standing: Standing;
  pace: Pace;
  /** When the cursor was last too old, by the steady clock. */
  expiredAtMs: number;
};

export function newPullMemory(longPollMs: number): PullMemory {
  return { standing: { kind: 'unknown' }, pace: newPace(longPollMs), expiredAtMs: Number.NEGATIVE_INFINITY };
}
