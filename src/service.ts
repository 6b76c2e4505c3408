/**
 * The one lifecycle that every long-running part keeps: `start` may be called twice, `stop` may be called before, during and
 * after `start`, and `health` never throws.
 */
export interface Service {
  readonly name: string;
  start(): Promise<void>;
  /** Ends the part; resolves when nothing of it runs any more. */
  stop(): Promise<void>;
  health(): Health;
}

/** `progressAt` is a monotonic instant in ms: the last time the part's loop went round. */
export type Health = { ok: boolean; detail: string; progressAt: number };
