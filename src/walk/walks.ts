/**
 * Does the walks that were asked for, a turn at a time: begins one when those have ended who were writing when it was asked for,
 * goes on with it chunk by chunk while the queue has room, and tells what it waits for. A walk whose table is held or locked lets
 * the next one go first. What it keeps in memory may be lost: a new daemon goes on from the stored position.
 */
import type { Db } from '../db/connect.js';
import { isConnectionLoss } from '../db/database-error.js';
import { codeOf, INSTALL, wordsOf } from '../errors.js';
import type { Log } from '../log.js';
import { writersLeft, writersNow } from '../queue/writers.js';
import { monotonicMs, sleep } from '../time.js';
import {
  failuresNow,
  givenUpChanges,
  learnHashes,
  noteBegun,
  noteGivenUp,
  noteWaiting,
  queueHasRoom,
  unfinishedWalks,
  type Walk,
} from './book.js';
import { walkChunk } from './chunk.js';
import { estimateRows } from './estimate.js';
import { nextPageSize, SMALLEST_PAGE } from './page-size.js';
import { type GivenUp, MOST_QUEUED } from './pages.js';
import { placeAt } from './place.js';
import { orderOf, readWalkedTable, type WalkedTable } from './table.js';

export type WalksDeps = {
  db: Db;
  leader_epoch: string;
  log: Log;
  /** Told when changes were queued. */
  onQueued: () => void;
};

/** A turn ends then, so that other chores have theirs. */
const TURN_MS = 2_000;
/** The queue is looked at so often while it has no room. */
const ROOM_MS = 50;
const MOST_REST_MS = 250;
/** Those who were writing before are waited for so long in one turn. */
const BEFORE_MS = 1_000;
const PATIENCE_MS = { first: 250, most: 4_000 };

/** What is known of one walk while this daemon lives. */
type Memory = {
  /** Who was writing when it was to begin, and the failure counter before. */
  before?: { writers: string[]; failures: string };
  size: number;
  patienceMs: number;
  givenUp?: GivenUp;
};

type Step = 'on' | 'waits' | 'ended';

export class Walks {
  readonly #deps: WalksDeps;
  readonly #memory = new Map<string, Memory>();

  constructor(deps: WalksDeps) {
    this.#deps = deps;
  }

  /** @returns whether there is more that can be done at once */
  async turn(signal: AbortSignal): Promise<boolean> {
    const walks = await unfinishedWalks(this.#deps.db);
    if (walks.length === 0) this.#memory.clear();
    const deadline = monotonicMs() + TURN_MS;
    const troubles: unknown[] = [];
    for (const walk of walks) {
      let step: Step = 'on';
      try {
        while (step === 'on' && monotonicMs() < deadline && !signal.aborted)
          step = await this.#goOn(walk, deadline, signal);
      } catch (error) {
        // One table's trouble must not keep the others waiting.
        if (isConnectionLoss(error)) throw error;
        troubles.push(error);
        step = await this.#wait(walk, wordsOf(error));
      }
      if (step === 'on') return true;
    }
    if (troubles.length > 0) throw troubles[0];
    return false;
  }

  async #goOn(walk: Walk, deadline: number, signal: AbortSignal): Promise<Step> {
    const { db } = this.#deps;
    if (walk.kept !== null) return this.#wait(walk, walk.kept);
    const walked = await readWalkedTable(db, walk.entity_type);
    if (typeof walked === 'string') return this.#giveUp(walk, walked);
    const memory = this.#memory.get(walk.id) ?? { size: SMALLEST_PAGE, patienceMs: PATIENCE_MS.first };
    this.#memory.set(walk.id, memory);
    try {
      if (!walk.started && !(await this.#begin(walk, walked, memory, signal)))
        return await this.#wait(walk, 'a transaction that was writing to the table before has not ended');
      while (!(await queueHasRoom(db, MOST_QUEUED))) {
        await noteWaiting(db, walk, 'there are enough changes in the queue already');
        if (monotonicMs() > deadline || signal.aborted) return 'on';
        await sleep(ROOM_MS, signal);
      }
      return await this.#chunk(walk, walked, memory, signal);
    } catch (error) {
      // Class 22 and 42: this table and this statement will not fit each other at the next try either.
      if (!/^(22|42)/.test(codeOf(error) ?? '')) throw error;
      return this.#giveUp(walk, wordsOf(error));
    }
  }

  /** @returns false while somebody still writes who wrote before */
  async #begin(walk: Walk, walked: WalkedTable, memory: Memory, signal: AbortSignal): Promise<boolean> {
    const { db, log } = this.#deps;
    const { entity, table } = walked;
    memory.before ??= { failures: await failuresNow(db, entity), writers: await writersNow(db, table) };
    const deadline = monotonicMs() + BEFORE_MS;
    do {
      memory.before.writers = await writersLeft(db, table, memory.before.writers);
      if (memory.before.writers.length > 0) await sleep(ROOM_MS, signal);
    } while (memory.before.writers.length > 0 && monotonicMs() < deadline && !signal.aborted);
    if (memory.before.writers.length > 0) return false;
    if (walk.kind === 'reconcile' || walked.older) await learnHashes(db, entity, walked.shape);
    await noteBegun(db, walk.id, memory.before.failures, await estimateRows(db, walked.parts));
    walk.started = true;
    const unknown = walked.departed.filter(({ bounds }) => bounds === null).map(({ name }) => name);
    if (walk.kind !== 'backfill' && unknown.length > 0)
      log.warn('rows that are gone are not looked for: they may have left with a part of the table', {
        entity,
        parts: unknown.join(', '),
      });
    log.info(walk.kind === 'backfill' ? 'rows from before capture are being queued' : 'a table is being compared', {
      entity,
    });
    return true;
  }

  async #chunk(walk: Walk, walked: WalkedTable, memory: Memory, signal: AbortSignal): Promise<Step> {
    const { db, leader_epoch, onQueued } = this.#deps;
    memory.givenUp ??= await givenUpChanges(db, walked.entity);
    const begun = monotonicMs();
    const result = await walkChunk(db, {
      id: walk.id,
      kind: walk.kind,
      walked,
      position: walk.position,
      place: placeAt(walk.position, walk.kind, walked.parts, orderOf(walked)),
      size: memory.size,
      givenUp: memory.givenUp,
      leader_epoch,
      patienceMs: memory.patienceMs,
    });
    switch (result.kind) {
      case 'altered':
        return this.#wait(walk, `the table was altered: run ${INSTALL}`);
      case 'busy':
        memory.patienceMs = Math.min(PATIENCE_MS.most, memory.patienceMs * 2);
        return this.#wait(walk, 'a transaction that is writing to the table has not ended');
      case 'overtaken':
        return 'waits';
      case 'done':
        break;
      default:
        result satisfies never;
    }
    if (result.queued > 0) onQueued();
    if (result.position === null) return this.#ended(walk);
    walk.position = result.position;
    walk.waits_for = null;
    memory.patienceMs = PATIENCE_MS.first;
    const tookMs = monotonicMs() - begun;
    memory.size = nextPageSize(memory.size, tookMs, result.queued);
    // As much rest as work, for the sales' sake.
    await sleep(Math.min(tookMs, MOST_REST_MS), signal);
    return 'on';
  }

  async #wait(walk: Walk, what: string): Promise<Step> {
    await noteWaiting(this.#deps.db, walk, what);
    return 'waits';
  }

  #ended({ id, kind, entity_type }: Walk): Step {
    this.#memory.delete(id);
    this.#deps.log.info(kind === 'backfill' ? 'rows from before capture are queued' : 'a table was compared', {
      entity: entity_type,
    });
    return 'ended';
  }

  async #giveUp({ id, entity_type }: Walk, why: string): Promise<Step> {
    await noteGivenUp(this.#deps.db, id, why);
    this.#deps.log.error('a table cannot be walked', { entity: entity_type, error: why });
    return 'ended';
  }
}
