/**
 * Runs the real program, `bin/syncd.js`, in processes of its own: a command to its end, or the daemon until it is stopped or
 * killed. They get an environment made here, so a DATABASE_URL or SYNCD_… of whoever starts the demo can never point them at
 * a real shop. A daemon that its owner forgets dies with this process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SyncError, wordsOf } from '../errors.js';
import { within } from '../time.js';

const PROGRAM = fileURLToPath(new URL('../../bin/syncd.js', import.meta.url));
const STOP_WITHIN_MS = 10_000;
const COMMAND_WITHIN_MS = 60_000;

/** What a person types to run syncd here. */
export function commandLine(command: string, configFile: string): string {
  const quoted = (path: string) => (/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`);
  return `node ${quoted(PROGRAM)} ${command} --config ${quoted(configFile)}`;
}

function start(args: string[], directory: string, output: number | 'pipe'): ChildProcess {
  return spawn(process.execPath, ['--enable-source-maps', PROGRAM, ...args], {
    cwd: directory,
    // Out of reach of the terminal's Ctrl-C: the demo decides the order in which things end.
    detached: true,
    stdio: ['ignore', output, output],
    env: { PATH: '/usr/bin:/bin', HOME: directory, LANG: 'C.UTF-8' },
  });
}

/** Runs a command to its end; returns what it printed. @throws SyncError `failed` with its words when it does not exit 0. */
export async function runSyncd(args: string[], directory: string): Promise<string> {
  const child = start(args, directory, 'pipe');
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text) => output.push(text));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  try {
    const code = await within(COMMAND_WITHIN_MS, ended, () => new Error('it took more than a minute'));
    if (code === 0) return output.join('');
    throw new Error(`it exited with ${code}: ${output.join('').trim()}`);
  } catch (error) {
    throw new SyncError('failed', `syncd ${args[0]} failed: ${wordsOf(error)}`, { cause: error });
  } finally {
    child.kill('SIGKILL');
  }
}

/** The daemon of the demo; its words go to `logFile`. */
export class DaemonProcess {
  readonly logFile: string;
  readonly #directory: string;
  readonly #configFile: string;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #told = false;
  #fell = false;
  readonly #onExit = () => this.#child?.kill('SIGKILL');

  constructor(directory: string, configFile: string) {
    this.logFile = join(directory, 'daemon.log');
    this.#directory = directory;
    this.#configFile = configFile;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** It ended although nobody told it to. */
  get fell(): boolean {
    return this.#fell;
  }

  start(): void {
    if (this.#child) return;
    this.#told = false;
    this.#fell = false;
    const log = openSync(this.logFile, 'a');
    const child = start(['run', '--config', this.#configFile], this.#directory, log);
    closeSync(log);
    this.#child = child;
    process.once('exit', this.#onExit);
    this.#ended = new Promise<void>((resolve) => {
      const over = () => {
        if (this.#child === child) this.#child = undefined;
        this.#fell = !this.#told;
        process.off('exit', this.#onExit);
        resolve();
      };
      child.once('exit', over);
      child.once('error', over);
    });
  }

  /** kill -9: no goodbye, nothing written any more. */
  async kill(): Promise<void> {
    this.#told = true;
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  /** Asks it to end and, where it does not within 10 s, makes it. */
  async stop(): Promise<void> {
    this.#told = true;
    this.#child?.kill('SIGTERM');
    try {
      await within(STOP_WITHIN_MS, this.#ended, () => new Error('still running'));
    } catch {
      await this.kill();
    }
  }

  /** The end of its log, for a person who asks why. */
  lastWords(lines = 5): string {
    try {
      return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } catch {
      return '';
    }
  }
}
