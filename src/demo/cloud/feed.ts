/**
 * The feed: every version that an entity took, in the order in which the cloud took it; what outlets pull. Owns the cursor's
 * form and who waits for news. It is built by the lines of the journal alone, so a cursor handed out before a restart still fits.
 */
import { sleep } from '../../time.js';
import type { FeedEntry } from './records.js';

/** A cursor that this feed cannot go on from; the outlet starts again without one. */
export type Position = { kind: 'at'; place: number } | { kind: 'too old' } | { kind: 'no cursor of ours' };

/** All that it holds. */
export type FeedCopy = { entries: FeedEntry[]; last: number };

/** How many entries beyond the horizon may pile up before those that a later one overtook are let go. */
const SLACK = 1_000;

export class Feed {
  readonly #horizon: number;
  #entries: FeedEntry[] = [];
  #last = 0;
  #listener: (entry: FeedEntry) => void = () => {};
  readonly #waiting = new Set<{ outletId: string; news: AbortController }>();

  /** @param horizon how many of the latest entries a cursor may be behind. */
  constructor(horizon: number) {
    this.#horizon = horizon;
  }

  get entries(): readonly FeedEntry[] {
    return this.#entries;
  }

  append(given: Omit<FeedEntry, 'place'>): FeedEntry {
    const entry = { place: ++this.#last, ...given };
    this.#entries.push(entry);
    if (this.#entries.length > 2 * this.#horizon + SLACK) this.#compact();
    this.#listener(entry);
    for (const { outletId, news } of this.#waiting) if (sees(outletId, entry)) news.abort();
    return entry;
  }

  /** Leaves gaps among the places, as if this entity had never been. */
  forget(key: string): void {
    this.#entries = this.#entries.filter((entry) => entry.key !== key);
  }

  /** What it holds, not a copy of it. */
  get held(): FeedCopy {
    return { entries: this.#entries, last: this.#last };
  }

  /** Goes back to this and ends every wait, for whoever waits knows another history. */
  restore({ entries, last }: FeedCopy): void {
    this.#entries = entries;
    this.#last = last;
    for (const { news } of this.#waiting) news.abort();
  }

  /** Hears of every entry from now on. */
  listen(listener: (entry: FeedEntry) => void): void {
    this.#listener = listener;
  }

  /** What an outlet can see after `place`, at most `limit` of them and about so many bytes of rows. */
  after(
    place: number,
    outletId: string,
    limit: number,
    bytes: number,
    from?: Date,
  ): { page: FeedEntry[]; next: number; more: boolean } {
    const page: FeedEntry[] = [];
    let room = bytes;
    for (let index = this.#indexAfter(place); index < this.#entries.length; index++) {
      const entry = this.#entries[index] as FeedEntry;
      if (!sees(outletId, entry) || (from !== undefined && new Date(entry.at) < from)) continue;
      const size = entry.data?.length ?? 0;
      if (page.length === limit || (size > room && page.length > 0)) {
        return { page, next: page.at(-1)?.place ?? place, more: true };
      }
      room -= size;
      page.push(entry);
    }
    return { page, next: Math.max(place, this.#last), more: false };
  }

  /** Returns once the outlet may see something new, after `ms`, or when `signal` aborts. */
  async news(outletId: string, ms: number, signal: AbortSignal): Promise<void> {
    const waiter = { outletId, news: new AbortController() };
    const gone = () => waiter.news.abort();
    signal.addEventListener('abort', gone, { once: true });
    this.#waiting.add(waiter);
    await sleep(signal.aborted ? 0 : ms, waiter.news.signal);
    this.#waiting.delete(waiter);
    signal.removeEventListener('abort', gone);
  }

  /** How many long polls are open. */
  get waiting(): number {
    return this.#waiting.size;
  }

  cursorAt(place: number, epoch: string): string {
    return Buffer.from(`${epoch} ${place}`).toString('base64url');
  }

  /** A cursor of another epoch belongs to another history: too old, whatever its place. */
  positionOf(cursor: string, epoch: string): Position {
    const [of, digits = '', ...rest] = Buffer.from(cursor, 'base64url').toString().split(' ');
    if (!/^\d{1,15}$/.test(digits) || rest.length > 0) return { kind: 'no cursor of ours' };
    const place = Number(digits);
    if (of !== epoch || place < this.#last - this.#horizon || place > this.#last) return { kind: 'too old' };
    return { kind: 'at', place };
  }

  #indexAfter(place: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as FeedEntry).place <= place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Beyond the horizon only the latest entry of each entity is kept: whoever starts anew needs no more. */
  #compact(): void {
    const latest = new Map<string, number>();
    for (const { key, place } of this.#entries) latest.set(key, place);
    const oldest = this.#last - this.#horizon;
    this.#entries = this.#entries.filter(({ key, place }) => place > oldest || latest.get(key) === place);
  }
}

function sees(outletId: string, entry: { outlet_id: string | null }): boolean {
  return entry.outlet_id === null || entry.outlet_id === outletId;
}
