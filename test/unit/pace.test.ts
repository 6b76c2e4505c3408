/** How a pull adapts: to the line, to a proxy that cuts what stays silent, and to a cloud whose answers bring nothing. */
import fc from 'fast-check';
import { type AnsweredPull, afterFailure, afterPage, delayMs, newPace, type Pace } from '../../src/pull/pace.js';

const LONG_POLL = 25_000;
const INTERVAL = 30_000;
const start = newPace(LONG_POLL);
const answered = (pace: Pace, more: Partial<AnsweredPull>) =>
  afterPage(pace, { changes: 0, more: false, waitedMs: 0, durationMs: 50, deadlineMs: 30_000, ...more }, LONG_POLL);
const times = (count: number, pace: Pace, step: (pace: Pace) => Pace) =>
  Array.from({ length: count }).reduce<Pace>((before) => step(before), pace);

test('full pages that come quickly are asked for larger, up to a thousand; what is too much for the line, smaller', () => {
  const larger = answered(start, { changes: 500 });
  expect([larger.limit, answered(larger, { changes: 1_000 }).limit]).toEqual([1_000, 1_000]);
  expect(answered(start, { changes: 100 }).limit).toBe(500);
  expect(answered(start, { changes: 500, durationMs: 20_000 }).limit).toBe(500);
  const smaller = afterFailure(start, true, 0, 30_000);
  expect([smaller.limit, times(20, smaller, (pace) => afterFailure(pace, true, 0, 30_000)).limit]).toEqual([250, 1]);
  expect(afterFailure(start, false, 0, 30_000).limit).toBe(500);
});

test('a wait that something cuts is shortened, and tried longer after twenty that held', () => {
  const cut = afterFailure(start, false, LONG_POLL, 15_000);
  expect(cut.waitMs).toBe(10_500);
  const held = (pace: Pace) => answered(pace, { waitedMs: pace.waitMs, durationMs: pace.waitMs });
  expect(times(19, cut, held).waitMs).toBe(10_500);
  expect(times(20, cut, held).waitMs).toBe(15_750);
  expect(times(200, cut, held).waitMs).toBe(LONG_POLL);
  expect(afterFailure(start, false, LONG_POLL, 500).waitMs).toBe(LONG_POLL);
  expect(times(50, start, (pace) => afterFailure(pace, false, pace.waitMs, 2_500)).waitMs).toBeGreaterThanOrEqual(
    1_000,
  );
});

test('a cloud that says it waits and does not is asked ever more rarely, at last every interval', () => {
  const hasty = (pace: Pace) => answered(pace, { waitedMs: LONG_POLL, durationMs: 20 });
  expect([1, 3, 4, 5, 30].map((count) => delayMs(times(count, start, hasty), INTERVAL))).toEqual([
    0,
    0,
    250,
    500,
    INTERVAL,
  ]);
  const slow = times(30, start, hasty);
  expect(delayMs(answered(slow, { waitedMs: LONG_POLL, durationMs: 24_000 }), INTERVAL)).toBe(0);
  expect(delayMs(answered(slow, { changes: 1, waitedMs: LONG_POLL }), INTERVAL)).toBe(0);
});

test('empty pages that promise more are followed ten times, then ever more slowly', () => {
  const empty = (pace: Pace) => answered(pace, { more: true });
  expect([10, 11, 12, 30].map((count) => delayMs(times(count, start, empty), INTERVAL))).toEqual([
    0,
    250,
    500,
    INTERVAL,
  ]);
  expect(delayMs(answered(times(30, start, empty), { changes: 3, more: true }), INTERVAL)).toBe(0);
});

test('whatever comes, every figure stays within its bounds', () => {
  const step = fc.oneof(
    fc.record({
      changes: fc.nat({ max: 2_000 }),
      more: fc.boolean(),
      waitedMs: fc.constantFrom(0, 1_000, LONG_POLL),
      durationMs: fc.nat({ max: 60_000 }),
    }),
    fc.record({ tooMuch: fc.boolean(), waitedMs: fc.constantFrom(0, LONG_POLL), failedMs: fc.nat({ max: 60_000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      let pace = start;
      for (const one of steps) {
        pace = 'tooMuch' in one ? afterFailure(pace, one.tooMuch, one.waitedMs, one.failedMs) : answered(pace, one);
        expect(Number.isInteger(pace.limit) && pace.limit >= 1 && pace.limit <= 1_000).toBe(true);
        expect(pace.waitMs >= 1_000 && pace.waitMs <= LONG_POLL).toBe(true);
        expect(delayMs(pace, INTERVAL) >= 0 && delayMs(pace, INTERVAL) <= INTERVAL).toBe(true);
      }
    }),
  );
});
