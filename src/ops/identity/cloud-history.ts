/**
 * Watches over the cloud's own history. A cloud that was restored from a backup has forgotten what it said since, and its
 * versions start again from the past: every rule that compares versions would then lose data in silence. The first cloud_epoch
 * seen is kept; another one later stops pushing, pulling and applying until a person acts, also over restarts.
 */
import { sql } from 'kysely';
import type { CloudClient } from '../../cloud/client.js';
import { parseCapabilities } from '../../cloud/reply.js';
import type { Db } from '../../db/connect.js';
import { codeOf } from '../../errors.js';
import type { Log } from '../../log.js';
import type { Chore } from '../chores.js';
import { liftStop, recordStop } from '../heartbeat.js';

const LONGEST = 255;
const RESTORED = 'cloud_restored';

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
    const known =
      cloud_epoch.length > LONGEST || cloud_epoch.includes('\u0000') ? undefined : await this.#keep(cloud_epoch);
    if (known === undefined) {
      const fault = 'its cloud_epoch is too long, or holds characters that this database does not know';
      this.#log.warn('the cloud broke the contract', { trouble: 'epoch', fault });
      return undefined;
    }
    this.#known = known;
    if (this.#known === cloud_epoch) return undefined;
    const reason = `the cloud has another history than before (restored from a backup?): it calls itself ${cloud_epoch}, not ${this.#known}; nothing is pushed, pulled or applied`;
    await recordStop(this.#db, RESTORED, reason);
    this.#onStop();
    return reason;
  }

  /** @returns what is known by now; undefined where this one cannot be written down */
  async #keep(cloud_epoch: string): Promise<string | undefined> {
    try {
      const { rows } = await sql<{ cloud_epoch: string }>`
        UPDATE syncd.outlet_config SET cloud_epoch = coalesce(cloud_epoch, ${cloud_epoch}) RETURNING cloud_epoch`.execute(
        this.#db,
      );
      return rows[0]?.cloud_epoch ?? cloud_epoch;
    } catch (error) {
      // Class 22 is "data exception": it must not end the work on the database.
      if (!codeOf(error)?.startsWith('22')) throw error;
      return undefined;
    }
  }

  /** A person has decided how to go on: what is known now stands in the table. */
  forget(): void {
    this.#known = undefined;
  }
}

const ASK_MS = 30_000;

/** While everything is stopped for another history, nobody asks the cloud for anything: this does, for it may come back as it was. */
export function historyChore(db: Db, client: Pick<CloudClient, 'capabilities'>, log: Log): Chore {
  return {
    name: 'cloud history',
    everyMs: ASK_MS,
    async run() {
      const { rows } = await sql<{ known: string | null }>`
        SELECT cloud_epoch AS known FROM syncd.outlet_config WHERE stopped_code = ${RESTORED}`.execute(db);
      const known = rows[0]?.known ?? null;
      if (known === null) return false;
      const reply = await client.capabilities();
      if (reply.kind !== 'answer' || reply.status !== 200 || parseCapabilities(reply.body).cloud_epoch !== known)
        return false;
      await liftStop(db, RESTORED);
      log.info('the cloud has the history again that it had before; syncing goes on', { cloud_epoch: known });
      return false;
    },
  };
}
