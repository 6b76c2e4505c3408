/**
 * Estimates how far the cloud's clock is from ours, from the instants in its answers. Pure. The median of the last few
 * observations shrugs off a slow answer; over plain loopback HTTP both clocks are one and the offset is 0.
 */
import { isInstant } from './instant.js';

const KEPT = 9;
/** What no cloud's clock can show: such an answer is garbage, and reckoning with it would leave the range of dates. */
const EARLIEST_MS = Date.UTC(2000);
const LATEST_MS = Date.UTC(2200);

export class ClockOffset {
  readonly #apart: boolean;
  #observed: number[] = [];

  /** @param apart whether the cloud has a clock of its own: it is reached over TLS, not over loopback */
  constructor(apart: boolean) {
    this.#apart = apart;
  }

  /**
   * @param serverMs the cloud's clock, epoch ms
   * @param resolutionMs 1000 for a `Date` header, which is cut to the second; 1 for `server_time`
   * @param sentAtMs our clock when the request left; `durationMs` later the answer was there
   */
  observe(serverMs: number, resolutionMs: number, sentAtMs: number, durationMs: number): void {
    if (!this.#apart || !(serverMs >= EARLIEST_MS && serverMs < LATEST_MS)) return;
    this.#observed.push(serverMs + resolutionMs / 2 - (sentAtMs + durationMs / 2));
    if (this.#observed.length > KEPT) this.#observed.shift();
  }

  /** Our clock was set: what was observed before says nothing of it any more. */
  forget(): void {
    this.#observed = [];
  }

  /**
   * Takes in what an answer tells of the cloud's clock; the more exact of both, where there are two. A time without an offset is
   * none: read as ours it would put the cloud hours away, and every edit of the shop with it.
   * @param nowMs our clock when the answer was there
   */
  observeAnswer(
    serverTime: string | null | undefined,
    date: string | undefined,
    nowMs: number,
    durationMs: number,
  ): void {
    const [told, resolutionMs] = serverTime != null && isInstant(serverTime) ? [serverTime, 1] : [date, 1_000];
    if (told !== undefined) this.observe(Date.parse(told), resolutionMs, nowMs - durationMs, durationMs);
  }

  /** Cloud less ours in ms; undefined before the first observation. */
  get offsetMs(): number | undefined {
    if (!this.#apart) return 0;
    const sorted = [...this.#observed].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }

  /** What to add to an instant of ours: nothing while unknown, nor within the error of a `Date` header. */
  get correctionMs(): number {
    const offset = this.offsetMs ?? 0;
    return Math.abs(offset) <= 1_000 ? 0 : Math.round(offset);
  }
}
