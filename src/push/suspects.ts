/**
 * Batches that failed as a whole, on their way to being sent again, and how the bad change in one is found: by halving. Pure
 * bookkeeping. While there are suspects they go one at a time and nothing else is in flight, so that an answer is proof.
 *
 * A batch that the cloud cannot answer (while its health check can) is halved after three failures. A lone change that goes
 * on failing is blamed only once something else was accepted lately; without that proof the cloud is simply away. To
 * find proof, suspects take turns, and every round one fresh batch may try its luck.
 */
import type { PendingChange } from './backlog.js';

export type Suspect = {
  changes: PendingChange[];
  /** Repeated while the changes are the same. */
  batch_id: string;
  /** Times in a row that nobody answered it. */
  failures: number;
};

export const FAILURES_TO_HALVE = 3;
const PROOF_LASTS_MS = 5 * 60_000;
/** Fresh batches that may become suspects in search of proof. */
const MAX_SUSPECTS = 4;

export class Suspects {
  #queue: Suspect[] = [];
  #provenAtMs = Number.NEGATIVE_INFINITY;
  /** Lone failures since the last fresh trial. */
  #turns = 0;

  get size(): number {
    return this.#queue.length;
  }

  /** Every change that must not be read or sent besides. */
  *changes(): Iterable<PendingChange> {
    for (const suspect of this.#queue) yield* suspect.changes;
  }

  /** The next one to send; undefined when there is none, or when a fresh batch should try first. */
  next(freshOnes: boolean): Suspect | undefined {
    if (freshOnes && this.#turns >= this.#queue.length && this.#queue.length < MAX_SUSPECTS) {
      this.#turns = 0;
      return undefined;
    }
    return this.#queue.shift();
  }

  /** Puts one back that could not be sent at all. */
  putBack(suspect: Suspect): void {
    this.#queue.unshift(suspect);
  }

  /** The cloud has just accepted something. */
  proven(nowMs: number): void {
    this.#provenAtMs = nowMs;
    this.#turns = 0;
  }

  /** Is there proof that the cloud takes pushes, so that a lone failing change is itself to blame? */
  isProven(nowMs: number): boolean {
    return nowMs - this.#provenAtMs <= PROOF_LASTS_MS;
  }

  /**
   * Nobody answered this batch.
   * @param healthy whether the failure counts: the cloud's health check answered before it was sent
   * @param newId mints a batch_id
   * @returns the change to blame, if it has come to that
   */
  unanswered(suspect: Suspect, healthy: boolean, nowMs: number, newId: () => string): PendingChange | undefined {
    const failures = suspect.failures + (healthy ? 1 : 0);
    if (failures < FAILURES_TO_HALVE) {
      this.#queue.unshift({ ...suspect, failures });
      return undefined;
    }
    const [lone, ...others] = suspect.changes;
    if (lone && others.length === 0) {
      if (this.isProven(nowMs)) return lone;
      this.#turns++;
      this.#queue.push({ ...suspect, failures });
      return undefined;
    }
    // One more failure halves a half again: the whole has already had its three.
    this.halve(suspect.changes, newId, FAILURES_TO_HALVE - 1);
    return undefined;
  }

  /** Splits a batch of at least two and puts both halves in front. */
  halve(changes: PendingChange[], newId: () => string, failures = 0): void {
    const middle = Math.ceil(changes.length / 2);
    const halves = [changes.slice(0, middle), changes.slice(middle)];
    this.#queue.unshift(...halves.map((half) => ({ changes: half, batch_id: newId(), failures })));
  }

  /** Lets go of an entity that has come to be held back. */
  drop(key: string): void {
    this.#keep((change) => change.key !== key);
  }

  /** Keeps only what still waits in the table; a batch that lost something gets a new id. */
  retain(ids: ReadonlySet<string>, newId: () => string): void {
    this.#keep((change) => ids.has(change.id), newId);
  }

  clear(): void {
    this.#queue = [];
    this.#turns = 0;
  }

  #keep(keeps: (change: PendingChange) => boolean, newId?: () => string): void {
    this.#queue = this.#queue.flatMap((suspect) => {
      const changes = suspect.changes.filter(keeps);
      if (changes.length === suspect.changes.length) return [suspect];
      return changes.length === 0 ? [] : [{ ...suspect, changes, batch_id: newId?.() ?? suspect.batch_id }];
    });
  }
}
