/**
 * What a push reply means: first for the request as a whole, then for every change in it. Pure; the table of the wire
 * contract, row by row. Afterwards each change of the batch has exactly one outcome, whatever the cloud sent.
 */
import { inAscii, isAscii } from '../cloud/ascii.js';
import { holdDelayMs, retryDelayMs } from '../cloud/backoff.js';
import { judgeReply, notTheCloud } from '../cloud/outcome.js';
import { errorIn, flawOfResult, parseObject, parseResult, type Reply, tooManyParts } from '../cloud/reply.js';
import type { Bearing } from '../cloud/standing.js';
import type { RetrySettings } from '../config/settings.js';
import type { PendingChange } from './backlog.js';

export type ExchangeOutcome =
  /** The cloud judged every change on its own. `raw` is the answer's text. */
  | {
      kind: 'results';
      results: unknown[];
      raw: string;
      serverTime: string | undefined;
      cloudEpoch: string | undefined;
    }
  /** The answer comes from another history of the cloud: nothing of it counts until a person has decided. */
  | { kind: 'restored'; reason: string }
  /** Nobody, or somebody else, answered: no change spends an attempt. */
  | { kind: 'offline'; reason: string; timedOut: boolean }
  | { kind: 'wait'; waitMs: number; reason: string }
  /** The cloud does not take pushes from this outlet now; a person has to act. */
  | { kind: 'refused'; status: number; reason: string }
  | { kind: 'fork'; reason: string; epoch: number | undefined }
  | { kind: 'too_large'; reason: string }
  /** Something in the batch is bad; which change, bisection finds out. */
  | { kind: 'bad_batch'; retryable: boolean; reason: string };

/** @param nowMs wall clock, to read a `Retry-After` given as a date by a cloud that does not tell its own */
export function judgeExchange(reply: Reply, nowMs: number): ExchangeOutcome {
  const judged = judgeReply(reply, nowMs);
  if (judged.kind === 'bad_request') {
    const { status, reason } = judged;
    if (status === 409 && judged.code === 'fork') return { kind: 'fork', reason, epoch: judged.epoch };
    return { kind: 'bad_batch', retryable: status === 409, reason };
  }
  if (judged.kind !== 'ok') return judged;
  const answer = parseObject(judged.body);
  if (!answer || !Array.isArray(answer.results)) return notTheCloud(tooManyParts(judged.body));
  const textIn = (value: unknown) => (typeof value === 'string' ? value : undefined);
  return {
    kind: 'results',
    results: answer.results,
    raw: judged.body,
    serverTime: textIn(answer.server_time),
    cloudEpoch: textIn(answer.cloud_epoch),
  };
}

/** What the outcome of a push says of the endpoint. */
export function bearingOfPush(outcome: ExchangeOutcome): Bearing {
  switch (outcome.kind) {
    case 'results':
    case 'too_large':
    case 'bad_batch':
      return { kind: 'answered' };
    case 'fork':
    case 'restored':
      return { kind: 'stopped', reason: outcome.reason };
    case 'offline':
    case 'wait':
    case 'refused':
      return outcome;
    default:
      return outcome satisfies never;
  }
}

export type ChangeOutcome =
  | {
      kind: 'accepted';
      duplicate: boolean;
      cloudVersion: number;
      cloudId: string | null;
    }
  /** `index`: where in the answer's `results` the cloud's values stand; they are read there by Postgres, not here. */
  | {
      kind: 'conflict';
      index: number;
      cloudVersion: number;
      updatedAt: string | null;
      deleted: boolean;
    }
  | {
      kind: 'held';
      waitingFor: { entity_type: string; entity_id: string } | null;
      reason: string;
    }
  /** `unheard`: nobody judged it, alone of all; the cloud may have it all the same. */
  | { kind: 'rejected'; reason: string; retryable: boolean; unheard?: true };

export type JudgedBatch = {
  /** One for every change sent, in its order. */
  outcomes: ChangeOutcome[];
  /** What the answer did against the contract, for the log. */
  faults: string[];
  /** What is against the contract too, but can be taken as it is. */
  remarks: string[];
};

type SentChange = Pick<PendingChange, 'change_id' | 'operation' | 'state'>;

/** Gives every sent change its outcome; a result that is missing, doubled or malformed counts as `held`. */
export function judgeChanges(sent: SentChange[], results: unknown[]): JudgedBatch {
  const faults: string[] = [];
  const remarks: string[] = [];
  const found = findResults(sent, results, faults);
  const outcomes = sent.map((change, place): ChangeOutcome => {
    const seen = found ? found.get(change.change_id) : { index: place, count: 1 };
    const result = seen?.count === 1 ? parseResult(results[seen.index]) : undefined;
    if (!seen || !result) {
      const reason = !seen
        ? 'the answer has no result for it'
        : seen.count > 1
          ? 'the answer has two results for it'
          : brokenResult(results[seen.index]);
      faults.push(`change ${change.change_id}: ${reason}`);
      return { kind: 'held', waitingFor: null, reason };
    }
    switch (result.status) {
      case 'accepted':
      case 'duplicate': {
        const backwards = result.status === 'accepted' ? goesBackwards(change, result.cloud_version) : undefined;
        if (backwards !== undefined) {
          faults.push(`change ${change.change_id}: ${backwards}`);
          return { kind: 'held', waitingFor: null, reason: backwards };
        }
        return {
          kind: 'accepted',
          duplicate: result.status === 'duplicate',
          cloudVersion: result.cloud_version,
          cloudId: result.cloud_id ?? null,
        };
      }
      case 'conflict': {
        const contradiction = contradicts(change, result.current.cloud_version);
        if (contradiction !== undefined) {
          faults.push(`change ${change.change_id}: ${contradiction}`);
          return { kind: 'held', waitingFor: null, reason: contradiction };
        }
        const { cloud_version } = result.current;
        if (cloud_version > 0 && cloud_version < (change.state.cloudVersion ?? 0))
          remarks.push(
            `change ${change.change_id}: the cloud went back from version ${change.state.cloudVersion} to ${cloud_version}`,
          );
        return {
          kind: 'conflict',
          index: seen.index,
          cloudVersion: result.current.cloud_version,
          updatedAt: result.current.updated_at ?? null,
          deleted: result.current.deleted,
        };
      }
      case 'held': {
        const waitingFor = result.waiting_for ?? null;
        const reason = waitingFor
          ? `waits for ${waitingFor.entity_type} ${waitingFor.entity_id}`.slice(0, 500)
          : 'held by the cloud';
        return { kind: 'held', waitingFor, reason };
      }
      case 'rejected':
        return {
          kind: 'rejected',
          reason: `${result.error.code}: ${result.error.message}`,
          retryable: result.error.retryable,
        };
      default:
        return result satisfies never;
    }
  });
  return { outcomes, faults, remarks };
}

/** What breaks it, and the words of a rejection that does not say whether it is final: the shop may know by them what to do. */
function brokenResult(result: unknown): string {
  const { code, message } = errorIn(result);
  return [`the answer's result for it breaks the contract (${flawOfResult(result)})`, code, message]
    .filter(Boolean)
    .join(': ');
}

/**
 * What was accepted made a new version, above the one that it builds on; but deleting what is deleted, or unknown to the cloud,
 * changes nothing. A duplicate names the version that it made when it was accepted: that may be long ago.
 */
function goesBackwards({ operation, state }: SentChange, cloudVersion: number): string | undefined {
  const base = state.cloudVersion;
  if (operation === 'delete' || base === null || cloudVersion > base) return undefined;
  return `accepted as version ${cloudVersion}, which is not above ${base}`;
}

/**
 * A conflict is with another version than the one that the change builds on. Taken at its word, a cloud that refuses its own
 * version would be sent the strategy's answer at once, refuse that too, and so on without an end: measured, 20 rounds a second.
 */
function contradicts({ state }: SentChange, cloudVersion: number): string | undefined {
  if (cloudVersion !== (state.cloudVersion ?? 0)) return undefined;
  return `the cloud calls it a conflict with version ${cloudVersion}, the one that it builds on`;
}

type Found = Map<string, { index: number; count: number }>;

/** Where each change's result stands; undefined where all stand in the order of the changes, as they mostly do. */
function findResults(sent: { change_id: string }[], results: unknown[], faults: string[]): Found | undefined {
  const idOf = (value: unknown) => (value as { change_id?: unknown } | null)?.change_id;
  if (results.length === sent.length && sent.every(({ change_id }, place) => idOf(results[place]) === change_id))
    return;
  const found: Found = new Map();
  const asked = new Set(sent.map((change) => change.change_id));
  let unknown = 0;
  for (const [index, value] of results.entries()) {
    const given = idOf(value);
    // A uuid is the same in capitals.
    const id = typeof given === 'string' ? given.toLowerCase() : undefined;
    if (id !== undefined && asked.has(id)) found.set(id, { index, count: (found.get(id)?.count ?? 0) + 1 });
    else unknown++;
  }
  if (unknown > 0) faults.push(`${unknown} results for changes that were not sent`);
  return found;
}

/**
 * How a change that was not accepted stands afterwards. `delayMs` counts from the settle; `holdCount` is more than none until it is
 * answered clearly: whoever applies what comes from the cloud must not take such a change for one that the cloud has not.
 */
export type Afterwards = {
  status: 'pending' | 'failed';
  retryCount: number;
  holdCount: number;
  delayMs: number | null;
};

/** After this many holds in a row with nothing new for what it waits for, a hold spends an attempt. */
export const FREE_HOLDS = 5;

/** @param random in [0, 1) */
export function afterRejection(
  change: PendingChange,
  { retryable, unheard }: { retryable: boolean; unheard?: true },
  policy: RetrySettings,
  random: number,
): Afterwards {
  const retryCount = change.retryCount + 1;
  const holdCount = unheard ? Math.max(1, change.holdCount) : 0;
  const delayMs = retryable ? retryDelayMs(retryCount, policy, random) : undefined;
  if (delayMs === undefined) return { status: 'failed', retryCount, holdCount, delayMs: null };
  return { status: 'pending', retryCount, holdCount, delayMs };
}

/**
 * @param moved whether what it waits for was settled anew since the last hold; then the count starts again
 * @param patient it is held for as long as it takes, and spends no attempt
 */
export function afterHold(
  change: PendingChange,
  { moved, patient }: { moved: boolean; patient: boolean },
  policy: RetrySettings,
  random: number,
): Afterwards {
  const next = moved ? 1 : change.holdCount + 1;
  const holdCount = patient ? Math.min(next, FREE_HOLDS) : next;
  if (holdCount <= FREE_HOLDS) {
    return {
      status: 'pending',
      retryCount: change.retryCount,
      holdCount,
      delayMs: holdDelayMs(holdCount),
    };
  }
  return { ...afterRejection(change, { retryable: true }, policy, random), holdCount };
}

/** The same for a database that does not know every character of the cloud's words and names; undefined: it is so already. */
export function inPlainWords(outcome: ChangeOutcome): ChangeOutcome | undefined {
  switch (outcome.kind) {
    case 'accepted':
      return isAscii(outcome.cloudId ?? '') ? undefined : { ...outcome, cloudId: null };
    case 'held':
    case 'rejected': {
      const names = outcome.kind === 'held' ? Object.values(outcome.waitingFor ?? {}) : [];
      if (isAscii(outcome.reason) && names.every(isAscii)) return undefined;
      const reason = inAscii(outcome.reason);
      return outcome.kind === 'held' ? { ...outcome, reason, waitingFor: null } : { ...outcome, reason };
    }
    case 'conflict':
      return undefined;
    default:
      return outcome satisfies never;
  }
}
