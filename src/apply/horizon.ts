/**
 * Bounds a second look at the queue. Pure. A first look, taken before any row of the POS is locked, reads all fresh changes, a
 * million perhaps; the second one, under the locks, has to find only what the first could not see. Those rows were written by
 * transactions that were not over at the first look, and a transaction draws its places in the queue after its number: so all
 * of them lie above the queue's position at any moment when none of those transactions had begun.
 */

/** A moment: the queue's position, read before a snapshot, and the snapshot's bounds, as `pg_snapshot_xmax` and `_xmin`. */
export type Mark = { position: string; xmax: string; xmin: string };

/** Who puts a row into the queue without a sale draws its place just before its transaction's number. */
const SLACK = 100n;
const MOST_MARKS = 64;

export class Horizon {
  #marks: { position: bigint; xmax: bigint }[] = [];

  /** Notes a look. @returns the id above which lies everything that this look did not see */
  note(mark: Mark): string {
    const xmin = BigInt(mark.xmin);
    this.#marks.push({ position: BigInt(mark.position), xmax: BigInt(mark.xmax) });
    // The newest one of which no transaction that is still open had begun; none before it is needed any more.
    const usable = this.#marks.findLastIndex(({ xmax }) => xmax <= xmin);
    if (usable > 0) this.#marks.splice(0, usable);
    // A transaction that stays open for hours: every second mark will do.
    if (this.#marks.length > MOST_MARKS) this.#marks = this.#marks.filter((_, place) => place % 2 === 0);
    const bound = usable === -1 ? 0n : (this.#marks[0] as { position: bigint }).position - SLACK;
    return String(bound > 0n ? bound : 0n);
  }
}
