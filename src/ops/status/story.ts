/**
 * The facts of ops/status/read told to the owner: is everything in the cloud, how many wait, since when, why, and what happens
 * next. Pure; no layout, no colour.
 */
import { INSTALL } from '../../errors.js';
import { DISK_AUTHOR } from '../disk-forecast.js';
import type { Topic } from './finding.js';
import type { Facts, OutageFacts, SuspendedFacts } from './read.js';
import { lostRows } from './table-findings.js';
import { isRunning, type State } from './verdict.js';
import { age, count, localTime, relative, SWITCHED_OFF } from './words.js';

export type Story = {
  /** The answer in one sentence. */
  answer: string;
  /** Since when something waits; undefined where nothing does. */
  since: string | undefined;
  why: string | undefined;
  next: string | undefined;
  /** The finding that `why` has told. */
  topic: Topic | undefined;
  /** What a person can do, with the command for it. */
  todo: { what: string; type: string }[];
};

/** @param timezone of the outlet, for the instants that people read */
export function tell(facts: Facts, state: State, timezone: string): Story {
  const waiting = facts.pending + facts.failed + facts.conflicts;
  const when = (at: string) => `${localTime(at, facts.now, timezone)} (${relative(at, facts.now)})`;
  if (waiting === 0) {
    const looking = isLooking(facts);
    const answer =
      lostRows(facts) > 0
        ? `No: the cloud has lost ${count(lostRows(facts), 'row')} that it had accepted.`
        : state !== 'ok'
          ? 'All captured sales are in the cloud, but something needs a look.'
          : looking
            ? 'Nothing waits, but what went by uncaptured is still looked for.'
            : allIsWell(facts);
    const why =
      looking && isRunning(facts.daemon) ? 'the tables are being compared with what the cloud has accepted' : undefined;
    return { answer, since: undefined, why, next: idle(facts, when), topic: undefined, todo: todo(facts) };
  }
  const { why, next, topic } = reason(facts, when);
  return {
    answer: `Not yet: ${headline(facts)}.`,
    since: facts.oldest_pending_at ? when(facts.oldest_pending_at) : undefined,
    why,
    next,
    topic,
    todo: todo(facts),
  };
}

/** Until a table is compared to its end nobody knows what a suspension or a missing trigger let go by. */
export function isLooking({ walks }: Pick<Facts, 'walks'>): boolean {
  return walks.some(({ kind, error }) => kind === 'reconcile' && error === null);
}

/** Nobody who reads "all" may have to know that the shop sold before syncd came. */
function allIsWell({ older }: Facts): string {
  return older.length === 0
    ? 'Yes, all sales are in the cloud.'
    : 'Yes, all sales since capture began are in the cloud.';
}

function headline(facts: Facts): string {
  const parts = [];
  if (facts.pending > 0) parts.push(waits(facts));
  if (facts.failed > 0) parts.push(`${count(facts.failed, 'change')} failed`);
  if (facts.conflicts > 0) parts.push(`${count(facts.conflicts, 'change')} in conflict`);
  return parts.join(', ');
}

/** `412 changes wait`, `about 1,204,000 changes wait`. */
function waits({ pending, pending_estimated }: Facts): string {
  return `${pending_estimated ? 'about ' : ''}${count(pending, 'change')} ${pending === 1 ? 'waits' : 'wait'}`;
}

type Reason = Pick<Story, 'why' | 'next' | 'topic'>;

/** The first thing that keeps what waits from going, and what will happen about it. */
function reason(facts: Facts, when: (at: string) => string): Reason {
  const { daemon, outlet } = facts;
  const kept = 'the till sells on, and every sale is kept';
  if (!daemon || !isRunning(daemon)) {
    const gone = daemon
      ? daemon.stopped_at
        ? `it was stopped ${when(daemon.stopped_at)}`
        : `its last sign of life was ${age(daemon.silent_ms)} ago`
      : 'it has never been started';
    return {
      why: `the daemon is not running: ${gone}`,
      next: `nothing is sent until it runs again; ${kept}`,
      topic: 'daemon',
    };
  }
  if (outlet.stopped_reason !== null)
    return { why: outlet.stopped_reason, next: `pushing waits for a person; ${kept}`, topic: 'stopped' };
  if (!facts.enabled) {
    return {
      why: whoPaused(facts, when),
      next: `nothing is sent until ${goesOn(facts)}; ${kept}`,
      topic: 'backlog',
    };
  }
  const ahead = daemon.next_try_at !== null && daemon.next_try_at > facts.now;
  const again = ahead ? `the next try is ${relative(daemon.next_try_at as string, facts.now)}` : 'it is trying again';
  if (daemon.refused)
    return { why: `the cloud refuses this outlet: ${daemon.refused}`, next: `${again}; ${kept}`, topic: 'refused' };
  if (daemon.online === false) {
    const from = daemon.offline_since ? ` since ${when(daemon.offline_since)}` : '';
    return {
      why: `the cloud cannot be reached${from}: ${daemon.last_error ?? 'no answer'}`,
      next: `${again}; ${kept}`,
      topic: 'offline',
    };
  }
  if (daemon.next_try_at && daemon.last_error && daemon.next_try_at > facts.now) {
    return { why: `the cloud asks to wait: ${daemon.last_error}`, next: `${again}; ${kept}`, topic: 'backlog' };
  }
  if (facts.pending === 0) return { why: undefined, next: undefined, topic: undefined };
  const [hold] = facts.holds;
  if (hold && facts.held >= facts.pending) {
    const topic = hold.cause === 'truncate' ? 'truncated' : 'drift';
    return {
      why: `${hold.entity_type} waits as a whole: ${hold.reason}`,
      next: `once it is put right: ${hold.hint}`,
      topic,
    };
  }
  if (facts.held >= facts.pending) {
    return {
      why: 'they wait for their retry, for a row that the cloud lacks, or behind another change of the same entity',
      next: 'each goes when its turn comes: syncd queue shows when',
      topic: undefined,
    };
  }
  return { why: 'they are on their way', next: 'the daemon is sending them now', topic: undefined };
}

function whoPaused({ paused, switched_off }: Facts, when: (at: string) => string): string {
  if (switched_off) return SWITCHED_OFF;
  if (!paused) return 'syncing is switched off';
  return `${paused.by} paused syncing ${when(paused.at)}${paused.reason === null ? '' : `: ${paused.reason}`}`;
}

function goesOn({ switched_off }: Facts): string {
  return switched_off ? 'that is changed' : 'somebody resumes it';
}

function idle(facts: Facts, when: (at: string) => string): string | undefined {
  if (!facts.enabled) return `${whoPaused(facts, when)}: new sales will wait until ${goesOn(facts)}`;
  if (!isRunning(facts.daemon)) return 'new sales will wait until the daemon runs again';
  return undefined;
}

const forDisk = ({ by }: SuspendedFacts) => by === DISK_AUTHOR;

/** Of the names in a command: a line of the screen has 80 columns. */
const WIDEST = 26;

function todo(facts: Facts): Story['todo'] {
  const list: Story['todo'] = [];
  if (facts.outlet.stopped_reason !== null)
    list.push({ what: 'see why pushing is stopped, and settle it', type: 'syncd adopt' });
  if (!isRunning(facts.daemon)) list.push({ what: 'start the daemon', type: 'sudo systemctl start syncd' });
  if (facts.switched_off) list.push({ what: 'set sync.enabled to true, then', type: 'sudo systemctl reload syncd' });
  if (facts.paused !== null || (!facts.enabled && !facts.switched_off))
    list.push({ what: 'let it send again', type: 'syncd resume' });
  const [byDisk, byPerson] = [facts.suspended.some(forDisk), facts.suspended.some((one) => !forDisk(one))];
  if (byDisk) list.push({ what: 'make room on the disk: capture then goes on by itself', type: 'syncd doctor' });
  if (byPerson) list.push({ what: 'capture again', type: 'syncd capture --resume' });
  if (facts.truncated.length > 0) {
    const names = facts.truncated.join(' ');
    const command = `syncd truncate ${names.length > WIDEST ? 'TYPE…' : names}`;
    list.push({ what: 'delete it in the cloud', type: `${command} --delete` });
    list.push({ what: 'or bring the rows back', type: `${command} --restore` });
  }
  if (facts.older.length > 0 && facts.walks.every(({ kind }) => kind !== 'backfill'))
    list.push({ what: 'send what was there before capture', type: 'syncd backfill' });
  if (facts.compared !== null && facts.compared.differing.length > 0)
    list.push({ what: 'mend what differs from the cloud', type: 'sudo -u syncd syncd verify --repair' });
  if (facts.failed > 0) list.push({ what: 'see what failed and why', type: 'syncd queue --status failed' });
  if (facts.conflicts > 0) list.push({ what: 'see the conflicts', type: 'syncd conflicts' });
  if (facts.drifts.some(({ hint }) => hint === INSTALL)) list.push({ what: 'put capture right', type: INSTALL });
  if (facts.parked.count > 0) list.push({ what: 'see what of the cloud is parked', type: 'syncd inbox' });
  if (isRunning(facts.daemon) && (facts.daemon?.refused || facts.parked.count > 0))
    list.push({ what: 'once the cause is mended, try at once', type: 'syncd now' });
  return list;
}

/** The outage that lasts, and the last one that is over; undefined where there never was one. */
export function outages(facts: Facts, timezone: string): string | undefined {
  const { daemon, last_outage: last } = facts;
  const parts = [];
  if (isRunning(daemon) && daemon?.online === false && daemon.offline_since) {
    parts.push(`offline since ${localTime(daemon.offline_since, facts.now, timezone)}, ${waits(facts)}`);
  }
  if (last)
    parts.push(
      `the last outage${parts.length > 0 ? '' : ` ended ${relative(last.ended_at, facts.now)}`}: ${told(last)}`,
    );
  return parts.length > 0 ? parts.join('; ') : undefined;
}

function told({ duration_ms, waited, drain_ms, drained_changes }: OutageFacts): string {
  if (waited === 0) return `${age(duration_ms)}, nothing waited`;
  const changes = `${age(duration_ms)}, ${count(waited, 'change')}`;
  if (drain_ms === null || drained_changes === null) return `${changes}, not all of them sent yet`;
  if (drained_changes < waited)
    return `${changes}, ${drained_changes.toLocaleString('en-GB')} of them drained in ${age(drain_ms)}`;
  return `${changes}, drained in ${age(drain_ms)}`;
}
