/** A connection whose queries wait for the test: each is let go by `step`, which returns when the server has answered. */
import type pg from 'pg';

export class SteppedClient {
  readonly #real: pg.Client;
  readonly #waiting: (() => Promise<unknown>)[] = [];
  #held = 0;

  constructor(real: pg.Client) {
    this.#real = real;
  }

  /** For whoever wants a pg.Client. */
  get asClient(): pg.Client {
    return this as unknown as pg.Client;
  }

  /** From now on so many queries wait for a step each; those after them go straight through again. */
  hold(queries: number): void {
    this.#held = queries;
  }

  query(text: string, values: unknown[]): Promise<unknown> {
    if (this.#held === 0) return this.#real.query(text, values);
    this.#held--;
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        const answer = this.#real.query(text, values);
        answer.then(resolve, reject);
        return answer.catch(() => {});
      });
    });
  }

  async step(): Promise<void> {
    while (this.#waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await this.#waiting.shift()?.();
  }
}

/** Every way in which two sequences of steps can be interleaved: 'a' and 'b' for whose turn it is. */
export function interleavings(a: number, b: number): string[] {
  if (a === 0) return ['b'.repeat(b)];
  if (b === 0) return ['a'.repeat(a)];
  return [...interleavings(a - 1, b).map((rest) => `a${rest}`), ...interleavings(a, b - 1).map((rest) => `b${rest}`)];
}
