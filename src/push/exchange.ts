/**
 * One push from composing to settling: sends a batch, judges the answer, writes it down, and reports what has become of every
 * change. Before: the changes are pending. After results: each is settled, waits for its time, or is held back. After anything
 * else: they are as pending as before, and the caller decides how to go on. A crash in between repeats the push; the cloud
 * answers `duplicate`.
 */
import { randomUUID } from 'node:crypto';
import { holdDelayMs } from '../cloud/backoff.js';
import { withoutUnstorable } from '../cloud/reply.js';
import type { RetrySettings, Strategy } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { takenOver } from '../db/leader.js';
import { isAtHome, tablesExchanged } from '../db/place.js';
import { codeOf, SyncError } from '../errors.js';
import type { Log } from '../log.js';
import { nameGivenUp } from '../queue/given-up.js';
import { movedSinceHeld } from '../queue/moved.js';
import { type LogEntry, logExchange, settle } from '../queue/settle.js';
import { claimUnheard } from '../queue/unheard.js';
import { type EntityState, newerState, type PendingChange } from './backlog.js';
import { containedIds, inquire, inTheLightOf, kinToAsk, newestArrived } from './inquiry.js';
import { type ChangeOutcome, type ExchangeOutcome, inPlainWords, judgeChanges } from './outcome.js';
import { olderOf } from './pending.js';
import { type SendDeps, send } from './send.js';
import { leadOf, type Plan, planSettlement, type Verdict, withContained } from './verdict.js';

export type ExchangeDeps = SendDeps & {
  db: Db;
  leader_epoch: string;
  retry: RetrySettings;
  /** How conflicts of an entity type are settled. */
  strategyOf: (entity_type: string) => Strategy;
  log: Log;
  random: () => number;
  /** Some entity types wait here as a whole: what the cloud holds may wait for one of theirs, and spends no attempt. */
  patient?: boolean;
  /** Told what the cloud said of each change, once that is settled, and how long the answer took. */
  onVerdicts?: (verdicts: readonly Verdict[], durationMs: number) => void;
};

export type ExchangeReport = Settled & {
  outcome: ExchangeOutcome;
  /** What was sent, to adapt the line; `durationMs` is the last try's. */
  changes: number;
  bytes: number;
  durationMs: number;
};

type Settled = {
  accepted: number;
  /** New agreements, by entity key. */
  states: Map<string, EntityState>;
  /** Entities that are held back from now on. */
  held: Set<string>;
  /** To be sent again as soon as nothing else is in flight. */
  again: PendingChange[];
  /** Entities whose changes are as pending as before, to be read anew. */
  anew: Set<string>;
};

const nothingSettled = (): Settled => ({
  accepted: 0,
  states: new Map(),
  held: new Set(),
  again: [],
  anew: new Set(),
});

/**
 * Sends one batch and settles what the cloud said of each of its changes. What goes wrong on the way is the outcome, and is
 * logged: then nothing is settled.
 * @param changes of each entity in the order of their ids
 * @param encodings that the cloud takes a body in
 * @throws what Postgres says; SyncError `anotherDaemon`
 */
export async function pushBatch(
  deps: ExchangeDeps,
  batch_id: string,
  changes: PendingChange[],
  encodings: readonly string[],
): Promise<ExchangeReport> {
  const { outcome, log, durationMs } = await send(deps, batch_id, changes, encodings);
  const report = { outcome, changes: changes.length, bytes: log.bytes, durationMs, ...nothingSettled() };
  if (outcome.kind !== 'results') {
    await logExchange(deps.db, log);
    return report;
  }
  const { outcomes, faults, remarks } = judgeChanges(changes, outcome.results);
  for (const fault of [...faults, ...remarks]) deps.log.warn('the cloud broke the contract', { batch_id, fault });
  const judged = changes.map((change, index): Verdict => ({ change, outcome: outcomes[index] as ChangeOutcome }));
  const { verdicts, states } = await hearOfOlder(deps, await besideGivenUp(deps.db, judged), encodings);
  const settled = await settleVerdicts(deps, verdicts, log, outcome.raw);
  for (const [key, state] of states) settled.states.set(key, newerState(state, settled.states.get(key) ?? state));
  deps.onStep?.('push settled');
  deps.onVerdicts?.(verdicts, durationMs);
  return { ...report, ...settled };
}

/** Changes that may be in conflict with what a person gave up go out anew, and name it. */
async function besideGivenUp(db: Db, verdicts: Verdict[]): Promise<Verdict[]> {
  const refused = verdicts
    .filter(({ outcome }) => outcome.kind === 'conflict')
    .map(({ change }) => ({ ...change, named: change.supersedes.map(({ change_id }) => change_id) }));
  const named = refused.length === 0 ? new Set() : await nameGivenUp(db, refused);
  return verdicts.map((verdict) => (named.has(verdict.change.id) ? { ...verdict, overtaken: true } : verdict));
}

/**
 * Settles what had arrived unheard of all that changes in conflict contain, or may be contained in (see push/inquiry): they go
 * out anew then, without it, or not at all. Where the cloud does not say whether it has something of that, they are held: no
 * conflict is judged on a guess.
 */
async function hearOfOlder(deps: ExchangeDeps, verdicts: Verdict[], encodings: readonly string[]) {
  const states = new Map<string, EntityState>();
  const ids = containedIds(verdicts);
  const kin = kinToAsk(verdicts);
  if (ids.length + kin.length === 0) return { verdicts, states };
  const answered = new Set(verdicts.map(({ change }) => change.id));
  const rows = await claimUnheard(deps.db, ids, kin, deps.clock.correctionMs);
  const older = rows.filter(({ id }) => !answered.has(id)).map(olderOf);
  const refused = verdicts.filter(({ outcome }) => outcome.kind !== 'accepted').map(({ change }) => change);
  const answers = await inquire(older, async (changes) => {
    const batch_id = randomUUID();
    const { outcome, log } = await send(deps, batch_id, changes, encodings);
    const judged = outcome.kind === 'results' ? judgeChanges(changes, outcome.results) : undefined;
    for (const fault of judged?.faults ?? []) deps.log.warn('the cloud broke the contract', { batch_id, fault });
    const found = judged?.faults.length === 0 ? newestArrived(changes, judged.outcomes, [...older, ...refused]) : [];
    if (found.length === 0) {
      await logExchange(deps.db, { ...log, outcomes: judged?.outcomes.map(({ kind }) => kind) ?? log.outcomes });
    } else {
      const change_ids = found.map(({ change }) => change.change_id);
      const settled = await settleVerdicts(deps, found, { ...log, change_ids }, null);
      for (const [key, state] of settled.states) states.set(key, state);
      deps.onStep?.('push settled');
    }
    if (judged?.faults.length === 0) return new Set(found.map(({ change }) => change.key));
    return outcome.kind === 'bad_batch' || outcome.kind === 'too_large' ? 'refused' : 'silent';
  });
  return { verdicts: verdicts.map((verdict) => inTheLightOf(answers, verdict)), states };
}

/**
 * Settles changes that the cloud did not judge one by one: the one that bisection has found, the one that is too large.
 * @param why whether it keeps its retries, and whether nobody had answered it
 */
export async function blame(
  deps: ExchangeDeps,
  batch_id: string,
  change: PendingChange,
  why: Pick<Extract<ChangeOutcome, { kind: 'rejected' }>, 'reason' | 'retryable' | 'unheard'>,
): Promise<Set<string>> {
  const verdict: Verdict = { change, outcome: { kind: 'rejected', ...why } };
  const log: LogEntry = {
    batch_id,
    outcome: 'rejected',
    http_status: null,
    accepted: 0,
    bytes: 0,
    wire_bytes: 0,
    duration_ms: 0,
    error: why.reason,
    change_ids: [change.change_id],
    outcomes: ['rejected'],
  };
  return (await settleVerdicts(deps, [verdict], log, null)).held;
}

async function settleVerdicts(
  deps: ExchangeDeps,
  verdicts: Verdict[],
  log: LogEntry,
  raw: string | null,
): Promise<Settled> {
  let plan: Plan;
  try {
    const moved = await movedOnes(deps.db, verdicts);
    plan = planSettlement(verdicts, moved, deps.retry, deps.random, deps.strategyOf, deps.patient);
    const settled = {
      ...plan.settlement,
      leader_epoch: deps.leader_epoch,
      log: { ...log, ...plan.log },
      raw: plan.hasConflicts ? raw : null,
    };
    if (!(await settle(deps.db, settled))) {
      if (!(await isAtHome(deps.db))) throw tablesExchanged();
      throw takenOver();
    }
  } catch (error) {
    // Some of the answer cannot be stored. It must not keep the others from settling.
    if (!isUnstorable(error)) throw error;
    const storable = raw === null ? null : withoutUnstorable(raw);
    if (verdicts.length === 1 && storable !== raw) return settleVerdicts(deps, verdicts, log, storable);
    return settleOneByOne(deps, verdicts, log, storable);
  }
  return { accepted: plan.log.accepted, states: plan.states, held: plan.held, again: plan.again, anew: plan.anew };
}

/** Class 22 is "data exception", a text for example; 54001 is nesting that is deeper than PostgreSQL's stack. */
function isUnstorable(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && (code.startsWith('22') || code === '54001');
}

async function settleOneByOne(
  deps: ExchangeDeps,
  verdicts: Verdict[],
  log: LogEntry,
  raw: string | null,
): Promise<Settled> {
  const [only] = verdicts;
  if (verdicts.length === 1 && only) {
    const plain = inPlainWords(only.outcome);
    if (plain !== undefined) return settleVerdicts(deps, [{ ...only, outcome: plain }], log, raw);
    if (only.outcome.kind === 'held')
      throw new SyncError('failed', `change ${only.change.change_id} cannot be settled`);
    const outcome = {
      kind: 'held',
      waitingFor: null,
      reason: "the cloud's answer for it cannot be stored",
    } as const;
    deps.log.warn('the cloud broke the contract', {
      batch_id: log.batch_id,
      fault: `change ${only.change.change_id}: ${outcome.reason}`,
    });
    return settleVerdicts(deps, [{ ...only, outcome }], log, null);
  }
  const sum = nothingSettled();
  for (const verdict of withContained(verdicts)) {
    const { change, outcome } = verdict;
    // What follows a change of its own entity that was not accepted is left behind it, as where all are settled at once.
    const goesAgain = sum.again.some(({ key }) => key === change.key);
    if (outcome.kind !== 'accepted' && (goesAgain || sum.held.has(change.key))) {
      if (goesAgain) sum.again.push(change);
      continue;
    }
    const one = { ...log, change_ids: [change.change_id] };
    const report = await settleVerdicts(deps, [verdict], one, raw);
    sum.accepted += report.accepted;
    for (const [key, state] of report.states) sum.states.set(key, state);
    for (const key of report.held) sum.held.add(key);
    sum.again.push(...report.again);
    for (const key of report.anew) sum.anew.add(key);
  }
  return sum;
}

/** Held changes whose wait was not in vain; asked only for those that were held before. */
async function movedOnes(db: Db, verdicts: Verdict[]): Promise<ReadonlySet<string>> {
  const held = {
    ids: [] as string[],
    entity_types: [] as string[],
    entity_ids: [] as string[],
    delays_ms: [] as number[],
  };
  for (const { change, outcome } of verdicts) {
    if (outcome.kind !== 'held' || outcome.waitingFor === null || change.holdCount === 0) continue;
    held.ids.push(leadOf(change));
    held.entity_types.push(outcome.waitingFor.entity_type);
    held.entity_ids.push(outcome.waitingFor.entity_id);
    held.delays_ms.push(holdDelayMs(change.holdCount));
  }
  return held.ids.length === 0 ? new Set() : movedSinceHeld(db, held);
}
