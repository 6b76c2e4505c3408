/**
 * The one user of p-retry: a request that nobody answered is tried twice more within a second or so, for the line that only
 * hiccuped. Whatever lasts longer is an outage, and outages belong to the push loop.
 */
import pRetry from 'p-retry';
import type { Reply } from './reply.js';

const RETRIES = 2;
const FIRST_WAIT_MS = 150;

class Unanswered extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super('no answer');
    this.reply = reply;
  }
}

/**
 * @param send one request; never rejects
 * @param again whether this reply is worth another try at once
 * @returns the last reply; the first one when `signal` aborts meanwhile
 */
export async function withShortRetries(
  send: () => Promise<Reply>,
  again: (reply: Reply) => boolean,
  signal: AbortSignal,
): Promise<Reply> {
  let last: Reply | undefined;
  try {
    return await pRetry(
      async () => {
        last = await send();
        if (again(last)) throw new Unanswered(last);
        return last;
      },
      {
        retries: RETRIES,
        minTimeout: FIRST_WAIT_MS,
        factor: 4,
        randomize: true,
        shouldRetry: ({ error }) => error instanceof Unanswered,
        signal,
      },
    );
  } catch (error) {
    if (error instanceof Unanswered) return error.reply;
    if (last) return last;
    return { kind: 'none', error: 'given up before it was sent', timedOut: false, durationMs: 0 };
  }
}
