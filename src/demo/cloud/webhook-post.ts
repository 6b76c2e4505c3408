/**
 * One attempt to deliver one webhook: signs it for this moment, posts it, says what came back. Holds nothing.
 */
import { type ClientRequest, request } from 'node:http';
import { codeOf, wordsOf } from '../../errors.js';
import { sleep } from '../../time.js';
import type { Subscription, WebhookEvent } from './records.js';
import { signatureHeaders } from './webhook-signature.js';

/** Status null: no answer, with the reason. `retryAfterMs` null: the outlet named no time. */
export type Attempted = { status: number | null; error: string | null; retryAfterMs: number | null };

export type PostOptions = {
  timeoutMs: number;
  /** Leaves as soon as the outlet begins to answer. */
  deaf: boolean;
  signal: AbortSignal;
};

export async function post(to: Subscription, event: WebhookEvent, options: PostOptions): Promise<Attempted> {
  const { signal, timeoutMs, deaf } = options;
  const body = Buffer.from(event.body);
  const ended = new AbortController();
  const stop = () => ended.abort();
  signal.addEventListener('abort', stop, { once: true });
  const outgoing = request(`${to.url}/api/v1/webhooks/cloud/${event.kind}`, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'application/json',
      'content-length': body.length,
      ...signatureHeaders(to, event.event_id, body, new Date()),
    },
  });
  const late = sleep(timeoutMs, ended.signal).then(() => {
    outgoing.destroy(new Error(signal.aborted ? 'the cloud stopped' : 'no answer in time'));
  });
  try {
    return await answerOf(outgoing, body, deaf);
  } finally {
    ended.abort();
    signal.removeEventListener('abort', stop);
    await late;
  }
}

function answerOf(outgoing: ClientRequest, body: Buffer, deaf: boolean): Promise<Attempted> {
  return new Promise((resolve) => {
    const failed = (error: unknown) =>
      resolve({ status: null, error: codeOf(error) ?? wordsOf(error), retryAfterMs: null });
    outgoing.on('error', failed);
    outgoing.on('response', (answer) => {
      if (deaf) return outgoing.destroy(new Error('left before the answer'));
      answer.on('error', failed);
      answer.on('end', () =>
        resolve({
          status: answer.statusCode ?? 0,
          error: null,
          retryAfterMs: retryAfterMs(answer.headers['retry-after']),
        }),
      );
      answer.resume();
    });
    outgoing.end(body);
  });
}

function retryAfterMs(header: string | undefined): number | null {
  if (header === undefined) return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}
