/**
 * Finds rows that go to and fro: a trigger of the POS sets a column anew whenever the row comes in, what it made of it goes out,
 * another outlet's trigger does the same, and so on. Each round leaves a change that nobody in the shop made (`undated`), whose
 * `previous` names the columns that were set otherwise than the cloud sent them. A round counts where all other columns are as they
 * were in the round before: an edit of head office that a trigger stamps is none, however many there are.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import { byIndex } from '../db/indexed.js';

export type ToAndFro = {
  entity_type: string;
  /** How many rows of it. */
  rows: number;
  /** Of these, the one that was sent most often. */
  entity_id: string;
  /** How often it was sent, and within how long. */
  times: number;
  within_ms: number;
  /** What the triggers set. */
  columns: string[];
};

/** The latest settled changes: a visit to the table for each, 50,000 took 0.2 s. */
const LOOKED_AT = 20_000;
/** Of each entity type the rows that were sent most often, and of each row the latest rounds, are read. */
const ROWS_READ = 20;
const ROUNDS_READ = 20;
/** Fewer rounds may be a trigger that corrects a row, and another outlet's that does so too. */
const ROUNDS = 10;

/**
 * @param sinceMs how far back
 * @param lastMs a row that has not been sent for so long has come to rest
 */
export async function rowsToAndFro(db: Db, sinceMs: number, lastMs: number): Promise<ToAndFro[]> {
  const { rows } = await byIndex(db, (trx) =>
    sql<{ found: string }>`
    WITH recent AS MATERIALIZED (
      SELECT * FROM (
        SELECT id, entity_type, entity_id, synced_at, undated, operation, previous, payload FROM syncd.sync_queue
        WHERE synced_at IS NOT NULL AND synced_at >= clock_timestamp() - ${sinceMs} * interval '1 ms'
        ORDER BY synced_at DESC LIMIT ${LOOKED_AT}::int) q
      WHERE undated AND operation = 'update' AND previous IS NOT NULL
    ), often AS MATERIALIZED (
      SELECT *, row_number() OVER (PARTITION BY entity_type ORDER BY times DESC, entity_id) AS place,
             count(*) OVER (PARTITION BY entity_type) AS rows
      FROM (SELECT entity_type, entity_id, count(*) AS times, max(synced_at) - min(synced_at) AS within FROM recent
            GROUP BY entity_type, entity_id
            HAVING count(*) > ${ROUNDS}::int AND max(synced_at) >= clock_timestamp() - ${lastMs} * interval '1 ms') one
    ), latest AS MATERIALIZED (
      SELECT * FROM (
        SELECT r.*, row_number() OVER (PARTITION BY r.entity_type, r.entity_id ORDER BY r.id DESC) AS n
        FROM recent r JOIN often o USING (entity_type, entity_id) WHERE o.place <= ${ROWS_READ}::int) one
      WHERE n <= ${ROUNDS_READ}::int
    ), sets AS (
      SELECT entity_type, entity_id, array_agg(DISTINCT name ORDER BY name) AS columns
      FROM latest CROSS JOIN LATERAL json_object_keys(previous) AS name GROUP BY entity_type, entity_id
    ), rests AS (
      SELECT entity_type, entity_id, id, columns, (
               SELECT md5(string_agg(format('%I %s', c.key, c.value), ',')) FROM json_each(payload) c WHERE c.key <> ALL (columns)) AS rest
      FROM latest JOIN sets USING (entity_type, entity_id)
    ), rounds AS (
      SELECT entity_type, entity_id, columns, count(*) AS rounds FROM (
        SELECT *, lag(id) OVER each AS before, rest IS NOT DISTINCT FROM lag(rest) OVER each AS same
        FROM rests WINDOW each AS (PARTITION BY entity_type, entity_id ORDER BY id)) one
      WHERE before IS NOT NULL AND same GROUP BY entity_type, entity_id, columns
    ), told AS (
      SELECT DISTINCT ON (entity_type) entity_type, rows, entity_id, times, columns, extract(epoch FROM within) * 1000 AS within_ms
      FROM often JOIN rounds USING (entity_type, entity_id) WHERE rounds >= ${ROUNDS}::int ORDER BY entity_type, place
    )
    SELECT coalesce(json_agg(told ORDER BY entity_type), '[]')::text AS found FROM told`.execute(trx),
  );
  return JSON.parse((rows[0] as { found: string }).found);
}
