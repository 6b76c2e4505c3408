/**
 * Hears the NOTIFY that a sale sends while the daemon sleeps. Only a hint: whoever waits for it also looks by itself. A
 * subscriber that fails is thrown away and replaced; every new connection counts as a wake-up, for something may have been missed.
 */
import pgListen, { type Subscriber } from 'pg-listen';
import type { Service } from '../service.js';
import { monotonicMs, sleep } from '../time.js';
import { clientConfig } from './connect.js';
import { WAKE_CHANNEL } from './schema.js';

/** pg-listen is CommonJS that marks itself as a module: Node hands out its exports as the default. */
const createSubscriber = pgListen.default;

const RETRY_MS = 1_000;
/** pg-listen tries this long by itself; after that it reports the error and is replaced. */
const OWN_RETRY_MS = 5_000;
/** How often pg-listen asks whether the link is still alive, and for how long it waits; a half-open one is found within both. */
const PATIENCE = { checkMs: 30_000, queryTimeoutMs: 10_000 };

/**
 * @param onWake told of every NOTIFY, and after each connecting: what was said before nobody heard
 * @param onFault told what broke the connection; another is made
 */
export function createListener(
  url: string,
  onWake: () => void,
  onFault: (error: Error) => void,
  patience: typeof PATIENCE = PATIENCE,
): Service {
  let subscriber: Subscriber | undefined;
  let connected = false;
  const stopping = new AbortController();
  /** pg-listen goes on reconnecting after a close: what it still brings about is closed again. */
  const discarded = new WeakSet<Subscriber>();
  let replacing: Promise<void> | undefined;

  async function connect(): Promise<void> {
    while (!stopping.signal.aborted) {
      const fresh = createSubscriber(
        { ...clientConfig(url, { role: 'listen', queryTimeoutMs: patience.queryTimeoutMs }) },
        { parse: (text: string) => text, retryTimeout: OWN_RETRY_MS, paranoidChecking: patience.checkMs },
      );
      fresh.notifications.on(WAKE_CHANNEL, onWake);
      fresh.events.on('connected', () => {
        if (discarded.has(fresh)) void close(fresh);
        else onWake();
      });
      fresh.events.on('error', (error) => {
        if (discarded.has(fresh)) return;
        onFault(error);
        replace(fresh);
      });
      try {
        await fresh.connect();
        await fresh.listenTo(WAKE_CHANNEL);
        if (stopping.signal.aborted) return await close(fresh);
        subscriber = fresh;
        connected = true;
        onWake();
        return;
      } catch (error) {
        onFault(error as Error);
        await close(fresh);
        await sleep(RETRY_MS, stopping.signal);
      }
    }
  }

  async function close(unwanted: Subscriber): Promise<void> {
    discarded.add(unwanted);
    await unwanted.close().catch(() => {});
  }

  function replace(broken: Subscriber): void {
    if (broken !== subscriber || stopping.signal.aborted) return;
    subscriber = undefined;
    connected = false;
    replacing = close(broken).then(connect);
  }

  return {
    name: 'listener',
    async start() {
      replacing ??= connect();
    },
    async stop() {
      stopping.abort();
      await replacing;
      if (subscriber) await close(subscriber);
      subscriber = undefined;
      connected = false;
    },
    health: () => ({
      ok: connected,
      detail: connected ? 'listening' : 'not listening, polling instead',
      progressAt: monotonicMs(),
    }),
  };
}
