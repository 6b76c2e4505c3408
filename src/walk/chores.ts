/** The chores around walks over tables: seeing that a capture failed, and doing the walks that were asked for. */

import type { Chore } from '../ops/chores.js';
import { lookAtFailures } from './failures.js';
import { Walks, type WalksDeps } from './walks.js';

/** Whoever looks at the tables every few seconds anyway wakes the walks where there are any. */
export const WALKS = 'walks';
const WALKS_MS = 30_000;
const FAILURES_MS = 20_000;

export function walkChores(deps: WalksDeps): Chore[] {
  const { db, log } = deps;
  const walks = new Walks(deps);
  return [
    {
      name: 'capture failures',
      everyMs: FAILURES_MS,
      run: async () => {
        for (const entity of await lookAtFailures(db))
          log.error('a change was not captured; its table is compared', { trouble: `capture ${entity}`, entity });
        return false;
      },
    },
    { name: WALKS, everyMs: WALKS_MS, run: (signal) => walks.turn(signal) },
  ];
}
