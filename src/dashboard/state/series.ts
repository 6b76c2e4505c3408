/** Samples as a chart draws them: a point for every step, with gaps where no daemon worked. Pure. */
import type { Outage, SampleColumns } from '../api/types.js';

export type Range = 'hour' | 'day' | 'week';

const MINUTE_MS = 60_000;
export const RANGES: Record<Range, { span: string; step: string; spanMs: number; stepMs: number }> = {
  hour: { span: '60m', step: '1m', spanMs: 60 * MINUTE_MS, stepMs: MINUTE_MS },
  day: { span: '24h', step: '5m', spanMs: 24 * 60 * MINUTE_MS, stepMs: 5 * MINUTE_MS },
  week: { span: '7d', step: '60m', spanMs: 7 * 24 * 60 * MINUTE_MS, stepMs: 60 * MINUTE_MS },
};

export type Points = (number | null)[];
export type Series = {
  /** Epoch seconds, as the chart counts. */
  at: number[];
  /** By the minute, on average over the step. */
  captured: Points;
  pushed: Points;
  pulled: Points;
  depth: Points;
  /** Mean duration of a push in ms. */
  push: Points;
  totals: { captured: number; pushed: number; pulled: number; deepest: number };
};

/** @param now the database's clock, epoch ms */
export function seriesOf(samples: SampleColumns, range: Range, now: number): Series {
  const { spanMs, stepMs } = RANGES[range];
  const last = Math.floor(now / stepMs) * stepMs;
  const first = last - spanMs + stepMs;
  const places = new Map(samples.minute.map((minute, place) => [Date.parse(minute), place]));
  const at: number[] = [];
  for (let ms = first; ms <= last; ms += stepMs) at.push(ms / 1_000);
  const column = (value: (place: number) => number | null): Points =>
    at.map((s) => {
      const place = places.get(s * 1_000);
      return place === undefined ? null : value(place);
    });
  const perMinute = (values: number[]) => column((place) => ((values[place] ?? 0) * MINUTE_MS) / stepMs);
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  return {
    at,
    captured: perMinute(samples.captured),
    pushed: perMinute(samples.pushed),
    pulled: perMinute(samples.pulled),
    depth: column((place) => samples.queue_depth[place] ?? 0),
    push: column((place) => {
      const count = samples.push_count[place] ?? 0;
      return count === 0 ? null : (samples.push_ms[place] ?? 0) / count;
    }),
    totals: {
      captured: sum(samples.captured),
      pushed: sum(samples.pushed),
      pulled: sum(samples.pulled),
      deepest: Math.max(0, ...samples.queue_depth),
    },
  };
}

/** From and to of each outage within the range, in epoch seconds; one that lasts ends now. */
export function shadesOf(outages: Outage[], range: Range, now: number): [from: number, to: number][] {
  const first = now - RANGES[range].spanMs;
  const within = outages.filter(({ ended_at }) => ended_at === null || Date.parse(ended_at) > first);
  return within.map(({ began_at, ended_at }) => [
    Date.parse(began_at) / 1_000,
    (ended_at === null ? now : Date.parse(ended_at)) / 1_000,
  ]);
}
