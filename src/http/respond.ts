/** Writes an answer: its head, then its body at once or piece by piece as fast as the other end reads. */

import { Buffer } from 'node:buffer';
import type { ServerResponse } from 'node:http';
import type { HttpAnswer } from './exchange.js';

const ALWAYS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const;

/** @param signal aborts when nobody reads any more, or the listener stops */
export async function writeAnswer(response: ServerResponse, answer: HttpAnswer, signal: AbortSignal): Promise<void> {
  const { status, headers, body } = answer;
  const head: Record<string, string> = { ...ALWAYS, ...headers, ...(answer.close && { connection: 'close' }) };
  if (typeof body !== 'function') {
    const hasNone = status === 204 || status === 304;
    if (!hasNone) head['content-length'] = String(Buffer.byteLength(body ?? ''));
    response.writeHead(status, head);
    response.end(hasNone ? undefined : body);
    return;
  }
  response.writeHead(status, head);
  response.flushHeaders();
  await body((piece) => write(response, piece, signal), signal);
  response.end();
}

async function write(response: ServerResponse, piece: string, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted || response.destroyed) return false;
  if (response.write(piece)) return true;
  await new Promise<void>((resolve) => {
    const go = () => {
      response.off('drain', go);
      signal.removeEventListener('abort', go);
      resolve();
    };
    response.once('drain', go);
    signal.addEventListener('abort', go, { once: true });
  });
  return !signal.aborted && !response.destroyed;
}
