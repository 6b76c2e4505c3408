/** How long syncd cloud-check waits for a cloud that keeps silent, or that asks to wait again and again. */
import type { Reply } from '../../src/cloud/reply.js';
import { Patience } from '../../src/cloud-check/patience.js';
import { steadyMs } from '../../src/time.js';

const none = (timedOut: boolean): Reply => ({ kind: 'none', error: 'no answer', timedOut, durationMs: 30_000 });
const answer = (status: number, retryAfter?: string): Reply => ({
  kind: 'answer',
  status,
  body: '',
  retryAfter,
  date: undefined,
  durationMs: 1,
});

test('a route that keeps silent three times in a row is asked no more; the others are', () => {
  const patience = new Patience();
  for (const _ of [1, 2]) patience.heard('/entities/order/1', none(true), steadyMs());
  expect(patience.isOver('/entities/order/2')).toBeUndefined();
  patience.heard('/entities/order/2/version', none(true), steadyMs());
  expect(patience.isOver('/entities/product/3')).toMatch(/^not asked any more: 3 requests before it had no answer/);
  expect(patience.isOver('/sync/push')).toBeUndefined();
  for (const _ of [1, 2, 3]) patience.heard('/sync/changes?limit=1', none(true), steadyMs());
  expect(patience.isOver('/sync/changes?cursor=2')).toBeDefined();
  expect(patience.isOver('/sync/push')).toBeUndefined();
});

test('an answer, or a connection that is refused at once, begins the count anew', () => {
  for (const heard of [answer(500), none(false)]) {
    const patience = new Patience();
    for (const reply of [none(true), none(true), heard, none(true)]) patience.heard('/sync/push', reply, steadyMs());
    expect(patience.isOver('/sync/push')).toBeUndefined();
  }
});

test('requests that hang side by side count as one', () => {
  const patience = new Patience();
  const startedMs = steadyMs();
  for (const _ of [1, 2, 3, 4]) patience.heard('/sync/push', none(true), startedMs - 1);
  expect(patience.isOver('/sync/push')).toBeUndefined();
});

test('a route is waited for as it asks, five times for one request, and then not until it has answered', () => {
  const patience = new Patience();
  const busy = answer(429, '2');
  patience.heard('/sync/push', busy, 0);
  expect([0, 1, 2, 3, 4, 5].map((waits) => patience.waitMs('/sync/push', busy, waits))).toEqual([
    ...Array.from({ length: 5 }, () => 2_000),
    undefined,
  ]);
  patience.heard('/sync/push', busy, 0);
  expect(patience.waitMs('/sync/push', busy, 0)).toBeUndefined();
  expect(patience.waitMs('/sync/changes', busy, 0)).toBe(2_000);
  patience.heard('/sync/push', answer(200), 0);
  expect(patience.waitMs('/sync/push', answer(200), 0)).toBeUndefined();
  expect(patience.waitMs('/sync/push', answer(503, '1'), 0)).toBe(1_000);
  expect(patience.waitMs('/sync/push', answer(429, '61'), 0)).toBeUndefined();
});
