/** How long to wait: jittered probes, the shop's retry schedule, short holds. */
import fc from 'fast-check';
import { holdDelayMs, probeDelayMs, retryDelayMs, scheduleMs } from '../../src/cloud/backoff.js';

const policy = { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2 };

test('probes have full jitter under a ceiling of 1 s doubling to 30 s', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 500].map((attempt) => probeDelayMs(attempt, 1))).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
  ]);
  expect(probeDelayMs(3, 0.5)).toBe(4_000);
  expect(probeDelayMs(3, 0)).toBe(100);
});

test('a rejected change waits 1, 2 and 4 minutes, then no more', () => {
  expect([1, 2, 3, 4].map((n) => retryDelayMs(n, policy, 0))).toEqual([60_000, 120_000, 240_000, undefined]);
  expect(retryDelayMs(1, { ...policy, maxRetries: 0 }, 0)).toBeUndefined();
});

test('jitter stretches a wait by a tenth at most, and never above the cap', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
      const exact = Math.min(policy.maxBackoffMs, policy.initialBackoffMs * 2 ** (failures - 1));
      const waitMs = scheduleMs(failures, policy, random);
      expect(waitMs).toBeGreaterThanOrEqual(exact);
      expect(waitMs).toBeLessThanOrEqual(Math.min(policy.maxBackoffMs, exact * 1.1));
    }),
  );
});

test('a multiplier of 1 keeps the wait as it is', () => {
  expect([1, 50].map((n) => scheduleMs(n, { ...policy, multiplier: 1 }, 0))).toEqual([60_000, 60_000]);
});

test('holds are looked at again after 1 s, doubling to 15 s', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 400].map(holdDelayMs)).toEqual([
    1_000, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000,
  ]);
});
