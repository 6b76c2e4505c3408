/**
 * What this outlet has agreed on with the cloud, in the form that the wire contract compares by: for every day of a type the
 * number of living entities and the sum of their fingerprints, and one by one what lies in some days. Reads only, each time in
 * one statement. The day comes from the row itself, so it is read where the row is; the version comes from syncd.entity_state.
 */
import { type RawBuilder, sql } from 'kysely';
import { keyText } from '../capture/expressions.js';
import { columnName, identifier } from '../capture/names.js';
import type { WireBucket } from '../cloud/wire.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { hasDeparted } from '../walk/departed.js';
import type { WalkedTable } from '../walk/table.js';
import type { Here, There } from './difference.js';

/** Where everything lies that has no day. */
export const WITHOUT_DAY = '*';

export type ProvenTable = {
  walked: WalkedTable;
  /** The column that tells the day, and how it does; undefined: none does. */
  day: { column: string; kind: 'instant' | 'plain' } | undefined;
  timezone: string;
};

/** @param dateField as configured; a column of another type than a date's has no day that both sides would reckon alike */
export async function provenTable(
  db: Db,
  walked: WalkedTable,
  dateField: string | undefined,
  timezone: string,
): Promise<ProvenTable> {
  if (dateField === undefined) return { walked, day: undefined, timezone };
  const { rows } = await sql<{ column: string; kind: 'instant' | 'plain' }>`
    SELECT a.attname::text AS "column", CASE a.atttypid WHEN 'timestamptz'::regtype THEN 'instant' ELSE 'plain' END AS kind
    FROM pg_attribute a WHERE a.attrelid = ${walked.table}::regclass AND a.attname = ${columnName(dateField)} AND NOT a.attisdropped
      AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)`.execute(db);
  return { walked, day: rows[0], timezone };
}

/** 2^64. */
const MODULUS = sql.raw('18446744073709551616');

/**
 * What has no version yet counts as version 0, which no cloud holds: so it is looked at one by one.
 * The sum of signed halves is the same modulo 2^64 as that of unsigned ones.
 */
const sumOfFingerprints = sql`mod(mod(sum(('x' || substr(md5(s.entity_id || '|' || coalesce(s.cloud_version, 0)::text), 1, 16))::bit(64)::bigint), ${MODULUS}) + ${MODULUS}, ${MODULUS})::text`;

/** Every bucket that holds anything, by name. */
export async function bucketsHere(db: Db, table: ProvenTable): Promise<WireBucket[]> {
  const { entity } = table.walked;
  const { rows } = await sql<WireBucket>`
    SELECT ${table.day === undefined ? sql.lit(WITHOUT_DAY) : sql`live.bucket`} AS bucket, count(*)::int AS count, ${sumOfFingerprints} AS sum
    FROM syncd.entity_state s ${table.day === undefined ? sql`` : sql`JOIN ${rowsOf(table)} AS live ON live.entity_id = s.entity_id`}
    WHERE s.entity_type = ${entity} AND NOT s.deleted GROUP BY 1 ORDER BY 1`.execute(db);
  return rows;
}

/**
 * By id, what is known of every entity in some buckets that may differ: of all but those that the cloud lists in the version and
 * on the day that they have here. What has no row, and so no bucket, may differ in any.
 * Measured: 1,000,000 entities in one bucket take 4 s.
 * @param listed what the cloud has in these buckets
 */
export async function mayDifferHere(
  db: Db,
  table: ProvenTable,
  buckets: readonly string[],
  listed: ReadonlyMap<string, There>,
): Promise<Map<string, Here>> {
  const { entity, keys, departed } = table.walked;
  const theirs = [...listed.values()];
  const versions = theirs.map(({ cloud_version }) => cloud_version);
  const days = theirs.map(({ bucket }) => bucket);
  const { rows } = await sql<Omit<Here, 'cloud_version'> & { entity_id: string; cloud_version: string | null }>`
    WITH unsettled AS (
      SELECT entity_id, true AS moving FROM syncd.unsettled WHERE entity_type = ${entity} AND status = 'pending'
      UNION ALL SELECT entity_id, true FROM syncd.incoming WHERE entity_type = ${entity} AND status = 'waiting'
      UNION ALL SELECT entity_id, false FROM syncd.unsettled WHERE entity_type = ${entity} AND status <> 'pending'
      UNION ALL SELECT entity_id, false FROM syncd.incoming WHERE entity_type = ${entity} AND status = 'parked'
      UNION ALL SELECT entity_id, false FROM syncd.sync_conflicts WHERE status = 'open' AND entity_type = ${entity}
    ), held AS (
      SELECT entity_id, bool_or(moving) AS moving FROM unsettled GROUP BY entity_id
    ), listed AS (
      SELECT l.entity_id COLLATE "C" AS entity_id, l.version, l.bucket
      FROM unnest(${arrayLiteral([...listed.keys()])}::text[], ${arrayLiteral(versions)}::bigint[], ${arrayLiteral(days)}::text[])
           AS l (entity_id, version, bucket)
    ), known AS (
      SELECT s.* FROM syncd.entity_state s WHERE s.entity_type = ${entity}
    )
    SELECT coalesce(k.entity_id, l.entity_id) AS entity_id, k.cloud_version::text, coalesce(k.deleted, true) AS deleted,
           live.entity_id IS NOT NULL AS row, ${table.day === undefined ? sql`NULL` : sql`live.bucket`} AS bucket,
           coalesce(h.moving, false) AS moving, h.moving IS NOT DISTINCT FROM false AS stuck,
           live.entity_id IS NULL AND ${hasDeparted(keys, departed, 'coalesce(k.entity_id, l.entity_id)', true)} AS departed
    FROM known k FULL JOIN listed l ON l.entity_id = k.entity_id
    LEFT JOIN held h ON h.entity_id = coalesce(k.entity_id, l.entity_id)
    LEFT JOIN ${rowsOf(table)} AS live ON live.entity_id = coalesce(k.entity_id, l.entity_id)
    WHERE (l.entity_id IS NOT NULL OR (NOT k.deleted AND (live.entity_id IS NULL OR live.bucket = ANY (${arrayLiteral(buckets)}::text[]))))
      AND NOT coalesce(l.version = k.cloud_version AND NOT k.deleted AND coalesce(live.bucket, l.bucket) = l.bucket, false)`.execute(
    db,
  );
  return new Map(
    rows.map(({ entity_id, cloud_version, ...rest }) => [
      entity_id,
      { ...rest, cloud_version: cloud_version === null ? null : Number(cloud_version) },
    ]),
  );
}

/** Every row of the table: its entity's id and its bucket. */
function rowsOf({ walked, day, timezone }: ProvenTable): RawBuilder<unknown> {
  const parts = walked.parts.map(
    (part) =>
      sql`SELECT ${sql.raw(keyText(walked, 't'))} AS entity_id, ${bucketOf(day, timezone)} AS bucket FROM ${sql.raw(part)} AS t`,
  );
  return sql`(${sql.join(parts, sql` UNION ALL `)})`;
}

/** The day of row `t` as YYYY-MM-DD, where it can be written so. */
function bucketOf(day: ProvenTable['day'], timezone: string): RawBuilder<string> {
  if (day === undefined) return sql<string>`${sql.lit(WITHOUT_DAY)}`;
  const column = sql.raw(`t.${identifier(day.column)}`);
  const local = day.kind === 'instant' ? sql`(${column} AT TIME ZONE ${timezone}::text)` : sql`${column}`;
  return sql<string>`CASE WHEN isfinite(${column}) AND ${local} >= '0001-01-01' AND ${local} < '10000-01-01'
    THEN to_char(${local}, 'YYYY-MM-DD') ELSE ${sql.lit(WITHOUT_DAY)} END`;
}
