/**
 * Our contact with the cloud: owns the standing, probes a cloud that was away, asks for its limits, and takes note of every
 * reply. It sends no change.
 */
import type { CloudClient } from '../cloud/client.js';
import { parseCapabilities, parseObject } from '../cloud/reply.js';
import type { RetrySettings } from '../config/settings.js';
import type { Log } from '../log.js';
import { withMaxima } from './link.js';
import type { CloudMemory } from './memory.js';
import { type ExchangeOutcome, judgeExchange } from './outcome.js';
import { afterReply, goOnTrial, type Permission, permission, type Standing, tryNow } from './standing.js';

export type ContactDeps = {
  client: CloudClient;
  memory: CloudMemory;
  retry: RetrySettings;
  log: Log;
  /** The wall's clock, to read dates by. */
  nowMs: () => number;
  /** One that never jumps, to wait by. */
  steadyMs: () => number;
  random: () => number;
  /** Told at every change of standing. */
  onStanding: (standing: Standing) => void;
};

export class Contact {
  readonly #deps: ContactDeps;

  constructor(deps: ContactDeps) {
    this.#deps = deps;
  }

  get permission(): Permission {
    return permission(this.#deps.memory.standing, this.#deps.steadyMs());
  }

  get standing(): Standing {
    return this.#deps.memory.standing;
  }

  /** Is the cloud back? True: it may be tried. */
  async probe(): Promise<boolean> {
    const reply = await this.#deps.client.health();
    if (reply.kind === 'answer' && reply.status === 200) return this.ask();
    this.replied(judgeExchange(reply, this.#deps.nowMs()));
    return false;
  }

  /**
   * Learns the cloud's limits. A captive portal, which answers any health check, does not get past this one.
   * @returns whether a push may be tried
   */
  async ask(): Promise<boolean> {
    const { memory, client, log, nowMs, steadyMs } = this.#deps;
    const reply = await client.capabilities();
    if (memory.standing.kind === 'stopped') return false;
    const answered = reply.kind === 'answer' ? reply : undefined;
    const body = answered?.status === 200 ? parseObject(answered.body) : undefined;
    if (!body && answered?.status !== 404) {
      const outcome = judgeExchange(reply, nowMs());
      this.replied(outcome.kind === 'results' ? notTheCloud : outcome);
      return false;
    }
    const limits = parseCapabilities(body && answered ? answered.body : undefined);
    memory.link = withMaxima(memory.link, limits.max_batch_changes, limits.max_batch_bytes);
    memory.encodings = limits.encodings;
    log.debug('the cloud told its limits', { ...limits });
    this.#set(memory.standing.kind === 'offline' ? goOnTrial(memory.standing, steadyMs()) : { kind: 'online' });
    return true;
  }

  /** Takes note of what a reply, to whatever request, says about the cloud as a whole. */
  replied(outcome: ExchangeOutcome): void {
    const { memory, client, retry, steadyMs, random } = this.#deps;
    if (client.aborted && outcome.kind === 'offline') return;
    this.#set(afterReply(memory.standing, outcome, retry, steadyMs(), random()));
  }

  /** A person asked, or the cloud called: every wait ends. */
  tryNow(): void {
    this.#set(tryNow(this.#deps.memory.standing, this.#deps.steadyMs()));
  }

  /** Another copy of this outlet lives; nothing leaves until a person has decided. */
  stop(reason: string): void {
    this.#set({ kind: 'stopped', reason });
  }

  /** A person has decided that this copy is the living one. */
  goOn(): void {
    this.#set({ kind: 'unknown' });
  }

  #set(standing: Standing): void {
    this.#deps.memory.standing = standing;
    this.#deps.onStanding(standing);
  }
}

const notTheCloud: ExchangeOutcome = {
  kind: 'offline',
  reason: 'the answer is not the cloud’s',
  timedOut: false,
};
