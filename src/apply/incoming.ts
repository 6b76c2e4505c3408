/**
 * The table of incoming changes: what is to be dealt with next, and what became of it. A change leaves the table in the
 * transaction that deals with it, and only while this daemon leads; a crash before that end leaves it waiting.
 */
import { sql } from 'kysely';
import type { Operation } from '../cloud/wire.js';
import { arrayLiteral } from '../db/array.js';
import type { Db } from '../db/connect.js';
import { agreeing } from './state.js';

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
};

const columns = sql`i.id, i.source, i.entity_type, i.entity_id, i.operation, i.cloud_version, i.attempts, i.data`;

/** What was put off and is due, then the oldest that nobody has looked at. A chunk comes as one text, for one row each costs more than its worth. */
export async function pick(db: Db, limit: number): Promise<Picked> {
  const { rows } = await sql<{ incoming: string | null; fresh: string[]; xmin: string; xmax: string }>`
    WITH picked AS MATERIALIZED (
      SELECT *
      FROM ((SELECT ${columns} FROM syncd.incoming i WHERE i.next_attempt_at <= pg_catalog.clock_timestamp()
             ORDER BY i.next_attempt_at LIMIT ${limit})
            UNION ALL
            (SELECT ${columns} FROM syncd.incoming i WHERE i.status = 'waiting' AND i.next_attempt_at IS NULL
             ORDER BY i.id LIMIT ${limit})) AS one
      LIMIT ${limit}
    )
    SELECT (
      SELECT json_agg(json_build_array(p.id::text, p.source, p.entity_type, p.entity_id, p.operation, p.cloud_version::text, p.attempts,
        CASE WHEN pg_catalog.json_typeof(p.data) = 'object'
             THEN (SELECT coalesce(string_agg(k, E'\n'), '') FROM pg_catalog.json_object_keys(p.data) AS k) END))::text FROM picked p
    ) AS incoming, ARRAY(
      SELECT q.id::text FROM syncd.sync_queue q JOIN picked USING (entity_type, entity_id)
      WHERE q.status = 'pending' AND q.next_attempt_at IS NULL
    ) AS fresh, pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text AS xmin,
      pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text AS xmax`.execute(db);
  const [row] = rows;
  return {
    incoming: readPicked(row?.incoming ?? '[]'),
    fresh: row?.fresh ?? [],
    xmin: row?.xmin ?? '0',
    xmax: row?.xmax ?? '0',
  };
}

type PickedRow = [
  id: string,
  source: Incoming['source'],
  entity_type: string,
  entity_id: string,
  operation: Incoming['operation'],
  cloud_version: string | null,
  attempts: number,
  brought: string | null,
];

function readPicked(text: string): PickedChange[] {
  return (JSON.parse(text) as PickedRow[]).map(
    ([id, source, entity_type, entity_id, operation, cloud_version, attempts, brought]) => ({
      id,
      source,
      entity_type,
      entity_id,
      operation,
      cloud_version,
      attempts,
      brought,
    }),
  );
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
  /** Both sides are as they say: their versions are noted. */
  agreed: string[];
  /** They leave without a trace. */
  dropped: string[];
  putOff: PutOff[];
};

export type RoundLog = { changes: number; applied: number; durationMs: number; error: string | null };

/**
 * @returns false when another daemon has become the leader; the caller then undoes everything
 */
export async function settleIncoming(
  trx: Db,
  leader_epoch: string,
  { agreed, dropped, putOff }: Dealt,
  log: RoundLog | undefined,
): Promise<boolean> {
  const { rows } = await sql<{ leads: boolean }>`
    WITH leader AS MATERIALIZED (
      SELECT pg_catalog.clock_timestamp() AS at WHERE ${leader_epoch}::bigint = (SELECT max(leader_epoch) FROM syncd.daemon)
    ), done AS (
      DELETE FROM syncd.incoming i USING leader WHERE i.id = ANY (${arrayLiteral(agreed)}::bigint[])
      RETURNING i.entity_type, i.entity_id, i.cloud_version, i.cloud_id, i.operation = 'delete' AS deleted
    ), states AS (
      ${agreeing(sql`SELECT * FROM done`)}
    ), dropped AS (
      DELETE FROM syncd.incoming i USING leader WHERE i.id = ANY (${arrayLiteral(dropped)}::bigint[])
    ), released AS (
      UPDATE syncd.incoming i SET next_attempt_at = leader.at
      FROM leader, done d WHERE i.waits_for_id = d.entity_id AND i.waits_for_type = d.entity_type
    ) ${putOff.length === 0 ? sql`` : puttingOff(putOff)}
    , outdated AS (
      DELETE FROM syncd.incoming i
      USING (SELECT *, true AS here FROM done
             ${putOff.length === 0 ? sql`` : sql`UNION ALL SELECT p.*, NULL, NULL, false FROM parked p`}) AS d
      WHERE i.entity_type = d.entity_type AND i.entity_id = d.entity_id AND (i.status = 'parked' OR i.next_attempt_at IS NOT NULL)
        AND (i.cloud_version < d.cloud_version OR (d.here AND i.cloud_version = d.cloud_version))
        AND i.id <> ALL (${arrayLiteral([...agreed, ...dropped, ...putOff.map((one) => one.id)])}::bigint[])
    )
    ${log === undefined ? sql`` : logging(log)}
    SELECT EXISTS (SELECT FROM leader) AS leads`.execute(trx);
  return rows[0]?.leads === true;
}

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
  RETURNING i.entity_type, i.entity_id, i.cloud_version)`;

const logging = (log: RoundLog) => sql`, log AS (
  INSERT INTO syncd.sync_logs (direction, outcome, changes, accepted, duration_ms, error)
  SELECT 'pull', 'applied', ${log.changes}::int, ${log.applied}::int, ${log.durationMs}::float8, ${log.error}
  FROM leader)`;

/** `due`: something may be applied now; `dueMs`: until the next thing is; `conflicts`: some are open that a rule may settle. */
export type Waiting = { due: boolean; dueMs: number | null; conflicts: boolean };

/** What there is to do, in one glance that costs next to nothing. */
export async function whatWaits(db: Db): Promise<Waiting> {
  const { rows } = await sql<{ fresh: boolean; ms: number | null; conflicts: boolean }>`
    SELECT EXISTS (SELECT FROM syncd.incoming WHERE status = 'waiting' AND next_attempt_at IS NULL) AS fresh,
           (SELECT (extract(epoch FROM min(next_attempt_at) - pg_catalog.clock_timestamp()) * 1000)::float8
            FROM syncd.incoming WHERE next_attempt_at IS NOT NULL) AS ms,
           EXISTS (SELECT FROM syncd.sync_conflicts WHERE status = 'open' AND reason IS NULL) AS conflicts`.execute(db);
  const { fresh, ms, conflicts } = rows[0] as { fresh: boolean; ms: number | null; conflicts: boolean };
  return { due: fresh || (ms !== null && ms <= 0), dueMs: ms, conflicts };
}

/** Lets everything that was parked be tried again, but for what was parked when it came: that cannot be applied by anybody. */
export async function releaseParked(db: Db): Promise<void> {
  await sql`
    UPDATE syncd.incoming SET next_attempt_at = pg_catalog.clock_timestamp() WHERE status = 'parked' AND attempts > 0`.execute(
    db,
  );
}
