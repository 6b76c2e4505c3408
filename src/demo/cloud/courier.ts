/**
 * Carries webhooks to outlets: remembers each in the journal before its first attempt, repeats it under the same event id until
 * it is taken, refused or a day old. A kill at any moment leaves an event that is attempted again. News that nobody had made an
 * event of yet is not told any more after a kill: outlets pull.
 */
import { randomUUID } from 'node:crypto';
import { Flag, monotonicMs } from '../../time.js';
import type { CourierLine, Journal, WebhookAnswerLine } from './journal.js';
import type { FeedEntry, Subscription, WebhookEvent, WebhookRecord } from './records.js';
import { Refusal } from './refusal.js';
import type { CloudState } from './state.js';
import { eventFor, runsOf, type WebhookOrder } from './webhook-events.js';
import { type Attempted, post } from './webhook-post.js';

export type RetryOptions = { first_ms: number; cap_ms: number; timeout_ms: number };

const RETRY: RetryOptions = { first_ms: 1_000, cap_ms: 60_000, timeout_ms: 10_000 };
const GIVE_UP_MS = 24 * 60 * 60 * 1000;
const PARALLEL = 4;

type Waiting = { record: WebhookRecord; dueMs: number; deaf: number; busy: boolean };

export class Courier {
  readonly #journal: Journal;
  readonly #state: CloudState;
  readonly #retry: RetryOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #records = new Map<string, WebhookRecord>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #flag = new Flag();
  #news: FeedEntry[] = [];
  #running: { stop: AbortController; ended: Promise<void> } | undefined;

  constructor(journal: Journal, state: CloudState, retry: Partial<RetryOptions> = {}) {
    this.#journal = journal;
    this.#state = state;
    this.#retry = { ...RETRY, ...retry };
  }

  get records(): WebhookRecord[] {
    return [...this.#records.values()];
  }

  /** Where an outlet takes webhooks; the latest word counts. */
  subscribe(subscription: Subscription): void {
    this.#journal.append({ kind: 'subscribe', subscription });
    this.#subscriptions.set(subscription.outlet_id, subscription);
    this.#flag.raise();
  }

  /** @throws Refusal where the outlet takes none, or an entity is not there. */
  order(order: WebhookOrder): WebhookRecord {
    if (!this.#subscriptions.has(order.outlet_id)) throw new Refusal(404, 'webhook', 'this outlet takes no webhooks');
    const entries = order.entities.map(({ entity_type, entity_id }) => {
      const stored = this.#state.entity(this.#state.keyOf(order.outlet_id, entity_type, entity_id));
      if (stored === undefined) throw new Refusal(404, 'webhook', `there is no ${entity_type} ${entity_id}`);
      return stored;
    });
    return this.#make(order, entries);
  }

  /** Something new in the feed, for those who asked to be told. Several in one go become one event. */
  tell(entry: FeedEntry): void {
    if (![...this.#subscriptions.values()].some(({ automatic }) => automatic === true)) return;
    if (this.#news.push(entry) === 1) queueMicrotask(() => this.#announce());
  }

  /** Takes a line of the journal; nothing of it is written again. */
  recall(line: CourierLine): void {
    switch (line.kind) {
      case 'subscribe':
        this.#subscriptions.set(line.subscription.outlet_id, line.subscription);
        return;
      case 'webhook':
        this.#made(line.event, 0);
        return;
      case 'webhook-answer':
        this.#answered(line);
        return;
      default:
        line satisfies never;
    }
  }

  start(): void {
    if (this.#running !== undefined) return;
    const stop = new AbortController();
    this.#running = { stop, ended: this.#run(stop.signal) };
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.stop.abort();
    await running?.ended;
  }

  #make(order: WebhookOrder, entries: readonly FeedEntry[]): WebhookRecord {
    const event_id = order.event_id ?? randomUUID();
    if (this.#records.has(event_id)) throw new Refusal(409, 'webhook', 'this event_id was used before');
    const event = eventFor(order, entries, { event_id, sent_at: new Date().toISOString() });
    this.#journal.append({ kind: 'webhook', event });
    return this.#made(event, order.deaf ?? 0);
  }

  #made(event: WebhookEvent, deaf: number): WebhookRecord {
    const record: WebhookRecord = { ...event, state: 'waiting', attempts: [] };
    this.#records.set(event.event_id, record);
    this.#waiting.set(event.event_id, { record, dueMs: 0, deaf, busy: false });
    this.#flag.raise();
    return record;
  }

  #answered({ event_id, at, status, error, state }: WebhookAnswerLine): void {
    const record = this.#records.get(event_id);
    if (record === undefined) return;
    record.attempts.push({ at, status, error });
    record.state = state;
    if (state !== 'waiting') this.#waiting.delete(event_id);
  }

  #announce(): void {
    const news = this.#news;
    this.#news = [];
    if (this.#journal.closed) return;
    for (const { outlet_id, automatic, as = 'row' } of this.#subscriptions.values()) {
      if (automatic !== true) continue;
      const seen = news.filter(
        (entry) => entry.origin_outlet_id !== outlet_id && (entry.outlet_id ?? outlet_id) === outlet_id,
      );
      for (const run of runsOf(seen)) this.#make({ outlet_id, entities: [], as }, run);
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const out = new Set<Promise<void>>();
    while (!signal.aborted) {
      this.#flag.lower();
      let waitMs = Infinity;
      for (const waiting of this.#waiting.values()) {
        const to = this.#subscriptions.get(waiting.record.outlet_id);
        if (waiting.busy || to === undefined) continue;
        const aheadMs = waiting.dueMs - monotonicMs();
        if (aheadMs > 0 || out.size >= PARALLEL) {
          waitMs = Math.min(waitMs, aheadMs > 0 ? aheadMs : Infinity);
          continue;
        }
        const attempt = this.#attempt(waiting, to, signal).finally(() => {
          out.delete(attempt);
          this.#flag.raise();
        });
        out.add(attempt);
      }
      await this.#flag.wait(waitMs, signal);
    }
    await Promise.all(out);
  }

  async #attempt(waiting: Waiting, to: Subscription, signal: AbortSignal): Promise<void> {
    const { record } = waiting;
    waiting.busy = true;
    const deaf = record.attempts.length < waiting.deaf;
    const attempted = await post(to, record, { timeoutMs: this.#retry.timeout_ms, deaf, signal });
    waiting.busy = false;
    // Whoever stopped the cloud cut this attempt: it tells nothing of the outlet.
    if (signal.aborted && attempted.status === null) return;
    const { status, error } = attempted;
    const line: WebhookAnswerLine = {
      kind: 'webhook-answer',
      event_id: record.event_id,
      at: new Date().toISOString(),
      status,
      error,
      state: stateAfter(attempted, Date.now() - Date.parse(record.at)),
    };
    this.#journal.append(line);
    this.#answered(line);
    const backoffMs = Math.min(this.#retry.first_ms * 2 ** (record.attempts.length - 1), this.#retry.cap_ms);
    waiting.dueMs = monotonicMs() + (attempted.retryAfterMs ?? backoffMs);
  }
}

function stateAfter({ status }: Attempted, ageMs: number): WebhookRecord['state'] {
  if (status !== null && status >= 200 && status < 300) return 'taken';
  if (status !== null && status !== 429 && status < 500) return 'refused';
  return ageMs > GIVE_UP_MS ? 'expired' : 'waiting';
}
