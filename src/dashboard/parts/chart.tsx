/**
 * One chart. Every line has its own dash beside its own colour; times without the cloud are hatched. What the pointer is at is
 * told below in words; without one, the newest. Drawn anew when its size, its colours or its figures change.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import UPlot from 'uplot';
import type { Format } from '../i18n/format.js';
import { useWords } from '../i18n/words.js';
import { preferences } from '../state/preferences.js';
import type { Points, Range } from '../state/series.js';
import { useStore } from '../state/store.js';

export type Line = {
  label: string;
  colour: 'captured' | 'pushed' | 'pulled' | 'waiting' | 'busy';
  dash?: number[];
  points: Points;
};

type ChartProps = {
  title: string;
  range: Range;
  at: number[];
  lines: Line[];
  shades: [number, number][];
  show: (value: number) => string;
  /** The whole of it in a sentence. */
  summary: string;
};

const HEIGHT = 180;
/** Nothing is counted in halves. */
const INCREMENTS = [1, 2, 5]
  .flatMap((step) => Array.from({ length: 9 }, (_, power) => step * 10 ** power))
  .sort((a, b) => a - b);

export function Chart({ title, range, at, lines, shades, show, summary }: ChartProps) {
  const { t, f } = useWords();
  const place = useRef<HTMLDivElement>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const theme = useStore(preferences, (chosen) => chosen.theme);
  useEffect(() => {
    const holder = place.current;
    if (!holder) return;
    let chart = draw(holder, { at, lines, shades, range, f, show, onCursor: setCursor });
    const redraw = () => {
      chart.destroy();
      chart = draw(holder, { at, lines, shades, range, f, show, onCursor: setCursor });
    };
    const resized = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry?.contentRect.width ?? 0);
      if (width > 0 && width !== chart.width) chart.setSize({ width, height: HEIGHT });
    });
    resized.observe(holder);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', redraw);
    return () => {
      resized.disconnect();
      dark.removeEventListener('change', redraw);
      chart.destroy();
    };
  }, [at, range, theme, f, shades]);
  const shown = cursor ?? lastKnown(lines);
  const when = shown === null || at[shown] === undefined ? undefined : (at[shown] as number) * 1_000;
  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
      </figcaption>
      <div ref={place} class="chart-place" role="img" aria-label={`${title}. ${summary}`} />
      <p class="chart-legend" aria-hidden="true">
        <span class="soft chart-when">{when === undefined ? '–' : whenText(when, range, f)}</span>
        {lines.map(({ label, colour, dash, points }) => (
          <span key={label} class="chart-key">
            <svg viewBox="0 0 22 4" class={`key-${colour}`} aria-hidden="true">
              <line x1="0" y1="2" x2="22" y2="2" stroke-dasharray={dash?.join(' ')} />
            </svg>
            {label}
            <strong>{valueText(points, shown, show)}</strong>
          </span>
        ))}
        {shades.length > 0 && (
          <span class="chart-key">
            <span class="key-outage" />
            {t.charts.outage}
          </span>
        )}
      </p>
    </figure>
  );
}

function whenText(ms: number, range: Range, f: Format): string {
  return range === 'week' ? f.weekdayTime(ms) : f.timeOfDay(ms);
}

function valueText(points: Points, place: number | null, show: (value: number) => string): string {
  const value = place === null ? null : points[place];
  return value === null || value === undefined ? '–' : show(value);
}

function lastKnown(lines: Line[]): number | null {
  const points = lines[0]?.points ?? [];
  for (let place = points.length - 1; place >= 0; place--) if (points[place] !== null) return place;
  return null;
}

type Drawing = Omit<ChartProps, 'title' | 'summary'> & { f: Format; onCursor: (place: number | null) => void };

function draw(holder: HTMLElement, { at, lines, shades, range, f, show, onCursor }: Drawing): UPlot {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const font = `12px ${style.getPropertyValue('--font')}`;
  const axis = { stroke: colour('ink-soft'), font, grid: { stroke: colour('line'), width: 1 }, ticks: { show: false } };
  const time = (s: number) => (range === 'week' ? f.dayMonth(s * 1_000) : f.timeOfDay(s * 1_000));
  // The first line lies above the others: its dots are seen where they meet.
  const drawn = [...lines].reverse();
  const options: UPlot.Options = {
    width: Math.max(240, Math.floor(holder.clientWidth)),
    height: HEIGHT,
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false }, points: { size: 7 } },
    scales: { y: { range: (_, _low, high) => [0, niceTop(high)] } },
    axes: [
      { ...axis, size: 28, space: 64, values: (_, splits) => splits.map(time) },
      {
        ...axis,
        incrs: INCREMENTS,
        size: (_, values) => 14 + 7 * Math.max(2, ...(values ?? []).map((text) => text.length)),
        space: 34,
        values: (_, splits) => splits.map(show),
      },
    ],
    series: [
      {},
      ...drawn.map(({ label, colour: name, dash }) => ({
        label,
        stroke: colour(name),
        width: 2,
        ...(dash && { dash }),
        points: { show: false },
      })),
    ],
    hooks: {
      drawClear: [(chart) => shade(chart, shades, colour('outage'))],
      setCursor: [(chart) => onCursor(chart.cursor.idx ?? null)],
    },
  };
  return new UPlot(options, [at, ...drawn.map(({ points }) => points)] as UPlot.AlignedData, holder);
}

function niceTop(high: number | null): number {
  return high === null || !Number.isFinite(high) || high < 1 ? 1 : high * 1.1;
}

/** Hatched, so that it is seen without colours. */
function shade(chart: UPlot, shades: [number, number][], colour: string): void {
  const { ctx, bbox } = chart;
  for (const [from, to] of shades) {
    const left = Math.max(bbox.left, chart.valToPos(from, 'x', true));
    const right = Math.min(bbox.left + bbox.width, Math.max(chart.valToPos(to, 'x', true), left + 2));
    if (right <= bbox.left || left >= bbox.left + bbox.width) continue;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, bbox.top, right - left, bbox.height);
    ctx.clip();
    ctx.globalAlpha = 0.1;
    ctx.fillStyle = colour;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.globalAlpha = 0.35;
    ctx.strokeStyle = colour;
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    const gap = 8 * devicePixelRatio;
    for (let x = left - bbox.height - (left % gap); x < right; x += gap) {
      ctx.moveTo(x, bbox.top + bbox.height);
      ctx.lineTo(x + bbox.height, bbox.top);
    }
    ctx.stroke();
    ctx.restore();
  }
}
