/**
 * Keeps an outage from filling the log: the same trouble is told at most once in five minutes, with how often it came
 * meanwhile, and its end once, with how long it lasted. A state machine without a clock: every call brings the instant.
 */

const QUIET_MS = 5 * 60_000;
/** Troubles remembered at once; beyond it the one that is quiet for longest is forgotten. */
const MOST = 500;

type Trouble = { since: number; toldAt: number; untold: number; times: number };

export type Told = { repeated: number };
export type Recovered = { lastedMs: number; times: number };

export class Throttle {
  readonly #troubles = new Map<string, Trouble>();

  /** Whether a line about this trouble is due; `repeated`: how often it came untold since the last line. Instants in ms. */
  trouble(key: string, now: number): Told | undefined {
    const known = this.#troubles.get(key);
    if (!known) {
      this.#makeRoom();
      this.#troubles.set(key, { since: now, toldAt: now, untold: 0, times: 1 });
      return { repeated: 0 };
    }
    known.times += 1;
    // Touched last, so that the first in the map is the one that has been quiet for longest.
    this.#troubles.delete(key);
    this.#troubles.set(key, known);
    if (now - known.toldAt < QUIET_MS) {
      known.untold += 1;
      return undefined;
    }
    const repeated = known.untold;
    known.toldAt = now;
    known.untold = 0;
    return { repeated };
  }

  /** Ends a trouble; undefined where there was none, so that "recovered" is said once. */
  recover(key: string, now: number): Recovered | undefined {
    const known = this.#troubles.get(key);
    if (!known) return undefined;
    this.#troubles.delete(key);
    return { lastedMs: now - known.since, times: known.times };
  }

  #makeRoom(): void {
    if (this.#troubles.size < MOST) return;
    const [oldest] = this.#troubles.keys();
    if (oldest !== undefined) this.#troubles.delete(oldest);
  }
}
