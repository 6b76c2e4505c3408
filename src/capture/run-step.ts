/**
 * Runs one step as one transaction. A step on a POS table asks for its lock for at most a second: whoever queues behind us waits
 * no longer than that, and between two tries everybody gets through.
 */
import type pg from 'pg';
import { codeOf, SyncError, wordsOf } from '../errors.js';
import { monotonicMs, sleep } from '../time.js';
import { eventTriggerFault } from './event-triggers.js';
import { OWNER } from './names.js';
import type { Step } from './step.js';

const LOCK_TIMEOUT_MS = 1_000;
const PATIENCE_MS = 60_000;
/** lock_not_available, deadlock_detected, and what concurrent GRANTs raise ("tuple concurrently updated"). */
const PASSING = new Set(['55P03', '40P01', 'XX000']);
/** duplicate_object, and unique_violation where two create it at the same moment. */
const ALREADY_THERE = new Set(['42710', '23505']);

export async function runStep(client: pg.Client, step: Step, report: (line: string) => void): Promise<void> {
  const deadline = monotonicMs() + PATIENCE_MS;
  for (let pauseMs = 200; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    try {
      await client.query(transactionOf(step));
      report(step.about);
      return;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {});
      if (step.sharedByDatabases && ALREADY_THERE.has(codeOf(error) ?? '')) return;
      if (!PASSING.has(codeOf(error) ?? '')) throw eventTriggerFault(step.about, error) ?? failure(step, error);
      if (monotonicMs() > deadline) throw busy(step, error);
      await sleep(pauseMs);
    }
  }
}

/** In one message: were we frozen between two statements, or a slow line away, every sale of a table that is locked would wait. */
function transactionOf({ asOwner, statements }: Step): string {
  const role = asOwner ? [`SET LOCAL ROLE ${OWNER}`] : [];
  return ['BEGIN', `SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`, ...role, ...statements, 'COMMIT'].join(';\n');
}

function failure(step: Step, error: unknown): SyncError {
  return new SyncError('failed', `${step.about}: ${wordsOf(error)}`, {
    hint: 'What was done before stays and works; run the same command again once this is repaired.',
    cause: error,
  });
}

function busy(step: Step, error: unknown): SyncError {
  return new SyncError('failed', `${step.about}: ${step.locks ?? 'the schema'} was locked for a minute`, {
    hint: 'A long transaction holds it (SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start). What was done before stays; run the same command again.',
    cause: error,
  });
}

/** The same as SQL for people, or for psql. */
export function printStep(step: Step, report: (line: string) => void): void {
  report(`-- ${step.about}`);
  if (step.asOwner) report(`SET ROLE ${OWNER};`);
  for (const statement of step.statements) report(`${statement};`);
  if (step.asOwner) report('RESET ROLE;');
}
