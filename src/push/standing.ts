/**
 * How we stand with the cloud, as one value: whether a push may go now, and if not, until when and why. Pure: the clock and
 * the random number come from the caller.
 *
 * Being offline is a normal state. It is left through a probe that answers; nothing that is waiting spends an attempt for it.
 */
import { probeDelayMs, scheduleMs } from '../cloud/backoff.js';
import type { RetrySettings } from '../config/settings.js';

export type Standing =
  /** Not asked yet: the first thing to do is to ask for the cloud's capabilities. */
  | { kind: 'unknown' }
  | { kind: 'online' }
  | { kind: 'offline'; sinceMs: number; probes: number; nextTryMs: number; reason: string }
  /** The cloud named its own waiting time. */
  | { kind: 'waiting'; nextTryMs: number; reason: string }
  /** 401, 403, 404, 426 …: asked again on the retry schedule, or when told. */
  | { kind: 'refused'; failures: number; nextTryMs: number; reason: string }
  /** Two living copies of this outlet: only a person can tell which one goes on. */
  | { kind: 'stopped'; reason: string };

/** What may be done now. */
export type Permission = { may: 'ask' | 'probe' | 'push' } | { may: 'nothing'; forMs: number };

export function permission(standing: Standing, nowMs: number): Permission {
  switch (standing.kind) {
    case 'unknown':
      return { may: 'ask' };
    case 'online':
      return { may: 'push' };
    case 'offline':
      return standing.nextTryMs <= nowMs ? { may: 'probe' } : { may: 'nothing', forMs: standing.nextTryMs - nowMs };
    case 'waiting':
    case 'refused':
      return standing.nextTryMs <= nowMs ? { may: 'push' } : { may: 'nothing', forMs: standing.nextTryMs - nowMs };
    case 'stopped':
      return { may: 'nothing', forMs: Number.POSITIVE_INFINITY };
    default:
      return standing satisfies never;
  }
}

export function goOffline(standing: Standing, reason: string, nowMs: number, random: number): Standing {
  const before = standing.kind === 'offline' ? standing : { sinceMs: nowMs, probes: 0 };
  return {
    kind: 'offline',
    sinceMs: before.sinceMs,
    probes: before.probes + 1,
    nextTryMs: nowMs + probeDelayMs(before.probes, random),
    reason,
  };
}

export function goRefused(standing: Standing, reason: string, policy: RetrySettings, nowMs: number, random: number): Standing {
  const failures = standing.kind === 'refused' ? standing.failures + 1 : 1;
  return { kind: 'refused', failures, nextTryMs: nowMs + scheduleMs(failures, policy, random), reason };
}

/** A person asked for it, or the cloud called: every wait but a stop ends now. */
export function tryNow(standing: Standing, nowMs: number): Standing {
  return 'nextTryMs' in standing ? { ...standing, nextTryMs: nowMs } : standing;
}
