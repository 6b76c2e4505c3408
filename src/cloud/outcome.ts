/**
 * What a reply means, whatever was asked: the table of the wire contract, row by row. Pure. It holds for every endpoint, each on
 * its own; what an answer says beyond its status, the endpoint's own reader finds out.
 */
import { parseError, parseRetryAfterMs, type Reply } from './reply.js';
import type { Bearing } from './standing.js';

export type ReplyOutcome =
  /** HTTP 200; whether it is the cloud's own answer is not known yet. */
  | { kind: 'ok'; body: string }
  /** Nobody, or somebody else, answered. */
  | { kind: 'offline'; reason: string; timedOut: boolean }
  | { kind: 'wait'; waitMs: number; reason: string }
  /** The cloud does not serve this outlet, here and now; a person has to act. */
  | { kind: 'refused'; status: number; reason: string }
  | { kind: 'too_large'; reason: string }
  /** 400, 409, 422: something in the request is bad. */
  | { kind: 'bad_request'; status: number; code: string | undefined; epoch: number | undefined; reason: string };

/** @param nowMs wall clock, to read a `Retry-After` given as a date by a cloud that does not tell its own */
export function judgeReply(reply: Reply, nowMs: number): ReplyOutcome {
  if (reply.kind === 'none') return { kind: 'offline', reason: reply.error, timedOut: reply.timedOut };
  const { status } = reply;
  if (status === 200) return { kind: 'ok', body: reply.body };
  const error = parseError(reply.body);
  const reason = [`HTTP ${status}`, error.code, error.message].filter(Boolean).join(': ');
  if (status === 429 || status === 503) {
    const cloudNowMs = Date.parse(reply.date ?? '');
    const waitMs = parseRetryAfterMs(reply.retryAfter, Number.isNaN(cloudNowMs) ? nowMs : cloudNowMs);
    if (waitMs !== undefined) return { kind: 'wait', waitMs, reason };
    return { kind: 'offline', reason, timedOut: false };
  }
  if (status === 413) return { kind: 'too_large', reason };
  if (status === 400 || status === 409 || status === 422)
    return { kind: 'bad_request', status, code: error.code, epoch: error.epoch, reason };
  if (status === 408 || status < 400 || status >= 500) return { kind: 'offline', reason, timedOut: status === 408 };
  return { kind: 'refused', status, reason };
}

/** A 200 that the contract does not know: a captive portal's page, a text cut short. */
export function notTheCloud(why?: string): Extract<ReplyOutcome, { kind: 'offline' }> {
  const reason = `HTTP 200 that is not the cloud's answer (${why ?? 'a captive portal?'})`;
  return { kind: 'offline', reason, timedOut: false };
}

/** What the outcome says of the endpoint: whatever judges a request is an answer. */
export function bearingOf(outcome: ReplyOutcome): Bearing {
  switch (outcome.kind) {
    case 'ok':
    case 'too_large':
    case 'bad_request':
      return { kind: 'answered' };
    case 'offline':
    case 'wait':
    case 'refused':
      return outcome;
    default:
      return outcome satisfies never;
  }
}
