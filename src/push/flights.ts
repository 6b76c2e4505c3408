/**
 * What is out: the changes in flight and, with them, those of suspects. Their rows are not read again, their entities and
 * transactions get no second request. Pure bookkeeping. On a good day it is kept up step by step (counting anew after every
 * answer cost a tenth of a drain); while there are suspects it is counted anew.
 */
import { type PendingChange, transactionKey } from './backlog.js';

export class Flights {
  readonly #inFlight = new Set<readonly PendingChange[]>();
  readonly #busy = new Set<string>();
  readonly #owned = new Set<string>();
  #withSuspects = false;

  /** Requests under way. */
  get size(): number {
    return this.#inFlight.size;
  }

  /** Keys of entities and transactions. */
  get busy(): ReadonlySet<string> {
    return this.#busy;
  }

  /** Ids of changes, superseded ones included. */
  get owned(): ReadonlySet<string> {
    return this.#owned;
  }

  begin(changes: readonly PendingChange[]): void {
    this.#inFlight.add(changes);
    for (const change of changes) this.#own(change);
  }

  end(changes: readonly PendingChange[]): void {
    this.#inFlight.delete(changes);
    if (!this.#withSuspects) for (const change of changes) this.#release(change);
  }

  /** To be called after whatever may have changed the suspects. */
  keep(suspects: readonly PendingChange[]): void {
    if (suspects.length === 0 && !this.#withSuspects) return;
    this.#withSuspects = suspects.length > 0;
    this.#busy.clear();
    this.#owned.clear();
    for (const changes of [...this.#inFlight, suspects]) for (const change of changes) this.#own(change);
  }

  #own(change: PendingChange): void {
    this.#busy.add(change.key).add(transactionKey(change.tx));
    this.#owned.add(change.id);
    for (const older of change.supersedes) this.#owned.add(older.id);
  }

  #release(change: PendingChange): void {
    this.#busy.delete(change.key);
    this.#busy.delete(transactionKey(change.tx));
    this.#owned.delete(change.id);
    for (const older of change.supersedes) this.#owned.delete(older.id);
  }
}
