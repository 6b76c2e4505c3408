/**
 * Writes down what the cloud answered, one statement for one answer: queue rows, entity states, conflicts and the log stand
 * together or not at all. Only rows that are still pending (or failed and superseded) are touched, by id, and only while this
 * daemon is the leader. A crash before it leaves the changes pending: they are sent again, and the cloud answers `duplicate`.
 */
import { type RawBuilder, sql } from 'kysely';
import { shapeOf, textHash } from '../capture/row-hash.js';
import { arrayLiteral, plainLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { atHome } from '../db/place.js';
import { PLANNED_ANEW } from '../db/prepared.js';
import { codeOf } from '../errors.js';
import { type Divergences, divergences } from './divergence.js';
import { placed, places } from './places.js';
import { type PutOffWith, puttingOffWith } from './put-off.js';

/** Every array is parallel to its neighbours. */
export type Settlement = {
  leader_epoch: string;
  log: LogEntry;
  /** `fresh` were never answered before, `retried` were: they stand in different indexes. `failed`: those of the retried that had failed. */
  accepted: { fresh: string[]; retried: string[]; failed?: string[] };
  /** Made superfluous by an accepted change. */
  superseded: { ids: string[]; by: string[] };
  states: States;
  /** Those of entities that had no state when their changes were read. Whoever is wrong about it loses only time. */
  first: States;
  /** Rejected, held or in conflict. */
  others: {
    ids: string[];
    statuses: ('pending' | 'failed' | 'conflict')[];
    retry_counts: number[];
    hold_counts: number[];
    delays_ms: (number | null)[];
    errors: (string | null)[];
  };
  put_off_with: PutOffWith;
  conflicts: Divergences;
  /** The answer's text; needed, and sent to the database, only where there are conflicts. */
  raw: string | null;
};

export type States = {
  /** The change whose row both sides now hold; `'0'`: not known. */
  ids: string[];
  entity_types: string[];
  entity_ids: string[];
  versions: number[];
  cloud_versions: number[];
  cloud_ids: (string | null)[];
  deleted: boolean[];
};

export type LogEntry = {
  batch_id: string;
  outcome: string;
  http_status: number | null;
  accepted: number;
  bytes: number;
  wire_bytes: number;
  duration_ms: number;
  error: string | null;
  change_ids: string[];
  outcomes: string[];
};

/**
 * @returns false when another daemon has become the leader, or other tables stand here than before; then nothing was written
 * @throws what Postgres says; class 22 where a value of the answer cannot be stored
 */
export async function settle(db: Db, s: Settlement): Promise<boolean> {
  if (s.first.entity_ids.length === 0) return write(db, s);
  if (!isPlain(s)) return write(db, withoutFirst(s));
  try {
    return await write(db, s);
  } catch (error) {
    // A change of the cloud gave one of them a state meanwhile.
    if (codeOf(error) !== UNIQUE_VIOLATION) throw error;
    return write(db, withoutFirst(s));
  }
}

const UNIQUE_VIOLATION = '23505';

/** The statement of a good day, whose plan is kept: everything was accepted at its first try. */
const isPlain = (s: Settlement) => s.accepted.retried.length + s.superseded.ids.length + s.others.ids.length === 0;

function withoutFirst({ first, states, ...rest }: Settlement): Settlement {
  const both = <K extends keyof States>(column: K) => [...states[column], ...first[column]] as States[K];
  const none: States = {
    ids: [],
    entity_types: [],
    entity_ids: [],
    versions: [],
    cloud_versions: [],
    cloud_ids: [],
    deleted: [],
  };
  return {
    ...rest,
    states: {
      ids: both('ids'),
      entity_types: both('entity_types'),
      entity_ids: both('entity_ids'),
      versions: both('versions'),
      cloud_versions: both('cloud_versions'),
      cloud_ids: both('cloud_ids'),
      deleted: both('deleted'),
    },
    first: none,
  };
}

async function write(db: Db, s: Settlement): Promise<boolean> {
  const { rows } = await sql<{ leads: boolean }>`${isPlain(s) ? sql`` : PLANNED_ANEW}
    WITH leader AS MATERIALIZED (
      SELECT clock_timestamp() AS at WHERE ${s.leader_epoch}::bigint = (SELECT max(leader_epoch) FROM syncd.daemon)
        AND ${atHome} IS NOT FALSE
    ), accepted AS (
      UPDATE syncd.sync_queue q
      SET status = 'synced', settled_as = 'accepted', synced_at = leader.at, batch_id = ${s.log.batch_id}::uuid,
          next_attempt_at = NULL, error_message = NULL
      FROM leader WHERE q.id = ANY (${plainLiteral(s.accepted.fresh)}::bigint[]) AND q.status = 'pending' AND q.next_attempt_at IS NULL
      RETURNING q.id, ${HASH}
    )
    ${s.accepted.retried.length === 0 ? sql`` : retried(s)}
    ${s.superseded.ids.length === 0 ? sql`` : superseded(s)}
    ${s.others.ids.length === 0 ? sql`` : others(s)}
    ${puttingOffWith(s.put_off_with)}
    ${s.first.entity_ids.length === 0 ? sql`` : first(s)}
    ${s.states.entity_ids.length === 0 ? sql`` : states(s)}
    ${s.others.ids.length === 0 ? sql`` : troubled(s)}
    ${s.conflicts.ids.length === 0 ? sql`` : divergences(s.conflicts, s.raw)}
    , outlet AS (
      UPDATE syncd.outlet_config o SET last_sync_at = leader.at, settled_id = greatest(o.settled_id, ${highestId(s)}::bigint)
      FROM leader WHERE ${s.log.accepted > 0}
    ), log AS (
      INSERT INTO syncd.sync_logs (direction, batch_id, outcome, http_status, changes, accepted, bytes, wire_bytes, duration_ms,
                                   error, change_ids, outcomes)
      SELECT 'push', ${s.log.batch_id}::uuid, ${s.log.outcome}, ${s.log.http_status}::int, ${s.log.change_ids.length}::int,
             ${s.log.accepted}::int, ${s.log.bytes}::bigint, ${s.log.wire_bytes}::bigint, ${s.log.duration_ms}::float8,
             ${s.log.error}, ${plainLiteral(s.log.change_ids)}::uuid[], ${outcomes(s.log.outcomes)}
      FROM leader
    )
    SELECT EXISTS (SELECT FROM leader) AS leads`.execute(db);
  return rows[0]?.leads === true;
}

/** Written down with the settle, so that a database that falls behind it again is known for a restored one. */
function highestId({ accepted: { fresh, retried } }: Settlement): string {
  let highest = 0;
  for (const id of fresh) highest = Math.max(highest, Number(id));
  for (const id of retried) highest = Math.max(highest, Number(id));
  return String(highest);
}

const retried = (s: Settlement) => sql`, retried AS (
  UPDATE syncd.sync_queue q
  SET status = 'synced', settled_as = 'accepted', synced_at = leader.at, batch_id = ${s.log.batch_id}::uuid,
      next_attempt_at = NULL, error_message = NULL
  FROM leader WHERE q.ctid = ANY (ARRAY(SELECT spot FROM ${places(s.accepted.retried)} AS p)) AND ${stillOpen(s)}
  RETURNING q.id, ${HASH})`;

/** A change that failed meanwhile is left alone, unless the answer is about just such a one. */
const stillOpen = ({ accepted: { failed = [] } }: Settlement) =>
  failed.length === 0
    ? sql`q.status = 'pending'`
    : sql`(q.status = 'pending' OR (q.status = 'failed' AND q.id = ANY (${arrayLiteral(failed)}::bigint[])))`;

const superseded = (s: Settlement) => sql`, superseded AS (
  UPDATE syncd.sync_queue q
  SET status = 'synced', settled_as = 'superseded', superseded_by = o.by, synced_at = leader.at, next_attempt_at = NULL,
      error_message = NULL, batch_id = ${s.log.batch_id}::uuid
  FROM leader, ${placed(s.superseded.ids, sql`unnest(${arrayLiteral(s.superseded.ids)}::bigint[], ${arrayLiteral(s.superseded.by)}::uuid[]) AS o (id, by)`)}
  WHERE q.ctid = o.spot AND q.status IN ('pending', 'failed'))`;

const HASH = sql`${textHash(sql`q.payload`)} AS hash`;

/** Mostly one outcome for all. */
function outcomes(all: string[]): RawBuilder<unknown> {
  const [one = ''] = all;
  return all.every((outcome) => outcome === one)
    ? sql`array_fill(${one}::text, ARRAY[${all.length}::int])`
    : sql`${arrayLiteral(all)}::text[]`;
}

/**
 * Rows for entity_state. Many clouds have no names of their own, and few changes are deletes: then such an array travels empty.
 * The text's hash comes from the row that was settled just now; a change that somebody else has settled meanwhile leaves none.
 * The FULL JOIN, of which one half is thrown away, is what keeps a plan made for ten rows from meeting a thousand as a nested loop.
 * @param trouble whether some of these entities may be in trouble all the same
 */
const agreements = (s: States, { retried, trouble }: { retried: boolean; trouble: boolean }) => sql`
  (entity_type, entity_id, version, cloud_version, cloud_id, sync_status, deleted, last_synced_at, row_hash, row_shape)
  SELECT o.entity_type, o.entity_id, o.version, o.cloud_version, o.cloud_id,
         ${trouble ? sql`coalesce(x.status, 'synced')` : sql`'synced'`}, coalesce(o.deleted, false), leader.at,
         h.hash, CASE WHEN h.hash IS NOT NULL THEN ${shapeOf(sql`o.entity_type`)} END
  FROM leader, unnest(${plainLiteral(s.ids)}::bigint[], ${arrayLiteral(s.entity_types)}::text[], ${arrayLiteral(s.entity_ids)}::text[], ${plainLiteral(s.versions)}::bigint[],
              ${plainLiteral(s.cloud_versions)}::bigint[], ${s.cloud_ids.some((id) => id !== null) ? arrayLiteral(s.cloud_ids) : '{}'}::text[],
              ${s.deleted.includes(true) ? plainLiteral(s.deleted) : '{}'}::boolean[])
       AS o (id, entity_type, entity_id, version, cloud_version, cloud_id, deleted)
  FULL JOIN (SELECT id, hash FROM accepted ${retried ? sql`UNION ALL SELECT id, hash FROM retried` : sql``}) AS h ON h.id = o.id
  ${trouble ? sql`LEFT JOIN trouble x ON x.entity_type = o.entity_type AND x.entity_id = o.entity_id` : sql``}
  WHERE CASE WHEN o.entity_id IS NULL THEN false ELSE true END`;

/** Half as dear as looking for each. */
const first = (s: Settlement) => sql`, first AS (
  INSERT INTO syncd.entity_state ${agreements(s.first, { retried: false, trouble: false })})`;

const states = (s: Settlement) => sql`, states AS (
  INSERT INTO syncd.entity_state AS e ${agreements(s.states, { retried: s.accepted.retried.length > 0, trouble: s.others.ids.length > 0 })}
  ON CONFLICT (entity_type, entity_id) DO UPDATE
  SET version = greatest(e.version, excluded.version), cloud_version = greatest(e.cloud_version, excluded.cloud_version),
      cloud_id = coalesce(excluded.cloud_id, e.cloud_id), sync_status = excluded.sync_status,
      -- An old change that is answered late says nothing of whether the entity lives now.
      deleted = CASE WHEN excluded.cloud_version < e.cloud_version THEN e.deleted ELSE excluded.deleted END,
      row_hash = CASE WHEN excluded.cloud_version < e.cloud_version THEN e.row_hash ELSE excluded.row_hash END,
      row_shape = CASE WHEN excluded.cloud_version < e.cloud_version THEN e.row_shape ELSE excluded.row_shape END,
      last_synced_at = excluded.last_synced_at
  ${s.others.ids.length === 0 ? sql`` : sql`RETURNING e.entity_type, e.entity_id`})`;

/** `trouble`: the entities that this answer leaves in conflict or failed, whatever else of theirs it accepted. */
const others = (s: Settlement) => sql`, others AS (
  UPDATE syncd.sync_queue q
  SET status = o.status, retry_count = o.retry_count, hold_count = o.hold_count, error_message = o.error,
      next_attempt_at = leader.at + o.delay_ms * interval '1 ms', batch_id = ${s.log.batch_id}::uuid
  FROM leader, ${placed(
    s.others.ids,
    sql`unnest(${arrayLiteral(s.others.ids)}::bigint[], ${arrayLiteral(s.others.statuses)}::syncd.change_status[], ${arrayLiteral(s.others.retry_counts)}::int[],
              ${arrayLiteral(s.others.hold_counts)}::int[], ${arrayLiteral(s.others.delays_ms)}::float8[], ${arrayLiteral(s.others.errors)}::text[])
       AS o (id, status, retry_count, hold_count, delay_ms, error)`,
  )}
  WHERE q.ctid = o.spot AND q.status = 'pending'
  RETURNING q.*
), trouble AS (
  SELECT entity_type, entity_id, min(status) AS status FROM others WHERE status <> 'pending' GROUP BY 1, 2)`;

/** One statement may touch a state once: those of which something was accepted as well are written by `states`. */
const troubled = (s: Settlement) => sql`, troubled AS (
  UPDATE syncd.entity_state e SET sync_status = o.status
  FROM trouble o WHERE e.entity_type = o.entity_type AND e.entity_id = o.entity_id
  ${
    s.states.entity_ids.length === 0
      ? sql``
      : sql`AND NOT EXISTS (SELECT FROM states w WHERE w.entity_type = e.entity_type AND w.entity_id = e.entity_id)`
  })`;

/** Of these ids, those that are still unsettled: a person may have discarded some meanwhile. */
export async function stillUnsettled(db: Db, ids: string[]): Promise<Set<string>> {
  const rows = await db.selectFrom('syncd.unsettled').select('id').where('id', 'in', ids).execute();
  return new Set(rows.map((row) => row.id));
}

/** Records an exchange that settled nothing: an outage, a refusal, a batch to be halved. */
export async function logExchange(db: Db, log: LogEntry): Promise<void> {
  await db
    .insertInto('syncd.sync_logs')
    .values({
      direction: 'push',
      batch_id: log.batch_id,
      outcome: log.outcome,
      http_status: log.http_status,
      changes: log.change_ids.length,
      accepted: 0,
      bytes: String(log.bytes),
      wire_bytes: String(log.wire_bytes),
      duration_ms: log.duration_ms,
      error: log.error,
      change_ids: log.change_ids,
      outcomes: log.outcomes,
    })
    .execute();
}
