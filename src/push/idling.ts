/**
 * Decides when to look at the queue again. While there is work it looks every few milliseconds, with nothing to do ever more
 * rarely, and after a while it goes to sleep through the wake gate: from then on a sale notifies, and a look a second is the
 * backstop for a hint that got lost.
 */
import type { WakeGate } from '../db/wake.js';
import { monotonicMs } from '../time.js';

const FIRST_POLL_MS = 5;
/** While awake nobody notifies, so this is what a lone sale waits at most. */
const LONGEST_POLL_MS = 20;
/** Asleep. */
const BACKSTOP_MS = 1_000;
/** Kept from sleeping by a capturing transaction that stays open: nobody notifies meanwhile. */
const PINNED_POLL_MS = 200;
/** Looks in a row that found nothing before sleep is tried: some 150 ms. A calm shop then notifies, which costs it nothing. */
const LOOKS_BEFORE_SLEEP = 10;

export class Idling {
  readonly #gate: WakeGate;
  readonly #onError: (error: unknown) => void;
  #pollMs = FIRST_POLL_MS;
  #nextLookAt = 0;
  #emptyLooks = 0;

  constructor(gate: WakeGate, onError: (error: unknown) => void) {
    this.#gate = gate;
    this.#onError = onError;
  }

  /** Milliseconds until the next look is due; 0: now. */
  waitMs(): number {
    return Math.max(0, this.#nextLookAt - monotonicMs());
  }

  lookNow(): void {
    this.#nextLookAt = 0;
  }

  /** Nothing can be sent for a while, so no sale needs to notify. */
  stayAwake(): void {
    this.#gate.wake(this.#onError);
  }

  /** To be called after each look at the whole queue. */
  async looked(found: boolean): Promise<void> {
    if (found) {
      this.#gate.wake(this.#onError);
      this.#emptyLooks = 0;
      this.#pollMs = FIRST_POLL_MS;
    } else if (!this.#gate.awake) {
      this.#pollMs = BACKSTOP_MS;
    } else if (++this.#emptyLooks < LOOKS_BEFORE_SLEEP) {
      this.#pollMs = Math.min(LONGEST_POLL_MS, this.#pollMs * 2);
    } else if (await this.#gate.tryToSleep()) {
      // Asleep, one more look with a new snapshot is owed.
      this.#pollMs = 0;
    } else {
      this.#pollMs = Math.min(PINNED_POLL_MS, this.#pollMs * 2);
    }
    this.#nextLookAt = monotonicMs() + this.#pollMs;
  }
}
