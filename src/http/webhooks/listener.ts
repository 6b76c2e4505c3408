/**
 * The daemon's side of the webhook listener: keeps its thread alive, stores what the thread has verified, and tells it of the
 * clock and of the database. Outlives database sessions; while there is none, senders are asked to come again. A crash of the
 * thread, or of the daemon, loses only what was not answered, and the cloud repeats that.
 */
import { Worker } from 'node:worker_threads';
import type { WebhookSettings } from '../../config/settings.js';
import { wordsOf } from '../../errors.js';
import type { IncomingEvent, Received } from '../../inbox/receive.js';
import type { Log } from '../../log.js';
import type { Health, Service } from '../../service.js';
import { monotonicMs, sleep, steadyMs, within } from '../../time.js';
import type { FromThread, ToThread } from './thread-messages.js';
import type { SignedEvent, Stored } from './webhooks.js';

/** The built program, also where this file itself runs unbuilt. */
const PROGRAM = new URL('../../../dist/http/webhooks/thread.js', import.meta.url);
/** Beyond it the thread ends, and another one begins. */
const MEMORY = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 };
const READY_MS = 10_000;
const STOP_MS = 1_000;
const AGAIN_MS = { first: 500, most: 30_000 };
const CLOCK_EVERY_MS = 1_000;
/** However many messages come at the wrong time, the cloud is asked once in this time. */
const ASK_EVERY_MS = 10_000;

/** What one database session offers. */
export type WebhookSession = {
  receive: (event: IncomingEvent) => Promise<Received>;
  /** See inbox/ratchet. */
  bodyRefused: boolean;
  /** The cloud has called: what it brought is stored, and the line is up. */
  onMessage: () => void;
  /** A message came at the wrong time: what it told has to be asked for. */
  onUntimely: () => void;
};

export type WebhookListenerDeps = {
  settings: WebhookSettings;
  log: Log;
  /** What to add to our wall clock for the cloud's, in ms. */
  correctionMs: () => number;
  /** Told how many requests were answered since the last time, by kind and status. */
  onAnswers?: (answers: ReadonlyMap<string, number>) => void;
};

export class WebhookListener implements Service {
  readonly name = 'webhooks';
  readonly #deps: WebhookListenerDeps;
  readonly #stopping = new AbortController();
  #thread: Worker | undefined;
  #session: WebhookSession | undefined;
  #running: Promise<void> | undefined;
  #ready: (() => void) | undefined;
  #port = 0;
  #told = 0;
  #askedAt = Number.NEGATIVE_INFINITY;
  #progressAt = monotonicMs();

  constructor(deps: WebhookListenerDeps) {
    this.#deps = deps;
  }

  /** The port that it listens on; 0 while it does not. */
  get port(): number {
    return this.#port;
  }

  /** Resolves once it listens, or could not; then it goes on trying. */
  async start(): Promise<void> {
    if (this.#running || this.#stopping.signal.aborted) return;
    const ready = new Promise<void>((resolve) => {
      this.#ready = resolve;
    });
    this.#running = Promise.all([this.#keepAlive(), this.#tellTime()]).then(() => {});
    await within(READY_MS, ready, () => new Error('late')).catch(() => {});
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const thread = this.#thread;
    if (thread) {
      const stopped = new Promise<void>((resolve) => {
        thread.on('message', ({ kind }: FromThread) => kind === 'stopped' && resolve());
        thread.once('exit', () => resolve());
      });
      this.#tell({ kind: 'stop' });
      await within(STOP_MS, stopped, () => new Error('late')).catch(() => {});
      await thread.terminate();
    }
    await this.#running;
  }

  /** Stores what comes from now on; returns how to end that. */
  serve(session: WebhookSession): () => void {
    this.#session = session;
    this.#tell({ kind: 'serving', bodyRefused: session.bodyRefused });
    return () => {
      if (this.#session !== session) return;
      this.#session = undefined;
      this.#tell({ kind: 'away' });
    };
  }

  health(): Health {
    const ok = this.#port > 0;
    return { ok, detail: ok ? `listening on port ${this.#port}` : 'not listening', progressAt: this.#progressAt };
  }

  async #keepAlive(): Promise<void> {
    const { signal } = this.#stopping;
    for (let pauseMs = AGAIN_MS.first; !signal.aborted; pauseMs = Math.min(pauseMs * 2, AGAIN_MS.most)) {
      const startedAt = monotonicMs();
      const why = await this.#runThread();
      this.#port = 0;
      if (signal.aborted) return;
      this.#deps.log.error('the webhook listener broke down; it begins anew', {
        trouble: 'webhook thread',
        error: why,
      });
      if (monotonicMs() - startedAt > AGAIN_MS.most) pauseMs = AGAIN_MS.first;
      await sleep(pauseMs, signal);
    }
  }

  /** Resolves with why the thread ended. */
  #runThread(): Promise<string> {
    const thread = new Worker(PROGRAM, { workerData: this.#deps.settings, resourceLimits: MEMORY, env: {} });
    this.#thread = thread;
    this.#told = 0;
    if (this.#session) this.#tell({ kind: 'serving', bodyRefused: this.#session.bodyRefused });
    this.#tellClock();
    thread.on('message', (message: FromThread) => this.#hear(message));
    return new Promise((resolve) => {
      thread.once('error', (error) => resolve(wordsOf(error)));
      thread.once('exit', (code) => resolve(`it ended with ${code}`));
    });
  }

  async #tellTime(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#tellClock();
      await sleep(CLOCK_EVERY_MS, signal);
    }
  }

  #tellClock(): void {
    const correctionMs = this.#deps.correctionMs();
    if (correctionMs === this.#told) return;
    this.#told = correctionMs;
    this.#tell({ kind: 'clock', correctionMs });
  }

  #tell(message: ToThread): void {
    this.#thread?.postMessage(message);
  }

  #hear(message: FromThread): void {
    const { log } = this.#deps;
    this.#progressAt = monotonicMs();
    switch (message.kind) {
      case 'listening':
        this.#port = message.port;
        this.#ready?.();
        log.info('webhooks are heard', {
          host: this.#deps.settings.listen.host,
          port: message.port,
          recovered: 'webhooks',
        });
        return;
      case 'deaf':
        this.#ready?.();
        log.error('webhooks are not heard', { trouble: 'webhooks', error: message.reason, hint: message.hint });
        return;
      case 'store':
        void this.#keep(message.event).then((stored) =>
          this.#tell({ kind: 'stored', request: message.request, stored }),
        );
        return;
      case 'untimely':
        this.#askTheCloud();
        return;
      case 'answers':
        this.#deps.onAnswers?.(message.answers);
        this.#account(message.answers);
        return;
      case 'fault':
        log.error(message.what, { trouble: message.what, error: message.error });
        return;
      case 'stopped':
        return;
      default:
        message satisfies never;
    }
  }

  async #keep(event: SignedEvent): Promise<Stored> {
    const session = this.#session;
    if (!session) return 'away';
    try {
      const received = await session.receive({ ...event, httpStatus: 202 });
      if (received.kind === 'stored' && event.timestamped) session.bodyRefused = true;
      session.onMessage();
      return received.kind === 'stored' ? 'stored' : 'duplicate';
    } catch (error) {
      this.#deps.log.warn('a webhook could not be stored; the cloud sends it again', {
        trouble: 'webhook store',
        error: wordsOf(error),
      });
      return 'away';
    }
  }

  #askTheCloud(): void {
    const nowMs = steadyMs();
    if (nowMs - this.#askedAt < ASK_EVERY_MS) return;
    this.#askedAt = nowMs;
    this.#deps.log.warn('a webhook was signed at another time than now; the cloud is asked instead', {
      trouble: 'webhook time',
      error: 'a clock is wrong, or somebody repeats an old message',
    });
    this.#session?.onUntimely();
  }

  #account(answers: ReadonlyMap<string, number>): void {
    const refused = [...answers].filter(([what]) => !/ (2\d\d|503)$/.test(what));
    if (refused.length === 0) return;
    this.#deps.log.warn('webhooks were refused', { trouble: 'webhooks refused', ...Object.fromEntries(refused) });
  }
}
