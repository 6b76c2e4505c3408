/** The few statistics that the tables show. Pure; every function refuses an empty sample, which would mean nothing was measured. */

/** The value below which `share` (0 to 1) of the sample lies, between two neighbours in proportion. */
export function quantile(sample: number[], share: number): number {
  if (sample.length === 0) throw new Error('a quantile of nothing');
  const sorted = [...sample].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const low = sorted[Math.floor(place)] as number;
  const high = sorted[Math.ceil(place)] as number;
  return low + (high - low) * (place - Math.floor(place));
}

export function median(sample: number[]): number {
  return quantile(sample, 0.5);
}

/** Element by element; both samples come from the same rounds, in the same order. */
export function ratios(over: number[], under: number[]): number[] {
  if (over.length !== under.length) throw new Error('ratios of rounds that do not pair');
  return over.map((value, round) => value / (under[round] as number));
}

/** Half the distance between the quartiles, as a share of the median: how much the machine trembled. */
export function tremble(sample: number[]): number {
  return (quantile(sample, 0.75) - quantile(sample, 0.25)) / 2 / median(sample);
}

/** The list turned by `by` places, so that over the rounds nobody always goes first. */
export function turned<T>(list: T[], by: number): T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}
