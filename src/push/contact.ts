/**
 * Our contact with the cloud: owns the standing, probes a cloud that was away, asks for its limits, and takes note of every
 * reply. It sends no change.
 */
import type { CloudClient } from '../cloud/client.js';
import { bearingOf, judgeReply, notTheCloud } from '../cloud/outcome.js';
import { parseCapabilities, parseObject } from '../cloud/reply.js';
import {
  afterReply,
  type Bearing,
  goOnTrial,
  type Permission,
  permission,
  type Standing,
  tryNow,
} from '../cloud/standing.js';
import type { RetrySettings } from '../config/settings.js';
import type { Log } from '../log.js';
import { withMaxima } from './link.js';
import type { PushMemory } from './memory.js';

export type ContactDeps = {
  client: CloudClient;
  memory: PushMemory;
  retry: RetrySettings;
  log: Log;
  /** The wall's clock, to read dates by. */
  nowMs: () => number;
  /** One that never jumps, to wait by. */
  steadyMs: () => number;
  random: () => number;
  /** Why nothing of an answer that names this epoch may count; undefined where all is well. */
  checkEpoch: (cloud_epoch: string | undefined) => Promise<string | undefined>;
  /** Told at every change of standing. */
  onStanding: (standing: Standing) => void;
};

/** The cloud's limits are asked for anew so often, or as soon as a push was too large for them. */
const ASK_EVERY_MS = 24 * 3_600_000;
const ASK_AGAIN_MS = 60_000;

export class Contact {
  readonly #deps: ContactDeps;

  constructor(deps: ContactDeps) {
    this.#deps = deps;
  }

  get permission(): Permission {
    const { memory, steadyMs } = this.#deps;
    const allowed = permission(memory.standing, steadyMs());
    return allowed.may === 'call' && steadyMs() >= memory.askAtMs ? { may: 'ask' } : allowed;
  }

  get standing(): Standing {
    return this.#deps.memory.standing;
  }

  /** Is the cloud back? True: it may be tried. */
  async probe(): Promise<boolean> {
    const reply = await this.#deps.client.health();
    if (reply.kind === 'answer' && reply.status === 200) return this.ask();
    this.replied(bearingOf(judgeReply(reply, this.#deps.nowMs())));
    return false;
  }

  /**
   * Learns the cloud's limits. A captive portal, which answers any health check, does not get past this one. Where limits are
   * known already, an endpoint that fails changes nothing.
   * @returns whether a push may be tried
   */
  async ask(): Promise<boolean> {
    const { memory, client, log, nowMs, steadyMs, checkEpoch } = this.#deps;
    const asksAnew = memory.standing.kind === 'online' || memory.standing.kind === 'trial';
    memory.askAtMs = steadyMs() + ASK_EVERY_MS;
    const reply = await client.capabilities();
    if (memory.standing.kind === 'stopped') return false;
    const answered = reply.kind === 'answer' ? reply : undefined;
    const body = answered?.status === 200 ? parseObject(answered.body) : undefined;
    if (!body && answered?.status !== 404) {
      if (asksAnew) return true;
      const outcome = judgeReply(reply, nowMs());
      this.replied(bearingOf(outcome.kind === 'ok' ? notTheCloud() : outcome));
      return false;
    }
    const limits = parseCapabilities(body && answered ? answered.body : undefined);
    const restored = await checkEpoch(limits.cloud_epoch);
    if (restored !== undefined) {
      this.stop(restored);
      return false;
    }
    memory.capabilities = limits;
    memory.link = withMaxima(memory.link, limits.max_batch_changes, limits.max_batch_bytes);
    memory.encodings = limits.encodings;
    log.debug('the cloud told its limits', { ...limits });
    // That it tells its limits ends no refusal of pushes: the next push shows whether they are taken, and keeps to the schedule.
    if (memory.standing.kind === 'offline') this.#set(goOnTrial(memory.standing, steadyMs()));
    else if (memory.standing.kind !== 'refused') this.#set({ kind: 'online' });
    return true;
  }

  /** The limits that are known do not hold any more. */
  askAgain(): void {
    const { memory, steadyMs } = this.#deps;
    const askedAtMs = memory.askAtMs - ASK_EVERY_MS;
    memory.askAtMs = Math.min(memory.askAtMs, Math.max(steadyMs(), askedAtMs + ASK_AGAIN_MS));
  }

  /** Takes note of what a reply says about the cloud. */
  replied(bearing: Bearing): void {
    const { memory, client, retry, steadyMs, random } = this.#deps;
    if (client.aborted && bearing.kind === 'offline') return;
    this.#set(afterReply(memory.standing, bearing, retry, steadyMs(), random()));
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
