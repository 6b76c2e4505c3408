/**
 * Chance that repeats: the same seed gives the same day in the shop. Owns no state but its own counter; nothing here is fit
 * for secrets.
 */

export type Random = {
  /** A fraction from 0 up to, not including, 1. */
  fraction(): number;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  /** One of them, each as likely. @throws RangeError where there is none. */
  pick<T>(all: readonly T[]): T;
  /** A version 4 uuid. */
  uuid(): string;
};

/** Mulberry32: one 32-bit counter, good enough for a till and the same on every machine. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (low: number, high: number) => low + Math.floor(fraction() * (high - low + 1));
  return {
    fraction,
    between,
    pick<T>(all: readonly T[]): T {
      if (all.length === 0) throw new RangeError('nothing to pick from');
      return all[between(0, all.length - 1)] as T;
    },
    uuid() {
      const hex = Array.from({ length: 32 }, () => between(0, 15).toString(16));
      hex[12] = '4';
      hex[16] = (8 + between(0, 3)).toString(16);
      const text = hex.join('');
      return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
    },
  };
}
