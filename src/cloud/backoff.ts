/**
 * How long to wait before trying again. Pure: the caller brings the random number.
 *
 * Probes of a cloud that is away use full jitter, so that a thousand outlets do not come back in step (M. Brooker, "Exponential
 * Backoff and Jitter", AWS 2015). A rejected change follows the schedule that the shop configured, stretched a little, so that
 * people can predict it. What is held, and what comes back round after round, doubles its wait up to a limit.
 */
import type { RetrySettings } from '../config/settings.js';

const PROBE_FIRST_MS = 1_000;
const PROBE_CAP_MS = 30_000;
const PROBE_FLOOR_MS = 100;
const STRETCH = 0.1;

/**
 * Full jitter under a ceiling that doubles from 1 s to 30 s.
 * @param attempt 0 for the first probe of an outage
 * @param random in [0, 1)
 * @returns milliseconds
 */
export function probeDelayMs(attempt: number, random: number): number {
  const ceiling = Math.min(PROBE_CAP_MS, PROBE_FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.max(PROBE_FLOOR_MS, random * ceiling);
}

/**
 * The wait after the n-th rejection of a change, never above the cap; undefined once its retries are spent.
 * @param rejections 1 after the first send was rejected
 * @param random in [0, 1)
 * @returns milliseconds
 */
export function retryDelayMs(rejections: number, policy: RetrySettings, random: number): number | undefined {
  return rejections > policy.maxRetries ? undefined : scheduleMs(rejections, policy, random);
}

/**
 * The same schedule without an end: how a refused outlet (401, 404 …) goes on asking.
 * @param failures 1 after the first refusal
 */
export function scheduleMs(failures: number, policy: RetrySettings, random: number): number {
  const exact = policy.initialBackoffMs * policy.multiplier ** (failures - 1);
  return Math.min(policy.maxBackoffMs, exact * (1 + STRETCH * random));
}

/** A change that the cloud holds for want of another is looked at again soon: 1 s, doubling to 15 s. */
export function holdDelayMs(holds: number): number {
  return Math.min(15_000, 1_000 * 2 ** Math.min(Math.max(holds - 1, 0), 10));
}

/** Rounds in a row that cost no wait: a race for a busy row is still won. */
const FREE_ROUNDS = 4;
const FIRST_ROUND_MS = 1_000;

/**
 * How long a change waits that is one round of a row which goes on and on between both sides: 1 s after the free rounds, doubling.
 * @param rounds in a row, this one included
 * @param longestMs no wait is longer
 * @returns milliseconds; 0: it goes at once
 */
export function roundDelayMs(rounds: number, longestMs: number): number {
  const beyond = rounds - FREE_ROUNDS - 1;
  return beyond < 0 ? 0 : Math.min(longestMs, FIRST_ROUND_MS * 2 ** Math.min(beyond, 20));
}
