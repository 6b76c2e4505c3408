/**
 * A transaction that holds rows of the POS. A sale that wants one of them waits for its end, and that end must come whatever becomes
 * of us: a process that is frozen, starved of its CPU or cut off from the server leaves its transaction open, and the sale would wait
 * until somebody wakes or kills it. So the server has to end it: a session that stands still in such a transaction, and a statement
 * that works or waits for too long. Where many statements follow each other the time is that of all together.
 *
 * On a machine that is slow altogether nothing would ever get through. So a bound that was too short is doubled, and is the first
 * one again when that has not happened for a minute.
 */
import { sql } from 'kysely';
import { codeOf } from '../errors.js';
import { monotonicMs } from '../time.js';
import type { Db } from './connect.js';

/** What a sale may wait for us. */
const FIRST_MS = 50;
const LONGEST_MS = 25_600;
const CALM_MS = 60_000;
/** So little is not worth a word to the server. */
const UNTOLD_MS = 5;
/** idle_in_transaction_session_timeout. */
const ENDED = '25P03';
/** query_canceled: by statement_timeout. */
const CANCELLED = '57014';

class Patience {
  #ms = FIRST_MS;
  #exceededAt = Number.NEGATIVE_INFINITY;
  /** What the server said when it ended the session. Every later statement fails with other words, the ROLLBACK too. */
  ending: Error | undefined;

  get ms(): number {
    if (monotonicMs() - this.#exceededAt > CALM_MS) this.#ms = FIRST_MS;
    return this.#ms;
  }

  exceeded(): void {
    this.#ms = Math.min(LONGEST_MS, this.ms * 2);
    this.#exceededAt = monotonicMs();
  }
}

const patiences = new WeakMap<Db, Patience>();

function patienceOf(db: Db): Patience {
  const known = patiences.get(db) ?? new Patience();
  patiences.set(db, known);
  return known;
}

/** To be told of every error of the connection: the server may speak while nothing is asked, or answer the COMMIT so. */
export function noteConnectionError(db: Db, error: Error): void {
  if (codeOf(error) === ENDED) patienceOf(db).ending = error;
}

/** A statement of it was broken off. */
export const tookTooLong = (error: unknown): boolean => codeOf(error) === CANCELLED;

/** The server has put an end to it, even with the most time that it is given. */
export const wasTooLong = (error: unknown): boolean => codeOf(error) === ENDED || tookTooLong(error);

/**
 * To be asked between two statements: the next one has to end before this share of all the time has gone.
 * @throws what `tookTooLong` knows
 */
export type Hurry = (share: number) => Promise<void>;

class TimeIsUp extends Error {
  readonly code = CANCELLED;
}

/**
 * One READ COMMITTED transaction under these bounds. What takes too long is undone, so that the sale comes first, and then begun
 * anew with twice the time.
 * @param db as `openApplier` makes it
 * @param work bounds its statements together by `hurry`; it does nothing where the next try has as much to do
 * @param divisible the caller has less in the next try: a statement that took too long is left to him
 * @throws what Postgres says; see `wasTooLong`
 */
export async function holdingRows<T>(
  db: Db,
  work: (trx: Db, hurry: Hurry) => Promise<T>,
  divisible = false,
): Promise<T> {
  const patience = patienceOf(db);
  for (;;) {
    const { ms } = patience;
    patience.ending = undefined;
    try {
      return await within(db, ms, (trx) => work(trx, divisible ? hurrying(trx, ms) : unhurried));
    } catch (error) {
      const cause = patience.ending ?? error;
      if (!wasTooLong(cause) || (divisible && tookTooLong(cause))) throw cause;
      patience.exceeded();
      if (ms >= LONGEST_MS) throw cause;
    }
  }
}

function within<T>(db: Db, ms: number, work: (trx: Db) => Promise<T>): Promise<T> {
  return db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (trx) => {
      await sql
        .raw(`SET LOCAL idle_in_transaction_session_timeout = ${ms}; SET LOCAL statement_timeout = ${ms}`)
        .execute(trx);
      return work(trx);
    });
}

const unhurried: Hurry = async () => {};

/** @param ms for all of it, which the server knows so far as the time of a single statement */
function hurrying(trx: Db, ms: number): Hurry {
  const begunAt = monotonicMs();
  let told = ms;
  return async (share) => {
    const left = Math.ceil(begunAt + ms * share - monotonicMs());
    if (left <= 0) throw new TimeIsUp('its statements take too long together');
    if (left <= told && left > told - UNTOLD_MS) return;
    told = left;
    await sql.raw(`SET LOCAL statement_timeout = ${left}`).execute(trx);
  };
}
