/**
 * A Debian of its own with a real systemd as its first process: a debootstrap tree, booted by systemd-nspawn without any way out
 * but its own loopback. The plain tree is kept and copied for each run; the copy goes with the machine. Wants root, and the
 * packages debootstrap and systemd-container.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';

const CACHE = '/var/tmp/syncd-systemd';
const PACKAGES = 'systemd,systemd-sysv,dbus,init-system-helpers,postgresql,procps,libstdc++6,libatomic1';
const BOOT_MS = 60_000;

export type Answer = { code: number; stdout: string; stderr: string };

export class Machine {
  readonly #tree: string;
  readonly #nspawn: ChildProcess;
  readonly #leader: string;
  readonly #forget: () => void;

  private constructor(tree: string, nspawn: ChildProcess, leader: string, forget: () => void) {
    this.#tree = tree;
    this.#nspawn = nspawn;
    this.#leader = leader;
    this.#forget = forget;
  }

  /** @param suite of Debian: bookworm, say */
  static async boot(suite: string): Promise<Machine> {
    const plain = plainTree(suite);
    const tree = mkdtempSync(join(CACHE, 'machine-'));
    execFileSync('cp', ['-a', '--reflink=auto', `${plain}/.`, tree]);
    const flags = [
      '--quiet',
      '-D',
      tree,
      '--private-network',
      '--register=no',
      '--keep-unit',
      '--console=pipe',
      '--boot',
    ];
    const nspawn = spawn('systemd-nspawn', flags, { stdio: ['ignore', 'ignore', 'inherit'] });
    const forget = () => {
      // Its first process outlives a killed nspawn, and everything in the machine ends with it.
      const first = firstProcess(nspawn.pid as number);
      if (first !== undefined) process.kill(Number(first), 'SIGKILL');
      nspawn.kill('SIGKILL');
      rmSync(tree, { recursive: true, force: true });
    };
    process.once('exit', forget);
    const leader = await eventually(
      () => firstProcess(nspawn.pid as number),
      (pid) => pid !== undefined,
      'the first process',
      BOOT_MS,
    );
    const machine = new Machine(tree, nspawn, leader as string, () => process.off('exit', forget));
    await eventually(
      async () => (await machine.run('systemctl is-system-running')).stdout.trim(),
      (state) => state === 'running' || state === 'degraded',
      'booted',
      BOOT_MS,
    );
    return machine;
  }

  /** Runs a line of shell as root. Never throws for its exit code. */
  run(line: string): Promise<Answer> {
    const args = ['-t', this.#leader, '-a', '--', 'bash', '-c', line];
    const env = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LANG: 'C.UTF-8',
      DEBIAN_FRONTEND: 'noninteractive',
    };
    return new Promise((resolve) => {
      execFile('nsenter', args, { env, maxBuffer: 64 << 20 }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
      );
    });
  }

  /** The same, where anything but success is a fault. @returns what it printed, without the last line's end */
  async must(line: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(line);
    if (code !== 0) throw new Error(`${line}\nended with ${code}\n${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  write(path: string, text: string, mode = 0o644): void {
    writeFileSync(join(this.#tree, path), text, { mode });
  }

  copyIn(file: string, path: string): void {
    copyFileSync(file, join(this.#tree, path));
  }

  async end(): Promise<void> {
    const ended = once(this.#nspawn, 'exit');
    this.#nspawn.kill('SIGTERM');
    const patience = setTimeout(() => this.#nspawn.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(patience);
    rmSync(this.#tree, { recursive: true, force: true });
    this.#forget();
  }
}

/** The child of nspawn's that has become systemd; before, there are others for a moment. */
function firstProcess(nspawn: number): string | undefined {
  try {
    const children = readFileSync(`/proc/${nspawn}/task/${nspawn}/children`, 'utf8').trim().split(' ');
    return children.find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'systemd');
  } catch {
    return undefined;
  }
}

/** Made once for each suite; half a tree is never taken for one. */
function plainTree(suite: string): string {
  const tree = join(CACHE, suite);
  if (existsSync(tree)) return tree;
  mkdirSync(CACHE, { recursive: true });
  const half = mkdtempSync(join(CACHE, 'half-'));
  // The machine's root: users of its own have to come in, from the package that makes a cluster as postgres onwards.
  chmodSync(half, 0o755);
  execFileSync('debootstrap', ['--variant=minbase', `--include=${PACKAGES}`, suite, half], { stdio: ['ignore', 2, 2] });
  rmSync(join(half, 'var/cache/apt/archives'), { recursive: true, force: true });
  renameSync(half, tree);
  return tree;
}

/** This machine's Node as a package of the name that syncd's depends on. @returns its file */
export function packNode(directory: string): string {
  const stage = join(directory, 'nodejs');
  mkdirSync(join(stage, 'DEBIAN'), { recursive: true });
  mkdirSync(join(stage, 'usr/bin'), { recursive: true });
  cpSync(process.execPath, join(stage, 'usr/bin/node'), { dereference: true });
  const control = `Package: nodejs\nVersion: ${process.version.slice(1)}\nArchitecture: amd64\nMaintainer: nobody <nobody@localhost>\nDescription: the Node.js of the machine that tests\n`;
  writeFileSync(join(stage, 'DEBIAN/control'), control);
  const file = join(directory, 'nodejs.deb');
  execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '--build', stage, file], { stdio: 'ignore' });
  return file;
}
