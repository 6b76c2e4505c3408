/** How a change stands that was not accepted: its next try, its last one, and whether the cloud may have it all the same. */
import type { PendingChange } from '../../src/push/backlog.js';
import { afterHold, afterRejection, FREE_HOLDS } from '../../src/push/outcome.js';
import { makeChange } from '../support/changes.js';

const POLICY = { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2 };

test('a retryable rejection is sent three times more, after 1, 2 and 4 minutes, and failed at the fourth', () => {
  const after = [0, 1, 2, 3].map((retryCount) =>
    afterRejection(makeChange({ id: '1', retryCount }), { retryable: true }, POLICY, 0),
  );
  expect(after.map(({ status, delayMs }) => [status, delayMs])).toEqual([
    ['pending', 60_000],
    ['pending', 120_000],
    ['pending', 240_000],
    ['failed', null],
  ]);
  expect(after.map(({ retryCount }) => retryCount)).toEqual([1, 2, 3, 4]);
});

test('one that is not retryable fails at once', () => {
  expect(afterRejection(makeChange({ id: '1' }), { retryable: false }, POLICY, 0)).toMatchObject({
    status: 'failed',
    retryCount: 1,
  });
});

test('until it is answered clearly, a change counts as one that the cloud may have', () => {
  const change = makeChange({ id: '1', holdCount: 3 });
  const holds = (one: PendingChange, unheard?: true) =>
    afterRejection(one, { retryable: true, ...(unheard && { unheard }) }, POLICY, 0).holdCount;
  expect([holds(change), holds(change, true), holds({ ...change, holdCount: 0 }, true)]).toEqual([0, 3, 1]);
});

test('five holds are free and short; from the sixth on each spends an attempt, until it fails', () => {
  let change = makeChange({ id: '1' });
  const seen: unknown[] = [];
  for (let hold = 1; hold <= FREE_HOLDS + 4; hold++) {
    const after = afterHold(change, { moved: false, patient: false }, POLICY, 0);
    seen.push([after.status, after.retryCount, after.delayMs]);
    change = { ...change, retryCount: after.retryCount, holdCount: after.holdCount };
  }
  expect(seen).toEqual([
    ['pending', 0, 1_000],
    ['pending', 0, 2_000],
    ['pending', 0, 4_000],
    ['pending', 0, 8_000],
    ['pending', 0, 15_000],
    ['pending', 1, 60_000],
    ['pending', 2, 120_000],
    ['pending', 3, 240_000],
    ['failed', 4, null],
  ]);
});

test('when what it waits for has moved the count of holds begins again', () => {
  const held = makeChange({ id: '1', holdCount: 12, retryCount: 2 });
  expect(afterHold(held, { moved: true, patient: false }, POLICY, 0)).toEqual({
    status: 'pending',
    retryCount: 2,
    holdCount: 1,
    delayMs: 1_000,
  });
});
