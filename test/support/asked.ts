/** What this process asks PostgreSQL, to see how much of it falls into the time in which a row of the POS is locked. */
import pg from 'pg';

export const LOCK = /FOR (NO KEY )?UPDATE OF t SKIP LOCKED/;
/** How much time is left: said or not as fast as the machine is. */
const TOLD = /^SET LOCAL statement_timeout = \d+$/;
const real = pg.Client.prototype.query;

/** What is done just before a text like this is asked for the first time. */
export type Moments = readonly [text: RegExp, action: () => Promise<void>][];

export class Asked {
  readonly #texts: string[] = [];

  /** From now on, until `stop`. @param atLock done just before rows are locked for the first time */
  static listen(atLock: () => Promise<void> = async () => {}): Asked {
    return Asked.before([[LOCK, atLock]]);
  }

  /** The same. */
  static before(moments: Moments): Asked {
    const asked = new Asked();
    const ahead = [...moments];
    async function query(this: pg.Client, ...args: [string | { text: string }]): Promise<unknown> {
      const [query] = args;
      const text = typeof query === 'string' ? query : query.text;
      // A transaction that took too long on a slow machine is begun anew.
      if (/^(begin|start transaction)/i.test(text)) asked.#texts.length = 0;
      if (!TOLD.test(text)) asked.#texts.push(text);
      const place = ahead.findIndex(([like]) => like.test(text));
      if (place !== -1) {
        asked.stop();
        for (const [, action] of ahead.splice(place, 1)) await action();
        pg.Client.prototype.query = listening;
      }
      return (real as (...all: unknown[]) => Promise<unknown>).apply(this, args);
    }
    const listening = query as unknown as typeof real;
    pg.Client.prototype.query = listening;
    return asked;
  }

  stop(): void {
    pg.Client.prototype.query = real;
  }

  /** In the last transaction, as is `underLock`. */
  get locks(): number {
    return this.#texts.filter((text) => LOCK.test(text)).length;
  }

  /** How many statements came after the first lock, the COMMIT among them. */
  get underLock(): number {
    return this.#texts.length - 1 - this.#texts.findIndex((text) => LOCK.test(text));
  }
}
