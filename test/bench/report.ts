/**
 * What a measurement hands back, and how it is shown: one table for people, one JSON object for machines. A figure carries
 * its bound, so that a missed one is seen without looking anything up.
 */
import { median, tremble } from './statistics.js';

export type Bound = { must: number; aim?: number; better: 'higher' | 'lower' };

export type Figure = {
  /** The letter of the measurement, A1 say. */
  bench: string;
  /** What was measured and how, in a few words. */
  what: string;
  /** The bare program that it is compared with; empty for an absolute figure. */
  reference: string;
  /** `x` is a ratio to the reference. */
  unit: string;
  value: number;
  low: number;
  high: number;
  rounds: number;
  /** See {@link tremble}. */
  noise: number;
  bound?: Bound;
  /** Numbers that explain the figure: throughputs, milliseconds of CPU. */
  detail: Record<string, number>;
};

export type Report = { machine: Record<string, string | number>; options: Record<string, unknown>; figures: Figure[] };

/** A figure from one number a round: the median, the extremes, the noise. */
export function figureOf(
  sample: number[],
  rest: Pick<Figure, 'bench' | 'what' | 'reference' | 'unit' | 'bound' | 'detail'>,
): Figure {
  const spread = { value: median(sample), low: Math.min(...sample), high: Math.max(...sample), rounds: sample.length };
  return { ...rest, ...spread, noise: tremble(sample) };
}

export function verdictOf({ value, bound }: Figure): 'aim' | 'must' | 'MISSED' | '' {
  if (!bound) return '';
  const holds = (limit: number) => (bound.better === 'higher' ? value >= limit : value <= limit);
  if (bound.aim !== undefined && holds(bound.aim)) return 'aim';
  return holds(bound.must) ? 'must' : 'MISSED';
}

export function tableOf(report: Report): string {
  const rows = report.figures.map((figure) => [
    figure.bench,
    figure.what,
    figure.reference,
    `${round(figure.value)} ${figure.unit}`,
    `${round(figure.low)}..${round(figure.high)}`,
    `±${Math.round(figure.noise * 100)} %`,
    boundOf(figure),
    verdictOf(figure),
  ]);
  const lines = aligned([['', 'what', 'against', 'median', 'from..to', 'noise', 'must / aim', ''], ...rows]);
  const details = report.figures.map(({ bench, what, detail }) => {
    const numbers = Object.entries(detail).map(([name, value]) => `${name} ${round(value)}`);
    return numbers.length === 0 ? [] : [`  ${bench} ${what}: ${numbers.join(', ')}`];
  });
  const machine = Object.entries(report.machine).map(([name, value]) => `${name} ${value}`);
  return [...lines, '', ...new Set(details.flat()), '', machine.join(', ')].join('\n');
}

function boundOf({ bound }: Figure): string {
  if (!bound) return '';
  const sign = bound.better === 'higher' ? '≥' : '≤';
  return `${sign} ${bound.must}${bound.aim === undefined ? '' : ` / ${bound.aim}`}`;
}

function aligned(rows: string[][]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function round(value: number): string {
  if (Math.abs(value) >= 1000) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}
