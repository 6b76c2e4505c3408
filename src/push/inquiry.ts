/**
 * Before a conflict is judged: which of the changes that the refused one contains (folded into it, corrected by it) has the cloud?
 * One of them may have been sent before and have arrived unheard, and head office's edit have it in it already: counted into the
 * shop's side once more, what was sold would be taken off the stock twice. So may a later one that contained the refused one when
 * it was sent, and the conflict be with it. Sent once more as it was, each of them is answered: `duplicate`, or anything else. A
 * row contains all that came before it, so the newest that arrived is what counts, and of an entity nothing older is asked for then.
 */
import type { Kin } from '../queue/unheard.js';
import { type PendingChange, SETTLED } from './backlog.js';
import type { ChangeOutcome } from './outcome.js';
import type { Verdict } from './verdict.js';

/**
 * The keys of the entities of which something had arrived. `refused`: all of it, for one change that is in it. `silent`: no
 * answer, or none to be counted on.
 */
export type Answer = ReadonlySet<string> | 'refused' | 'silent';

export type Answers = {
  /** Keys of entities. */
  arrived: ReadonlySet<string>;
  /** Keys of entities of which the cloud did not say it. */
  unknown: ReadonlySet<string>;
};

const MOST_CHANGES = 250;
const MOST_BYTES = 256 * 1024;
/** One that the cloud chokes on is found by halving; after this many it is the line. */
const MOST_SILENCES = 3;

/** The unsettled changes that changes in conflict contain. */
export function containedIds(verdicts: readonly Verdict[]): string[] {
  const ids: string[] = [];
  for (const { change, outcome, overtaken } of verdicts) {
    if (outcome.kind !== 'conflict' || overtaken) continue;
    for (const { id } of change.supersedes) if (id !== SETTLED) ids.push(id);
  }
  return ids;
}

/**
 * The entities in conflict of which a later change may have been sent before: the refused one was tried before, and may have been
 * corrected; or states are folded, and what they were folded into depends on how much had been read by then.
 */
export function kinToAsk(verdicts: readonly Verdict[]): Kin[] {
  const kin: Kin[] = [];
  for (const { change, outcome, overtaken } of verdicts)
    if (outcome.kind === 'conflict' && !overtaken && (change.retried || change.coalesce)) kin.push(change);
  return kin;
}

/**
 * @param older the oldest first; what was answered before is asked for last, for the cloud may choke on it
 * @param ask sends some of them, and settles what had arrived
 */
export async function inquire(
  older: readonly PendingChange[],
  ask: (changes: PendingChange[]) => Promise<Answer>,
): Promise<Answers> {
  const arrived = new Set<string>();
  const unknown = new Set<string>();
  let silences = 0;
  for (const retried of [false, true]) {
    for (const part of parts(older.filter((change) => change.retried === retried))) await askFor(part);
  }
  return { arrived, unknown };

  async function askFor(part: readonly PendingChange[]): Promise<void> {
    const changes = part.filter(({ key }) => !arrived.has(key) && !unknown.has(key));
    const [lone, ...others] = changes;
    if (lone === undefined) return;
    const answer = silences < MOST_SILENCES ? await ask(changes) : 'silent';
    if (answer === 'silent') silences++;
    if (typeof answer !== 'string') {
      for (const key of answer) arrived.add(key);
    } else if (others.length > 0) {
      const middle = Math.floor(changes.length / 2);
      await askFor(changes.slice(middle));
      await askFor(changes.slice(0, middle));
    } else if (answer === 'silent') {
      unknown.add(lone.key);
    }
  }
}

/**
 * The newest part first; within one the oldest first. Nothing follows a deletion of its entity in one: to delete what is deleted is
 * accepted whatever it builds on, and what follows would be applied, on top of what had arrived of later ones.
 */
function parts(changes: readonly PendingChange[]): PendingChange[][] {
  const all: PendingChange[][] = [];
  let bytes = 0;
  for (const change of changes.toReversed()) {
    const last = all.at(-1);
    const isFollowed = change.operation === 'delete' && last?.some(({ key }) => key === change.key) === true;
    bytes += change.bytes;
    if (last && last.length < MOST_CHANGES && bytes <= MOST_BYTES && !isFollowed) {
      last.unshift(change);
    } else {
      all.push([change]);
      bytes = change.bytes;
    }
  }
  return all;
}

/**
 * Of each entity the newest change that the cloud has, and with it all that came before.
 * @param sent the oldest first, parallel to `outcomes`
 * @param older all that is asked about, and what was refused itself
 */
export function newestArrived(
  sent: readonly PendingChange[],
  outcomes: readonly ChangeOutcome[],
  older: readonly PendingChange[],
): Verdict[] {
  const newest = new Map<string, Verdict>();
  for (const [place, outcome] of outcomes.entries()) {
    const change = sent[place] as PendingChange;
    if (outcome.kind === 'accepted') newest.set(change.key, { change, outcome });
  }
  return [...newest.values()].map(({ change, outcome }) => {
    const before = older.filter((one) => one.key === change.key && one.place < change.place);
    return { change: { ...change, supersedes: [...change.supersedes, ...before] }, outcome };
  });
}

/** What becomes of a verdict by what was heard of the older changes. */
export function inTheLightOf({ arrived, unknown }: Answers, verdict: Verdict): Verdict {
  const { change, outcome } = verdict;
  if (outcome.kind !== 'conflict') return verdict;
  if (arrived.has(change.key)) return { ...verdict, overtaken: true };
  if (!unknown.has(change.key)) return verdict;
  return { change, outcome: { kind: 'held', waitingFor: null, reason: UNHEARD } };
}

const UNHEARD = 'the cloud holds another version, and does not say whether it has an earlier change of this one';
