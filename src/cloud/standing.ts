/**
 * How we stand with one endpoint of the cloud, as one value: whether it may be called now, and if not, until when and why. Each
 * endpoint has its own. Pure: the clock and the random number come from the caller.
 *
 * Being offline is a normal state. A probe that answers ends it only on trial: until a call is answered, the next failure goes
 * on with the same outage and its growing waits. Nothing that is waiting spends an attempt for any of it.
 */
import type { RetrySettings } from '../config/settings.js';
import { probeDelayMs, scheduleMs } from './backoff.js';

export type Standing =
  /** Not asked yet: the first thing to do is to ask for the cloud's capabilities. */
  | { kind: 'unknown' }
  | { kind: 'online' }
  | {
      kind: 'offline';
      sinceMs: number;
      probes: number;
      nextTryMs: number;
      reason: string;
    }
  /** The health check answers again; no call has yet. */
  | { kind: 'trial'; sinceMs: number; probes: number; reason: string }
  /** The cloud named its own waiting time. */
  | { kind: 'waiting'; nextTryMs: number; reason: string }
  /** 401, 403, 404, 426 …: asked again on the retry schedule, or when told. */
  | { kind: 'refused'; failures: number; nextTryMs: number; reason: string }
  /** Two living copies of this outlet, or a cloud that was restored: only a person can tell how to go on. */
  | { kind: 'stopped'; reason: string };

/** What a reply says of the endpoint that gave it. */
export type Bearing =
  /** It judged what was asked, for better or worse. */
  | { kind: 'answered' }
  | { kind: 'offline'; reason: string }
  | { kind: 'wait'; waitMs: number; reason: string }
  | { kind: 'refused'; reason: string }
  | { kind: 'stopped'; reason: string };

/** What may be done now. */
export type Permission = { may: 'ask' | 'probe' | 'call' } | { may: 'nothing'; forMs: number };

/** @param nowMs of the monotonic clock, as all times of a standing */
export function permission(standing: Standing, nowMs: number): Permission {
  switch (standing.kind) {
    case 'unknown':
      return { may: 'ask' };
    case 'online':
    case 'trial':
      return { may: 'call' };
    case 'offline':
      return standing.nextTryMs <= nowMs ? { may: 'probe' } : { may: 'nothing', forMs: standing.nextTryMs - nowMs };
    case 'waiting':
    case 'refused':
      return standing.nextTryMs <= nowMs ? { may: 'call' } : { may: 'nothing', forMs: standing.nextTryMs - nowMs };
    case 'stopped':
      return { may: 'nothing', forMs: Number.POSITIVE_INFINITY };
    default:
      return standing satisfies never;
  }
}

/** The health check answered. */
export function goOnTrial(standing: Standing, nowMs: number): Standing {
  const outage = standing.kind === 'offline' ? standing : { sinceMs: nowMs, probes: 0, reason: '' };
  return {
    kind: 'trial',
    sinceMs: outage.sinceMs,
    probes: outage.probes,
    reason: outage.reason,
  };
}

/**
 * After a reply. Replies that come in while a wait is already on, from requests sent before, neither prolong
 * nor end it, and nothing but a person ends a stop.
 */
export function afterReply(
  standing: Standing,
  bearing: Bearing,
  policy: RetrySettings,
  nowMs: number,
  random: number,
): Standing {
  if (standing.kind === 'stopped') return standing;
  const waits = standing.kind === 'waiting' && standing.nextTryMs > nowMs;
  switch (bearing.kind) {
    case 'answered':
      return waits ? standing : { kind: 'online' };
    case 'offline':
      return waits ? standing : goOffline(standing, bearing.reason, nowMs, random);
    case 'wait': {
      const nextTryMs = Math.max(nowMs + bearing.waitMs, waits ? standing.nextTryMs : 0);
      return { kind: 'waiting', nextTryMs, reason: bearing.reason };
    }
    case 'refused': {
      if (standing.kind === 'refused' && standing.nextTryMs > nowMs) return standing;
      const failures = standing.kind === 'refused' ? standing.failures + 1 : 1;
      return {
        kind: 'refused',
        failures,
        nextTryMs: nowMs + scheduleMs(failures, policy, random),
        reason: bearing.reason,
      };
    }
    case 'stopped':
      return { kind: 'stopped', reason: bearing.reason };
    default:
      return bearing satisfies never;
  }
}

function goOffline(standing: Standing, reason: string, nowMs: number, random: number): Standing {
  if (standing.kind === 'offline' && standing.nextTryMs > nowMs) return standing;
  const outage = standing.kind === 'offline' || standing.kind === 'trial' ? standing : { sinceMs: nowMs, probes: 0 };
  return {
    kind: 'offline',
    sinceMs: outage.sinceMs,
    probes: outage.probes + 1,
    nextTryMs: nowMs + probeDelayMs(outage.probes, random),
    reason,
  };
}

/** A person asked for it, or the cloud called: every wait but a stop ends now. */
export function tryNow(standing: Standing, nowMs: number): Standing {
  return 'nextTryMs' in standing ? { ...standing, nextTryMs: nowMs } : standing;
}
