/**
 * The window of the queue that the daemon holds in memory between reading and sending. Pure bookkeeping: rows go in as they
 * were read, whole transactions come out in an order that keeps every entity's history straight. Nothing is lost with it; it
 * can be dropped at any moment and read again.
 *
 * One *pass* reads, in id order, every pending change that one snapshot saw. Transactions interleave in it. They leave in the
 * order of their **last** ids: two transactions that touched one entity are serialised by its row lock, so the later one has
 * all its ids for that entity, and its last id, behind. A transaction is complete once the pass has read `SPREAD` ids past its
 * first; the few that spread wider are named to the backlog beforehand (`spreads`). One that alone exceeds what the
 * cloud takes leaves in parts, each at the place of its own last id.
 */
import type { Operation } from '../cloud/wire.js';

export type EntityState = {
  version: number;
  cloudVersion: number | null;
  cloudId: string | null;
};

export type PendingChange = {
  id: string;
  /** The id as a number, to order by. */
  place: number;
  change_id: string;
  tx: string;
  entity_type: string;
  entity_id: string;
  /** Both of them in one string, to look things up by. */
  key: string;
  operation: Operation;
  /** Row text as Postgres wrote it; null on delete. */
  payload: string | null;
  changedAt: string;
  /** A JSON array as text, where known. */
  changedFields: string | null;
  retryCount: number;
  holdCount: number;
  /** It was answered before and stands in the index of what waits for a retry. */
  retried: boolean;
  /** What was agreed on before this change; kept fresh by `settled` while the change waits here. */
  state: EntityState;
  /** Changes that this one makes superfluous: folded by coalescing, corrected, or (`SETTLED`) settled with it by a resolution. */
  supersedes: readonly { id: string; change_id: string }[];
  coalesce: boolean;
  /** Some of those were folded here. */
  folded?: true;
  /** It had failed for good, and is asked about all the same. */
  failed?: true;
  /** Nobody in the shop made it: triggers of the POS made it of a row that came in. */
  echo?: true;
  /** An upper bound of its share of the body. */
  bytes: number;
};

/** In place of an id: what a resolution has settled already needs no settling, so no place in the queue. */
export const SETTLED = '0';

export type Limits = {
  /** What the line takes now. */
  changes: number;
  bytes: number;
  /** What the cloud takes at most: up to here one transaction stays whole. */
  maxChanges: number;
  maxBytes: number;
};

/** Ids between a transaction's first and last change, beyond which it has to be named in `spreads`. */
export const SPREAD = 500;

/** Bounds the list in `supersedes`; beyond it a newer state simply follows as a change of its own. */
const MAX_FOLDED = 500;
/** A quoted uuid and its comma. */
export const BYTES_PER_NAME = 39;

type Transaction = {
  tx: string;
  key: string;
  first: number;
  last: number;
  bytes: number;
  changes: PendingChange[];
  whole: boolean;
};

/** An answer that was lost and is given again, as `duplicate`, names an old version: it takes nothing back. */
export function newerState(known: EntityState, answered: EntityState): EntityState {
  return (answered.cloudVersion ?? 0) < (known.cloudVersion ?? 0) ? known : answered;
}

export function entityKey(entity_type: string, entity_id: string): string {
  return `${entity_type}\u0000${entity_id}`;
}

/** The parts of a split transaction follow one another as an entity's changes do. */
export function transactionKey(tx: string): string {
  return `\u0001${tx}`;
}

function isHindered({ key, changes }: Transaction, busy: ReadonlySet<string>, stays: ReadonlySet<string>): boolean {
  if (busy.has(key) || stays.has(key)) return true;
  for (const change of changes) if (busy.has(change.key) || stays.has(change.key)) return true;
  return false;
}

export class Backlog {
  /** Sorted by `last`; the complete ones at the front may leave. */
  #transactions: Transaction[] = [];
  readonly #open = new Map<string, Transaction>();
  /** In the order in which they came. */
  readonly #byEntity = new Map<string, PendingChange[]>();
  #changes = 0;
  #bytes = 0;

  /** Changes held. */
  get size(): number {
    return this.#changes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes in one page of a pass.
   * @param page in id order
   * @param readUpTo the last id that the pass has read, `Infinity` at its end
   * @param spreads last ids of the transactions of this pass that spread wider than `SPREAD`
   * @param limits a transaction beyond the cloud's maxima leaves in parts
   */
  add(page: PendingChange[], readUpTo: number, spreads: ReadonlyMap<string, number>, limits: Limits): void {
    for (const change of page) {
      if (change.coalesce) this.#fold(change);
      let transaction = this.#open.get(change.tx);
      // What would not fit beside the others begins the next part; only a change that alone is too large may overshoot.
      if (transaction && transaction.changes.length > 0 && transaction.bytes + change.bytes > limits.maxBytes) {
        transaction.last = transaction.changes.at(-1)?.place as number;
        this.#complete(transaction);
        transaction = undefined;
      }
      if (!transaction) {
        transaction = {
          tx: change.tx,
          key: transactionKey(change.tx),
          first: change.place,
          last: 0,
          bytes: 0,
          changes: [],
          whole: false,
        };
        this.#open.set(change.tx, transaction);
        this.#transactions.push(transaction);
      }
      transaction.changes.push(change);
      transaction.last = spreads.size === 0 ? change.place : Math.max(change.place, spreads.get(change.tx) ?? 0);
      transaction.bytes += change.bytes;
      this.#remember(change);
      if (transaction.changes.length >= limits.maxChanges || transaction.bytes >= limits.maxBytes) {
        transaction.last = change.place;
        this.#complete(transaction);
      }
    }
    for (const transaction of this.#open.values()) {
      const known = spreads.get(transaction.tx);
      if (readUpTo >= (known ?? transaction.first + SPREAD)) this.#complete(transaction);
    }
    this.#transactions.sort((a, b) => a.last - b.last);
  }

  /** Adds a change that leaves on its own, before everything else: a retry that is due, a correction of a failed change. */
  addFirst(changes: PendingChange[]): void {
    const alone = changes.map((change) => {
      this.#remember(change);
      return {
        tx: change.tx,
        key: transactionKey(change.tx),
        first: change.place,
        last: 0,
        bytes: change.bytes,
        changes: [change],
        whole: true,
      };
    });
    this.#transactions.unshift(...alone);
  }

  /**
   * Takes the next batch out: whole transactions while they fit, none that shares an entity with `busy` or with one that had
   * to stay. Undefined where nothing may leave now. What is still to come of an emptied one has its place behind all that was read.
   * @param busy keys of the entities and transactions that are in flight in another request
   * @param least a batch of fewer changes stays, too, unless nothing more would fit into it: it is worth waiting for
   */
  take(limits: Limits, busy: ReadonlySet<string>, least = 1): PendingChange[] | undefined {
    const leaving: Transaction[] = [];
    const stays = new Set<string>();
    let count = 0;
    let bytes = 0;
    let scanned = 0;
    let full = false;
    for (const transaction of this.#transactions) {
      const size = transaction.changes.length;
      if (size === 0) continue;
      scanned += size;
      if (!transaction.whole || scanned > 10 * limits.maxChanges) break;
      if (isHindered(transaction, busy, stays)) {
        stays.add(transaction.key);
        for (const { key } of transaction.changes) stays.add(key);
        continue;
      }
      // The first one leaves whatever its size: it is whole, or the cloud's answer says that it is too large.
      full = count > 0 && (count + size > limits.changes || bytes + transaction.bytes > limits.bytes);
      if (full) break;
      leaving.push(transaction);
      count += size;
      bytes += transaction.bytes;
    }
    full ||= count >= limits.changes || bytes >= limits.bytes;
    if (count === 0 || (count < least && !full)) return undefined;
    const batch: PendingChange[] = [];
    for (const transaction of leaving) {
      for (const change of transaction.changes) batch.push(change);
      transaction.changes = [];
    }
    this.#transactions = this.#transactions.filter(({ whole, changes }) => !whole || changes.length > 0);
    for (const change of batch) this.#forget(change);
    return batch.sort((a, b) => a.place - b.place);
  }

  /** Whether anything could leave if nothing were in flight. Of which all was folded or let go, an empty transaction stays in the row. */
  get ready(): boolean {
    return this.#transactions.find(({ changes }) => changes.length > 0)?.whole === true;
  }

  /** Something of this entity was settled: later changes build on it. */
  settled(key: string, state: EntityState): void {
    for (const change of this.#byEntity.get(key) ?? []) change.state = newerState(change.state, state);
  }

  /** Lets go of an entity's changes: they are held back in the table and will be read again when they may go. */
  drop(key: string): void {
    const gone = this.#byEntity.get(key);
    if (gone) this.#remove(new Set(gone));
  }

  clear(): void {
    this.#transactions = [];
    this.#open.clear();
    this.#byEntity.clear();
    this.#changes = 0;
    this.#bytes = 0;
  }

  /** A newer state of a coalesced entity takes the waiting one in, at its own place: what the older one stood beside leaves without it. */
  #fold(change: PendingChange): void {
    const waiting = this.#byEntity.get(change.key)?.at(-1);
    if (!waiting || waiting.place > change.place || waiting.supersedes.length >= MAX_FOLDED) return;
    const folded = [...waiting.supersedes, { id: waiting.id, change_id: waiting.change_id }];
    change.supersedes = [...folded, ...change.supersedes];
    change.folded = true;
    change.retryCount = Math.max(change.retryCount, waiting.retryCount);
    change.holdCount = Math.max(change.holdCount, waiting.holdCount);
    change.bytes += folded.length * BYTES_PER_NAME;
    this.#remove(new Set([waiting]));
  }

  #remove(gone: ReadonlySet<PendingChange>): void {
    for (const transaction of this.#transactions) {
      if (transaction.changes.some((change) => gone.has(change))) {
        transaction.changes = transaction.changes.filter((change) => !gone.has(change));
        transaction.bytes = transaction.changes.reduce((sum, change) => sum + change.bytes, 0);
      }
    }
    for (const change of gone) this.#forget(change);
  }

  #complete(transaction: Transaction): void {
    transaction.whole = true;
    this.#open.delete(transaction.tx);
  }

  #remember(change: PendingChange): void {
    const others = this.#byEntity.get(change.key);
    if (others) others.push(change);
    else this.#byEntity.set(change.key, [change]);
    this.#changes++;
    this.#bytes += change.bytes;
  }

  #forget(change: PendingChange): void {
    const others = this.#byEntity.get(change.key);
    const place = others?.indexOf(change) ?? -1;
    if (!others || place < 0) return;
    if (others.length === 1) this.#byEntity.delete(change.key);
    else others.splice(place, 1);
    this.#changes--;
    this.#bytes -= change.bytes;
  }
}
