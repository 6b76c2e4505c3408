/**
 * When people are told: what is found wrong becomes an alert once it has been found twice in a row, and is over once it has not
 * been found for a while, longer for one that keeps coming back. So neither a glance at the wrong moment nor a figure that swings
 * around its threshold makes a storm: at most nine a day and rule. Pure; the instant is the database's and comes with the facts.
 */

import type { Finding, Topic } from '../status/finding.js';
import type { Facts } from '../status/read.js';
import { findings, type Rules } from '../status/verdict.js';
import { count, percent } from '../status/words.js';

/** What a rule is called: in syncd.alerts, in messages, for whoever reads them. */
export type AlertName = Exclude<Topic, 'daemon' | 'backlog'> | 'oldest_pending' | 'failure_rate';

export type Trouble = { alert: AlertName; severity: Finding['state']; value: string; reason: string };

/** Verdicts of the cloud within the alert's window. */
export type Recent = { accepted: number; refused: number };

/** Of fewer verdicts a rate says nothing; a lone failure has an alert of its own. */
const LEAST_JUDGED = 20;

/** @param open alerts that are raised: such a rate has to come down to half before it is well */
export function troubles(
  facts: Facts,
  rules: Rules & { failureRate: number },
  recent: Recent,
  open: ReadonlySet<string>,
): Trouble[] {
  const found = new Map<AlertName, Trouble>();
  for (const { state, topic, reason } of findings(facts, rules)) {
    // Who looks is running.
    if (topic === 'daemon') continue;
    const alert = topic === 'backlog' ? 'oldest_pending' : topic;
    const before = found.get(alert);
    if (before) before.reason = `${before.reason}; ${reason}`;
    else found.set(alert, { alert, severity: state, value: figureOf(topic, facts), reason });
  }
  const judged = recent.accepted + recent.refused;
  const rate = judged === 0 ? 0 : recent.refused / judged;
  if (judged >= LEAST_JUDGED && rate > (open.has('failure_rate') ? rules.failureRate / 2 : rules.failureRate)) {
    const reason = `the cloud refused ${percent(rate)} of the last ${count(judged, 'change')}`;
    found.set('failure_rate', { alert: 'failure_rate', severity: 'warning', value: percent(rate), reason });
  }
  return [...found.values()];
}

function figureOf(topic: Topic, facts: Facts): string {
  switch (topic) {
    case 'failed':
      return String(facts.failed);
    case 'conflicts':
      return String(facts.conflicts);
    case 'parked':
      return String(facts.parked.count);
    case 'capture':
      return String(facts.capture.reduce((sum, { failures }) => sum + failures, 0));
    case 'backlog':
      return facts.oldest_pending_at ?? '';
    case 'offline':
      return facts.daemon?.offline_since ?? '';
    case 'pull':
      return facts.daemon?.pull_offline_since ?? '';
    default:
      return '';
  }
}

export type OpenAlert = { id: string; alert: string; well_since: string | null };

export type Step =
  | { kind: 'raise'; trouble: Trouble }
  /** It is not found any more, for the first time. */
  | { kind: 'well'; id: string }
  /** It is found again before it was over. */
  | { kind: 'unwell'; id: string }
  | { kind: 'clear'; id: string };

const MINUTE_MS = 60_000;

/** How long a rule has to find nothing until its alert is over. @param raised how often it was raised in the last 24 hours */
export function restMs(raised: number): number {
  if (raised < 3) return 5 * MINUTE_MS;
  return raised < 6 ? 60 * MINUTE_MS : 6 * 60 * MINUTE_MS;
}

/**
 * @param before names of what the look before found
 * @param raised by name, how often an alert was raised in the last 24 hours
 * @param now the database's clock, ISO
 */
export function steps(
  found: Trouble[],
  before: ReadonlySet<string>,
  open: OpenAlert[],
  raised: ReadonlyMap<string, number>,
  now: string,
): Step[] {
  const taken: Step[] = [];
  for (const trouble of found) {
    if (before.has(trouble.alert) && !open.some(({ alert }) => alert === trouble.alert))
      taken.push({ kind: 'raise', trouble });
  }
  for (const { id, alert, well_since } of open) {
    if (found.some((trouble) => trouble.alert === alert)) {
      if (well_since !== null) taken.push({ kind: 'unwell', id });
      continue;
    }
    const wellMs = well_since === null ? undefined : Date.parse(now) - Date.parse(well_since);
    // Well since a time that is yet to come: the clock was set.
    if (wellMs === undefined || wellMs < 0) taken.push({ kind: 'well', id });
    else if (wellMs >= restMs(raised.get(alert) ?? 0)) taken.push({ kind: 'clear', id });
  }
  return taken;
}
