/** Rows of the queue and of the states, put there as a test needs them; everything that is not named has its default. */
import type pg from 'pg';
import type { Shop } from './shop.js';

export type GivenRow = {
  entity: string;
  type?: string;
  operation?: 'create' | 'update' | 'delete';
  payload?: string | null;
  previous?: string | null;
  status?: 'pending' | 'failed' | 'conflict' | 'synced';
  retries?: number;
  holds?: number;
  /** Milliseconds from now; negative: past. */
  nextMs?: number | null;
  /** The transaction's number, for rows that are to share one. */
  tx?: number;
};

/** Adds rows in one statement; returns their ids. @param client default: the shop's own connection */
export async function addRows(shop: Shop, given: GivenRow[], client: pg.Client = shop.sql): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, previous, status, retry_count, hold_count,
                                   next_attempt_at, txid, settled_as, synced_at)
     SELECT o.type, o.entity, o.operation, o.payload, o.previous, o.status, o.retries, o.holds,
            clock_timestamp() + o.next * interval '1 ms', coalesce(o.tx::xid8, pg_current_xact_id()),
            CASE o.status WHEN 'synced' THEN 'accepted' END, CASE o.status WHEN 'synced' THEN clock_timestamp() END
     FROM unnest($1::text[], $2::text[], $3::text[], $4::json[], $5::json[], $6::syncd.change_status[], $7::int[], $8::int[], $9::float8[],
                 $10::text[]) WITH ORDINALITY
          AS o (type, entity, operation, payload, previous, status, retries, holds, next, tx, place)
     ORDER BY o.place RETURNING id`,
    [
      given.map((row) => row.type ?? 'order'),
      given.map((row) => row.entity),
      given.map((row) => row.operation ?? 'update'),
      given.map((row) => (row.payload === undefined ? '{"id":1}' : row.payload)),
      given.map((row) => row.previous ?? null),
      given.map((row) => row.status ?? 'pending'),
      given.map((row) => row.retries ?? 0),
      given.map((row) => row.holds ?? 0),
      given.map((row) => row.nextMs ?? null),
      given.map((row) => (row.tx === undefined ? null : String(row.tx))),
    ],
  );
  return rows.map((row) => row.id);
}

/** So many rows of entities of their own. */
export const filler = (count: number, from = 0): GivenRow[] =>
  Array.from({ length: count }, (_, n) => ({ entity: `f${from + n}` }));

export async function emptyQueue(shop: Shop): Promise<void> {
  await shop.sql.query(
    'TRUNCATE syncd.sync_queue, syncd.entity_state, syncd.sync_conflicts, syncd.sync_logs, syncd.commands, syncd.daemon',
  );
}
