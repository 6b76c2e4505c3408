/**
 * What has to be done now and then beside syncing: looking whether the triggers are all there, tidying up, writing down figures.
 * One chore at a time, each at its own interval, on a connection that nothing else waits for. A chore that fails is told in the
 * log and tried again at its next turn; it never stops syncing, nor the other chores. Only a lost connection ends the round.
 */
import { isConnectionLoss } from '../db/database-error.js';
import { wordsOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Health } from '../service.js';
import { Flag, monotonicMs } from '../time.js';

export type Chore = {
  /** In the log and in `/ready`: "drift", "retention". */
  name: string;
  /** From the end of one turn to the beginning of the next. */
  everyMs: number;
  /**
   * Does one turn; long work comes in chunks and looks at `signal` between them.
   * @returns whether there is more, so that it comes again at once
   */
  run(signal: AbortSignal): Promise<boolean>;
};

type Turn = { chore: Chore; dueMs: number; failed: boolean };

export class ChoresLoop {
  readonly #log: Log;
  readonly #turns: Turn[];
  readonly #flag = new Flag();
  #progressAt = monotonicMs();
  #doing = 'nothing';

  constructor(chores: Chore[], log: Log) {
    this.#log = log;
    this.#turns = chores.map((chore) => ({ chore, dueMs: 0, failed: false }));
  }

  /** Ends with `signal`, or throws the loss of the connection. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#flag.lower();
      for (const turn of this.#turns) {
        if (signal.aborted) return;
        if (turn.dueMs <= monotonicMs()) await this.#do(turn, signal);
      }
      const nextMs = Math.min(...this.#turns.map(({ dueMs }) => dueMs)) - monotonicMs();
      if (nextMs > 0) await this.#flag.wait(nextMs, signal);
    }
  }

  /** Does one chore's turn before the loop runs: what the others must not begin without. */
  async begin(name: string, signal: AbortSignal): Promise<void> {
    const turn = this.#turns.find(({ chore }) => chore.name === name);
    if (turn) await this.#do(turn, signal);
  }

  /** Makes a chore due at once, or every one: a person has asked, or a notification came. */
  wake(name?: string): void {
    for (const turn of this.#turns) if (name === undefined || turn.chore.name === name) turn.dueMs = 0;
    this.#flag.raise();
  }

  health(): Health {
    return { ok: true, detail: this.#doing, progressAt: this.#progressAt };
  }

  async #do(turn: Turn, signal: AbortSignal): Promise<void> {
    const { name, everyMs } = turn.chore;
    this.#doing = name;
    let more = false;
    try {
      more = await turn.chore.run(signal);
      if (turn.failed) this.#log.info(`${name} works again`, { recovered: `chore ${name}` });
      turn.failed = false;
    } catch (error) {
      if (isConnectionLoss(error)) throw error;
      turn.failed = true;
      this.#log.warn(`${name} failed and is tried again`, { trouble: `chore ${name}`, error: wordsOf(error) });
    }
    turn.dueMs = more ? 0 : monotonicMs() + everyMs;
    this.#progressAt = monotonicMs();
    this.#doing = 'nothing';
  }
}
