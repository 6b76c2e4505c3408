/**
 * A shop in miniature, to feed the backlog what a real queue could hold: transactions that interleave, hold their row locks
 * until they commit, and draw ids with gaps. Everything follows from the numbers given, so that a failing case repeats.
 */
import type { PendingChange } from '../../src/push/backlog.js';
import { makeChange } from './changes.js';

export type Plan = {
  /** Each transaction's entities, in the order in which it writes them. */
  transactions: number[][];
  /** Which of the open transactions goes on next. */
  turns: number[];
  /** Distances between ids. */
  gaps: number[];
};

/** The queue that this plan leaves, in id order. @param coalesced from this entity on, only the newest state counts */
export function playOut(plan: Plan, coalesced = Number.POSITIVE_INFINITY): PendingChange[] {
  const lockedBy = new Map<number, number>();
  const left = plan.transactions.map((entities) => [...entities]);
  const changes: PendingChange[] = [];
  let id = 0;
  for (let step = 0; left.some((entities) => entities.length > 0); step++) {
    const open = left.flatMap((entities, index) => (entities.length > 0 ? [index] : []));
    const tx = open[(plan.turns[step % plan.turns.length] as number) % open.length] as number;
    const entities = left[tx] as number[];
    const entity = entities.shift() as number;
    const holder = lockedBy.get(entity);
    // Where it would have to wait it gives up that write: a wait only shifts its turns.
    if (holder === undefined || holder === tx) {
      lockedBy.set(entity, tx);
      id += 1 + (plan.gaps[step % plan.gaps.length] as number);
      const coalesce = entity >= coalesced;
      changes.push(makeChange({ id: String(id), tx: String(tx), entity_id: `e${entity}`, coalesce }));
    }
    if (entities.length === 0) for (const [key, by] of lockedBy) if (by === tx) lockedBy.delete(key);
  }
  return changes;
}

/** Last ids of the transactions that spread wider than `spread`. */
export function spreadsOf(changes: PendingChange[], spread: number): Map<string, number> {
  const ends = new Map<string, [first: number, last: number]>();
  for (const { tx, id } of changes) ends.set(tx, [ends.get(tx)?.[0] ?? Number(id), Number(id)]);
  return new Map([...ends].flatMap(([tx, [first, last]]) => (last - first > spread ? [[tx, last] as const] : [])));
}
