/**
 * How long work is told: one line that is written over on a terminal, a line now and then where the output goes elsewhere, nothing
 * for a program that wants JSON. On standard error, beside the result.
 */
import { monotonicMs } from '../time.js';
import { remark, rewrite, screenWidth } from './output.js';

export type ProgressLine = { show(text: string): void; end(): void };

const TERMINAL_MS = 100;
const LINES_MS = 5_000;

export function progressLine(options: { json?: boolean }): ProgressLine {
  const terminal = process.stderr.isTTY === true;
  let shownAt = Number.NEGATIVE_INFINITY;
  let open = false;
  return {
    show(text) {
      if (options.json || monotonicMs() - shownAt < (terminal ? TERMINAL_MS : LINES_MS)) return;
      shownAt = monotonicMs();
      if (!terminal) return remark(text);
      open = true;
      rewrite(text.slice(0, screenWidth() - 1));
    },
    end() {
      if (open) remark('');
      open = false;
    },
  };
}
