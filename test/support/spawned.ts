/**
 * Runs the built program as a person would, in a temporary folder of its own, and tells what it leaves behind: files there, and
 * processes whose command line names the folder.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { monotonicMs, sleep } from '../../src/time.js';

const PROGRAM = resolve('bin/syncd.js');
const NOBODY = 65534;

/** A folder that stands in for /tmp, with a name that has to be quoted. Everybody may enter it, because PostgreSQL gives up root. */
export class Playground {
  readonly directory = mkdtempSync(join(tmpdir(), "syncd e2e's-"));
  readonly #children: ChildProcess[] = [];

  constructor() {
    chmodSync(this.directory, 0o755);
  }

  /** @param as `nobody`: an ordinary user where this test runs as root and the checkout lets others in; else the same user. */
  run(args: string[], options: { as?: 'nobody'; env?: Record<string, string> } = {}): Spawned {
    const demoted = options.as === 'nobody' && process.getuid?.() === 0 && openToAll(PROGRAM);
    if (demoted) chownSync(this.directory, NOBODY, NOBODY);
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      cwd: this.directory,
      env: { PATH: '/usr/bin:/bin', TMPDIR: this.directory, ...options.env },
      ...(demoted && { uid: NOBODY, gid: NOBODY }),
    });
    this.#children.push(child);
    return new Spawned(child);
  }

  /** What is still there: names of files, command lines of processes. */
  leftovers(): string[] {
    return [...readdirSync(this.directory), ...commandLines().filter((line) => line.includes(this.directory))];
  }

  destroy(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export class Spawned {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((done) => child.once('close', (code, signal) => done({ code, signal })));
  }

  /** Waits until standard output matches. @throws Error with what was said when it does not within `ms`. */
  async says(pattern: RegExp, ms: number): Promise<void> {
    for (const deadline = monotonicMs() + ms; !pattern.test(this.stdout); await sleep(20)) {
      if (monotonicMs() > deadline || this.child.exitCode !== null) {
        throw new Error(`it never said ${pattern}:\n${this.stdout}\n${this.stderr}`);
      }
    }
  }
}

function openToAll(file: string): boolean {
  for (let path = file; path !== dirname(path); path = dirname(path)) {
    if ((statSync(path).mode & 0o004) === 0) return false;
  }
  return true;
}

function commandLines(): string[] {
  const lines: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      lines.push(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
    } catch {
      // It ended while we looked.
    }
  }
  return lines;
}
