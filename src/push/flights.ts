/**
 * What is out: the changes in flight and, with them, those of suspects. Their entities and transactions get no second request,
 * and a new pass does not read their rows again. Pure bookkeeping. On a good day it is kept up step by step (counting anew
 * after every answer cost a tenth of a drain); while there are suspects it is counted anew.
 */
import { type PendingChange, transactionKey } from './backlog.js';

export class Flights {
  readonly #inFlight = new Set<readonly PendingChange[]>();
  readonly #busy = new Set<string>();
  #suspects: readonly PendingChange[] = [];

  /** Requests under way. */
  get size(): number {
    return this.#inFlight.size;
  }

  /** Keys of entities and transactions. */
  get busy(): ReadonlySet<string> {
    return this.#busy;
  }

  /** Ids of the changes that are out now, superseded ones included. */
  owned(): Set<string> {
    const ids = new Set<string>();
    for (const changes of [...this.#inFlight, this.#suspects]) {
      for (const change of changes) {
        ids.add(change.id);
        for (const older of change.supersedes) ids.add(older.id);
      }
    }
    return ids;
  }

  begin(changes: readonly PendingChange[]): void {
    this.#inFlight.add(changes);
    this.#occupy(changes);
  }

  end(changes: readonly PendingChange[]): void {
    this.#inFlight.delete(changes);
    if (this.#suspects.length > 0) return;
    let tx = '';
    for (const change of changes) {
      this.#busy.delete(change.key);
      if (change.tx !== tx) this.#busy.delete(transactionKey(change.tx));
      tx = change.tx;
    }
  }

  /** To be called after whatever may have changed the suspects. */
  keep(suspects: readonly PendingChange[]): void {
    if (suspects.length === 0 && this.#suspects.length === 0) return;
    this.#suspects = suspects;
    this.#busy.clear();
    for (const changes of [...this.#inFlight, suspects]) this.#occupy(changes);
  }

  #occupy(changes: readonly PendingChange[]): void {
    let tx = '';
    for (const change of changes) {
      this.#busy.add(change.key);
      if (change.tx !== tx) this.#busy.add(transactionKey(change.tx));
      tx = change.tx;
    }
  }
}
