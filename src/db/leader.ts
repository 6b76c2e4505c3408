/**
 * Makes sure that one daemon at a time works on a database: a session advisory lock says who, a number drawn from
 * `leader_epochs` lets every settle check that nobody else has taken over since. The lock lives and dies with its connection.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type pg from 'pg';
import { SyncError } from '../errors.js';
import { monotonicMs, sleep } from '../time.js';
import { LOCK_CLASS, LOCKS } from './schema.js';

export type Leadership = { id: string; leader_epoch: string };

/** Earlier runs whose rows are kept, for the person who asks what happened last night. */
const RUNS_KEPT = 20;

/**
 * Takes the lead on this connection.
 * @param patienceMs how long the server may take to notice that an earlier connection is gone
 * @throws SyncError `anotherDaemon` when somebody else keeps the lock
 */
export async function takeLead(
  client: pg.Client,
  version: string,
  patienceMs: number,
  signal: AbortSignal,
): Promise<Leadership> {
  const deadline = monotonicMs() + patienceMs;
  for (;;) {
    if (await tryToLead(client)) return enterAsLeader(client, version);
    if (monotonicMs() > deadline || signal.aborted) throw await anotherDaemon(client);
    await sleep(100, signal);
  }
}

/** Takes the lock where nobody has it. @returns whether this connection holds it now */
export async function tryToLead(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1, $2) AS taken', [
    LOCK_CLASS,
    LOCKS.leader,
  ]);
  return rows[0]?.taken === true;
}

/** Writes down that the holder of the lock leads, under a number above all earlier ones. */
export async function enterAsLeader(client: pg.Client, version: string): Promise<Leadership> {
  const id = randomUUID();
  const { rows } = await client.query<{ leader_epoch: string }>(
    `INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, online, offline_since, last_error, next_try_at, refused)
     SELECT $1, $2, $3, $4, nextval('syncd.leader_epochs'), d.online, d.offline_since, d.last_error, d.next_try_at, d.refused
     FROM (SELECT 1) AS one LEFT JOIN LATERAL (SELECT * FROM syncd.daemon WHERE role = 'leader' ORDER BY leader_epoch DESC LIMIT 1) d ON true
     RETURNING leader_epoch`,
    [id, hostname(), process.pid, version],
  );
  await client.query(
    `DELETE FROM syncd.daemon
     WHERE role = 'leader' AND leader_epoch <= (SELECT max(leader_epoch) FROM syncd.daemon) - ${RUNS_KEPT}`,
  );
  return { id, leader_epoch: (rows[0] as { leader_epoch: string }).leader_epoch };
}

/** Whoever may connect to the database may take the lock: a session of another role is none of ours. */
const STRANGER = `
  SELECT a.usename AS role, a.pid, a.application_name AS program FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'advisory' AND l.classid = $1 AND l.objid = $2 AND l.objsubid = 2 AND l.granted AND a.usename <> current_user
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1`;

/** @returns why the lead is not to be had: which daemon has it, or which session of a stranger keeps its lock */
export async function anotherDaemon(client: pg.Client): Promise<SyncError> {
  const strangers = await client.query<{ role: string; pid: number; program: string }>(STRANGER, [
    LOCK_CLASS,
    LOCKS.leader,
  ]);
  const [stranger] = strangers.rows;
  // A daemon that works as another role is called as ours are.
  if (stranger && !stranger.program.startsWith('syncd ')) {
    const { role, pid, program } = stranger;
    const what = `a session of role ${role} (pid ${pid}, ${program || 'a nameless program'}) keeps the lock that makes one daemon the only one`;
    return new SyncError('anotherDaemon', what, {
      hint: `Nothing is sent until it lets go. To end it, as postgres in this database: SELECT pg_terminate_backend(${pid});`,
    });
  }
  const { rows } = await client.query<{ host: string; pid: number }>(
    "SELECT host, pid FROM syncd.daemon WHERE role = 'leader' ORDER BY leader_epoch DESC LIMIT 1",
  );
  const other = rows[0] ? `pid ${rows[0].pid} on ${rows[0].host}` : 'its name is unknown';
  return new SyncError('anotherDaemon', `another daemon works on this database: ${other}`, {
    hint: 'One is enough; a second one may stand by: syncd run --standby. To see how the first one does: syncd status',
  });
}

/** Whoever was about to write something down as the leader finds that he is none any more. */
export function takenOver(): SyncError {
  return new SyncError('anotherDaemon', 'another daemon has taken over this database', { hint: 'See: syncd status' });
}
