/**
 * What the commands say and where: results on standard output, errors and hints on standard error. Owns colour and the JSON
 * form of an error. A reader that has gone (`syncd install | head`) ends the output, not the command.
 */

import { colourWanted } from '../config/caller.js';
import { ConfigurationError } from '../config/faults.js';
import { codeOf, EXIT, SyncError, wordsOf } from '../errors.js';
import { redactText } from '../redact.js';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
const CODES: Record<Style, [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** Puts a style on a text, or leaves it plain where the screen or the caller wants none. */
export type Paint = (style: Style, text: string) => string;

export function painter(options: { color?: boolean }): Paint {
  const on = options.color !== false && colourWanted(process.stdout.isTTY === true);
  return (style, text) => (on && text !== '' ? `\x1b[${CODES[style][0]}m${text}\x1b[${CODES[style][1]}m` : text);
}

/** The width to write for: of the terminal, or 80 where the output goes elsewhere. */
export function screenWidth(): number {
  return process.stdout.isTTY ? Math.max(60, process.stdout.columns || 80) : 80;
}

export function print(text: string): void {
  patient(process.stdout).write(`${text}\n`);
}

/** A line with names and words of others in it, which may hold what a terminal obeys instead of showing it. */
export function printWords(text: string): void {
  print(withoutControls(text));
}

/** Indented on a terminal, one line for a program. */
export function printJson(value: unknown): void {
  printJsonText(JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined));
}

/** JSON leaves the controls of eight bits as they are, and a terminal obeys them too. */
export function printJsonText(json: string): void {
  print(json.replaceAll(/[\x7f-\x9f]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`));
}

/** On standard error, so that a program that reads the result is not disturbed. */
export function remark(text: string): void {
  patient(process.stderr).write(`${withoutControls(text)}\n`);
}

function withoutControls(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]/gu, ' ');
}

/** Over the line that stands there, on a terminal. */
export function rewrite(text: string): void {
  patient(process.stderr).write(`\r\x1b[2K${text}`);
}

const patients = new WeakSet<NodeJS.WriteStream>();

let endsUnheard = false;

/** For what only shows, for as long as somebody looks: it ends with its reader. */
export function endUnheard(): void {
  endsUnheard = true;
}

/**
 * The stream, with its errors attended to. A closed pipe is the reader's good right: whoever acts goes on unheard, for an install
 * that ends halfway would be nobody's wish. A result that could not be written whole is a failure.
 * Only when something is printed: merely looking at process.stdout makes a pipe non-blocking, and the daemon's log would lose lines.
 */
function patient(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  if (!patients.has(stream)) {
    patients.add(stream);
    let lost = false;
    stream.on('error', (error) => {
      if (stream === process.stdout && codeOf(error) !== 'EPIPE' && !lost) {
        lost = true;
        process.once('exit', () => {
          process.exitCode ||= EXIT.failed;
        });
        remark(`syncd: the output could not be written: ${wordsOf(error)}`);
      }
      if (endsUnheard) process.exit(process.exitCode ?? 0);
    });
  }
  return stream;
}

/** Prints an error for the caller and gives the exit code that goes with it. */
export function printError(error: unknown, options: { json?: boolean; verbose?: boolean }): number {
  const known =
    error instanceof SyncError
      ? error
      : new SyncError('failed', `something unforeseen: ${wordsOf(error)}`, { cause: error });
  const exit = EXIT[known.code];
  const [message, hint] = [redactText(known.message, []), redactText(known.hint, [])];
  if (options.json) {
    const faults = known instanceof ConfigurationError ? { faults: known.faults } : {};
    remark(JSON.stringify({ error: { code: known.code, message, hint, exit, ...faults } }));
    return exit;
  }
  remark(`syncd: ${message}`);
  if (hint) remark(`hint: ${hint}`);
  for (let cause: unknown = known; options.verbose && cause instanceof Error; cause = cause.cause) {
    remark(redactText(cause.stack ?? cause.message, []));
  }
  return exit;
}
