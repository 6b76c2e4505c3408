/**
 * Runs every chapter against one cloud, one check after the other, in the order in which a shop would come to need them. A check
 * that breaks down tells so and stops no other.
 */
import { parseObject } from '../cloud/reply.js';
import { SyncError, wordsOf } from '../errors.js';
import { batch } from './chapters/batch.js';
import { deletes } from './chapters/deletes.js';
import { digest } from './chapters/digest.js';
import { entity } from './chapters/entity.js';
import { fork } from './chapters/fork.js';
import { lock } from './chapters/lock.js';
import { names } from './chapters/names.js';
import { once } from './chapters/once.js';
import { others } from './chapters/others.js';
import { pull } from './chapters/pull.js';
import { reach } from './chapters/reach.js';
import { rows } from './chapters/rows.js';
import { throughout } from './chapters/throughout.js';
import { webhook } from './chapters/webhook.js';
import { broken, type Chapter, type Check, failed, type Outcome, skipped } from './check.js';
import type { TestOutlet } from './test-outlet.js';

export const CHAPTERS: readonly Chapter[] = [
  reach,
  once,
  lock,
  deletes,
  batch,
  rows,
  names,
  fork,
  entity,
  pull,
  digest,
  others,
  webhook,
  throughout,
];

/** `among`: how many checks of the chapter were left out with this one, for one and the same reason; 0: it was looked at itself. */
export type Checked = { chapter: string; check: Check; outcome: Outcome; among: number };

/** @throws SyncError `unavailable` where the cloud cannot be reached at all */
export async function* runChecks(outlet: TestOutlet): AsyncGenerator<Checked> {
  for (const chapter of CHAPTERS) {
    const why = leftOut(chapter, outlet);
    for (const check of chapter.checks) {
      const outcome = why === undefined ? await outcomeOf(check, outlet) : skipped(why);
      yield { chapter: chapter.title, check, outcome, among: why === undefined ? 0 : chapter.checks.length };
    }
  }
}

function leftOut({ needsRows, leftOut }: Chapter, outlet: TestOutlet): string | undefined {
  return needsRows && !takesRows(outlet) ? 'no row of the test outlet was accepted' : leftOut?.(outlet);
}

async function outcomeOf(check: Check, outlet: TestOutlet): Promise<Outcome> {
  try {
    return await check.run(outlet);
  } catch (error) {
    if (error instanceof SyncError && error.code === 'unavailable') throw error;
    return failed(broken(`the check could not be made: ${wordsOf(error)}`, outlet.exchanges.at(-1) ?? null));
  }
}

function takesRows({ exchanges }: TestOutlet): boolean {
  return exchanges.some(({ sent, reply }) => {
    const results = sent.path === '/sync/push' && reply.kind === 'answer' ? parseObject(reply.body)?.results : [];
    return Array.isArray(results) && results.some((one) => one?.status === 'accepted');
  });
}
