/**
 * Asks, before the first thing is sent on a new set of connections, whether this is the database that the outlet last worked on,
 * and keeps the memory of it up to date while it is. Before: nothing is known. After: it fits and both sides have written that
 * down, or a stop stands in the database, which outlives restarts; selling and capture go on either way. A crash in between
 * leaves an older memory of the same database, which fits too.
 */
import { sql } from 'kysely';
import type { Settings } from '../../config/settings.js';
import type { Db } from '../../db/connect.js';
import { moveIn, tablesExchanged } from '../../db/place.js';
import { wordsOf } from '../../errors.js';
import type { Log } from '../../log.js';
import { liftStop } from '../heartbeat.js';
import { readMemory, writeMemory } from './file.js';
import { readOutlet, remember } from './outlet.js';
import { type IdentityVerdict, judgeIdentity, less, type Memory, type Mismatch, type Remembered } from './verdict.js';

/** Stops that begin so are ours. */
const CODE = 'identity_';

export class IdentityCheck {
  readonly #settings: Settings;
  readonly #log: Log;
  /** What the file holds, or should; undefined: the database does not fit, so nothing of it is to be remembered. */
  #remembered: Remembered | undefined;

  constructor(settings: Settings, log: Log) {
    this.#settings = settings;
    this.#log = log;
  }

  /**
   * Also asked once a stop is gone: a person has settled it, or it went with the tables that it stood in.
   * @param db of the leader
   * @returns whether work with the cloud may begin; if not, that stands in the database
   * @throws SyncError `configuration` where the memory may not be read
   */
  async begin(db: Db): Promise<boolean> {
    const memory = await readMemory(this.#settings.state_dir);
    const outlet = await readOutlet(db, memory);
    const verdict = judgeIdentity(memory, outlet);
    this.#remembered = undefined;
    if (verdict.kind !== 'fits') {
      await stop(db, CODE + verdict.kind, stopReason(verdict));
      return false;
    }
    // It fits again: the right database or the right memory is back. Other stops are none of ours.
    if (outlet.stopped_code?.startsWith(CODE)) await liftStop(db, outlet.stopped_code);
    if (verdict.why === 'failover') await raiseEpoch(db);
    await moveIn(db);
    await this.#renew(db);
    this.#tell(verdict, memory, outlet.outlet_id);
    return true;
  }

  /** Beside a leader that is at work: keeps this host's memory fit for the day when it takes over. */
  async attend(db: Db): Promise<void> {
    const memory = await readMemory(this.#settings.state_dir);
    const outlet = await readOutlet(db, memory);
    if (outlet.outlet_id !== this.#settings.outlet.id || outlet.stopped_code !== null) return;
    if (judgeIdentity(memory, outlet, true).kind !== 'fits') return;
    const now = remember(outlet);
    if (typeof memory === 'object' && same(memory, now)) return;
    await this.#write(now);
  }

  /**
   * To be told now and then how far the queue is settled; writes only where that is news.
   * @throws SyncError where it has gone back: a backup was restored under the open connections, and what is remembered is the proof
   */
  async note(settled_id: string, now_ms: number): Promise<void> {
    const before = this.#remembered;
    if (before === undefined || before.settled_id === settled_id) return;
    if (less(settled_id, before.settled_id)) throw tablesExchanged();
    await this.#write({ ...before, settled_id, noted_ms: now_ms });
  }

  async #renew(db: Db): Promise<void> {
    await this.#write(remember(await readOutlet(db, 'lost')));
  }

  /** A disk that is full stops no sync; the next change is written again. */
  async #write(memory: Remembered): Promise<void> {
    this.#remembered ??= memory;
    try {
      await writeMemory(this.#settings.state_dir, memory);
      this.#remembered = memory;
    } catch (error) {
      this.#log.warn('identity.json cannot be written; a restored database may go unnoticed until it can', {
        trouble: 'identity.json',
        error: wordsOf(error),
      });
    }
  }

  #tell(verdict: IdentityVerdict & { kind: 'fits' }, memory: Memory, outlet_id: string): void {
    if (typeof memory === 'object' && memory.outlet_id !== outlet_id && verdict.why !== 'adopted')
      this.#log.error(
        `state_dir remembered outlet ${memory.outlet_id}: two outlets of one machine need one each, or a restored backup of either goes unnoticed`,
        { state_dir: this.#settings.state_dir, trouble: 'identity.json' },
      );
    else if (verdict.why === 'failover')
      this.#log.warn('a promoted server goes on for this outlet; its epoch is raised', { trouble: 'failover' });
    else if (verdict.why === 'vouched')
      this.#log.warn('the memory of this database was lost and is made anew: its server has run all the while', {
        trouble: 'identity.json',
      });
  }
}

/** Everything but the instant. */
function same(a: Remembered, b: Remembered): boolean {
  return JSON.stringify({ ...a, noted_ms: 0 }) === JSON.stringify({ ...b, noted_ms: 0 });
}

/**
 * What does not fit now counts, and not what a backup remembers of an earlier stop. A fork is answered by the same command, and the
 * epoch that the cloud named with it stays known; a cloud with another history is another matter.
 */
async function stop(db: Db, code: string, reason: string): Promise<void> {
  await sql`
    UPDATE syncd.outlet_config SET stopped_code = ${code}, stopped_reason = ${reason}, stopped_at = clock_timestamp()
    WHERE stopped_code IS NULL
       OR (stopped_code = 'fork' OR starts_with(stopped_code, ${CODE})) AND stopped_reason IS DISTINCT FROM ${reason}`.execute(
    db,
  );
}

/** For status and log: what is the matter, and what to type. */
function stopReason({ reason }: Mismatch): string {
  return `${reason}; nothing goes to the cloud or comes from it until syncd adopt has settled it`;
}

/** What was numbered on the old primary and never came over is numbered again: in a new epoch that is nothing strange. */
async function raiseEpoch(db: Db): Promise<void> {
  await sql`
    WITH raised AS (UPDATE syncd.outlet_config SET epoch = epoch + 1 RETURNING epoch)
    INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
    SELECT 'adopt', json_build_object('as', 'failover'), 'syncd', clock_timestamp(),
           'a standby was promoted: epoch ' || epoch::text FROM raised`.execute(db);
}
