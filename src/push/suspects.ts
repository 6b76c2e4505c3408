/**
 * Batches that failed as a whole, on their way to being sent again, and how the bad change in one is found: by halving; also
 * changes that were held because what they need travelled beside them. Pure bookkeeping. While there are suspects they go one at
 * a time and nothing else is in flight, so that an answer is proof.
 *
 * A batch that nobody answers (while the health check is answered) is halved after three failures. A lone change that goes
 * on failing is blamed only once something else was accepted meanwhile; without that proof the cloud is simply away, however
 * lately it took a push. To find proof, suspects take turns, and every round one fresh batch may try its luck. Out of turn none
 * overtakes an older change of an entity of its own.
 */
import type { PendingChange } from './backlog.js';

export type Suspect = {
  changes: PendingChange[];
  /** Repeated while the changes are the same. */
  batch_id: string;
  /** Times in a row that nobody answered it. */
  failures: number;
  /** When it, or the batch that it is a part of, had failed often enough to look for the bad change in it. */
  sinceMs?: number;
};

const FAILURES_TO_HALVE = 3;
const PROOF_LASTS_MS = 5 * 60_000;
/** Fresh batches may join them in search of proof up to here; in changes, for a few bad ones must not bar the way to proof. */
const MAX_SUSPECT_CHANGES = 1_000;

export class Suspects {
  readonly #newId: () => string;
  #queue: Suspect[] = [];
  #provenAtMs = Number.NEGATIVE_INFINITY;
  /** Lone failures since the last fresh trial. */
  #turns = 0;

  /** @param newId mints a batch_id */
  constructor(newId: () => string) {
    this.#newId = newId;
  }

  get size(): number {
    return this.#queue.length;
  }

  /** Every change that must not be read or sent besides. */
  *changes(): Iterable<PendingChange> {
    for (const suspect of this.#queue) yield* suspect.changes;
  }

  /** Every suspect has failed alone: only something fresh can tell whether the cloud takes pushes. */
  get wantFresh(): boolean {
    return this.#turns >= this.#queue.length && [...this.changes()].length < MAX_SUSPECT_CHANGES;
  }

  freshTried(): void {
    this.#turns = 0;
  }

  /** Takes out the next one to send. */
  next(): Suspect | undefined {
    const first = oldestPlaces(this.changes());
    const overtakes = ({ changes }: Suspect) =>
      [...oldestPlaces(changes)].some(([key, place]) => place !== first.get(key));
    const next = this.#queue.findIndex((suspect) => !overtakes(suspect));
    return this.#queue.splice(Math.max(0, next), 1)[0];
  }

  /** The cloud has just accepted something. */
  proven(nowMs: number): void {
    this.#provenAtMs = nowMs;
    this.#turns = 0;
  }

  /**
   * Nobody answered this batch.
   * @returns the change to blame, if it has come to that; it is no suspect any more
   */
  unanswered(suspect: Suspect, nowMs: number): PendingChange | undefined {
    const failures = suspect.failures + 1;
    if (failures < FAILURES_TO_HALVE) {
      this.#queue.unshift({ ...suspect, failures });
      return undefined;
    }
    const { sinceMs = nowMs } = suspect;
    const [lone, ...others] = suspect.changes;
    if (lone && others.length === 0) {
      if (this.#provenAtMs > sinceMs && nowMs - this.#provenAtMs <= PROOF_LASTS_MS) return lone;
      this.#turns++;
      this.#queue.push({ ...suspect, failures, sinceMs });
      return undefined;
    }
    // One more failure halves a half again: the whole has already had its three.
    this.halve(suspect.changes, FAILURES_TO_HALVE - 1, sinceMs);
    return undefined;
  }

  /** Nobody has judged this one: it stays before those that it was parted from. Where there are none it is read again. */
  putBack(suspect: Suspect): void {
    if (this.#queue.length > 0) this.#queue.unshift(suspect);
  }

  /** Takes up changes that are to go alone, without any suspicion yet. */
  add(changes: PendingChange[]): void {
    this.#queue.push({ changes, batch_id: this.#newId(), failures: 0 });
  }

  /** Splits a batch of at least two and puts both halves in front. */
  halve(changes: PendingChange[], failures = 0, sinceMs?: number): void {
    const middle = Math.ceil(changes.length / 2);
    const halves = [changes.slice(0, middle), changes.slice(middle)];
    this.#queue.unshift(
      ...halves.map((half) => ({
        changes: half,
        batch_id: this.#newId(),
        failures,
        ...(sinceMs !== undefined && { sinceMs }),
      })),
    );
  }

  /** Keeps only the changes that `keeps` names; a batch that lost something is another batch and gets a new id. */
  retain(keeps: (change: PendingChange) => boolean): void {
    this.#queue = this.#queue.flatMap((suspect) => {
      const changes = suspect.changes.filter(keeps);
      if (changes.length === suspect.changes.length) return [suspect];
      return changes.length === 0 ? [] : [{ ...suspect, changes, batch_id: this.#newId() }];
    });
  }
}

/** By entity. */
function oldestPlaces(changes: Iterable<PendingChange>): Map<string, number> {
  const places = new Map<string, number>();
  for (const { key, place } of changes) places.set(key, Math.min(place, places.get(key) ?? place));
  return places;
}
