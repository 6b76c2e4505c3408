/** Columns for people: aligned, cut to the screen, the last one taking what is left. Pure. */
import { oneLine, shortened, wrapped } from '../ops/status/words.js';
import type { Paint, Style } from './output.js';

export type Column<T> = {
  title: string;
  cell: (row: T) => string;
  right?: boolean;
  style?: (row: T) => Style | undefined;
  /** No wider than this where the screen is too narrow for all. */
  most?: number;
  /** Of the last one: words that are worth lines of their own beneath each row where they would be cut. */
  below?: boolean;
};

const INDENT = '    ';
/** Lines of words beneath a row; a cloud may send a page of them. */
const MOST_LINES = 6;

/** Lines of a table at most `width` wide. */
export function table<T>(rows: T[], columns: Column<T>[], width: number, paint: Paint): string[] {
  const texts = rows.map((row) => columns.map(({ cell }) => oneLine(cell(row))));
  const widest = columns.map(({ title }, i) => Math.max(title.length, ...texts.map((row) => (row[i] ?? '').length)));
  const last = columns.length - 1;
  const below = columns[last]?.below === true && overhang(widest, width) > 0;
  const shown = below ? columns.slice(0, last) : columns;
  const widths = fitted(widest.slice(0, shown.length), shown, width);
  const line = (cells: string[], style: (i: number) => Style | undefined) =>
    shown
      .map(({ right }, i) => {
        const size = widths[i] ?? 0;
        const text = shortened(cells[i] ?? '', size);
        const padded = right ? text.padStart(size) : i === last ? text : text.padEnd(size);
        const chosen = style(i);
        return chosen ? paint(chosen, padded) : padded;
      })
      .join('  ')
      .trimEnd();
  return [
    line(
      columns.map(({ title }) => title),
      () => 'dim',
    ),
    ...texts.flatMap((cells, r) => [
      line(cells, (i) => columns[i]?.style?.(rows[r] as T)),
      ...(below ? words(cells[last] ?? '', width) : []),
    ]),
  ];
}

/** How much too wide the columns are with a gap between each. */
function overhang(widths: number[], width: number): number {
  return widths.reduce((sum, one) => sum + one + 2, -2) - width;
}

/** First those with a `most` give way, then the last one. */
function fitted<T>(widest: number[], columns: Column<T>[], width: number): number[] {
  const widths = [...widest];
  columns.forEach(({ most }, i) => {
    const size = widths[i] ?? 0;
    if (most !== undefined) widths[i] = Math.max(Math.min(size, most), size - Math.max(0, overhang(widths, width)));
  });
  const last = widths.length - 1;
  widths[last] = Math.max(8, (widths[last] ?? 0) - Math.max(0, overhang(widths, width)));
  return widths;
}

function words(text: string, width: number): string[] {
  const room = width - INDENT.length;
  const lines = wrapped(text, room).map((one) => shortened(one, room));
  const shown = lines.length > MOST_LINES ? [...lines.slice(0, MOST_LINES), '…'] : lines;
  return shown.map((one) => INDENT + one);
}
