/**
 * The two statements of a walk that look and queue in one: the next rows of a table, and the next agreements whose row may be
 * gone. One statement sees rows, queue and agreements with one snapshot, so what differs there differs in truth. What a sale did
 * since that snapshot is for walk/chunk to find out.
 */
import { type RawBuilder, sql } from 'kysely';
import { keyText, payload } from '../capture/expressions.js';
import { keyMatch } from '../capture/keys.js';
import { textHash } from '../capture/row-hash.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import type { WalkKind } from '../db/schema-walks.js';
import { hasDeparted } from './departed.js';
import { beyond, hasRow, inOrder, placeOf, type WalkedTable } from './table.js';

export type Page = {
  /** Looked at; what comes behind `last` is still to be looked at. */
  walked: number;
  /** JSON of the place, or an entity's id; null: nothing was left. */
  last: string | null;
  /** Rows of the queue. */
  ids: string[];
  /** There may be something behind `last`. */
  more: boolean;
};

/** What a person gave up stays given up while it is as it was, unless its agreement was marked to go again: hashes by entity. */
export type GivenUp = ReadonlyMap<string, string>;

/** One transaction's worth of changes, and of bytes: what travels to the cloud in one request. */
export const MOST_QUEUED = 500;
const MOST_BYTES = 2 * 1024 * 1024;

/** What the shop last said of each entity and the cloud has not settled. Few: a walk waits while many changes do. */
const said = (entity: string) => sql`said AS MATERIALIZED (
    SELECT DISTINCT ON (u.entity_id) u.entity_id, u.operation, u.payload FROM syncd.unsettled u
    WHERE u.entity_type = ${entity} ORDER BY u.entity_id, u.id DESC
  )`;

/** An open conflict without a change behind it waits for a decision, and the decision looks at the row itself. */
const undecided = (entity: string, id: RawBuilder<unknown>) => sql`EXISTS (
    SELECT FROM syncd.sync_conflicts k WHERE k.status = 'open' AND k.entity_type = ${entity} AND k.entity_id = ${id})`;

export type RowsAsked = {
  kind: WalkKind;
  part: string;
  after: readonly string[] | undefined;
  size: number;
  givenUp: GivenUp;
};

/** The next rows of one part of a table; those that are to be queued are. */
export async function queueRows(trx: Db, walked: WalkedTable, asked: RowsAsked): Promise<Page> {
  const { entity, shape } = walked;
  // Beside rows that nobody knows of: those of another table, or of other columns, may be known as they were before.
  const missing = asked.kind === 'backfill' && !walked.older;
  // Compared as syncd's own tables compare ids; under any other collation their indexes would not serve, and each row read them all.
  const id = sql.raw(keyText(walked, 't'));
  const row = sql.raw(payload(walked, 't'));
  const differs = missing
    ? sql`j.agreed IS NULL AND j.said IS NULL`
    : sql`CASE WHEN j.said IS NOT NULL THEN j.said = 'delete' OR j.text IS DISTINCT FROM j.payload::text
                 WHEN j.undecided THEN false
                 WHEN j.agreed IS NOT true THEN true
                 ELSE j.row_hash IS NULL OR j.row_shape IS DISTINCT FROM ${shape}::int
                   OR j.row_hash <> ${textHash(sql`j.payload`)} END`;
  const kept =
    asked.givenUp.size === 0
      ? sql``
      : sql`AND NOT EXISTS (
          SELECT FROM unnest(${arrayLiteral([...asked.givenUp.keys()])}::text[], ${arrayLiteral([...asked.givenUp.values()])}::bigint[])
               AS g (entity_id, hash) WHERE g.entity_id = j.entity_id AND g.hash = ${textHash(sql`j.payload`)}
          AND (j.row_shape IS NOT NULL OR j.row_hash IS NULL))`;
  const { rows } = await sql<{ walked: number; last: string | null; ids: string | null; more: boolean }>`
    WITH ${said(entity)}, judged AS MATERIALIZED (
      SELECT row_number() OVER (ORDER BY ${inOrder(walked)}) AS n, ${id} AS entity_id, ${placeOf(walked)} AS place,
             CASE WHEN NOT ${missing}::boolean OR s.agreed IS NULL THEN ${row} END AS payload,
             s.agreed, s.row_hash, s.row_shape, u.operation AS said, u.payload::text AS text,
             ${missing ? sql`false` : undecided(entity, id)} AS undecided
      FROM (SELECT t.* FROM ${sql.raw(asked.part)} AS t WHERE ${beyond(walked, asked.after)}
            ORDER BY ${inOrder(walked)} LIMIT ${asked.size}) AS t
      LEFT JOIN LATERAL (SELECT NOT e.deleted AS agreed, e.row_hash, e.row_shape FROM syncd.entity_state e
                         WHERE e.entity_id = ${id} AND e.entity_type = ${entity} OFFSET 0) AS s ON true
      LEFT JOIN said u ON u.entity_id = ${id}
    ), wanted AS (
      SELECT j.n, j.entity_id, j.payload, CASE WHEN coalesce(j.said <> 'delete', j.agreed) THEN 'update' ELSE 'create' END AS operation,
             count(*) OVER (ORDER BY j.n) AS place, sum(octet_length(j.payload::text)) OVER (ORDER BY j.n) AS bytes
      FROM judged j WHERE (${differs}) ${kept}
    ), cut AS (
      SELECT coalesce(min(n), 9223372036854775807) AS n FROM wanted WHERE place > ${MOST_QUEUED} OR (place > 1 AND bytes > ${MOST_BYTES})
    ), queued AS (
      INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, undated)
      SELECT ${entity}, w.entity_id, w.operation, w.payload, true FROM wanted w, cut WHERE w.n < cut.n ORDER BY w.n
      RETURNING id
    )
    SELECT (SELECT count(*)::int FROM judged j WHERE j.n < cut.n) AS walked,
           (SELECT to_json(j.place)::text FROM judged j WHERE j.n < cut.n ORDER BY j.n DESC LIMIT 1) AS last,
           (SELECT json_agg(id::text ORDER BY id)::text FROM queued) AS ids,
           (SELECT count(*) FROM judged) >= ${asked.size} OR EXISTS (SELECT FROM judged j WHERE j.n >= cut.n) AS more
    FROM cut`.execute(trx);
  return pageOf(rows[0]);
}

/**
 * The next entities that shop and cloud agreed on, or that wait to be sent; where the row is gone, that is queued.
 * @param doubted see hasRow
 */
export async function queueGone(
  trx: Db,
  walked: WalkedTable,
  after: string | undefined,
  size: number,
  doubted: boolean,
): Promise<Page> {
  const { entity, keys, departed } = walked;
  const behind = after === undefined ? sql`true` : sql`entity_id > ${after}`;
  const { rows } = await sql<{ walked: number; last: string | null; ids: string | null; more: boolean }>`
    WITH ${said(entity)}, judged AS MATERIALIZED (
      SELECT one.entity_id, u.operation AS said, row_number() OVER (ORDER BY one.entity_id) AS n
      FROM (
        (SELECT e.entity_id FROM syncd.entity_state e WHERE ${behind} AND e.entity_type = ${entity} AND NOT e.deleted
         ORDER BY e.entity_id LIMIT ${size})
        UNION SELECT entity_id FROM said WHERE ${behind} AND operation <> 'delete'
        ORDER BY entity_id LIMIT ${size}) AS one
      LEFT JOIN said u ON u.entity_id = one.entity_id
    ), wanted AS (
      SELECT j.n, j.entity_id, count(*) OVER (ORDER BY j.n) AS place FROM judged j
      WHERE NOT ${hasRow(walked, 'j.entity_id', doubted)}
        AND NOT ${hasDeparted(keys, departed, 'j.entity_id', doubted)}
        AND (CASE WHEN j.said IS NULL THEN NOT ${undecided(entity, sql`j.entity_id`)} ELSE j.said <> 'delete' END)
        AND NOT EXISTS (SELECT FROM syncd.truncations WHERE entity_type = ${entity} AND settled_at IS NULL)
    ), cut AS (
      SELECT coalesce(min(n), 9223372036854775807) AS n FROM wanted WHERE place > ${MOST_QUEUED}
    ), queued AS (
      INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, undated)
      SELECT ${entity}, w.entity_id, 'delete', true FROM wanted w, cut WHERE w.n < cut.n ORDER BY w.n
      RETURNING id
    )
    SELECT (SELECT count(*)::int FROM judged j WHERE j.n < cut.n) AS walked,
           (SELECT j.entity_id FROM judged j WHERE j.n < cut.n ORDER BY j.n DESC LIMIT 1) AS last,
           (SELECT json_agg(id::text ORDER BY id)::text FROM queued) AS ids,
           (SELECT count(*) FROM judged) >= ${size} OR EXISTS (SELECT FROM judged j WHERE j.n >= cut.n) AS more
    FROM cut`.execute(trx);
  return pageOf(rows[0]);
}

/**
 * A table without a single row, of which the cloud has rows: that is as grave as a TRUNCATE, which may have gone by uncaptured. A
 * person has to decide, as about any other.
 * @returns whether it is so, and was marked
 */
export async function markEmptied(trx: Db, { entity, table }: WalkedTable): Promise<boolean> {
  const { numAffectedRows } = await sql`
    INSERT INTO syncd.truncations (entity_type, table_name)
    SELECT ${entity}, ${table}
    WHERE NOT EXISTS (SELECT FROM ${sql.raw(table)})
      AND EXISTS (SELECT FROM syncd.entity_state WHERE entity_type = ${entity} AND NOT deleted)
      AND NOT EXISTS (SELECT FROM syncd.truncations WHERE entity_type = ${entity} AND settled_at IS NULL)`.execute(trx);
  return numAffectedRows === 1n;
}

function pageOf(row: { walked: number; last: string | null; ids: string | null; more: boolean } | undefined): Page {
  return {
    walked: row?.walked ?? 0,
    last: row?.last ?? null,
    ids: JSON.parse(row?.ids ?? '[]'),
    more: row?.more === true,
  };
}

/**
 * Takes back, of what this transaction has queued, whatever is not so any more: who changed the row meanwhile has queued it, with
 * a place that may lie before ours. To be asked when all have ended who were writing once our rows had their places.
 * @param from the part that the rows were read from; or they were missed in the whole table, see hasRow
 * @returns how many were taken back
 */
export async function takeBackOutdated(
  trx: Db,
  walked: WalkedTable,
  ids: readonly string[],
  from: { part: string } | { doubted: boolean },
): Promise<number> {
  const match = sql.raw(keyMatch(walked.keys, 'm.entity_id'));
  const still =
    'doubted' in from
      ? sql`NOT ${hasRow(walked, 'm.entity_id', from.doubted)}`
      : sql`EXISTS (SELECT FROM (SELECT ${sql.raw(payload(walked, 't'))} AS payload FROM ${sql.raw(from.part)} AS t WHERE ${match} OFFSET 0) AS now
                    WHERE now.payload::text = m.payload::text)`;
  const { rows } = await sql<{ taken: number }>`
    WITH mine AS MATERIALIZED (
      SELECT q.ctid AS spot, q.entity_id, q.payload FROM syncd.sync_queue q
      WHERE q.id = ANY (${arrayLiteral(ids)}::bigint[]) AND q.status = 'pending' AND q.next_attempt_at IS NULL
    ), taken AS (
      DELETE FROM syncd.sync_queue WHERE ctid = ANY (ARRAY(SELECT m.spot FROM mine m WHERE NOT (${still}))) RETURNING 1
    )
    SELECT count(*)::int AS taken FROM taken`.execute(trx);
  return rows[0]?.taken ?? 0;
}
