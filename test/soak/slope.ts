/** What a long series of samples says: how fast a figure grows, and whether that is more than it may. Pure. */
import { median, quantile } from '../bench/statistics.js';

export type Sample = { minute: number; value: number };

/** By least squares, in units a minute. A series of one sample does not grow. */
export function slopeOf(samples: Sample[]): number {
  const [meanX, meanY] = [mean(samples.map(({ minute }) => minute)), mean(samples.map(({ value }) => value))];
  const spread = samples.reduce((sum, { minute }) => sum + (minute - meanX) ** 2, 0);
  if (spread === 0) return 0;
  return samples.reduce((sum, { minute, value }) => sum + (minute - meanX) * (value - meanY), 0) / spread;
}

export type Bound = {
  /** No sample above it. */
  most?: number;
  /** The last quarter's median above the first one's, at most so much, and by no more than this share of it. */
  growth?: { by: number; share: number };
};

export type Judged = { first: number; last: number; most: number; perHour: number; fault: string | undefined };

/** The start, when caches fill, is left out: a fifth of the samples. */
export function judge(samples: Sample[], bound: Bound): Judged {
  const settled = samples.slice(Math.floor(samples.length / 5));
  const quarter = Math.max(1, Math.floor(settled.length / 4));
  const first = median(settled.slice(0, quarter).map(({ value }) => value));
  const last = median(settled.slice(-quarter).map(({ value }) => value));
  const most = quantile(
    samples.map(({ value }) => value),
    1,
  );
  const figures = { first, last, most, perHour: slopeOf(settled) * 60 };
  if (bound.most !== undefined && most > bound.most) return { ...figures, fault: `above ${bound.most}` };
  if (bound.growth && last - first > Math.max(bound.growth.by, first * bound.growth.share))
    return { ...figures, fault: `grew by ${round(last - first)}` };
  return { ...figures, fault: undefined };
}

export function round(value: number): number {
  return Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(3));
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
