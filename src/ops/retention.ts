/**
 * Lets go of what is over and old: settled changes, the log, events that were dealt with, outages, alerts, resolved conflicts,
 * settled truncations, walks that came to their end, finished commands. Only what is settled ever leaves, and never by age
 * alone. One small chunk at a time, each a short transaction of its own, with long rests between: neither a sale nor the drain
 * notices. A crash leaves the rest for later.
 *
 * A clock that is wrong would make everything look old: nothing leaves until the cloud's clock and ours agree to the day.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Settings } from '../config/settings.js';
import type { Db } from '../db/connect.js';
import { byIndex } from '../db/indexed.js';
import type { Log } from '../log.js';
import { monotonicMs } from '../time.js';
import type { Chore } from './chores.js';

export type RetentionDeps = {
  db: Db;
  log: Log;
  retention: Settings['retention'];
  /** The cloud's clock less ours; undefined: not known. */
  offsetMs: () => number | undefined;
};

const TURN_MS = 2_000;
/** Once nothing more is old. */
const REST_MS = 600_000;
const DAY_MS = 86_400_000;
/** Event ids guard against repeated webhooks, which are believed for 30 days. */
const EVENTS_MS = 31 * DAY_MS;
/** What is little and people ask for long after: outages, alerts, decisions. */
const RECORD_MS = 90 * DAY_MS;
const ORDERS_MS = 365 * DAY_MS;
/** A line that is bad for months. */
const OUTAGES_KEPT = 2_000;

/** What `chunk` deletes at a time; it returns how many there were. */
export type Broom = { what: string; rows: number; chunk: (trx: Db, rows: number) => Promise<number> };

export function retentionChore({ db, log, retention, offsetMs }: RetentionDeps): Chore {
  const brooms = broomsFor(retention);
  let next = 0;
  let swept: Record<string, number> = {};
  let dueMs = 0;
  return {
    name: 'retention',
    everyMs: TURN_MS,
    async run() {
      if (monotonicMs() < dueMs || !clocksAgree(offsetMs())) return false;
      const broom = brooms[next] as Broom;
      const rows = await byIndex(db, (trx) => broom.chunk(trx, broom.rows));
      if (rows > 0) swept[broom.what] = (swept[broom.what] ?? 0) + rows;
      // A full chunk: there is more of it.
      if (rows >= broom.rows) return false;
      next = (next + 1) % brooms.length;
      if (next > 0) return false;
      if (Object.keys(swept).length > 0) log.info('what was kept long enough has left', { ...swept });
      swept = {};
      dueMs = monotonicMs() + REST_MS;
      return false;
    },
  };
}

/** Of a clock that is a day off nobody can tell whether it is ours. */
export function clocksAgree(offsetMs: number | undefined): boolean {
  return offsetMs !== undefined && Math.abs(offsetMs) <= DAY_MS;
}

/** In the order in which they refer to each other: the log before the changes that it names. */
export function broomsFor({ queueMs, logsMs }: Settings['retention']): Broom[] {
  const record = Math.max(RECORD_MS, queueMs);
  return [
    // Each carries the names of up to some thousand changes.
    { what: 'log entries', rows: 200, chunk: olderThan('syncd.sync_logs', 'at', logsMs) },
    { what: 'changes', rows: 1_000, chunk: settledChanges(queueMs) },
    { what: 'events', rows: 1_000, chunk: (trx, rows) => events(trx, Math.max(EVENTS_MS, logsMs), rows) },
    {
      what: 'conflicts',
      rows: 200,
      chunk: olderThan('syncd.sync_conflicts', 'resolved_at', record, sql`status = 'resolved'`),
    },
    { what: 'outages', rows: 200, chunk: (trx, rows) => outages(trx, record, rows) },
    {
      what: 'alerts',
      rows: 200,
      chunk: olderThan(
        'syncd.alerts',
        'cleared_at',
        record,
        sql`cleared_at IS NOT NULL AND NOT EXISTS (SELECT FROM syncd.alert_messages m WHERE m.alert_id = alerts.id)`,
      ),
    },
    { what: 'truncations', rows: 200, chunk: olderThan('syncd.truncations', 'settled_at', record) },
    {
      what: 'walks',
      rows: 200,
      // The last of a table tells whether it was ever compared, and what became of that.
      chunk: olderThan(
        'syncd.backfills',
        'finished_at',
        record,
        sql`EXISTS (SELECT FROM syncd.backfills l WHERE l.entity_type = backfills.entity_type AND l.kind = backfills.kind AND l.id > backfills.id)`,
      ),
    },
    {
      what: 'commands',
      rows: 200,
      // Who paused is asked for as long as the pause lasts.
      chunk: olderThan(
        'syncd.commands',
        'finished_at',
        Math.max(ORDERS_MS, queueMs),
        sql`id <> (SELECT coalesce(max(p.id), 0) FROM syncd.commands p WHERE p.command = 'pause')`,
      ),
    },
  ];
}

/** Not of clock_timestamp(), which no index is searched by: every last chunk then read two million rows. */
const ago = (ms: number) => sql`statement_timestamp() - ${ms} * interval '1 ms'`;

type Tidied =
  | 'syncd.sync_logs'
  | 'syncd.sync_conflicts'
  | 'syncd.alerts'
  | 'syncd.commands'
  | 'syncd.truncations'
  | 'syncd.backfills';

/** Rows that were over before; `more`: what else must hold. */
function olderThan(table: Tidied, column: string, ms: number, more: RawBuilder<unknown> = sql`true`): Broom['chunk'] {
  const [rows, at] = [sql.table(table), sql.ref(column)];
  return goingOn(
    (from, most) => sql`
      WITH old AS MATERIALIZED (
        SELECT id, ${at} AS at FROM ${rows} WHERE ${at} < ${ago(ms)} AND ${at} >= ${from} AND ${more} ORDER BY ${at} LIMIT ${most}::int
      ), gone AS (
        DELETE FROM ${rows} WHERE id = ANY (ARRAY(SELECT id FROM old)) RETURNING 1
      )`,
  );
}

/**
 * Each chunk begins where the one before it ended, until one is not full. While somebody keeps an old snapshot open, what has left
 * still stands in the index: 300,000 such entries cost each chunk 0.2 s.
 * @param chunk the members of a WITH: `old (at)`, and `gone`, a row for each that left
 */
function goingOn(chunk: (from: RawBuilder<unknown>, most: number) => RawBuilder<unknown>): Broom['chunk'] {
  let from = '-infinity';
  return async (trx, most) => {
    const { rows } = await sql<{ gone: number; last: string | null }>`
      ${chunk(sql`${from}::timestamptz`, most)}
      SELECT (SELECT count(*)::int FROM gone) AS gone, (SELECT max(at)::text FROM old) AS last`.execute(trx);
    const { gone, last } = rows[0] as (typeof rows)[0];
    from = gone >= most && last !== null ? last : '-infinity';
    return gone;
  };
}

/**
 * The status is asked twice: whatever happened to a row meanwhile, an unsettled one does not leave. Were its instant asked as
 * well, the rows might be looked for in that index rather than where they are known to be.
 */
function settledChanges(ms: number): Broom['chunk'] {
  return goingOn(
    (from, most) => sql`
      WITH old AS MATERIALIZED (
        SELECT s.ctid AS spot, s.synced_at AS at FROM syncd.sync_queue s
        WHERE s.synced_at IS NOT NULL AND s.synced_at < ${ago(ms)} AND s.synced_at >= ${from} AND s.status = 'synced'
        ORDER BY s.synced_at LIMIT ${most}::int
      ), gone AS (
        DELETE FROM syncd.sync_queue q WHERE q.status = 'synced' AND q.ctid = ANY (ARRAY(SELECT spot FROM old)) RETURNING 1
      )`,
  );
}

/**
 * Only those before the first young one, in the order in which they came: an event that was dated by a wrong clock is no older
 * than its neighbours. One that still brings a change stays.
 */
function events(trx: Db, ms: number, rows: number): Promise<number> {
  return deleted(
    trx,
    sql`
      WITH young AS MATERIALIZED (
        SELECT id FROM syncd.inbox WHERE received_at >= ${ago(ms)} AND received_at <= statement_timestamp() + interval '1 day' ORDER BY id LIMIT 1
      ), old AS MATERIALIZED (
        SELECT id FROM syncd.inbox WHERE id < coalesce((SELECT id FROM young), 9223372036854775807)
        AND id NOT IN (SELECT inbox_id FROM syncd.incoming WHERE inbox_id < coalesce((SELECT id FROM young), 9223372036854775807))
        ORDER BY id LIMIT ${rows}::int
      )
      DELETE FROM syncd.inbox WHERE id = ANY (ARRAY(SELECT id FROM old))`,
  );
}

function outages(trx: Db, ms: number, rows: number): Promise<number> {
  return deleted(
    trx,
    sql`DELETE FROM syncd.outages WHERE id = ANY (ARRAY(
          SELECT id FROM syncd.outages
          WHERE drained_at IS NOT NULL AND (drained_at < ${ago(ms)}
                OR id < (SELECT id FROM syncd.outages ORDER BY id DESC OFFSET ${OUTAGES_KEPT - 1}::int LIMIT 1))
          ORDER BY id LIMIT ${rows}::int))`,
  );
}

async function deleted(trx: Db, statement: RawBuilder<unknown>): Promise<number> {
  const { numAffectedRows = 0n } = await statement.execute(trx);
  return Number(numAffectedRows);
}
