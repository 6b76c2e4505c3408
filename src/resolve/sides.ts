/**
 * Both sides of one conflict as they stand now: the row that the shop holds, the changes that never reached the cloud, and the
 * cloud's row. Values are compared by Postgres, as the table itself would write them, so that 1.0 is 1.00; names and findings come
 * back, and the rows as text.
 */
import { type RawBuilder, sql } from 'kysely';
import { canonical } from '../apply/rows.js';
import type { AppliedTable } from '../apply/tables.js';
import { shapeOf, textHash } from '../capture/row-hash.js';
import type { Operation } from '../cloud/wire.js';
import { arrayLiteral } from '../db/array.js';
import { jumpedSince, offsetAt } from '../db/clock-log.js';
import type { Db } from '../db/connect.js';
import { rowsGivenUp } from '../queue/given-up.js';
import { type ColumnFacts, type ColumnKind, mergeColumns } from './merge.js';
import type { Standing, Unsettled } from './standing.js';
import { type CloudSide, type Divergence, orderOf } from './strategy.js';

export type Conflict = {
  id: string;
  entity_type: string;
  entity_id: string;
  strategy: string;
  /** `push`: the cloud answered one of the shop's changes with it; else it told of its side by itself. */
  source: string;
  /** As the cloud wrote it. */
  cloud: string | null;
  cloud_version: string;
  cloud_updated_at: string | null;
};

export type Sides = {
  divergence: Divergence;
  columns: ColumnFacts[];
  /** Columns that differ, the shop's own aside. */
  fields: string[];
  /** When the shop's newest edit was made, by its own clock; null: that is not on record. */
  edited_at: string | null;
  /** The earliest old values of the columns that the shop changed, as a JSON object. */
  base: string | null;
};

type Edit = {
  base: string | null;
  edited_at: string | null;
  local_ms: number | null;
  cloud_ms: number | null;
  offset_ms: number | null;
  jumped: boolean;
  in_doubt: boolean;
};

/** @throws class 22 where the cloud's row does not fit the table */
export async function lookAtSides(
  trx: Db,
  table: AppliedTable,
  conflict: Conflict,
  { changes, live }: Standing,
): Promise<Sides> {
  const both = live !== undefined && conflict.cloud !== null;
  const based = live !== undefined && (await isBased(trx, table, conflict.entity_id, changes));
  const edit = await dateEdit(trx, conflict, changes);
  const columns = both ? await compare(trx, table, conflict, live, { changes, based, in_doubt: edit.in_doubt }) : [];
  const fields = both ? differing(columns) : shownColumns(table);
  return {
    divergence: {
      local: localOperation(changes, live),
      cloud: cloudSide(conflict),
      equal: both && fields.length === 0,
      unedited: based && changes.length > 0 && edit.edited_at === null,
      own: conflict.source !== 'push' && (await isOwn(trx, table, conflict, edit.in_doubt ? changes : [])),
      order: orderOf(edit.local_ms, edit.cloud_ms, edit),
      merge: mergeColumns(columns),
    },
    columns,
    fields: live === undefined && conflict.cloud === null ? [] : fields,
    edited_at: edit.edited_at,
    base: edit.base,
  };
}

function cloudSide({ cloud, cloud_version }: Pick<Conflict, 'cloud' | 'cloud_version'>): CloudSide {
  if (cloud !== null) return 'row';
  return cloud_version === '0' ? 'nothing' : 'deleted';
}

/** The columns that differ between the shop's row and the cloud's, the shop's own aside. */
export async function differingNow(
  db: Db,
  table: AppliedTable,
  conflict: Pick<Conflict, 'entity_id' | 'cloud'>,
  live: string | undefined,
): Promise<string[]> {
  if (live === undefined && conflict.cloud === null) return [];
  if (live === undefined || conflict.cloud === null) return shownColumns(table);
  return differing(await compare(db, table, conflict, live, { changes: [], based: true, in_doubt: false }));
}

const differing = (columns: readonly ColumnFacts[]): string[] =>
  columns.filter((column) => column.kind !== 'local' && !column.equal).map((column) => column.name);

function localOperation(changes: readonly Unsettled[], live: string | undefined): Operation {
  if (live === undefined) return 'delete';
  return changes.some(({ operation }) => operation !== 'update') ? 'create' : 'update';
}

/** What the cloud's data may name and the shop compares. */
const shownColumns = (table: AppliedTable): string[] =>
  table.columns
    .filter(({ name, kind, excluded }) => kind !== 'generated' && !excluded && !table.local.includes(name))
    .map(({ name }) => name);

/** The earliest old value of every column, as rows of (key, value). @param which a condition on the rows `q` of the queue */
export const earliest = (which: RawBuilder<unknown>): RawBuilder<unknown> => sql`
  SELECT DISTINCT ON (e.key) e.key, e.value
  FROM syncd.sync_queue q CROSS JOIN pg_catalog.json_each(q.previous) e
  WHERE ${which} AND q.previous IS NOT NULL
  ORDER BY e.key, q.id`;

export const bases = (changes: readonly Unsettled[]): RawBuilder<unknown> =>
  earliest(sql`q.ctid = ANY (${arrayLiteral(changes.map(({ place }) => place))}::tid[])`);

/**
 * Changes that all tell their old values, or changed nothing: a row that was only sent once more. Any other may have changed
 * anything.
 */
async function isBased(
  trx: Db,
  { entity }: AppliedTable,
  entity_id: string,
  changes: readonly Unsettled[],
): Promise<boolean> {
  if (changes.some(({ operation }) => operation !== 'update')) return false;
  if (changes.every(({ has_previous }) => has_previous)) return true;
  const { rows } = await sql<{ based: boolean }>`
    SELECT bool_and(one.tells OR one.hash IS NOT DISTINCT FROM one.before) AS based FROM (
      SELECT q.previous IS NOT NULL AS tells, ${textHash(sql`q.payload`)} AS hash,
             coalesce(lag(${textHash(sql`q.payload`)}) OVER (ORDER BY q.id), (
               SELECT e.row_hash FROM syncd.entity_state e
               WHERE e.entity_type = ${entity} AND e.entity_id = ${entity_id} AND e.row_shape = ${shapeOf(sql`e.entity_type`)})) AS before
      FROM syncd.sync_queue q WHERE q.ctid = ANY (${arrayLiteral(changes.map(({ place }) => place))}::tid[])) AS one`.execute(
    trx,
  );
  return rows[0]?.based === true;
}

async function compare(
  trx: Db,
  table: AppliedTable,
  conflict: Pick<Conflict, 'entity_id' | 'cloud'>,
  live: string,
  { changes, based, in_doubt }: { changes: readonly Unsettled[]; based: boolean; in_doubt: boolean },
): Promise<ColumnFacts[]> {
  const names = table.columns
    .filter((one) => !one.key && !one.excluded && one.kind !== 'generated')
    .map((one) => one.name);
  const cloud = canonical(table, sql`${conflict.entity_id}`, sql`${conflict.cloud}`);
  const { rows } = await sql<Omit<ColumnFacts, 'kind' | 'based' | 'in_doubt'>>`
    WITH base AS (${bases(changes)}), brought AS (SELECT json_object_keys(${conflict.cloud}::json) AS name)
    SELECT l.key AS name, l.key IN (SELECT name FROM brought) AS at_cloud,
           b.key IS NOT NULL AND b.value::jsonb IS DISTINCT FROM l.value::jsonb AS local_changed,
           CASE WHEN b.key IS NULL THEN l.value ELSE b.value END::jsonb IS DISTINCT FROM c.value::jsonb AS cloud_changed,
           l.value::jsonb IS NOT DISTINCT FROM c.value::jsonb AS equal,
           coalesce(json_typeof(l.value) = 'number' AND json_typeof(c.value) = 'number'
                    AND json_typeof(b.value) = 'number', false) AS numeric
    FROM json_each(${live}::json) l JOIN json_each(${cloud}) c ON c.key = l.key LEFT JOIN base b ON b.key = l.key
    WHERE l.key = ANY (${arrayLiteral(names)}::text[]) ORDER BY array_position(${arrayLiteral(names)}::text[], l.key)`.execute(
    trx,
  );
  return rows.map((row) => ({
    ...row,
    kind: kindOf(table, row.name),
    based,
    in_doubt: based && in_doubt,
    local_changed: row.local_changed || !based,
    cloud_changed: row.cloud_changed || !based,
  }));
}

function kindOf(table: AppliedTable, name: string): ColumnKind {
  if (table.local.includes(name)) return 'local';
  return table.delta.includes(name) ? 'delta' : 'plain';
}

/**
 * The cloud's side is what an earlier change has made of it: that has arrived, and head office has edited nothing since. Looked for
 * among what a person gave up, and where some changes are in doubt among all: of folded ones the oldest tells of it, and not the one
 * that was sent.
 */
async function isOwn(
  trx: Db,
  table: AppliedTable,
  conflict: Conflict,
  doubtful: readonly Unsettled[],
): Promise<boolean> {
  if (cloudSide(conflict) === 'nothing') return false;
  const leftAside = table.columns.filter(({ name, kind }) => kind === 'generated' || table.local.includes(name));
  const names = sql`${arrayLiteral(leftAside.map(({ name }) => name))}::text[]`;
  const cloud =
    conflict.cloud === null ? sql`NULL` : canonical(table, sql`${conflict.entity_id}`, sql`${conflict.cloud}`);
  const { rows } = await sql<{ own: boolean }>`
    WITH cloud AS MATERIALIZED (SELECT ${cloud}::jsonb - ${names} AS data
    ), earlier AS MATERIALIZED (
      SELECT q.payload FROM syncd.sync_queue q WHERE q.ctid = ANY (${arrayLiteral(doubtful.map(({ place }) => place))}::tid[])
      UNION ALL ${rowsGivenUp(conflict)})
    -- A row that does not fit the table is looked at only where there is something to compare it with.
    SELECT CASE WHEN EXISTS (SELECT FROM earlier) THEN EXISTS (
      SELECT FROM earlier q JOIN cloud c ON c.data IS NOT DISTINCT FROM q.payload::jsonb - ${names}) ELSE false END AS own`.execute(
    trx,
  );
  return rows[0]?.own === true;
}

/**
 * The shop's newest edit and what was known of the clock then. What was queued as it stood may be of any time, or no edit at all.
 * `in_doubt`: the cloud may have some of the changes; where a push met the conflict it has asked for them.
 */
async function dateEdit(trx: Db, conflict: Conflict, changes: readonly Unsettled[]): Promise<Edit> {
  const { rows } = await sql<Edit>`
    SELECT e.at::text AS edited_at, extract(epoch FROM e.at)::float8 * 1000 AS local_ms,
           extract(epoch FROM ${conflict.cloud_updated_at}::timestamptz)::float8 * 1000 AS cloud_ms,
           ${offsetAt(sql`e.at`)} AS offset_ms, ${jumpedSince(sql`e.at`)} AS jumped,
           ${conflict.source !== 'push'}::boolean AND EXISTS (
             SELECT FROM syncd.sync_queue q
             WHERE q.ctid = ANY (${arrayLiteral(changes.map(({ place }) => place))}::tid[]) AND q.hold_count > 0) AS in_doubt,
           (SELECT json_object_agg(b.key, b.value)::text FROM (${bases(changes)}) AS b) AS base
    FROM (SELECT max(q.created_at) AS at FROM syncd.sync_queue q
          WHERE q.ctid = ANY (${arrayLiteral(changes.map(({ place }) => place))}::tid[]) AND q.undated IS NOT TRUE) e`.execute(
    trx,
  );
  return rows[0] as Edit;
}
