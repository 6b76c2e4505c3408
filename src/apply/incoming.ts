/**
 * The table of incoming changes: what is to be dealt with next, and what became of it. A change leaves the table in the
 * transaction that deals with it, and only while this daemon leads; a crash before that end leaves it waiting.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Operation } from '../cloud/wire.js';
import { arrayLiteral, plainLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { codeOf, wordsOf } from '../errors.js';
import { agreeingAnew, agreeingFirst } from './state.js';

/** An incoming change without its row, which stays in the table. */
export type Incoming = {
  id: string;
  source: 'pull' | 'fetch' | 'webhook' | 'conflict';
  entity_type: string;
  entity_id: string;
  operation: Operation | 'hint';
  cloud_version: string | null;
  attempts: number;
};

/** A change, and the columns that its data brings: names between line ends; null where the data is no object. */
export type PickedChange = Incoming & { brought: string | null };

/** The changes, and what of the queue concerns them: a first look, taken before any row of the POS is locked. */
export type Picked = {
  incoming: PickedChange[];
  /** Fresh changes of the same entities, by id. */
  fresh: string[];
  /** The bounds of the snapshot that was looked with. */
  xmin: string;
  xmax: string;
  /** Something is parked, or was put off. */
  troubled: boolean;
  /** Why the data of the only change cannot even be looked at. */
  unreadable?: string;
};

const columns = sql`i.id, i.source, i.entity_type, i.entity_id, i.operation, i.cloud_version, i.attempts, i.data`;

/**
 * What was put off and is due, then the oldest that nobody has looked at. Columns come as one text each: a chunk's worth of rows
 * costs server and daemon several times as much.
 * @param beyond an id: reads ahead of a chunk that ends there and is being applied, what was put off aside
 * @param heldTypes entity types that wait as a whole
 */
export async function pick(
  db: Db,
  limit: number,
  beyond: string | undefined,
  heldTypes: readonly string[] = [],
): Promise<Picked> {
  try {
    return await pickReadable(db, limit, { beyond, heldTypes, readable: true });
  } catch (error) {
    // Class 22 is "data exception": the data holds what this database cannot, U+0000 say. It is found by halves, and stands alone.
    if (!codeOf(error)?.startsWith('22')) throw error;
    if (limit > 1) return pick(db, Math.ceil(limit / 2), beyond, heldTypes);
    return { ...(await pickReadable(db, 1, { beyond, heldTypes, readable: false })), unreadable: wordsOf(error) };
  }
}

/** Leaves out what waits as a whole; on a good day the condition is not even there. */
const withoutHeld = (heldTypes: readonly string[]) =>
  heldTypes.length === 0 ? sql`` : sql`AND i.entity_type <> ALL (${arrayLiteral(heldTypes)}::text[])`;

type Reading = { beyond: string | undefined; heldTypes: readonly string[]; readable: boolean };

async function pickReadable(db: Db, limit: number, { beyond, heldTypes, readable }: Reading): Promise<Picked> {
  const due = sql`(SELECT ${columns} FROM syncd.incoming i WHERE i.next_attempt_at <= pg_catalog.statement_timestamp() ${withoutHeld(heldTypes)}
                   ORDER BY i.next_attempt_at LIMIT ${limit}) UNION ALL`;
  const { rows } = await sql<Columns & Omit<Picked, 'incoming'>>`
    WITH picked AS MATERIALIZED (
      SELECT * FROM (${beyond === undefined ? due : sql``}
        (SELECT ${columns} FROM syncd.incoming i WHERE i.status = 'waiting' AND i.next_attempt_at IS NULL
           ${beyond === undefined ? sql`` : sql`AND i.id > ${beyond}::bigint`} ${withoutHeld(heldTypes)} ORDER BY i.id LIMIT ${limit})) AS one
      LIMIT ${limit}
    )
    SELECT p.*, ARRAY(
      SELECT q.id::text FROM syncd.sync_queue q JOIN picked USING (entity_type, entity_id)
      WHERE q.status = 'pending' AND q.next_attempt_at IS NULL
    ) AS fresh, pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text AS xmin,
      pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text AS xmax,
      EXISTS (SELECT FROM syncd.incoming WHERE status = 'parked' OR next_attempt_at IS NOT NULL) AS troubled
    FROM (SELECT string_agg(id::text, ',') AS ids, string_agg(source, ',') AS sources, json_agg(entity_type)::text AS entity_types,
                 json_agg(entity_id)::text AS entity_ids, string_agg(operation, ',') AS operations,
                 string_agg(coalesce(cloud_version::text, ''), ',') AS cloud_versions, string_agg(attempts::text, ',') AS attempts,
                 json_agg(CASE WHEN ${readable}::boolean AND pg_catalog.json_typeof(data) = 'object'
                               THEN array_to_string(ARRAY(SELECT pg_catalog.json_object_keys(data)), E'\n') END)::text AS brought
          FROM picked) AS p`.execute(db);
  const { fresh, xmin, xmax, troubled, ...given } = rows[0] as Columns & Omit<Picked, 'incoming'>;
  return { incoming: readColumns(given), fresh, xmin, xmax, troubled };
}

/** Null where nothing was picked. */
type Columns = Record<
  'ids' | 'sources' | 'entity_types' | 'entity_ids' | 'operations' | 'cloud_versions' | 'attempts' | 'brought',
  string | null
>;

function readColumns(given: Columns): PickedChange[] {
  if (given.ids === null) return [];
  const words = (text: string | null) => (text as string).split(',');
  const texts = <T>(text: string | null) => JSON.parse(text as string) as T[];
  const [sources, operations] = [words(given.sources), words(given.operations)];
  const [versions, attempts] = [words(given.cloud_versions), words(given.attempts)];
  const [types, names] = [texts<string>(given.entity_types), texts<string>(given.entity_ids)];
  const brought = texts<string | null>(given.brought);
  return words(given.ids).map((id, n) => ({
    id,
    source: sources[n] as Incoming['source'],
    entity_type: types[n] as string,
    entity_id: names[n] as string,
    operation: operations[n] as Incoming['operation'],
    cloud_version: versions[n] || null,
    attempts: Number(attempts[n]),
    brought: brought[n] as string | null,
  }));
}

/** A change that stays in the table, to be looked at after `delayMs` (null: not by itself), or once what it waits for is here. */
export type PutOff = {
  id: string;
  parked: boolean;
  delayMs: number | null;
  reason: string | null;
  waitsFor?: { entity_type: string; entity_id: string } | undefined;
};

export type Dealt = {
  /** Both sides are as they say: their versions are noted. `known`: in place of an earlier agreement. */
  agreed: { known: string[]; first: string[] };
  /** They leave without a trace. */
  dropped: string[];
  putOff: PutOff[];
  /** Something else is parked or was put off: an older version of these, perhaps, or what waits for them. */
  troubled: boolean;
};

export const nothingDealt = (): Dealt => ({
  agreed: { known: [], first: [] },
  dropped: [],
  putOff: [],
  troubled: false,
});

export type RoundLog = { changes: number; applied: number; durationMs: number; error: string | null };

/**
 * `leads`: false when another daemon has become the leader; the caller then undoes everything. `taken`: false where the echo is
 * not to be taken back that way; then nothing was done. `unnoted`: agreed without a hash of the row, though there is one.
 */
export type Settled = { leads: boolean; taken: boolean; unnoted: string[] };

/** @param echo as `takingBackAll` makes it: to be done in the same statement */
export async function settleIncoming(
  trx: Db,
  leader_epoch: string,
  { agreed, dropped, putOff, troubled }: Dealt,
  log: RoundLog | undefined,
  echo?: RawBuilder<unknown>,
): Promise<Settled> {
  const all = [...agreed.known, ...agreed.first];
  /** Mostly all are of one kind; then their ids are not needed once more. */
  const those = (ids: string[], others: string[]) =>
    sql`${others.length === 0}::boolean OR id = ANY (${plainLiteral(others.length === 0 ? [] : ids)}::bigint[])`;
  const { rows } = await sql<Omit<Settled, 'unnoted'> & { unnoted: string | null }>`
    WITH ${echo ? sql`RECURSIVE ${echo},` : sql``} leader AS MATERIALIZED (
      SELECT pg_catalog.clock_timestamp() AS at WHERE ${leader_epoch}::bigint = (SELECT max(leader_epoch) FROM syncd.daemon)
        ${echo ? sql`AND (SELECT simple FROM simple)` : sql``}
    ), done AS (
      DELETE FROM syncd.incoming i USING leader WHERE i.id = ANY (${plainLiteral(all)}::bigint[])
      RETURNING i.id, i.entity_type, i.entity_id, i.cloud_version, i.cloud_id, i.operation = 'delete' AS deleted
    ), agreed AS (${echo ? HASHED : sql`SELECT *, NULL::bigint AS hash FROM done`}
    ), known AS (
      ${agreeingAnew(sql`SELECT * FROM agreed WHERE ${those(agreed.known, agreed.first)}`)}
    ), first AS (
      ${agreeingFirst(sql`SELECT * FROM agreed WHERE ${those(agreed.first, agreed.known)}`)}
    ), dropped AS (
      DELETE FROM syncd.incoming i USING leader WHERE i.id = ANY (${arrayLiteral(dropped)}::bigint[])
    ) ${putOff.length === 0 ? sql`` : puttingOff(putOff)}
    ${troubled || putOff.length > 0 ? consequences(all, dropped, putOff) : sql``}
    ${log === undefined ? sql`` : logging(log)}
    SELECT EXISTS (SELECT FROM leader) AS leads, ${echo ? sql`(SELECT simple FROM simple)` : sql`true`} AS taken,
           (SELECT json_agg(id::text)::text FROM agreed WHERE hash IS NULL AND NOT deleted) AS unnoted`.execute(trx);
  const { leads, taken, unnoted } = rows[0] as (typeof rows)[0];
  return { leads, taken, unnoted: unnoted === null ? [] : JSON.parse(unnoted) };
}

/** What was dealt with, and the echo of it. A FULL JOIN can be no nested loop, whatever the planner expects of either side. */
const HASHED = sql`
      SELECT d.*, g.hash FROM done d FULL JOIN gone g ON g.entity_id = d.entity_id AND g.entity_type = d.entity_type
      WHERE CASE WHEN d.id IS NULL THEN false ELSE true END`;

/** What waited for these is tried again; what these have made superfluous leaves. */
const consequences = (agreed: string[], dropped: string[], putOff: PutOff[]) => sql`, released AS (
  UPDATE syncd.incoming i SET next_attempt_at = leader.at
  FROM leader, done d WHERE i.waits_for_id = d.entity_id AND i.waits_for_type = d.entity_type
), outdated AS (
  DELETE FROM syncd.incoming i
  USING (SELECT id, entity_type, entity_id, cloud_version, true AS here FROM done
         ${putOff.length === 0 ? sql`` : sql`UNION ALL SELECT id, entity_type, entity_id, cloud_version, false FROM parked`}) AS d
  WHERE i.entity_type = d.entity_type AND i.entity_id = d.entity_id AND (i.status = 'parked' OR i.next_attempt_at IS NOT NULL)
    AND (i.cloud_version < d.cloud_version OR (i.cloud_version = d.cloud_version AND (d.here OR i.id < d.id)))
    AND i.id <> ALL (${arrayLiteral([...agreed, ...dropped, ...putOff.map((one) => one.id)])}::bigint[])
)`;

const puttingOff = (putOff: PutOff[]) => sql`, parked AS (
  UPDATE syncd.incoming i
  SET status = CASE WHEN o.parked THEN 'parked' ELSE 'waiting' END, attempts = i.attempts + 1, reason = coalesce(o.reason, i.reason),
      next_attempt_at = leader.at + o.delay_ms * interval '1 ms', waits_for_type = o.waits_for_type, waits_for_id = o.waits_for_id
  FROM leader, unnest(${arrayLiteral(putOff.map((one) => one.id))}::bigint[], ${arrayLiteral(putOff.map((one) => one.parked))}::boolean[],
                      ${arrayLiteral(putOff.map((one) => one.delayMs))}::float8[], ${arrayLiteral(putOff.map((one) => one.reason))}::text[],
                      ${arrayLiteral(putOff.map((one) => one.waitsFor?.entity_type ?? null))}::text[],
                      ${arrayLiteral(putOff.map((one) => one.waitsFor?.entity_id ?? null))}::text[])
       AS o (id, parked, delay_ms, reason, waits_for_type, waits_for_id)
  WHERE i.id = o.id
  RETURNING i.id, i.entity_type, i.entity_id, i.cloud_version)`;

const logging = (log: RoundLog) => sql`, log AS (
  INSERT INTO syncd.sync_logs (direction, outcome, changes, accepted, duration_ms, error)
  SELECT 'pull', 'applied', ${log.changes}::int, ${log.applied}::int, ${log.durationMs}::float8, ${log.error}
  FROM leader)`;

/** `due`: something may be applied now; `conflicts`: some are open that a rule may settle; `dueMs`: until the next of either. */
export type Waiting = { due: boolean; dueMs: number | null; conflicts: boolean };

/**
 * What there is to do, in one glance that costs next to nothing.
 * @param heldTypes entity types that wait as a whole
 */
export async function whatWaits(db: Db, heldTypes: readonly string[] = []): Promise<Waiting> {
  type Seen = { fresh: boolean; ms: number | null; conflicts: boolean; refused_ms: number | null };
  const { rows } = await sql<Seen>`
    SELECT EXISTS (SELECT FROM syncd.incoming i WHERE status = 'waiting' AND next_attempt_at IS NULL ${withoutHeld(heldTypes)}) AS fresh,
           (SELECT (extract(epoch FROM min(next_attempt_at) - pg_catalog.clock_timestamp()) * 1000)::float8
            FROM syncd.incoming i WHERE next_attempt_at IS NOT NULL ${withoutHeld(heldTypes)}) AS ms,
           EXISTS (SELECT FROM syncd.sync_conflicts i WHERE status = 'open' AND reason IS NULL ${withoutHeld(heldTypes)}) AS conflicts,
           (SELECT (extract(epoch FROM min(next_attempt_at) - pg_catalog.clock_timestamp()) * 1000)::float8
            FROM syncd.sync_conflicts i WHERE status = 'open' AND next_attempt_at IS NOT NULL ${withoutHeld(heldTypes)}) AS refused_ms`.execute(
    db,
  );
  const { fresh, ms, conflicts, refused_ms } = rows[0] as Seen;
  const later = [ms, refused_ms].filter((one) => one !== null);
  return {
    due: fresh || (ms !== null && ms <= 0),
    dueMs: later.length === 0 ? null : Math.min(...later),
    conflicts: conflicts || (refused_ms !== null && refused_ms <= 0),
  };
}

/** At once they would take four seconds for 200,000, and all would go before the news of the day. */
const RELEASED = 5_000;

/**
 * Lets what was parked be tried again, the oldest first, but for what was parked when it came: that cannot be applied by anybody.
 * @param beyond the id at which the portion before this one ended
 * @returns the id at which this one ends; undefined: it was the last
 */
export async function releaseParked(db: Db, beyond = '0', portion = RELEASED): Promise<string | undefined> {
  const { rows } = await sql<{ released: number; last: string | null }>`
    WITH portion AS MATERIALIZED (
      SELECT id FROM syncd.incoming WHERE status = 'parked' AND attempts > 0 AND id > ${beyond}::bigint ORDER BY id LIMIT ${portion}::int
    ), released AS (
      UPDATE syncd.incoming SET next_attempt_at = pg_catalog.clock_timestamp()
      WHERE id = ANY (ARRAY(SELECT id FROM portion)) AND status = 'parked'
    )
    SELECT count(*)::int AS released, max(id)::text AS last FROM portion`.execute(db);
  const { released, last } = rows[0] as (typeof rows)[0];
  return released < portion ? undefined : (last ?? undefined);
}
