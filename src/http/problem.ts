/**
 * What the admin port answers when it does not do what it was asked: RFC 9457 problem documents. Every problem has a kind, named
 * here once with its status; the words about the single case come from where it arose. Nothing here holds a secret or a row.
 */
import { codeOf, SyncError } from '../errors.js';
import type { HttpAnswer } from './exchange.js';

const KINDS = {
  'no-token': [401, 'A token is needed'],
  'wrong-token': [401, 'The token is not the right one'],
  'too-many-tries': [429, 'Too many wrong tokens'],
  'too-many-viewers': [503, 'Too many look at once'],
  'read-only-token': [403, 'This token may only look'],
  'unknown-host': [403, 'Not a name of this machine'],
  'foreign-origin': [403, 'Not a page of this machine'],
  'unknown-route': [404, 'There is nothing here'],
  'wrong-method': [405, 'Not by this method'],
  'not-json': [415, 'JSON is wanted'],
  'body-too-large': [413, 'The body is too large'],
  'bad-body': [400, 'The body cannot be used'],
  'bad-parameter': [400, 'A parameter cannot be used'],
  'bad-cursor': [400, 'The cursor cannot be used'],
  'bad-path': [400, 'The path cannot be used'],
  'unknown-change': [404, 'There is no such change'],
  'unknown-conflict': [404, 'There is no such conflict'],
  'unknown-entity': [404, 'There is no such entity'],
  'not-possible': [409, 'Not possible as things stand'],
  'not-ready': [503, 'Not ready'],
  unavailable: [503, 'The database does not answer'],
  failed: [500, 'Something went wrong here'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemKind = keyof typeof KINDS;

export type ProblemOptions = {
  hint?: string | undefined;
  headers?: Record<string, string>;
  /** Members of the document beside the usual ones. */
  more?: Record<string, unknown>;
};

/** @param detail this very case, in words: `what: why`, without a full stop */
export function problem(kind: ProblemKind, detail: string, options: ProblemOptions = {}): HttpAnswer {
  const [status, title] = KINDS[kind];
  const { hint, more, headers } = options;
  const type = `urn:syncd:problem:${kind}`;
  const body = { type, title, status, detail, hint: hint || undefined, ...more };
  return { status, headers: { 'content-type': 'application/problem+json', ...headers }, body: JSON.stringify(body) };
}

/** Thrown where a request is taken apart; the route table answers with its problem. */
export class ProblemError extends SyncError {
  readonly answer: HttpAnswer;

  constructor(kind: ProblemKind, detail: string, options: ProblemOptions = {}) {
    super('usage', detail, { hint: options.hint ?? '' });
    this.name = 'ProblemError';
    this.answer = problem(kind, detail, options);
  }
}

/** A `SyncError` as the answer to whoever asked for what failed. */
export function problemOf(error: SyncError): HttpAnswer {
  if (error instanceof ProblemError) return error.answer;
  const { hint } = error;
  switch (error.code) {
    case 'usage':
      return problem('bad-parameter', error.message, { hint });
    case 'unavailable':
      return problem('unavailable', error.message, { hint, headers: { 'retry-after': '5' } });
    case 'configuration':
      return problem('unavailable', error.message, { hint, headers: { 'retry-after': '60' } });
    case 'failed':
      // What a person asked for cannot be; unless it is the database that found fault with what we asked of it.
      if (codeOf(error.cause) !== undefined) return problem('failed', error.message, { hint });
      return problem('not-possible', error.message, { hint });
    case 'anotherDaemon':
      return problem('not-possible', error.message, { hint });
    default:
      return error.code satisfies never;
  }
}
