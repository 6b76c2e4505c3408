/** Columns for people: aligned, cut to the screen, the last one taking what is left. Pure. */
import { oneLine, shortened } from '../ops/status/words.js';
import type { Paint, Style } from './output.js';

export type Column<T> = {
  title: string;
  cell: (row: T) => string;
  right?: boolean;
  style?: (row: T) => Style | undefined;
  /** Never wider than this. */
  most?: number;
};

/** Lines of a table at most `width` wide. */
export function table<T>(rows: T[], columns: Column<T>[], width: number, paint: Paint): string[] {
  const texts = rows.map((row) => columns.map(({ cell }) => oneLine(cell(row))));
  const widths = columns.map(({ title, most }, i) =>
    Math.min(most ?? width, Math.max(title.length, ...texts.map((row) => (row[i] ?? '').length))),
  );
  const last = widths.length - 1;
  const taken = widths.slice(0, last).reduce((sum, one) => sum + one + 2, 0);
  widths[last] = Math.max(8, Math.min(widths[last] ?? 0, width - taken));
  const line = (cells: string[], style: (i: number) => Style | undefined) =>
    cells
      .map((cell, i) => {
        const size = widths[i] ?? 0;
        const text = shortened(cell, size);
        const padded = columns[i]?.right ? text.padStart(size) : i === last ? text : text.padEnd(size);
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
    ...texts.map((cells, r) => line(cells, (i) => columns[i]?.style?.(rows[r] as T))),
  ];
}
