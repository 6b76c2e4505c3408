/**
 * The part of a settle that keeps the order where a correction waits for its next try: what it contains waits with it. Left as
 * fresh, once the failed change was let go or given up, it would be read as what follows and go out last, as the older row.
 */
import { type RawBuilder, sql } from 'kysely';
import { arrayLiteral } from '../db/array.js';
import { placed } from './places.js';

/** What corrections contain that are put off, and for how long; parallel arrays. */
export type PutOffWith = { ids: string[]; delays_ms: number[] };

/** One that waits already, for whatever reason, keeps its own time. */
export function puttingOffWith({ ids, delays_ms }: PutOffWith): RawBuilder<unknown> {
  if (ids.length === 0) return sql``;
  const those = sql`unnest(${arrayLiteral(ids)}::bigint[], ${arrayLiteral(delays_ms)}::float8[]) AS o (id, delay_ms)`;
  return sql`, put_off_with AS (
  UPDATE syncd.sync_queue q SET next_attempt_at = leader.at + o.delay_ms * interval '1 ms'
  FROM leader, ${placed(ids, those)}
  WHERE q.ctid = o.spot AND q.status = 'pending' AND q.next_attempt_at IS NULL)`;
}
