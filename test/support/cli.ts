/** Runs bin/syncd.js as a person would: its own process, its own environment. Wants the built program (`npm run build`). */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

export type CliRun = { code: number | null; stdout: string; stderr: string; ms: number };

const PROGRAM = resolve('bin/syncd.js');

/** @param env beside PATH and HOME, which are passed on */
export async function syncd(args: string[], env: NodeJS.ProcessEnv = {}, cwd?: string): Promise<CliRun> {
  const { PATH, HOME } = process.env;
  const begun = performance.now();
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { PATH, HOME, ...env },
    cwd: cwd ?? process.cwd(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk) => (output.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk) => (output.stderr += chunk));
  const code = await new Promise<number | null>((done) => child.once('close', (exit) => done(exit)));
  return { code, ...output, ms: performance.now() - begun };
}
