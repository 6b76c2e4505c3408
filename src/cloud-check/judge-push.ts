/**
 * Holds the answer to a push against the contract: stricter than the daemon, which takes what it can use. Pure. Every judgement
 * gives the first rule that is broken, in words for the cloud's author, or undefined.
 */
import { isInstant } from '../cloud/instant.js';
import { parseError, parseObject } from '../cloud/reply.js';
import type { PushResult } from '../cloud/wire.js';
import { answerWords, broken, type Fault, NO_JSON } from './check.js';
import { type Exact, isObject, readExactly, whatIsLost } from './exact.js';
import type { Change, PushExchange } from './test-outlet.js';

type Fields = Record<string, unknown>;
type Read = { result: PushResult } | { flaw: string };

const isCount = (value: unknown, least: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= least;
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isMissing = (value: unknown): value is null | undefined => value === null || value === undefined;

/** One result as the contract wants it, field by field. */
export function readResult(value: unknown): Read {
  if (!isFields(value) || typeof value.change_id !== 'string') return { flaw: 'a result without a change_id' };
  const flaw = flawOf(value);
  return flaw === undefined ? { result: value as PushResult } : { flaw: `a result "${String(value.status)}" ${flaw}` };
}

function flawOf(result: Fields): string | undefined {
  switch (result.status) {
    case 'accepted':
    case 'duplicate':
      if (!isCount(result.cloud_version, 0)) return 'without a cloud_version that is an integer';
      if (!isMissing(result.cloud_id) && typeof result.cloud_id !== 'string') return 'whose cloud_id is no string';
      return undefined;
    case 'conflict':
      return flawOfCurrent(result.current);
    case 'held': {
      const waiting = result.waiting_for;
      if (isMissing(waiting)) return undefined;
      const named =
        isFields(waiting) && [waiting.entity_type, waiting.entity_id].every((one) => typeof one === 'string');
      return named ? undefined : 'whose waiting_for does not name entity_type and entity_id as strings';
    }
    case 'rejected': {
      const { error } = result;
      if (!isFields(error) || typeof error.code !== 'string' || typeof error.message !== 'string')
        return 'without error.code and error.message';
      return typeof error.retryable === 'boolean' ? undefined : 'whose error.retryable is neither true nor false';
    }
    default:
      return 'whose status is none of accepted, duplicate, conflict, held, rejected';
  }
}

function flawOfCurrent(current: unknown): string | undefined {
  if (!isFields(current)) return 'without current';
  if (!isCount(current.cloud_version, 0)) return 'whose current.cloud_version is no integer';
  if (typeof current.deleted !== 'boolean') return 'whose current.deleted is neither true nor false';
  if (current.deleted ? !isMissing(current.data) : !isFields(current.data))
    return current.deleted ? 'that is deleted but has current.data' : 'without the row in current.data';
  const told = typeof current.updated_at === 'string' && isInstant(current.updated_at);
  if (told || (current.cloud_version === 0 && isMissing(current.updated_at))) return undefined;
  return 'whose current.updated_at is no instant (RFC 3339)';
}

/** Exactly one well-formed result for every change that was sent. */
export function eachOnce(exchange: PushExchange): Fault | undefined {
  const { reply, changes } = exchange;
  if (reply.kind === 'none' || reply.status !== 200) {
    const { code, message } = reply.kind === 'none' ? {} : parseError(reply.body);
    const words = [answerWords(exchange), code, message].filter(Boolean).join(': ');
    return broken(
      `the push as a whole was answered with ${words}, not with 200 and a result for each change`,
      exchange,
    );
  }
  const answer = parseObject(reply.body);
  if (answer === undefined) return broken(NO_JSON, exchange);
  const { results } = answer;
  if (!Array.isArray(results)) return broken('the answer has no list "results"', exchange);
  const counts = new Map<string, number>();
  for (const one of results) {
    const read = readResult(one);
    if ('flaw' in read) return broken(read.flaw, exchange);
    counts.set(read.result.change_id, (counts.get(read.result.change_id) ?? 0) + 1);
  }
  for (const [place, { change_id }] of changes.entries()) {
    const found = counts.get(change_id) ?? 0;
    const which = changes.length === 1 ? 'the change' : `change ${place + 1} of ${changes.length} (${change_id})`;
    if (found !== 1) return broken(`${which} has ${found === 0 ? 'no result' : `${found} results`}, not one`, exchange);
    counts.delete(change_id);
  }
  const [stranger] = counts.keys();
  return stranger === undefined ? undefined : broken(`a result names ${stranger}, which was not sent`, exchange);
}

/** @param change one of the exchange's; undefined where it has no well-formed result */
export function resultOf({ reply }: PushExchange, change: Change): PushResult | undefined {
  const results = reply.kind === 'answer' ? parseObject(reply.body)?.results : undefined;
  const own = Array.isArray(results)
    ? results.find((one) => isFields(one) && one.change_id === change.change_id)
    : null;
  const read = readResult(own);
  return 'result' in read ? read.result : undefined;
}

/** The version that a change was answered with; null where none. */
export function versionMade(exchange: PushExchange, change: Change): number | null {
  const result = resultOf(exchange, change);
  return result && 'cloud_version' in result ? result.cloud_version : null;
}

/** @param what the change in words: `the create` */
export function mustBe(
  exchange: PushExchange,
  change: Change,
  what: string,
  wanted: readonly PushResult['status'][],
): Fault | undefined {
  const flaw = eachOnce(exchange);
  if (flaw) return flaw;
  const result = resultOf(exchange, change) as PushResult;
  if (wanted.includes(result.status)) return undefined;
  const reason = result.status === 'rejected' ? ` (${result.error.code}: ${result.error.message})` : '';
  return broken(`${what} was answered "${result.status}"${reason}, not "${wanted.join('" or "')}"`, exchange);
}

/** @param version that it has to make; undefined: any */
export function mustBeAccepted(
  exchange: PushExchange,
  change: Change,
  what: string,
  version?: number | null,
): Fault | undefined {
  return mustBe(exchange, change, what, ['accepted']) ?? mustHaveMade(exchange, change, what, version);
}

export function mustHaveMade(
  exchange: PushExchange,
  change: Change,
  what: string,
  version: number | null | undefined,
): Fault | undefined {
  const made = versionMade(exchange, change);
  if (isMissing(version) || made === version) return undefined;
  return broken(`${what} was answered with cloud_version ${made}, not ${version}`, exchange);
}

/**
 * What the cloud holds: `row` is the text that was sent; null: a tombstone, or nothing with version 0. Digits count in one check
 * alone, so that a cloud that loses them is not told so thirty times.
 */
export type Held = { version: number | null; row: string | null; digits?: 'each' };

/** Where an expected version comes from. */
export const LAST_TOLD = ', which the cloud told last of this entity';

/** A conflict whose `current` shows exactly what the cloud holds. */
export function mustConflict(exchange: PushExchange, change: Change, what: string, held: Held): Fault | undefined {
  const flaw = mustBe(exchange, change, what, ['conflict']);
  if (flaw) return flaw;
  const { current } = resultOf(exchange, change) as Extract<PushResult, { status: 'conflict' }>;
  if (held.version !== null && current.cloud_version !== held.version) {
    const wanted = held.version === 0 ? '0, as for what is not there' : `${held.version}${LAST_TOLD}`;
    return broken(`current.cloud_version is ${current.cloud_version}, not ${wanted}`, exchange);
  }
  if (current.deleted !== (held.row === null))
    return broken(`current.deleted is ${current.deleted}, which is not what the cloud has`, exchange);
  const lost =
    held.row === null ? undefined : whatIsLost(readExactly(held.row) ?? null, currentRow(exchange, change), 'value');
  return lost === undefined ? undefined : broken(`current.data is not the row that the cloud has: ${lost}`, exchange);
}

function currentRow({ reply }: PushExchange, change: Change): Exact | undefined {
  const body = reply.kind === 'answer' ? readExactly(reply.body) : undefined;
  const results = isObject(body) && Array.isArray(body.results) ? body.results : [];
  const own = results.find((one) => isObject(one) && one.change_id === change.change_id);
  const current = isObject(own) ? own.current : undefined;
  return isObject(current) ? current.data : undefined;
}

/** `409` with code `fork` and the epoch that holds. */
export function mustFork(exchange: PushExchange, what: string, epoch: number): Fault | undefined {
  const { reply } = exchange;
  const error = reply.kind === 'answer' ? parseError(reply.body) : undefined;
  if (reply.kind === 'none' || reply.status !== 409)
    return broken(`${what} was answered with ${answerWords(exchange)}, not with 409`, exchange);
  if (error?.code !== 'fork') return broken(`${what} was answered 409 without error.code "fork"`, exchange);
  if (error.epoch === epoch) return undefined;
  const told = error.epoch === undefined ? 'without error.epoch' : `with error.epoch ${error.epoch}`;
  return broken(`${what} was answered 409 ${told}; ${epoch} is the epoch that holds`, exchange);
}
