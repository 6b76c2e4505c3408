/**
 * The processes that a measurement runs beside itself: the null cloud and the bare references, forked with a channel to
 * them. A program that dies before its time fails the measurement.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { on, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { within } from '../../src/time.js';
import type { CloudReady, PushSeen } from './null-cloud.js';

const LOADER = fileURLToPath(new URL('typescript.mjs', import.meta.url));
const START_MS = 15_000;

export type Program = { child: ChildProcess; stop(): Promise<void> };

/** Starts a TypeScript file; resolves with its first message, which says that it is ready. */
export async function startProgram<Ready>(
  file: URL,
  args: string[],
  withinMs = START_MS,
): Promise<Program & { ready: Ready }> {
  const child = fork(fileURLToPath(file), args, { execArgv: ['--import', LOADER] });
  const died = once(child, 'exit').then(([code]) => {
    throw new Error(`${file.pathname} ended with ${code} before it was ready`);
  });
  died.catch(() => {});
  const [ready] = await within(
    withinMs,
    Promise.race([once(child, 'message'), died]),
    () => new Error(`${file.pathname} is not ready`),
  );
  return { child, ready: ready as Ready, stop: () => stopProgram(child) };
}

async function stopProgram(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

export type Cloud = Program & {
  url: string;
  pushes: PushSeen[];
  received(): number;
  nextPush(): Promise<PushSeen>;
  /** The next push that has this mark in it. */
  marked(mark: string): Promise<PushSeen>;
};

/** A null cloud that keeps what it was sent in `pushes`. */
export async function startCloud(
  maxBatch: number,
  encodings: string[],
  answers: 'plain' | 'gzip' = 'plain',
  marks: 'none' | 'marks' = 'none',
): Promise<Cloud> {
  const program = await startProgram<CloudReady>(new URL('./null-cloud.ts', import.meta.url), [
    String(maxBatch),
    encodings.join(','),
    answers,
    marks,
  ]);
  const pushes: PushSeen[] = [];
  program.child.on('message', (push: PushSeen) => pushes.push(push));
  return {
    ...program,
    url: `http://127.0.0.1:${program.ready.port}/api/v1`,
    pushes,
    received: () => pushes.reduce((sum, push) => sum + push.changes, 0),
    nextPush: async () => ((await once(program.child, 'message')) as [PushSeen])[0],
    async marked(mark) {
      for await (const [push] of on(program.child, 'message') as AsyncIterable<[PushSeen]>) {
        if (push.marked.includes(mark)) return push;
      }
      throw new Error('the cloud has ended');
    },
  };
}
