/**
 * The daemon's dealings with people: every five seconds it looks whether somebody paused it, asked for a sync now or
 * released something, and writes down how it does. Also tells the log when the cloud goes and comes.
 */
import type { ClockOffset } from '../cloud/clock.js';
import type { Standing } from '../cloud/standing.js';
import type { ClockLog } from '../db/clock-log.js';
import type { Db } from '../db/connect.js';
import type { Log } from '../log.js';
import type { PushMemory } from '../push/memory.js';
import type { Orders } from '../push/orders.js';
import type { Health } from '../service.js';
import { Flag, monotonicMs } from '../time.js';
import { glance } from './glance.js';
import { answerNow, beat, recordStop } from './heartbeat.js';
import { type IncomingTotals, type Marks, NowRequest } from './now-request.js';
import { SWITCHED_OFF } from './status/words.js';

/** A NOTIFY makes it sooner. Each look is a query, and an idle daemon may ask two a second, all in all. */
const GLANCE_MS = 5_000;

/** What supervision needs of the push loop. */
export interface Supervised {
  readonly troubles: number;
  readonly passes: number;
  configure(orders: Orders): void;
  tryNow(asked: boolean): void;
  readAnew(): void;
  stop(reason: string): void;
  goOn(): void;
}

type Deps = {
  db: Db;
  runId: string;
  enabled: boolean;
  memory: PushMemory;
  clock: ClockOffset;
  clockLog: ClockLog;
  log: Log;
  /** Looks at the identity anew: who settles a stop changes it. @throws SyncError where the stop is gone and nobody has settled it */
  reidentify: () => Promise<void>;
  /** Told after every look how far the queue is settled, by the database's clock in ms. */
  onSettled: (settled_id: string, now_ms: number) => Promise<void>;
  /** How pulling stands; undefined where nothing is pulled. */
  pull: () => Standing | undefined;
  /** Told after every look what the other parts may do. */
  onLook: (seen: {
    enabled: boolean;
    stop: { code: string; reason: string } | null;
    heldTypes: readonly string[];
    walks: boolean;
  }) => void;
  /** A person asks for a try at once. @returns how far pulling and applying have come */
  onNow: () => Omit<Marks, 'pass'>;
};

export class Supervision {
  readonly #deps: Deps;
  readonly #flag = new Flag();
  #told: Standing['kind'] | undefined;
  #pausedTold = false;
  #lastCommand: string | undefined;
  #request: NowRequest | undefined;
  #progressAt = monotonicMs();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async run(loop: Supervised, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#flag.lower();
      await this.#look(loop);
      this.#progressAt = monotonicMs();
      await this.#flag.wait(GLANCE_MS, signal);
    }
  }

  wake(): void {
    this.#flag.raise();
  }

  /** Every round is a look at the database that was answered. */
  health(): Health {
    return { ok: true, detail: this.#told ?? 'unknown', progressAt: this.#progressAt };
  }

  noteStanding(standing: Standing): void {
    const { log } = this.#deps;
    const reason = 'reason' in standing ? standing.reason : undefined;
    if (standing.kind !== 'online' && standing.kind !== 'trial')
      this.#request?.notePushFailed(reason ?? 'the cloud does not answer');
    this.#flagAnswer();
    if (standing.kind === this.#told) return;
    this.#told = standing.kind;
    this.#flag.raise();
    switch (standing.kind) {
      case 'online':
        log.info('the cloud answers', { recovered: 'cloud' });
        return;
      case 'offline':
        log.warn('the cloud is away; changes are kept and sent later', { trouble: 'cloud', error: reason });
        return;
      case 'waiting':
        log.warn('the cloud asks to wait', { trouble: 'cloud', error: reason });
        return;
      case 'refused':
        log.error('the cloud refuses this outlet; changes are kept', { trouble: 'cloud', error: reason });
        return;
      case 'stopped':
        log.error('pushing has stopped until a person acts; see syncd adopt', { trouble: 'cloud', error: reason });
        return;
      case 'trial':
      case 'unknown':
        return;
      default:
        standing satisfies never;
    }
  }

  /** What is told of it is renewed at the next look. */
  notePull(): void {
    this.#flag.raise();
  }

  /** Everything that could be sent was answered, as the pass of this number saw the queue. */
  noteQuiet(pass: number): void {
    this.#request?.noteQuiet(pass);
    this.#flagAnswer();
  }

  /** A pull has come to its end. @param failure why it did not get all that there is */
  notePulled(call: number, looks: number, failure: string | undefined): void {
    if (failure === undefined) this.#request?.notePulled(call, looks);
    else this.#request?.notePullFailed(call, failure);
    this.#flagAnswer();
  }

  /** A look at the inbox found nothing to apply. */
  noteApplied(look: number, totals: IncomingTotals): void {
    this.#request?.noteApplied(look, totals);
    this.#flagAnswer();
  }

  #flagAnswer(): void {
    if (this.#request?.answer) this.#flag.raise();
  }

  async stopForFork(reason: string, epoch?: number): Promise<void> {
    await recordStop(this.#deps.db, 'fork', reason, epoch === undefined ? null : String(epoch));
  }

  /** What was settled since the last look is told before the end. */
  async lastLook(): Promise<void> {
    const { settled_id, now_ms } = await glance(this.#deps.db);
    if (settled_id !== null) await this.#deps.onSettled(settled_id, now_ms);
  }

  async #look(loop: Supervised): Promise<void> {
    const { db, runId, enabled, memory, clock, clockLog, log } = this.#deps;
    const [troubles, pass] = [loop.troubles, loop.passes];
    // Known before the look, so that a stop which is recorded meanwhile is not taken for one that was lifted.
    const wasStopped = memory.standing.kind === 'stopped';
    const seen = await beat(db, runId, { push: memory.standing, pull: this.#deps.pull() }, clock.offsetMs);
    const active = enabled && seen.enabled;
    if (active === this.#pausedTold) {
      this.#pausedTold = !active;
      log.info(active ? 'resumed' : 'paused; capture goes on, nothing is sent');
    }
    if (seen.stopped !== null && memory.standing.kind !== 'stopped') loop.stop(seen.stopped);
    if (seen.stopped === null && wasStopped) {
      await this.#deps.reidentify();
      loop.goOn();
    }
    loop.configure({ enabled: active, trouble: seen.trouble, troubles, heldTypes: seen.held_push });
    // What a person has just discarded may wait here behind an answer.
    if (this.#lastCommand !== undefined && this.#lastCommand !== seen.last_command) loop.readAnew();
    this.#lastCommand = seen.last_command;
    const stop = seen.stopped === null ? null : { code: seen.stopped_code ?? '', reason: seen.stopped };
    this.#deps.onLook({ enabled: active, stop, heldTypes: seen.held_apply, walks: seen.walks });
    if (seen.settled_id !== null) await this.#deps.onSettled(seen.settled_id, seen.now_ms);
    await this.#answerNow(loop, seen.now_requested, active, pass);
    await clockLog.look(db);
  }

  async #answerNow(loop: Supervised, requested: boolean, active: boolean, pass: number): Promise<void> {
    if (!requested) {
      this.#request = undefined;
      return;
    }
    const { standing } = this.#deps.memory;
    const prevented = active ? standing.kind === 'stopped' && standing.reason : this.#whyPaused();
    if (prevented === false && this.#request === undefined) {
      // First the wait is dropped: how we stand until then is no answer to somebody who asks for a new try.
      loop.tryNow(true);
      this.#request = new NowRequest({ pass, ...this.#deps.onNow() });
    }
    const answer = prevented === false ? this.#request?.answer : { outcome: null, error: prevented };
    if (!answer) return;
    this.#request = undefined;
    await answerNow(this.#deps.db, answer.outcome, answer.error);
  }

  #whyPaused(): string {
    return this.#deps.enabled ? 'paused: syncd resume lets it go on' : SWITCHED_OFF;
  }
}
