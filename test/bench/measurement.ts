/** What main.ts passes to every measurement, and what it expects of one. */
import type { Figure } from './report.js';

export type BenchOptions = {
  /** Interleaved rounds; a figure is the median over them. */
  rounds: number;
  /** Of selling, in one round and variant. */
  seconds: number;
  /** By how many microseconds every flush of A1 to A4 takes longer than the disk's own. */
  flushUs: number;
  /** Captured changes to drain. */
  changes: number;
  /** Single sales whose way to the cloud is timed. */
  singles: number;
  /** How long the daemon is left alone. Below five minutes the server's own checkpoints weigh too much or not at all. */
  idleSeconds: number;
  /** Also measures the daemon's memory with a million changes queued. */
  million: boolean;
};

export type Measurement = {
  benches: string[];
  /** `wanted` is the part of `benches` that was asked for; `progress` tells a person what is going on. */
  measure(wanted: string[], options: BenchOptions, progress: (line: string) => void): Promise<Figure[]>;
};
