/**
 * The polling way in: pages of changes after the cloud's own cursor, stored one by one. Where the cloud waits (a long poll) an
 * outlet behind NAT hears of a change within a round trip; else it asks every interval. All memory may be lost: the cursor
 * stands in the table.
 *
 * It has its own standing with its own endpoint: what pushing meets does not stop it, and the other way round.
 */

import { bearingOf, judgeReply } from '../cloud/outcome.js';
import { afterReply, type Bearing, goOnTrial, permission, type Standing, tryNow } from '../cloud/standing.js';
import type { RetrySettings } from '../config/settings.js';
import type { Log } from '../log.js';
import type { Health } from '../service.js';
import { Flag, monotonicMs } from '../time.js';
import { dropCursor, isInboxFull, readCursor, restartForNewTypes } from './cursor.js';
import type { PullMemory } from './memory.js';
import { afterFailure, afterPage, delayMs } from './pace.js';
import { type PullDeps, type PullReport, pullPage } from './page.js';
import { tellStanding } from './tell.js';

export type PullLoopDeps = PullDeps & {
  memory: PullMemory;
  /** The entity types that come in. */
  types: readonly string[];
  retry: RetrySettings;
  intervalMs: number;
  /** 0: never. */
  longPollMs: number;
  /** For the first call of all. */
  since: string | undefined;
  /** The deadline of a request that is not kept waiting. */
  timeoutMs: number;
  /** Whether the cloud says that it waits. */
  waits: () => boolean;
  log: Log;
  steadyMs: () => number;
  random: () => number;
  /** Told when changes were stored. */
  onStored: () => void;
  /** Told when the standing becomes another one. */
  onStanding: () => void;
  /** Told when the call of this number found no more, or failed with a reason. */
  onEnd?: ((call: number, failure: string | undefined) => void) | undefined;
};

/** Changes waiting to be applied above which no further page is asked for. */
const FULL = 5_000;
const FULL_LOOK_MS = 250;
/** Calls that hints may bring about: no closer together than this. */
const HINT_EVERY_MS = 1_000;
/** A cursor that expires again so soon after a new start is a fault of the cloud's. */
const EXPIRY_MS = 10 * 60_000;
const MOST_MET = 10_000;
/** An outlet that only waits would otherwise never learn that a clock was set. */
const MEASURE_EVERY_MS = 5 * 60_000;
/** Waits travel in whole seconds. */
const SHORTEST_POLL_MS = 1_000;
const LONGEST_WAIT_MS = 20_000;

export class PullLoop {
  readonly #deps: PullLoopDeps;
  readonly #flag = new Flag();
  #enabled = false;
  #stopped: string | null = null;
  /** Undefined: to be read from the table. */
  #cursor: string | null | undefined;
  /** Cursors met since the last page without more; one that comes again leads in a circle. */
  readonly #met = new Set<string>();
  /** The content of the last page. */
  #content: string | undefined;
  /** The last page was the last one for now. */
  #idle = false;
  #nextAtMs = Number.NEGATIVE_INFINITY;
  #calledAtMs = Number.NEGATIVE_INFINITY;
  /** When a call was last answered without a wait, so that its answer tells of the cloud's clock. */
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #call: AbortController | undefined;
  /** The call may be kept waiting: it can be cut without losing anything. */
  #waiting = false;
  #asksByInterval = false;
  /** Somebody has hinted since the call began. */
  #hinted = false;
  #calls = 0;
  #progressAt = monotonicMs();

  constructor(deps: PullLoopDeps) {
    this.#deps = deps;
  }

  /** Runs until `signal` aborts; a wait at the cloud is cut short. @throws what the database says */
  async run(signal: AbortSignal): Promise<void> {
    const { db, types, log } = this.#deps;
    if (await restartForNewTypes(db, types))
      log.info('other entity types come in now: the cloud is asked from the beginning');
    const cut = () => this.#call?.abort();
    signal.addEventListener('abort', cut);
    try {
      while (!signal.aborted) {
        this.#flag.lower();
        this.#progressAt = monotonicMs();
        const waitMs = await this.#step(signal);
        // Going round now and then shows that it lives; a round without work asks nobody.
        await this.#flag.wait(Math.min(waitMs, LONGEST_WAIT_MS), signal);
      }
    } finally {
      signal.removeEventListener('abort', cut);
    }
  }

  /** Something may be new at the cloud: ask at once, though hints that come in floods do not become calls in floods. */
  wake(): void {
    const soonestMs = this.#calledAtMs + HINT_EVERY_MS;
    this.#hinted = true;
    this.#idle = false;
    this.#nextAtMs = Math.min(this.#nextAtMs, soonestMs);
    if (this.#waiting && soonestMs <= this.#deps.steadyMs()) this.#call?.abort();
    this.#flag.raise();
  }

  /** A person asked: drop every wait, a young one at the cloud too. */
  tryNow(): void {
    this.#set(tryNow(this.#deps.memory.standing, this.#deps.steadyMs()));
    this.wake();
    this.#nextAtMs = Number.NEGATIVE_INFINITY;
    if (this.#waiting) this.#call?.abort();
  }

  /** Calls begun so far. */
  get calls(): number {
    return this.#calls;
  }

  /** Another endpoint was answered: the line may be back, and by now it may be known that the cloud waits. */
  cloudAnswers(): void {
    if (this.#deps.memory.standing.kind === 'offline') this.tryNow();
    if (this.#idle && this.#asksByInterval && this.#polls) this.wake();
  }

  /** @param stopped why nothing may be pulled until a person acts; null: nothing stands in the way */
  configure(enabled: boolean, stopped: string | null): void {
    if (enabled === this.#enabled && (stopped === null) === (this.#stopped === null)) return;
    if (stopped !== null) this.#set({ kind: 'stopped', reason: stopped });
    else if (this.#stopped !== null || this.#deps.memory.standing.kind === 'stopped') this.#set({ kind: 'unknown' });
    this.#enabled = enabled;
    this.#stopped = stopped;
    // Whoever stopped it may have set another cursor.
    this.#cursor = undefined;
    this.#call?.abort();
    this.wake();
  }

  health(): Health {
    // A call has its own deadline: while it lasts, nothing hangs.
    const progressAt = this.#call ? monotonicMs() : this.#progressAt;
    return { ok: true, detail: this.#deps.memory.standing.kind, progressAt };
  }

  /** Does what can be done now; returns for how long there is nothing to do. */
  async #step(signal: AbortSignal): Promise<number> {
    if (!this.#enabled) return Number.POSITIVE_INFINITY;
    const { memory, steadyMs, db } = this.#deps;
    const allowed = permission(memory.standing, steadyMs());
    switch (allowed.may) {
      case 'nothing':
        return allowed.forMs;
      case 'probe':
        return this.#probe();
      case 'ask':
      case 'call': {
        const restMs = this.#nextAtMs - steadyMs();
        if (restMs > 0) return restMs;
        if (await isInboxFull(db, FULL)) return FULL_LOOK_MS;
        return this.#pull(signal);
      }
      default:
        return allowed satisfies never;
    }
  }

  async #probe(): Promise<number> {
    const { client, memory, nowMs, steadyMs } = this.#deps;
    const reply = await client.health();
    if (reply.kind === 'answer' && reply.status === 200) this.#set(goOnTrial(memory.standing, steadyMs()));
    else {
      // A call that was not even worth making.
      this.#calls++;
      this.#replied(bearingOf(judgeReply(reply, nowMs())));
    }
    return 0;
  }

  async #pull(signal: AbortSignal): Promise<number> {
    const { db, memory, since, steadyMs } = this.#deps;
    this.#cursor ??= await readCursor(db);
    const cursor = this.#cursor;
    const measures = steadyMs() - this.#measuredAtMs >= MEASURE_EVERY_MS;
    const waitMs = this.#idle && this.#polls && !measures ? memory.pace.waitMs : 0;
    if (waitMs === 0) this.#measuredAtMs = steadyMs();
    const call = new AbortController();
    this.#calls++;
    this.#call = call;
    this.#waiting = waitMs > 0;
    this.#hinted = false;
    this.#calledAtMs = steadyMs();
    if (signal.aborted || !this.#enabled) return 0;
    const query = { cursor, since, limit: memory.pace.limit, waitMs };
    const report = await pullPage(this.#deps, query, this.#content, call.signal);
    this.#call = undefined;
    return this.#afterCall(report, cursor, waitMs);
  }

  async #afterCall(report: PullReport, cursor: string | null, waitedMs: number): Promise<number> {
    const { db, memory, steadyMs, log } = this.#deps;
    switch (report.kind) {
      case 'page':
        return this.#stored(report, waitedMs);
      case 'cut':
        return 0;
      case 'stale':
        this.#cursor = undefined;
        return 0;
      case 'expired': {
        const again = steadyMs() - memory.expiredAtMs < EXPIRY_MS;
        memory.expiredAtMs = steadyMs();
        log.warn('the cloud no longer knows how far was pulled; it starts again', { trouble: 'pull-expired' });
        if (cursor !== null) await dropCursor(db, cursor);
        this.#cursor = undefined;
        this.#idle = false;
        this.#replied(again ? { kind: 'refused', reason: 'HTTP 410 again and again' } : { kind: 'answered' });
        return 0;
      }
      case 'restored':
        this.#set({ kind: 'stopped', reason: report.reason });
        return 0;
      case 'failed':
        this.#idle = false;
        memory.pace = afterFailure(memory.pace, report.tooMuch, waitedMs, report.durationMs);
        this.#replied(report.bearing);
        return 0;
      default:
        return report satisfies never;
    }
  }

  #stored(page: PullReport & { kind: 'page' }, waitedMs: number): number {
    const { memory, intervalMs, longPollMs, timeoutMs, steadyMs, log, onStored } = this.#deps;
    const { changes, parked, more, cursor, durationMs } = page;
    this.#replied({ kind: 'answered' });
    if (changes > 0) {
      log.info('pulled', { changes, parked, bytes: page.bytes, duration_ms: Math.round(durationMs) });
      onStored();
    }
    const deadlineMs = waitedMs + timeoutMs;
    memory.pace = afterPage(memory.pace, { changes, more, waitedMs, durationMs, deadlineMs }, longPollMs);
    const circles = more && (cursor === this.#cursor || this.#met.has(cursor));
    if (circles) this.#tell('has_more, but next_cursor leads to where it has been');
    if (!more || circles || this.#met.size >= MOST_MET) this.#met.clear();
    else this.#met.add(cursor);
    this.#cursor = cursor;
    this.#content = page.content ?? this.#content;
    this.#idle = (!more || circles) && !this.#hinted;
    if (!more || circles) this.#deps.onEnd?.(this.#calls, undefined);
    const pausedMs = delayMs(memory.pace, intervalMs);
    if (pausedMs === intervalMs) this.#tell('it answers at once, time and again, with nothing');
    this.#asksByInterval = !this.#polls;
    const waitMs = circles || (this.#idle && this.#asksByInterval) ? intervalMs : pausedMs;
    this.#nextAtMs = this.#hinted ? this.#calledAtMs + HINT_EVERY_MS : steadyMs() + waitMs;
    return 0;
  }

  /** Both sides can wait for news on an open call. */
  get #polls(): boolean {
    return this.#deps.longPollMs >= SHORTEST_POLL_MS && this.#deps.waits();
  }

  #tell(fault: string): void {
    this.#deps.log.warn('the cloud broke the contract', { trouble: `pull: ${fault}`, fault });
  }

  #replied(bearing: Bearing): void {
    const { memory, client, retry, steadyMs, random } = this.#deps;
    if (client.aborted && bearing.kind === 'offline') return;
    this.#set(afterReply(memory.standing, bearing, retry, steadyMs(), random()));
    if (bearing.kind !== 'answered') this.#deps.onEnd?.(this.#calls, bearing.reason);
  }

  #set(standing: Standing): void {
    const { memory, onStanding, log } = this.#deps;
    const was = memory.standing.kind;
    memory.standing = standing;
    if (standing.kind === was) return;
    tellStanding(log, standing);
    onStanding();
  }
}
