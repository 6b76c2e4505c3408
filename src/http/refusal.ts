/**
 * The answers with which a listener itself, before any handler, or the webhook port turns somebody away: short RFC 9457
 * problem documents that say no more than their status does, except where the caller can act on it. Pure.
 */
import { STATUS_CODES } from 'node:http';
import type { HttpAnswer } from './exchange.js';

/** @param detail never anything that was not meant for a stranger */
export function refusal(
  status: number,
  detail?: string,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer & { body: string } {
  const title = STATUS_CODES[status] ?? 'Error';
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify({ type: 'about:blank', title, status, ...(detail !== undefined && { detail }) }),
  };
}

/** @param retryAfterS whole seconds */
export function tooMany(retryAfterS: number, detail: string): HttpAnswer {
  return { ...refusal(429, detail, { 'retry-after': String(retryAfterS) }), close: true };
}
