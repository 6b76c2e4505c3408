/** What may leave, as whoever looks at the table tells the push loop. */

export type Orders = {
  /** False: paused; what is in flight ends, nothing new leaves. */
  enabled: boolean;
  /** Whether the table holds anything back. */
  trouble: boolean;
  /** What the loop's own `troubles` said before the table was asked. */
  troubles: number;
  /** Entity types of which nothing new leaves; the others go on, also those of a transaction that has some of both. */
  heldTypes: readonly string[];
};
