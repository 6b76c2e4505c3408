/**
 * One push from composing to settling: sends a batch, judges the answer, writes it down, and reports what has become of every
 * change. Before: the changes are pending. After results: each is settled, waits for its time, or is held back. After anything
 * else: they are as pending as before, and the caller decides how to go on. A crash in between repeats the push; the cloud
 * answers `duplicate`.
 */
import { holdDelayMs } from '../cloud/backoff.js';
import type { CloudClient } from '../cloud/client.js';
import type { ClockOffset } from '../cloud/clock.js';
import { withoutUnstorable } from '../cloud/reply.js';
import type { RetrySettings, Strategy } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { exchanged, isAtHome } from '../db/place.js';
import { codeOf, SyncError } from '../errors.js';
import type { Log } from '../log.js';
import { type LogEntry, logExchange, movedSinceHeld, settle } from '../queue/settle.js';
import type { OnStep } from '../step.js';
import type { EntityState, PendingChange } from './backlog.js';
import { composeBody, type Envelope } from './compose.js';
import { type ExchangeOutcome, judgeChanges, judgeExchange } from './outcome.js';
import { leadOf, planSettlement, type Verdict } from './verdict.js';

export type ExchangeDeps = {
  db: Db;
  client: CloudClient;
  clock: ClockOffset;
  identity: { outlet_id: string; install_id: string; epoch: string };
  leader_epoch: string;
  retry: RetrySettings;
  /** How conflicts of an entity type are settled. */
  strategyOf: (entity_type: string) => Strategy;
  log: Log;
  nowMs: () => number;
  random: () => number;
  /** Some entity types wait here as a whole: what the cloud holds may wait for one of theirs, and spends no attempt. */
  patient?: boolean;
  /** Told what the cloud said of each change, once that is settled, and how long the answer took. */
  onVerdicts?: (verdicts: readonly Verdict[], durationMs: number) => void;
  /** Why nothing of an answer that names this epoch may count; undefined where all is well. */
  checkEpoch: (cloud_epoch: string | undefined) => Promise<string | undefined>;
  onStep?: OnStep | undefined;
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
  /** Entities whose folded changes are to be sent one by one. */
  apart: Set<string>;
};

const nothingSettled = (): Settled => ({
  accepted: 0,
  states: new Map(),
  held: new Set(),
  again: [],
  apart: new Set(),
});

export async function pushBatch(
  deps: ExchangeDeps,
  batch_id: string,
  changes: PendingChange[],
  encodings: readonly string[],
): Promise<ExchangeReport> {
  const sentAtMs = deps.nowMs();
  const envelope: Envelope = {
    batch_id,
    ...deps.identity,
    sent_at: new Date(sentAtMs + deps.clock.correctionMs).toISOString(),
  };
  deps.onStep?.('push claimed');
  const { reply, bytes, wireBytes } = await deps.client.push(composeBody(envelope, changes), batch_id, encodings);
  deps.onStep?.('push answered');
  const judged = judgeExchange(reply, deps.nowMs());
  const restored = judged.kind === 'results' ? await deps.checkEpoch(judged.cloudEpoch) : undefined;
  const outcome: ExchangeOutcome = restored === undefined ? judged : { kind: 'restored', reason: restored };
  if (reply.kind === 'answer') {
    const serverTime = judged.kind === 'results' ? judged.serverTime : undefined;
    deps.clock.observeAnswer(serverTime, reply.date, deps.nowMs(), reply.durationMs);
  }
  const log: LogEntry = {
    batch_id,
    outcome: outcome.kind,
    http_status: reply.kind === 'answer' ? reply.status : null,
    accepted: 0,
    bytes,
    wire_bytes: wireBytes,
    duration_ms: Math.round(reply.durationMs * 1000) / 1000,
    error: 'reason' in outcome ? outcome.reason : null,
    change_ids: changes.map((change) => change.change_id),
    outcomes: outcome.kind === 'results' ? [] : changes.map(() => outcome.kind),
  };
  const report = {
    outcome,
    changes: changes.length,
    bytes,
    durationMs: reply.durationMs,
    ...nothingSettled(),
  };
  if (outcome.kind !== 'results') {
    await logExchange(deps.db, log);
    return report;
  }
  const { outcomes, faults } = judgeChanges(changes, outcome.results);
  for (const fault of faults) deps.log.warn('the cloud broke the contract', { batch_id, fault });
  const verdicts = changes.map((change, index) => ({
    change,
    outcome: outcomes[index] as Verdict['outcome'],
  }));
  const settled = await settleVerdicts(deps, verdicts, log, outcome.raw);
  deps.onStep?.('push settled');
  deps.onVerdicts?.(verdicts, reply.durationMs);
  return { ...report, ...settled };
}

/**
 * Settles changes that the cloud did not judge one by one: the one that bisection has found, the one that is too large.
 * @param retryable whether it keeps its retries
 */
export async function blame(
  deps: ExchangeDeps,
  batch_id: string,
  change: PendingChange,
  reason: string,
  retryable: boolean,
): Promise<Set<string>> {
  const verdict: Verdict = {
    change,
    outcome: { kind: 'rejected', reason, retryable },
  };
  const log: LogEntry = {
    batch_id,
    outcome: 'rejected',
    http_status: null,
    accepted: 0,
    bytes: 0,
    wire_bytes: 0,
    duration_ms: 0,
    error: reason,
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
  const moved = await movedOnes(deps.db, verdicts);
  const plan = planSettlement(verdicts, moved, deps.retry, deps.random, deps.strategyOf, deps.patient);
  const settled = {
    ...plan.settlement,
    leader_epoch: deps.leader_epoch,
    log: { ...log, ...plan.log },
    raw: plan.hasConflicts ? raw : null,
  };
  try {
    if (!(await settle(deps.db, settled))) {
      if (!(await isAtHome(deps.db))) throw exchanged();
      throw new SyncError('anotherDaemon', 'another daemon has taken over this database', {
        hint: 'See: syncd status',
      });
    }
  } catch (error) {
    // Some of the answer cannot be stored. It must not keep the others from settling.
    if (!isUnstorable(error)) throw error;
    const storable = raw === null ? null : withoutUnstorable(raw);
    if (verdicts.length === 1 && storable !== raw) return settleVerdicts(deps, verdicts, log, storable);
    return settleOneByOne(deps, verdicts, log, storable);
  }
  return { accepted: plan.log.accepted, states: plan.states, held: plan.held, again: plan.again, apart: plan.apart };
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
  for (const verdict of verdicts) {
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
    for (const key of report.apart) sum.apart.add(key);
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
