/** How syncing stands, in the one line that `systemctl status` shows: what waits, and why. Pure. */
import type { Standing } from '../../cloud/standing.js';
import { count, localTime, oneLine, shortened } from './words.js';

/** What waits, what failed and what is in conflict, as they were counted last; `waiting` undefined: not yet. */
export type Tally = { waiting: number | undefined; failed: number; conflicts: number; enabled: boolean };

export const UNCOUNTED: Tally = { waiting: undefined, failed: 0, conflicts: 0, enabled: true };

/** With a longer queue nobody needs the last digit; counting so far takes 2 ms. */
export const COUNTED_TO = 10_000;

export type LineFacts = Tally & {
  standing: Standing;
  /** By the configuration. */
  switchedOn: boolean;
  /** What it waits for before it can work at all; undefined while it works. */
  away: string | undefined;
  /** The same instant on the clock that standings are reckoned by, and on the wall. */
  steadyMs: number;
  nowMs: number;
  timezone: string;
};

const WIDTH = 160;

export function lineOf(facts: LineFacts): string {
  const counted = facts.away === undefined && facts.waiting !== undefined;
  return shortened(oneLine([sentence(facts), ...(counted ? troubles(facts) : [])].join('; ')), WIDTH);
}

/** What does not go by itself. */
function troubles({ failed, conflicts }: Tally): string[] {
  const parts = [failed > 0 && `${atMost(failed)} failed`, conflicts > 0 && `${atMost(conflicts)} in conflict`];
  const told = parts.filter((part) => part !== false);
  return told.length === 0 ? [] : [told.join(', ')];
}

const atMost = (number: number): string =>
  number > COUNTED_TO ? `more than ${COUNTED_TO.toLocaleString('en-GB')}` : number.toLocaleString('en-GB');

function sentence({ waiting, failed, conflicts, enabled, standing, switchedOn, away, ...clock }: LineFacts): string {
  if (away !== undefined) return away;
  if (waiting === undefined) return 'starting';
  const number = waiting > COUNTED_TO ? `more than ${count(COUNTED_TO, 'change')}` : count(waiting, 'change');
  const queue = waiting === 0 ? 'nothing waits' : `${number} ${waiting === 1 ? 'waits' : 'wait'}`;
  if (!enabled || !switchedOn) return `paused; ${queue}`;
  switch (standing.kind) {
    case 'unknown':
    case 'online':
      if (waiting > 0) return `${queue}, on the way to the cloud`;
      return failed + conflicts > 0 ? queue : 'everything is in the cloud';
    case 'offline':
    case 'trial':
      return `${queue}; the cloud is away since ${wallTime(standing.sinceMs, clock)}`;
    case 'waiting':
      return `${queue}; the cloud asks to wait: ${standing.reason}`;
    case 'refused':
      return `${queue}; the cloud refuses this outlet: ${standing.reason}`;
    case 'stopped':
      return `${queue}; stopped until a person acts: ${standing.reason}`;
    default:
      return standing satisfies never;
  }
}

function wallTime(sinceMs: number, { steadyMs, nowMs, timezone }: Pick<LineFacts, 'steadyMs' | 'nowMs' | 'timezone'>) {
  const at = new Date(nowMs - (steadyMs - sinceMs));
  return localTime(at.toISOString(), new Date(nowMs).toISOString(), timezone);
}
