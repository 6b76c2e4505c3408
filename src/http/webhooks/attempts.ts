/**
 * Counts wrong tokens by address: five in a minute, then nobody from there is listened to until the first of them is a minute
 * old. All of it may be lost with the process. Bounded: addresses whose minute has passed are forgotten, and of too many the
 * oldest. Pure; the clock is the caller's.
 */

const TRIES = 5;
const WINDOW_MS = 60_000;
const ADDRESSES = 4_096;

export class Attempts {
  readonly #wrong = new Map<string, number[]>();

  /** For how long nobody from there is listened to; 0: not at all. @param nowMs on a clock that never jumps */
  lockedMs(address: string, nowMs: number): number {
    const recent = this.#recent(address, nowMs);
    return recent.length < TRIES ? 0 : (recent[0] as number) + WINDOW_MS - nowMs;
  }

  wrong(address: string, nowMs: number): void {
    const recent = this.#recent(address, nowMs);
    // Taken out and put back, so that the map is in the order of the last wrong token.
    this.#wrong.delete(address);
    this.#wrong.set(address, [...recent, nowMs]);
    for (const [known, times] of this.#wrong) {
      if (this.#wrong.size <= ADDRESSES && (times.at(-1) as number) > nowMs - WINDOW_MS) break;
      this.#wrong.delete(known);
    }
  }

  get size(): number {
    return this.#wrong.size;
  }

  #recent(address: string, nowMs: number): number[] {
    return (this.#wrong.get(address) ?? []).filter((at) => at > nowMs - WINDOW_MS);
  }
}
