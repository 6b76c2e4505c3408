/**
 * The ledger of outages: since when the cloud was out of reach, when it answered again, what had waited by then and when that was
 * in the cloud. The standing of the push says when; the tables hold the rest, so an outage lasts over restarts of the daemon.
 * A refusal or a pause is no outage. Interruptions that follow each other within a minute are one outage, for a line that comes
 * and goes would fill the ledger. A crash loses nothing but the instants of the last few seconds.
 */
import { sql } from 'kysely';
import type { Standing } from '../../cloud/standing.js';
import type { Db } from '../../db/connect.js';
import { byIndex } from '../../db/indexed.js';
import { iso } from '../../queue/read.js';
import { steadyMs } from '../../time.js';
import type { Chore } from '../chores.js';

export type Outage = {
  id: string;
  began_at: string;
  ended_at: string | null;
  /** Up to now for one that lasts. */
  duration_ms: number;
  reason: string;
  interruptions: number;
  /** Null: it lasts. */
  waited: number | null;
  /** Null: some of what waited is still on its way. */
  drained_at: string | null;
  drained_changes: number | null;
  drain_ms: number | null;
};

const MERGED_S = 60;
const LOOK_MS = 2_000;

type Line = { kind: 'away'; sinceMs: number; reason: string } | { kind: 'answers'; atMs: number } | { kind: 'unknown' };

/** Told of every standing; writes at its next turn. One for the life of the process: the line may come back while there is no database. */
export class OutageLedger {
  #line: Line = { kind: 'unknown' };
  #written: Line['kind'] = 'unknown';
  /** The first sign that the line is up again; it counts once a call was answered too. */
  #signAtMs: number | undefined;
  #draining = true;
  #awayMs = 0;
  #seenAwayMs: number | undefined;

  note(standing: Standing): void {
    switch (standing.kind) {
      case 'offline':
        this.#signAtMs = undefined;
        this.#seenAwayMs ??= standing.sinceMs;
        this.#line = { kind: 'away', sinceMs: standing.sinceMs, reason: standing.reason };
        return;
      case 'trial':
        this.#signAtMs ??= steadyMs();
        return;
      case 'online':
      case 'waiting':
      case 'refused':
      case 'stopped':
        // Whatever it says, it answers.
        this.#awayMs = this.awayMs;
        this.#seenAwayMs = undefined;
        if (this.#line.kind !== 'answers') this.#line = { kind: 'answers', atMs: this.#signAtMs ?? steadyMs() };
        return;
      case 'unknown':
        return;
      default:
        standing satisfies never;
    }
  }

  /** How long the cloud was out of reach since the process began. */
  get awayMs(): number {
    return this.#awayMs + (this.#seenAwayMs === undefined ? 0 : steadyMs() - this.#seenAwayMs);
  }

  /** The ledger of one session's database. */
  chore(db: Db): Chore {
    this.#written = 'unknown';
    this.#draining = true;
    return { name: 'outages', everyMs: LOOK_MS, run: () => this.write(db) };
  }

  /** Costs nothing while the line is as it was and nothing that waited is on its way. @returns false: there is never more to do at once */
  async write(db: Db): Promise<boolean> {
    const line = this.#line;
    if (line.kind === 'away' && this.#written !== 'away') {
      await beginOutage(db, line.sinceMs, line.reason);
      this.#written = 'away';
    }
    if (line.kind === 'answers' && this.#written !== 'answers') {
      const ended = await endOutage(db, line.atMs);
      this.#draining ||= ended;
      this.#written = 'answers';
    }
    if (this.#draining) this.#draining = await noteDrained(db);
    return false;
  }
}

/** Nothing is settled while nobody answers: what was settled a moment before the end by this reckoning was settled after it. */
const SINCE = sql.raw(`interval '1 s'`);

/** The database's clock at an instant of the steady one. */
const at = (steady: number) => sql`clock_timestamp() - ${steadyMs() - steady} * interval '1 ms'`;

/**
 * Begins one, unless one lasts; goes on with the last one if that had ended within a minute.
 * @param sinceMs by the steady clock
 */
export async function beginOutage(db: Db, sinceMs: number, reason: string): Promise<void> {
  await sql`
    WITH begun AS MATERIALIZED (
      SELECT ${at(sinceMs)} AS at
    ), same AS MATERIALIZED (
      -- One that ended in the future was dated by a clock that was wrong.
      SELECT o.id, o.ended_at FROM begun, (SELECT id, ended_at FROM syncd.outages ORDER BY id DESC LIMIT 1) o
      WHERE o.ended_at IS NULL OR (o.ended_at > begun.at - ${MERGED_S} * interval '1 s' AND o.ended_at <= clock_timestamp())
    ), reopened AS (
      UPDATE syncd.outages o
      SET ended_at = NULL, waited = NULL, last_change = NULL, drained_at = NULL, drained_changes = NULL, interruptions = o.interruptions + 1
      FROM same WHERE o.id = same.id AND same.ended_at IS NOT NULL
    )
    INSERT INTO syncd.outages (began_at, reason) SELECT begun.at, ${reason} FROM begun WHERE NOT EXISTS (SELECT FROM same)`.execute(
    db,
  );
}

/**
 * Ends the one that lasts, and counts what waited then: what is pending now, and what was settled since. Measured with a million
 * rows that wait: 0.6 s, once an outage.
 * @param atMs by the steady clock
 * @returns whether there was one
 */
export async function endOutage(db: Db, atMs: number): Promise<boolean> {
  const lasting = await db.selectFrom('syncd.outages').select('id').where('ended_at', 'is', null).executeTakeFirst();
  if (!lasting) return false;
  await byIndex(db, (trx) =>
    sql`
      WITH lasting AS MATERIALIZED (
        SELECT id, greatest(began_at, ${at(atMs)}) AS ended_at FROM syncd.outages WHERE ended_at IS NULL
      ), fresh AS (
        SELECT count(*) AS changes, max(q.id) AS last FROM syncd.sync_queue q, lasting
        WHERE q.status = 'pending' AND q.next_attempt_at IS NULL AND q.created_at <= lasting.ended_at
      ), later AS (
        SELECT count(*) AS changes FROM syncd.sync_queue
        WHERE (status IN ('failed', 'conflict') OR next_attempt_at IS NOT NULL) AND status = 'pending'
      ), settled AS (
        SELECT count(*) AS changes, max(q.id) AS last FROM syncd.sync_queue q, lasting
        WHERE q.synced_at IS NOT NULL AND q.synced_at >= lasting.ended_at - ${SINCE} AND q.created_at <= lasting.ended_at
      )
      UPDATE syncd.outages o
      SET ended_at = lasting.ended_at, waited = fresh.changes + later.changes + settled.changes,
          last_change = coalesce(greatest(fresh.last, settled.last), 0)
      FROM lasting, fresh, later, settled WHERE o.id = lasting.id`.execute(trx),
  );
  return true;
}

/**
 * Notes of every outage that is over whether what had waited is in the cloud, but for what cannot go: changes that are held back
 * by a conflict or a retry of their entity, or with their whole table. Measured with a million rows that wait: 2 ms while the
 * first of them may go.
 * @returns whether any is still on its way
 */
export async function noteDrained(db: Db): Promise<boolean> {
  return byIndex(db, async (trx) => {
    const { rows } = await sql<{ left: boolean }>`
      WITH blockers AS MATERIALIZED (
        SELECT DISTINCT entity_type, entity_id FROM syncd.sync_queue
        WHERE (status IN ('failed', 'conflict') OR next_attempt_at IS NOT NULL) AND status IN ('conflict', 'pending')
      ), draining AS MATERIALIZED (
        SELECT o.id, o.ended_at, o.last_change,
               EXISTS (SELECT FROM syncd.sync_queue q WHERE q.status = 'pending' AND q.next_attempt_at IS NULL AND q.id <= o.last_change
                         AND (q.entity_type, q.entity_id) NOT IN (SELECT entity_type, entity_id FROM blockers)
                         AND q.entity_type NOT IN (SELECT entity_type FROM syncd.holds WHERE holds_push)) AS busy
        FROM syncd.outages o WHERE o.drained_at IS NULL AND o.ended_at IS NOT NULL
      ), drained AS (
        UPDATE syncd.outages o SET drained_at = greatest(d.ended_at, coalesce(s.last_at, d.ended_at)), drained_changes = s.changes
        FROM draining d CROSS JOIN LATERAL (
          SELECT max(q.synced_at) AS last_at, count(*) AS changes FROM syncd.sync_queue q
          WHERE q.synced_at IS NOT NULL AND q.synced_at >= d.ended_at - ${SINCE} AND q.id <= d.last_change) s
        WHERE o.id = d.id AND NOT d.busy
      )
      SELECT EXISTS (SELECT FROM draining WHERE busy) AS left`.execute(trx);
    return rows[0]?.left === true;
  });
}

const MOST = 500;

/** Those that lasted at some time in the last `spanMs`, the newest first. */
export async function listOutages(
  db: Db,
  { spanMs, limit = MOST }: { spanMs: number; limit?: number },
): Promise<Outage[]> {
  const rows = await db
    .selectFrom('syncd.outages as o')
    .select(['o.id', 'o.reason', 'o.interruptions', 'o.waited', 'o.drained_changes'])
    .select([iso('o.began_at').as('began_at'), iso('o.ended_at').as('ended_at'), iso('o.drained_at').as('drained_at')])
    .select(
      sql<number>`(extract(epoch FROM coalesce(o.ended_at, clock_timestamp()) - o.began_at) * 1000)::float8`.as(
        'duration_ms',
      ),
    )
    .select(sql<number | null>`(extract(epoch FROM o.drained_at - o.ended_at) * 1000)::float8`.as('drain_ms'))
    .where(sql<boolean>`coalesce(o.ended_at, clock_timestamp()) >= clock_timestamp() - ${spanMs} * interval '1 ms'`)
    .orderBy('o.id', 'desc')
    .limit(Math.min(limit, MOST))
    .execute();
  return rows.map(({ waited, drained_changes, drain_ms, duration_ms, ...row }) => ({
    ...row,
    duration_ms: Math.max(0, Math.round(duration_ms)),
    waited: waited === null ? null : Number(waited),
    drained_changes: drained_changes === null ? null : Number(drained_changes),
    drain_ms: drain_ms === null ? null : Math.round(drain_ms),
  }));
}
