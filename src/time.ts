/**
 * The one owner of timers and of the monotonic clock. Everything that waits does it here, and every wait can be cut short:
 * a wake-up, a shutdown and a test all end a sleep the same way.
 */

/** Milliseconds on a clock that never jumps; only differences mean anything. */
export function monotonicMs(): number {
  return performance.now();
}

/**
 * Epoch milliseconds by a clock that was set when the process started and never jumps since: for every wait and every age. The
 * wall's clock may be a day off in the next moment, and a wait reckoned by it would last that day.
 */
export function steadyMs(): number {
  return performance.timeOrigin + performance.now();
}

/** What the wall's clock shows, as it goes now, at an instant of `steadyMs`; for people. */
export function wallInstant(steady: number): Date {
  const jumpedMs = Math.round((Date.now() - steadyMs()) / 1_000) * 1_000;
  return new Date(steady + jumpedMs);
}

/** Resolves after `ms`, or as soon as `signal` aborts; never rejects. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(ms, 2 ** 31 - 1));
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Settles like `work`, or rejects with `late()` once `ms` have passed. */
export async function within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A flag that can be waited for. `raise` is remembered, so a wake-up that comes while nobody waits is not lost: the next
 * `wait` returns at once. `lower` before looking for work, `wait` after finding none.
 */
export class Flag {
  #raised = false;
  #waiting: AbortController | undefined;

  raise(): void {
    this.#raised = true;
    this.#waiting?.abort();
  }

  lower(): void {
    this.#raised = false;
  }

  get raised(): boolean {
    return this.#raised;
  }

  /** Returns when the flag is or gets raised, when `ms` have passed, or when `signal` aborts. */
  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#raised || signal?.aborted) return;
    const waiting = new AbortController();
    this.#waiting = waiting;
    const stop = () => waiting.abort();
    signal?.addEventListener('abort', stop, { once: true });
    await sleep(ms, waiting.signal);
    signal?.removeEventListener('abort', stop);
    this.#waiting = undefined;
  }
}
