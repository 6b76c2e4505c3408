/**
 * Reads the stream of events for as long as the page is looked at, and comes back by itself whenever it ends: at once after a
 * good stream, with growing pauses while nobody answers. A stream without a sign of life counts as lost.
 */
import { later, sleep } from '../state/timers.js';
import { call, troubleOf } from './client.js';
import { EventText, type ServerEvent } from './event-text.js';

/** The server says something every 10 s. */
const SILENCE_MS = 25_000;
const PAUSE_MS = { first: 1_000, longest: 10_000 };

export type Listener = {
  onOpen(): void;
  onEvent(event: ServerEvent): void;
  onLost(): void;
};

/** Runs until `signal` aborts. */
export async function listen(listener: Listener, signal: AbortSignal): Promise<void> {
  let pauseMs = PAUSE_MS.first;
  while (!signal.aborted) {
    await visible(signal);
    if (signal.aborted) return;
    const opened = await readOnce(listener, signal);
    if (signal.aborted) return;
    if (document.hidden) continue;
    if (!opened.ended) listener.onLost();
    if (opened.any) pauseMs = PAUSE_MS.first;
    // Half of it by chance, so that many pages do not come back in one moment.
    await sleep(opened.ended ? 100 : pauseMs * (0.5 + Math.random() / 2), signal);
    if (!opened.any) pauseMs = Math.min(pauseMs * 2, PAUSE_MS.longest);
  }
}

/** `any`: it did open. `ended`: the server closed it in good order. */
async function readOnce(listener: Listener, signal: AbortSignal): Promise<{ any: boolean; ended: boolean }> {
  const ending = new AbortController();
  const end = () => ending.abort();
  const endHidden = () => document.hidden && end();
  signal.addEventListener('abort', end, { once: true });
  document.addEventListener('visibilitychange', endHidden);
  let silent = later(SILENCE_MS, end);
  let any = false;
  try {
    const response = await call('/events', undefined, ending.signal);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    any = true;
    listener.onOpen();
    const [text, decoder] = [new EventText(), new TextDecoder()];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { any, ended: true };
      silent();
      silent = later(SILENCE_MS, end);
      for (const event of text.take(decoder.decode(value, { stream: true }))) listener.onEvent(event);
    }
  } catch (error) {
    const { retryAfterS } = troubleOf(error);
    if (retryAfterS !== undefined) await sleep(retryAfterS * 1_000, signal);
    return { any, ended: false };
  } finally {
    silent();
    signal.removeEventListener('abort', end);
    document.removeEventListener('visibilitychange', endHidden);
  }
}

/** A page that nobody looks at holds no connection: a browser has few of them. */
function visible(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (!document.hidden || signal.aborted) return resolve();
    const look = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener('visibilitychange', look);
      signal.removeEventListener('abort', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    signal.addEventListener('abort', look);
  });
}
