/**
 * Runs the command that tells people of an alert: by its words, without a shell, with the message on its standard input and in
 * its environment, and with nothing else of ours: no variable of the daemon, hence no secret. It gets a time limit; then it and
 * all that it started are killed. What it prints is bounded. Never throws.
 */
import { spawn } from 'node:child_process';
import { wordsOf } from '../../errors.js';
import { sleep } from '../../time.js';
import type { AlertMessage } from './words.js';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const MOST_OUTPUT = 2_000;

/** @returns why it failed; undefined: it ended with 0 */
export async function runAlertCommand(
  [program = '', ...words]: readonly string[],
  message: AlertMessage,
  limitMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  let child: ReturnType<typeof start>;
  try {
    child = start(program, words, message);
  } catch (error) {
    return `it cannot be started: ${wordsOf(error)}`;
  }
  const output: Buffer[] = [];
  let bytes = 0;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      if (bytes < MOST_OUTPUT) output.push(chunk.subarray(0, MOST_OUTPUT - bytes));
      bytes += chunk.length;
    });
    stream.on('error', () => {});
  }
  // Who does not read what we say is no fault of ours.
  child.stdin.on('error', () => {});
  child.stdin.end(`${JSON.stringify(message)}\n`);

  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(`it cannot be started: ${wordsOf(error)}`));
    child.once('exit', (code, killed) =>
      resolve(
        code === 0 ? undefined : code === null ? `it was killed by ${killed}` : `it ended with ${code}${said(output)}`,
      ),
    );
  });
  const done = new AbortController();
  const cut = AbortSignal.any([signal, done.signal]);
  const result = await Promise.race([
    ended,
    sleep(limitMs, cut).then(() => (signal.aborted ? 'the daemon stopped' : `it took longer than ${limitMs / 1000} s`)),
  ]);
  done.abort();
  // What it left behind goes as well.
  killGroup(child.pid);
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  return result;
}

function start(program: string, words: string[], message: AlertMessage) {
  const env = {
    PATH,
    SYNCD_EVENT: message.event,
    SYNCD_ALERT: message.alert,
    SYNCD_SEVERITY: message.severity,
    SYNCD_OUTLET: message.outlet.code ?? message.outlet.id,
    SYNCD_VALUE: message.value,
    SYNCD_SINCE: message.since,
    SYNCD_TEXT: message.text,
    SYNCD_TEXT_ID: message.text_id,
  };
  // A group of its own, so that its children can be killed with it.
  return spawn(program, words, { shell: false, detached: true, cwd: '/', env, stdio: ['pipe', 'pipe', 'pipe'] });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody of it is left.
  }
}

function said(output: Buffer[]): string {
  const text = Buffer.concat(output)
    .toString('utf8')
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .trim();
  return text === '' ? '' : `: ${text.slice(0, 200)}`;
}
