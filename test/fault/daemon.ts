/**
 * The real daemon, `bin/syncd.js run`, as a process that a test may kill, freeze or send home, and whose end it can read. Dies
 * with the test's process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Step } from '../../src/step.js';
import { monotonicMs } from '../../src/time.js';

const PROGRAM = resolve('bin/syncd.js');
const DYING = resolve('test/fault/dying-daemon.mjs');

export type End = { code: number | null; signal: NodeJS.Signals | null };

export class Daemon {
  readonly logFile: string;
  readonly #directory: string;
  readonly #configFile: string;
  #child: ChildProcess | undefined;
  #ended: Promise<End> = Promise.resolve({ code: null, signal: null });

  constructor(directory: string, configFile: string, name = 'daemon') {
    this.#directory = directory;
    this.#configFile = configFile;
    this.logFile = join(directory, `${name}.log`);
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`the daemon does not run; its last words:\n${this.words()}`);
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  get ended(): Promise<End> {
    return this.#ended;
  }

  /**
   * @param env beside a bare environment
   * @param args beside the configuration
   */
  start(env: Record<string, string> = {}, args: string[] = []): void {
    this.#run([PROGRAM, 'run', '--config', this.#configFile, ...args], env);
  }

  /** Starts it so that it dies the nth time that it comes to this step. */
  startDying(step: Step, nth: number): void {
    this.#run([DYING, this.#configFile, step, String(nth)], {});
  }

  #run(args: string[], env: Record<string, string>): void {
    if (this.#child) throw new Error('the daemon runs already');
    const log = openSync(this.logFile, 'a');
    const child = spawn(process.execPath, ['--enable-source-maps', ...args], {
      cwd: this.#directory,
      stdio: ['ignore', log, log],
      env: { PATH: '/usr/bin:/bin', HOME: this.#directory, LANG: 'C.UTF-8', ...env },
    });
    closeSync(log);
    this.#child = child;
    const withParent = () => child.kill('SIGKILL');
    process.once('exit', withParent);
    this.#ended = new Promise((done) => {
      child.once('exit', (code, signal) => {
        process.off('exit', withParent);
        this.#child = undefined;
        done({ code, signal });
      });
    });
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  /** SIGTERM; returns how it ended and after how long. */
  async end(): Promise<End & { ms: number }> {
    const startedAt = monotonicMs();
    this.#child?.kill('SIGTERM');
    return { ...(await this.#ended), ms: monotonicMs() - startedAt };
  }

  /** All that it logged. */
  words(): string {
    try {
      return readFileSync(this.logFile, 'utf8');
    } catch {
      return '';
    }
  }
}
