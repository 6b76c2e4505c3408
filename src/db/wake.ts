/**
 * The daemon's side of the wake gate: it decides whether a sale has to NOTIFY. A NOTIFY serialises every commit of the server,
 * so the triggers skip it while the daemon is awake and polling; awake is, who holds (or waits for) lock `gateAwake`.
 *
 * Falling asleep must lose no sale: first the lock goes, then the daemon looks whether anybody holds the queue's own lock for
 * writing. Every capturing transaction holds that one until its commit is visible, whatever it does, and tested `gateAwake`
 * only after it had written. So either it still runs (stay awake), or it is visible to the look that the caller takes before
 * sleeping, or it found the daemon asleep and notifies. A lock of our own beside the queue's would cost every sale 5 of some
 * 300 microseconds. A crash releases everything: the next sale notifies, a second's poll is the backstop anyway.
 *
 * The locks live on a direct connection of their own; a transaction pooler in between would leak them.
 */
import type pg from 'pg';
import { LOCK_CLASS, LOCKS } from './schema.js';

/** Locks show here as they are at that moment, whatever the snapshot; a TRUNCATE is captured in a table of its own. */
const NOBODY_CAPTURES = `SELECT NOT EXISTS (
  SELECT FROM pg_locks
  WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relation IN ('syncd.sync_queue'::regclass, 'syncd.truncations'::regclass)) AS free`;

/**
 * Lets sales know that somebody would hear a NOTIFY. Asked for on a connection that has nothing else to do: the lock may be long
 * in coming, and a request that waits counts as well.
 */
export function announce(client: pg.Client, onError: (error: unknown) => void): void {
  client.query('SELECT pg_advisory_lock($1, $2)', [LOCK_CLASS, LOCKS.present]).catch(onError);
}

export class WakeGate {
  readonly #client: pg.Client;
  #taken = false;
  #granted = false;
  #onError: (error: unknown) => void = () => {};

  constructor(client: pg.Client) {
    this.#client = client;
  }

  get awake(): boolean {
    return this.#taken;
  }

  /**
   * From now on sales need not notify. Returns at once: the server may let us wait for a transaction that found us asleep,
   * but a waiting request already counts.
   */
  wake(onError: (error: unknown) => void): void {
    if (this.#taken) return;
    this.#taken = true;
    this.#granted = false;
    this.#onError = onError;
    this.#client.query('SELECT pg_advisory_lock($1, $2)', [LOCK_CLASS, LOCKS.gateAwake]).then(() => {
      this.#granted = true;
    }, onError);
  }

  /**
   * Lets sales notify again. True: asleep, and the caller must look at the queue once more with a new snapshot before it
   * waits. False: a capturing transaction is open, perhaps one that found us asleep and still keeps our lock from being
   * granted; the gate is awake.
   */
  async tryToSleep(): Promise<boolean> {
    if (!this.#taken) return true;
    if (!this.#granted) return false;
    await this.#client.query('SELECT pg_advisory_unlock($1, $2)', [LOCK_CLASS, LOCKS.gateAwake]);
    this.#taken = false;
    const { rows } = await this.#client.query<{ free: boolean }>(NOBODY_CAPTURES);
    if (rows[0]?.free === true) return true;
    this.wake(this.#onError);
    return false;
  }
}
