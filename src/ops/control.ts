/**
 * Manual control of a daemon that may run elsewhere, through tables: pause and resume are a flag that it reads, "now" is a
 * request that it answers. A NOTIFY only makes it quicker. Every action stands in syncd.commands with who and when.
 */
import { sql } from 'kysely';
import type { Db } from '../db/connect.js';
import type { ChangeStatus } from '../db/schema.js';
import { requester, wakeDaemon } from '../queue/manage.js';
import { monotonicMs, sleep } from '../time.js';
import { HEARTBEAT_LIMIT_MS } from './status/verdict.js';

const LOOK_MS = 100;

/** Pauses or resumes; capture goes on either way. @returns false when it was so already */
export async function setEnabled(db: Db, enabled: boolean, who: string, reason: string | undefined): Promise<boolean> {
  const { rows } = await sql`
    WITH changed AS (
      UPDATE syncd.outlet_config SET sync_enabled = ${enabled} WHERE sync_enabled <> ${enabled} RETURNING 1
    )
    INSERT INTO syncd.commands (command, args, requested_by, finished_at, outcome)
    SELECT ${enabled ? 'resume' : 'pause'}, json_build_object('reason', ${reason ?? null}::text), ${requester(who)}, clock_timestamp(),
           ${enabled ? 'resumed' : 'paused'}
    FROM changed RETURNING id`.execute(db);
  if (rows.length > 0) await wakeDaemon(db);
  return rows.length > 0;
}

export type DaemonPresence = {
  running: boolean;
  online: boolean | null;
  enabled: boolean;
  last_error: string | null;
  refused: string | null;
};

/** Whether somebody is there to answer, and what stands in the way. */
export async function lookAtDaemon(db: Db): Promise<DaemonPresence> {
  const { rows } = await sql<DaemonPresence>`
    SELECT coalesce(d.stopped_at IS NULL AND d.heartbeat_at > clock_timestamp() - ${HEARTBEAT_LIMIT_MS} * interval '1 ms', false) AS running,
           d.online, o.sync_enabled AS enabled, d.last_error, d.refused
    FROM syncd.outlet_config o LEFT JOIN LATERAL (SELECT * FROM syncd.daemon WHERE role = 'leader' ORDER BY leader_epoch DESC LIMIT 1) d ON true`.execute(
    db,
  );
  return rows[0] ?? { running: false, online: null, enabled: false, last_error: null, refused: null };
}

export type CommandAnswer = { id: string; finished: boolean; outcome: string | null; error: string | null };

/** Asks the daemon to drop its waits and try at once; returns its answer, or unfinished after `patienceMs` or once no daemon runs. */
export async function requestNow(db: Db, who: string, patienceMs: number): Promise<CommandAnswer> {
  const { rows } = await sql<{ id: string }>`
    INSERT INTO syncd.commands (command, requested_by) VALUES ('now', ${requester(who)}) RETURNING id`.execute(db);
  const id = (rows[0] as { id: string }).id;
  await wakeDaemon(db);
  const deadline = monotonicMs() + patienceMs;
  for (;;) {
    const row = await db
      .selectFrom('syncd.commands')
      .select(['finished_at', 'outcome', 'error'])
      .where('id', '=', id)
      .executeTakeFirst();
    if (row?.finished_at) return { id, finished: true, outcome: row.outcome, error: row.error };
    if (monotonicMs() > deadline || !(await lookAtDaemon(db)).running)
      return { id, finished: false, outcome: null, error: null };
    await sleep(LOOK_MS);
  }
}

export type ChangeStanding = {
  status: ChangeStatus;
  settled_as: string | null;
  error_message: string | null;
  waits: boolean;
};

/** How one change stands. `since`: an instant before it was queued; settled rows are found by when they were settled. */
export async function standingOf(db: Db, id: string, since: string): Promise<ChangeStanding | undefined> {
  const { rows } = await sql<ChangeStanding>`
    SELECT status, settled_as, error_message, next_attempt_at IS NOT NULL AS waits FROM syncd.unsettled WHERE id = ${id}::bigint
    UNION ALL
    SELECT status, settled_as, error_message, false FROM syncd.sync_queue
    WHERE status = 'synced' AND synced_at >= ${since}::timestamptz AND id = ${id}::bigint`.execute(db);
  return rows[0];
}

/** Waits until the change is answered (settled, refused, or put off), or `patienceMs` have passed. */
export async function awaitAnswer(
  db: Db,
  id: string,
  since: string,
  patienceMs: number,
): Promise<ChangeStanding | undefined> {
  const deadline = monotonicMs() + patienceMs;
  for (;;) {
    const standing = await standingOf(db, id, since);
    if (standing?.status !== 'pending' || standing.waits || monotonicMs() > deadline) return standing;
    const daemon = await lookAtDaemon(db);
    if (!daemon.running || !daemon.enabled || daemon.online === false || daemon.refused) return standing;
    await sleep(LOOK_MS);
  }
}
