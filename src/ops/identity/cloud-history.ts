/**
 * Watches over the cloud's own history. A cloud that was restored from a backup has forgotten what it said since, and its
 * versions start again from the past: every rule that compares versions would then lose data in silence. The first cloud_epoch
 * seen is kept; another one later stops pushing, pulling and applying until a person acts, also over restarts.
 */
import { sql } from 'kysely';
import type { Db } from '../../db/connect.js';
import type { Log } from '../../log.js';
import { recordStop } from '../heartbeat.js';

const LONGEST = 255;

export class CloudHistory {
  readonly #db: Db;
  readonly #log: Log;
  readonly #onStop: () => void;
  #known: string | undefined;

  /** @param onStop told once the stop is recorded */
  constructor(db: Db, log: Log, onStop: () => void) {
    this.#db = db;
    this.#log = log;
    this.#onStop = onStop;
  }

  /**
   * To be asked for every answer that names its epoch, before anything of it is used.
   * @returns why nothing of the answer may count; undefined where all is well
   */
  async check(cloud_epoch: string | null | undefined): Promise<string | undefined> {
    if (cloud_epoch == null || cloud_epoch === this.#known) return undefined;
    if (cloud_epoch.length > LONGEST || cloud_epoch.includes('\u0000')) {
      this.#log.warn('the cloud broke the contract', { trouble: 'epoch', fault: 'its cloud_epoch is too long' });
      return undefined;
    }
    const { rows } = await sql<{ cloud_epoch: string }>`
      UPDATE syncd.outlet_config SET cloud_epoch = coalesce(cloud_epoch, ${cloud_epoch}) RETURNING cloud_epoch`.execute(
      this.#db,
    );
    this.#known = rows[0]?.cloud_epoch ?? cloud_epoch;
    if (this.#known === cloud_epoch) return undefined;
    const reason = `the cloud has another history than before (restored from a backup?): it calls itself ${cloud_epoch}, not ${this.#known}; nothing is pushed, pulled or applied`;
    await recordStop(this.#db, 'cloud_restored', reason);
    this.#onStop();
    return reason;
  }

  /** A person has decided how to go on: what is known now stands in the table. */
  forget(): void {
    this.#known = undefined;
  }
}
