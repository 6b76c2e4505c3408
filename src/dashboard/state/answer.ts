/**
 * The owner's question answered: is everything in the cloud, and if not, how many wait, since when, why, and what comes next.
 * Decides what is said, not how: the words are those of the language. Pure.
 */
import type { StatusReport } from '../api/types.js';

/** `ok` all is well; `busy` it is being dealt with; `waiting` it waits and will go by itself; `attention` a person has to act. */
export type Tone = 'ok' | 'busy' | 'waiting' | 'attention' | 'unknown';

export type Answer = {
  tone: Tone;
  headline:
    | { kind: 'unknown' }
    | { kind: 'safe' }
    /** What was there before capture was never sent. */
    | { kind: 'safe since' }
    /** Tables are being compared: nobody knows yet what went by uncaptured. */
    | { kind: 'looking' }
    | { kind: 'safe, but' }
    /** What the cloud had accepted and does not keep. */
    | { kind: 'lost'; rows: number }
    | { kind: 'waiting'; pending: number; since: string | undefined; cause: Cause }
    /** `pending` wait beside them, and go by themselves. */
    | { kind: 'trouble'; failed: number; conflicts: number; pending: number };
  cause: Cause;
  /** What else stands out beside what the headline has told. */
  beside: { failed: number; conflicts: number };
  /** Words of others: the network's, the cloud's, a person's. */
  detail: string | undefined;
  next:
    | { kind: 'none' }
    | { kind: 'retry'; at: string }
    | { kind: 'now' }
    | { kind: 'person' }
    | { kind: 'resume' }
    /** The configuration has switched sending off. */
    | { kind: 'configure' }
    | { kind: 'start' }
    | { kind: 'turn' };
  canTryNow: boolean;
};

export type Cause =
  | 'none'
  | 'unknown'
  | 'daemon'
  | 'stopped'
  | 'off'
  | 'paused'
  | 'refused'
  | 'offline'
  | 'asked'
  | 'turn';

/** @param now the database's clock, epoch ms */
export function answerTo(status: StatusReport, now: number): Answer {
  const { pending, failed, conflicts, cloud } = status;
  if (status.state === 'unknown' || pending === null || failed === null || conflicts === null) {
    const detail = status.reasons[0];
    return { ...NOTHING, tone: 'unknown', headline: { kind: 'unknown' }, cause: 'unknown', detail };
  }
  const cause = causeOf(status, now);
  const beside = { failed, conflicts };
  const common = { cause, beside, detail: detailOf(status, cause), next: nextOf(status, cause, now) };
  const canTryNow = cause === 'offline' || cause === 'asked' || cause === 'refused' || cause === 'turn';
  const troubled = failed + conflicts > 0;
  if (pending === 0 && !troubled) {
    if (status.state === 'ok' && isLooking(status))
      return { ...common, tone: 'busy', headline: { kind: 'looking' }, canTryNow: false };
    const lost = (status.compared?.differing ?? []).reduce((sum, one) => sum + one.lost, 0);
    if (lost > 0) return { ...common, tone: 'attention', headline: { kind: 'lost', rows: lost }, canTryNow: false };
    const tone = status.state === 'ok' ? 'ok' : 'attention';
    const kind = tone !== 'ok' ? 'safe, but' : status.older_rows?.length ? 'safe since' : 'safe';
    return { ...common, tone, headline: { kind }, canTryNow: canTryNow && cause !== 'turn' };
  }
  if (pending === 0 || (troubled && (cause === 'none' || cause === 'turn'))) {
    return { ...common, tone: 'attention', headline: { kind: 'trouble', failed, conflicts, pending }, canTryNow };
  }
  const tone = needsPerson(cause) || troubled ? 'attention' : cause === 'none' ? 'busy' : 'waiting';
  const since = status.oldest_pending_at ?? undefined;
  return {
    ...common,
    tone,
    headline: { kind: 'waiting', pending, since, cause },
    canTryNow: canTryNow && cloud !== null,
  };
}

function isLooking({ walks }: StatusReport): boolean {
  return (walks ?? []).some(({ kind, error }) => kind === 'reconcile' && error === null);
}

const NOTHING: Omit<Answer, 'tone' | 'headline'> = {
  cause: 'none',
  beside: { failed: 0, conflicts: 0 },
  detail: undefined,
  next: { kind: 'none' },
  canTryNow: false,
};

function needsPerson(cause: Cause): boolean {
  return cause === 'daemon' || cause === 'stopped' || cause === 'refused' || cause === 'off' || cause === 'paused';
}

/** The first thing that keeps what waits from going. */
function causeOf({ daemon, stopped, enabled, switched_off, cloud, pending, held }: StatusReport, now: number): Cause {
  if (daemon.running === false) return 'daemon';
  if (stopped) return 'stopped';
  if (switched_off) return 'off';
  if (enabled === false) return 'paused';
  if (cloud.refused) return 'refused';
  if (cloud.online === false) return 'offline';
  if (cloud.last_error !== null && isAhead(cloud.next_try_at, now)) return 'asked';
  if (pending !== null && pending > 0 && (held ?? 0) >= pending) return 'turn';
  return 'none';
}

function detailOf({ stopped, paused, cloud }: StatusReport, cause: Cause): string | undefined {
  switch (cause) {
    case 'stopped':
      return stopped?.reason;
    case 'paused':
      return paused?.by;
    case 'refused':
      return cloud.refused ?? undefined;
    case 'offline':
    case 'asked':
      return cloud.last_error ?? undefined;
    default:
      return undefined;
  }
}

function nextOf({ cloud, pending }: StatusReport, cause: Cause, now: number): Answer['next'] {
  const again = cloud.next_try_at;
  switch (cause) {
    case 'daemon':
      return { kind: 'start' };
    case 'stopped':
      return { kind: 'person' };
    case 'off':
      return { kind: 'configure' };
    case 'paused':
      return { kind: 'resume' };
    case 'refused':
    case 'offline':
    case 'asked':
      return isAhead(again, now) ? { kind: 'retry', at: again as string } : { kind: 'now' };
    case 'turn':
      return { kind: 'turn' };
    case 'none':
      return (pending ?? 0) > 0 ? { kind: 'now' } : { kind: 'none' };
    case 'unknown':
      return { kind: 'none' };
    default:
      return cause satisfies never;
  }
}

function isAhead(at: string | null, now: number): boolean {
  return at !== null && Date.parse(at) > now;
}
