/**
 * What the daemon lets people know of itself: its row in `syncd.daemon`, and the answer to `syncd now`. Written by the leader
 * alone, read by every command; a row that has not moved for a while is a daemon that is gone.
 */
import { sql } from 'kysely';
import type { Standing } from '../cloud/standing.js';
import type { Db } from '../db/connect.js';
import { wallInstant } from '../time.js';
import { type Glance, glance } from './glance.js';

/**
 * Writes down how the daemon does and reads what is wanted of it, both in one statement: a daemon that idles does this more often
 * than most.
 * @param runId the run's row
 * @param standings `pull` undefined: nothing is pulled
 */
export function beat(
  db: Db,
  runId: string,
  standings: { push: Standing; pull: Standing | undefined },
  clockOffsetMs: number | undefined,
): Promise<Glance> {
  const { push, pull } = standings;
  const offline = isAway(push);
  const pullAway = pull !== undefined && isAway(pull);
  const reason = 'reason' in push ? push.reason : null;
  return glance(
    db,
    sql`WITH beat AS (UPDATE syncd.daemon SET
      heartbeat_at = clock_timestamp(),
      online = ${push.kind === 'unknown' ? null : !offline}::boolean,
      offline_since = ${offline ? wallInstant(push.sinceMs).toISOString() : null}::timestamptz,
      last_error = ${reason}::text,
      next_try_at = ${'nextTryMs' in push ? wallInstant(push.nextTryMs).toISOString() : null}::timestamptz,
      refused = ${push.kind === 'refused' ? reason : null}::text,
      pull_error = ${pullAway || pull?.kind === 'refused' ? pull.reason : null}::text,
      pull_offline_since = ${pullAway ? wallInstant(pull.sinceMs).toISOString() : null}::timestamptz,
      clock_offset_ms = ${clockOffsetMs ?? null}
    WHERE id = ${runId})`,
  );
}

type Away = Extract<Standing, { kind: 'offline' | 'trial' }>;

function isAway(standing: Standing): standing is Away {
  return standing.kind === 'offline' || standing.kind === 'trial';
}

/** The daemon ends as it should: from now on its row does not stand for one that has died. */
export async function signOff(db: Db, runId: string): Promise<void> {
  await db
    .updateTable('syncd.daemon')
    .set({ stopped_at: sql`clock_timestamp()`, heartbeat_at: sql`clock_timestamp()` })
    .where('id', '=', runId)
    .execute();
}

/** Answers everybody who asked for a sync now. Exactly one of `outcome` and `error` is a text. */
export async function answerNow(db: Db, outcome: string | null, error: string | null): Promise<void> {
  await db
    .updateTable('syncd.commands')
    .set({ finished_at: sql`clock_timestamp()`, outcome, error })
    .where('command', '=', 'now')
    .where('finished_at', 'is', null)
    .execute();
}

/**
 * Stops until a person acts, also over restarts; the first reason stands.
 * @param epoch the one that the cloud named with it, if any
 */
export async function recordStop(db: Db, code: string, reason: string, epoch: string | null = null): Promise<void> {
  await db
    .updateTable('syncd.outlet_config')
    .set({ stopped_code: code, stopped_reason: reason, stopped_at: sql`clock_timestamp()`, stopped_epoch: epoch })
    .where('stopped_code', 'is', null)
    .execute();
}

/** What it stood for is over. */
export async function liftStop(db: Db, code: string): Promise<void> {
  await db
    .updateTable('syncd.outlet_config')
    .set({ stopped_code: null, stopped_reason: null, stopped_at: null, stopped_epoch: null })
    .where('stopped_code', '=', code)
    .execute();
}
