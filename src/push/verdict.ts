/**
 * Turns the outcomes of a batch into what is written down about it. Pure. A first hold mostly means that a parent travelled in
 * another request at the same time. Such a change is sent again at once rather than put off: while it waits in the table, a
 * later transaction that deletes child and parent would leave without the child's part, and the child could never arrive. Per
 * entity only the last accepted change makes the new agreement; what follows a change that was not accepted is left as it was,
 * for it will be sent again behind it.
 */
import type { RetrySettings, Strategy } from '../config/settings.js';
import type { Settlement, States } from '../queue/settle.js';
import { type EntityState, type PendingChange, SETTLED } from './backlog.js';
import { chainOf } from './compose.js';
import { type Afterwards, afterHold, afterRejection, type ChangeOutcome } from './outcome.js';

export type Verdict = {
  change: PendingChange;
  outcome: ChangeOutcome;
  /** Something that the change contains had arrived unheard: no conflict of it is judged, it goes out anew without that. */
  overtaken?: true;
};

export type Plan = {
  settlement: Omit<Settlement, 'leader_epoch' | 'log' | 'raw'>;
  log: { accepted: number; outcomes: string[] };
  states: Map<string, EntityState>;
  /** Entities that are held back now. */
  held: Set<string>;
  /** Held for the first time, with what follows them: to be sent again as soon as nothing else is in flight. */
  again: PendingChange[];
  /** Entities whose changes are as pending as before, to be read anew. */
  anew: Set<string>;
  hasConflicts: boolean;
};

type Accepted = Extract<ChangeOutcome, { kind: 'accepted' }>;

type Noted = Omit<Afterwards, 'status'> & { status: Afterwards['status'] | 'conflict' };

/**
 * The newest agreement on an entity. `answered` is the cloud's word, `state` never falls behind what was known; `id` names the
 * change whose row both sides hold then, `'0'` where that is in doubt.
 */
type Agreement = { readonly change: PendingChange; id: string; state: EntityState; answered: number; deleted: boolean };

/**
 * @param moved ids of held changes whose awaited entity was settled since their last hold
 * @param strategyOf how conflicts of an entity type are settled
 * @param patient no hold spends an attempt: what is waited for may be kept back here
 */
export function planSettlement(
  verdicts: readonly Verdict[],
  moved: ReadonlySet<string>,
  policy: RetrySettings,
  random: () => number,
  strategyOf: (entity_type: string) => Strategy,
  patient = false,
): Plan {
  const settlement: Plan['settlement'] = {
    accepted: { fresh: [], retried: [] },
    superseded: { ids: [], by: [] },
    states: noStates(),
    first: noStates(),
    others: {
      ids: [],
      statuses: [],
      retry_counts: [],
      hold_counts: [],
      delays_ms: [],
      errors: [],
    },
    put_off_with: { ids: [], delays_ms: [] },
    conflicts: {
      ids: [],
      indexes: [],
      cloud_versions: [],
      updated_ats: [],
      deleted: [],
      strategies: [],
    },
  };
  const { versions, before } = chainOf(verdicts.map(({ change }) => change));
  const agreements: Agreement[] = [];
  /** What was agreed on by the end of each change, for the next one of its entity. */
  const latest: (Agreement | undefined)[] = [];
  const held = new Set<string>();
  const again = new Map<string, PendingChange[]>();
  const anew = new Set<string>();
  const outcomes: string[] = [];
  /** By entity key; looked for only where something was not accepted. */
  let newest: Map<string, PendingChange> | undefined;
  let accepted = 0;
  for (let index = 0; index < verdicts.length; index++) {
    const { change, outcome, overtaken } = verdicts[index] as Verdict;
    const earlier = latest[before[index] as number];
    latest.push(earlier);
    if (outcome.kind !== 'accepted') {
      outcomes.push(outcome.kind);
      newest ??= newestAccepted(verdicts);
      const container = newest.get(change.key);
      if (container && container.place > change.place) {
        for (const { id } of [change, ...change.supersedes]) {
          settlement.superseded.ids.push(id);
          settlement.superseded.by.push(container.change_id);
        }
        continue;
      }
      const behind = again.get(change.key);
      if (behind || held.has(change.key) || anew.has(change.key)) {
        // Behind a change of its own entity that was not accepted, whatever the cloud says of it is nothing new.
        behind?.push(change);
        continue;
      }
    }
    switch (outcome.kind) {
      case 'accepted': {
        accepted++;
        (change.retried ? settlement.accepted.retried : settlement.accepted.fresh).push(change.id);
        if (change.failed) settlement.accepted.failed = [...(settlement.accepted.failed ?? []), change.id];
        for (const older of change.supersedes) {
          settlement.superseded.ids.push(older.id);
          settlement.superseded.by.push(change.change_id);
        }
        outcomes.push(outcome.duplicate ? 'duplicate' : 'accepted');
        const agreement = earlier ?? { change, id: '0', state: change.state, answered: 0, deleted: false };
        if (!earlier) agreements.push(agreement);
        agree(agreement, change, outcome, versions[index] as number);
        latest[index] = agreement;
        break;
      }
      case 'conflict':
        if (overtaken) {
          anew.add(change.key);
          break;
        }
        hold(
          change,
          {
            status: 'conflict',
            retryCount: change.retryCount,
            holdCount: change.holdCount,
            delayMs: null,
          },
          'the cloud holds another version',
          change.id,
        );
        settlement.conflicts.ids.push(change.id);
        settlement.conflicts.indexes.push(outcome.index);
        settlement.conflicts.cloud_versions.push(outcome.cloudVersion);
        settlement.conflicts.updated_ats.push(outcome.updatedAt);
        settlement.conflicts.deleted.push(outcome.deleted);
        settlement.conflicts.strategies.push(strategyOf(change.entity_type));
        break;
      case 'held':
        if (change.holdCount === 0) {
          again.set(change.key, [{ ...change, holdCount: 1, retried: false }]);
          note(
            change,
            { status: 'pending', retryCount: change.retryCount, holdCount: 1, delayMs: null },
            outcome.reason,
          );
        } else {
          const awaited = { moved: moved.has(leadOf(change)), patient };
          hold(change, afterHold(change, awaited, policy, random()), outcome.reason);
        }
        break;
      case 'rejected':
        hold(change, afterRejection(change, outcome, policy, random()), outcome.reason);
        break;
      default:
        outcome satisfies never;
    }
  }
  const states = new Map<string, EntityState>();
  for (const { change, id, state, answered, deleted } of agreements) {
    states.set(change.key, state);
    const group = change.state.version === 0 ? settlement.first : settlement.states;
    group.ids.push(id);
    group.entity_types.push(change.entity_type);
    group.entity_ids.push(change.entity_id);
    group.versions.push(state.version);
    group.cloud_versions.push(answered);
    group.cloud_ids.push(state.cloudId);
    group.deleted.push(deleted);
  }
  return {
    settlement,
    log: { accepted, outcomes },
    states,
    held,
    again: [...again.values()].flat().sort((a, b) => a.place - b.place),
    anew,
    hasConflicts: settlement.conflicts.ids.length > 0,
  };

  function hold(change: PendingChange, after: Noted, reason: string, id?: string): void {
    held.add(change.key);
    note(change, after, reason, id);
  }

  /** @param id under which it is written down */
  function note(change: PendingChange, after: Noted, reason: string, id = leadOf(change)): void {
    const { others } = settlement;
    others.ids.push(id);
    others.statuses.push(after.status);
    others.retry_counts.push(after.retryCount);
    others.hold_counts.push(after.holdCount);
    others.delays_ms.push(after.delayMs);
    others.errors.push(reason.replaceAll('\u0000', ''));
    if (after.delayMs === null || change.folded) return;
    for (const older of change.supersedes) {
      if (older.id === SETTLED) continue;
      settlement.put_off_with.ids.push(older.id);
      settlement.put_off_with.delays_ms.push(after.delayMs);
    }
  }
}

/**
 * The id under which it is written down that a change waits: of folded ones the oldest, and the others wait behind it. Were it the
 * newest, the older ones would be read as what follows it, and go out behind it.
 */
export function leadOf({ id, folded, supersedes }: PendingChange): string {
  return (folded && supersedes.find((older) => older.id !== SETTLED)?.id) || id;
}

/**
 * A row contains all that came before it, whatever the cloud says of that: before a person let a failed change go again, its
 * correction may have arrived unheard.
 */
function newestAccepted(verdicts: readonly Verdict[]): Map<string, PendingChange> {
  const accepted = verdicts.filter(({ outcome }) => outcome.kind === 'accepted');
  return new Map(accepted.map(({ change }) => [change.key, change]));
}

/** For changes that are settled one by one: what a later accepted one of the same answer contains is settled with that one. */
export function withContained(verdicts: readonly Verdict[]): Verdict[] {
  const newest = newestAccepted(verdicts);
  const isContained = ({ change, outcome }: Verdict) =>
    outcome.kind !== 'accepted' && (newest.get(change.key)?.place ?? 0) > change.place;
  const contained = verdicts.filter(isContained).map(({ change }) => change);
  return verdicts
    .filter((verdict) => !isContained(verdict))
    .map((verdict) => {
      const { change } = verdict;
      const older = contained.filter(({ key }) => key === change.key).flatMap((one) => [one, ...one.supersedes]);
      if (older.length === 0 || newest.get(change.key) !== change) return verdict;
      return { ...verdict, change: { ...change, supersedes: [...change.supersedes, ...older] } };
    });
}

function agree(on: Agreement, change: PendingChange, { cloudVersion, cloudId }: Accepted, version: number): void {
  const moved = cloudVersion >= on.answered;
  on.id = moved ? change.id : '0';
  if (moved) {
    on.answered = cloudVersion;
    on.deleted = change.operation === 'delete';
  }
  on.state = {
    version,
    cloudVersion: Math.max(cloudVersion, on.state.cloudVersion ?? 0),
    cloudId: cloudId ?? on.state.cloudId,
  };
}

function noStates(): States {
  return { ids: [], entity_types: [], entity_ids: [], versions: [], cloud_versions: [], cloud_ids: [], deleted: [] };
}
