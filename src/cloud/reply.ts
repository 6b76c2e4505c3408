/**
 * What a request to the cloud came back with, before anybody judges it: an answer with its status and text, or none. The
 * headers and texts are a stranger's; the parsers here accept what the contract promises and nothing else. Pure.
 */
import { isInstant } from './instant.js';
import type { PushResult, WireCapabilities } from './wire.js';

export type Reply =
  | Answer
  /** `tooLarge`: it came, but beyond every bound. */
  | { kind: 'none'; error: string; timedOut: boolean; tooLarge?: true; durationMs: number };

export type Answer = {
  kind: 'answer';
  status: number;
  body: string;
  /** `Retry-After` and `Date` as they came. */
  retryAfter: string | undefined;
  date: string | undefined;
  durationMs: number;
};

/**
 * What a text is made of, at most: each key may take half a kilobyte once it is read, and an answer of 31 MB that is nothing but
 * small things took 1.7 GB. The largest that a right cloud sends (10,000 results) has a fifth of it.
 */
const MOST_PARTS = 250_000;

/**
 * The text as a JSON object; undefined where it is none, or has more parts than are read.
 * @param mostParts for an answer that is a long list by its nature
 */
export function parseObject(text: string, mostParts = MOST_PARTS): Record<string, unknown> | undefined {
  if (tooManyParts(text, mostParts) !== undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;

/** Why a text is not even read: counted by what stands in front of each value, outside of strings. */
export function tooManyParts(text: string, most = MOST_PARTS): string | undefined {
  if (text.length <= most) return undefined;
  let parts = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) quoted = !quoted;
    else if (quoted && code === BACKSLASH) at++;
    else if (!quoted && (code === COMMA || code === OPEN_OBJECT || code === OPEN_ARRAY) && ++parts > most)
      return `it has more than ${most} parts`;
  }
  return undefined;
}

/** However soon the cloud says, no sooner: a `Retry-After: 0` must not become a storm. */
const SHORTEST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30 * 60_000;

/**
 * Milliseconds to wait by a `Retry-After` (seconds or an HTTP date), 1 s to 30 min; undefined where it says neither.
 * @param nowMs the clock that a date is held against: the cloud's own, where it told it
 */
export function parseRetryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const seconds = /^\s*(\d+)\s*$/.exec(value);
  // A bare number with a sign or a point in it would pass for a year.
  const date = /[a-z]{3}/i.test(value) ? Date.parse(value) : Number.NaN;
  const waitMs = seconds ? Number(seconds[1]) * 1_000 : date - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, SHORTEST_WAIT_MS), LONGEST_WAIT_MS);
}

type ErrorTold = { code: string | undefined; message: string | undefined; epoch: number | undefined };

/** The `error` of a refusal; what is missing stays undefined. */
export function parseError(body: string): ErrorTold {
  return errorIn(parseObject(body));
}

/** The `error` in what was parsed: the whole answer, or one result. */
export function errorIn(value: unknown): ErrorTold {
  const fields = fieldsOf(fieldsOf(value)?.error) ?? {};
  return {
    code: wordsIn(fields.code),
    message: wordsIn(fields.message),
    epoch: isCount(fields.epoch) ? fields.epoch : undefined,
  };
}

/** However much a cloud says it takes: a request has to fit into our own memory. */
const MOST_CHANGES = 10_000;
const MOST_BYTES = 32 * 1024 * 1024;

function maximum(given: unknown, missing: number, most: number): number {
  return isCount(given) && given > 0 ? Math.min(given, most) : missing;
}

/** The cloud's limits; anything missing or absurd falls back to the contract's defaults. */
export function parseCapabilities(body: string | undefined): WireCapabilities {
  const given = body === undefined ? {} : (parseObject(body) ?? {});
  const encodings = Array.isArray(given.encodings)
    ? given.encodings.filter((name) => typeof name === 'string')
    : ['gzip'];
  return {
    protocol: isCount(given.protocol) ? given.protocol : 1,
    max_batch_changes: maximum(given.max_batch_changes, 500, MOST_CHANGES),
    max_batch_bytes: maximum(given.max_batch_bytes, 1_048_576, MOST_BYTES),
    encodings,
    long_poll: given.long_poll === true,
    digest: given.digest === true,
    ...(typeof given.cloud_epoch === 'string' && { cloud_epoch: given.cloud_epoch }),
  };
}

/** What the version of one entity is answered with; undefined where it is no such answer. */
export function parseVersion(body: string): number | undefined {
  const version = parseObject(body)?.cloud_version;
  return isCount(version) ? version : undefined;
}

/** One result by the contract, or undefined where it breaks it: then it counts as missing. */
export function parseResult(value: unknown): PushResult | undefined {
  const given = fieldsOf(value);
  if (given === undefined) return undefined;
  const change_id = given.change_id;
  if (typeof change_id !== 'string') return undefined;
  switch (given.status) {
    case 'accepted':
    case 'duplicate': {
      if (!isCount(given.cloud_version)) return undefined;
      return { change_id, status: given.status, cloud_version: given.cloud_version, cloud_id: cloudIdIn(given) };
    }
    case 'conflict': {
      const current = fieldsOf(given.current);
      if (current === undefined || !isCount(current.cloud_version)) return undefined;
      const updated_at =
        typeof current.updated_at === 'string' && isInstant(current.updated_at) ? current.updated_at : null;
      const deleted = current.deleted === true;
      return {
        change_id,
        status: 'conflict',
        current: { cloud_version: current.cloud_version, updated_at, deleted, data: current.data ?? null },
      };
    }
    case 'held': {
      const waiting = fieldsOf(given.waiting_for);
      const names = [waiting?.entity_type, waiting?.entity_id];
      const named = names.every((name) => typeof name === 'string' && !name.includes('\u0000'));
      return {
        change_id,
        status: 'held',
        waiting_for: named ? { entity_type: names[0] as string, entity_id: names[1] as string } : null,
      };
    }
    case 'rejected': {
      const retryable = fieldsOf(given.error)?.retryable;
      // Taken for final, a rejection that may be meant for now alone would keep the change from the cloud for good.
      if (typeof retryable !== 'boolean') return undefined;
      const { code = 'rejected', message = 'no reason given' } = errorIn(given);
      return { change_id, status: 'rejected', error: { code, message, retryable } };
    }
    default:
      return undefined;
  }
}

/** For people: what is wrong with a result that parseResult does not take. */
export function flawOfResult(value: unknown): string {
  const given = fieldsOf(value);
  if (given === undefined) return `it is ${shown(value)}, not an object`;
  const current = fieldsOf(given.current);
  switch (given.status) {
    case 'accepted':
    case 'duplicate':
      return `cloud_version is ${shown(given.cloud_version)}, not an integer below 2^53`;
    case 'conflict':
      if (current === undefined) return `current is ${shown(given.current)}, not an object`;
      return `current.cloud_version is ${shown(current.cloud_version)}, not an integer below 2^53`;
    case 'rejected':
      return `error.retryable is ${shown(fieldsOf(given.error)?.retryable)}, neither true nor false`;
    default:
      return `its status is ${shown(given.status)}`;
  }
}

/** Of an object, or a list; undefined where it is neither. */
function fieldsOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  return (typeof value === 'number' ? String(value) : JSON.stringify(value)).slice(0, 80);
}

/** It travels with every later change of the entity. */
const MAX_CLOUD_ID_BYTES = 2_000;

function cloudIdIn({ cloud_id }: Record<string, unknown>): string | null {
  // What could not be stored could not be sent back either.
  if (typeof cloud_id !== 'string' || cloud_id.includes('\u0000')) return null;
  return Buffer.byteLength(cloud_id) > MAX_CLOUD_ID_BYTES ? null : cloud_id;
}

/** The same JSON text with U+FFFD in place of the escapes that PostgreSQL refuses: U+0000 and halves of surrogate pairs. */
export function withoutUnstorable(json: string): string {
  return json.replace(
    /\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u(0000|[dD][89a-fA-F]..)|\\./g,
    (found: string, unstorable: string | undefined) => (unstorable === undefined ? found : '\\ufffd'),
  );
}

/** A stranger's words, as much of them as is kept, without what PostgreSQL cannot store. */
function wordsIn(value: unknown): string | undefined {
  return typeof value === 'string' ? value.slice(0, 500).replaceAll('\u0000', '') : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
