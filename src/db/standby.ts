/**
 * A daemon that waits beside the leader, on one connection, with a row of its own in syncd.daemon. It takes over when the lead is
 * free, or when the leader has given no sign of life for 15 s: then it ends the connection that holds the lead. It cannot stop
 * what a leader that was only frozen does next, but every settle of that one finds a newer `leader_epoch` and writes nothing.
 *
 * Silence is measured by this machine's own clock, which never jumps: what counts is whether the heartbeat in the table moves.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type pg from 'pg';
import { monotonicMs, sleep } from '../time.js';
import { anotherDaemon, enterAsLeader, type Leadership, tryToLead } from './leader.js';
import { LOCK_CLASS, LOCKS } from './schema.js';

export type StandbyDeps = {
  /** Called once for as long as another one leads. */
  onWait: () => Promise<void>;
  /** Called at every look while another one leads. */
  attend: () => Promise<void>;
  /** Told once the lead is taken after a wait. */
  onLead: () => void;
  /** Told before the silent leader's connection is ended. */
  onTakeover: (leader: { host: string; pid: number; silentMs: number }) => void;
};

/** As status has it: who is silent for longer is not running. */
const SILENT_MS = 15_000;
const LOOK_MS = 1_000;
const BEAT_EVERY = 4;

type Leader = { host: string; pid: number; beat: string; backend: number | null };

/**
 * Waits until this daemon leads.
 * @throws SyncError `anotherDaemon` when `signal` ends the wait; what Postgres says
 */
export async function standBy(
  client: pg.Client,
  version: string,
  signal: AbortSignal,
  { onWait, attend, onLead, onTakeover }: StandbyDeps,
): Promise<Leadership> {
  if (await tryToLead(client)) return enterAsLeader(client, version);
  await onWait();
  const id = await enterAsStandby(client, version);
  let [beat, movedAt] = ['', monotonicMs()];
  for (let looks = 1; ; looks++) {
    await sleep(LOOK_MS, signal);
    if (signal.aborted) {
      await forget(client, id);
      throw await anotherDaemon(client);
    }
    if (await tryToLead(client)) {
      await forget(client, id);
      const leadership = await enterAsLeader(client, version);
      onLead();
      return leadership;
    }
    if (looks % BEAT_EVERY === 1) {
      await client.query('UPDATE syncd.daemon SET heartbeat_at = clock_timestamp() WHERE id = $1', [id]);
      await attend();
    }
    const leader = await lookAtLeader(client);
    if (leader.beat !== beat) {
      [beat, movedAt] = [leader.beat, monotonicMs()];
    } else if (monotonicMs() - movedAt >= SILENT_MS && leader.backend !== null) {
      onTakeover({ host: leader.host, pid: leader.pid, silentMs: monotonicMs() - movedAt });
      // The same role may end its own connections; the lead is free as soon as the server has noticed.
      await client.query('SELECT pg_terminate_backend($1)', [leader.backend]);
    }
  }
}

/** Its own row; those of standbys that are gone for long are cleared away. */
async function enterAsStandby(client: pg.Client, version: string): Promise<string> {
  const id = randomUUID();
  await client.query(
    "DELETE FROM syncd.daemon WHERE role = 'standby' AND heartbeat_at < clock_timestamp() - interval '1 day'",
  );
  await client.query(
    "INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, role) VALUES ($1, $2, $3, $4, 0, 'standby')",
    [id, hostname(), process.pid, version],
  );
  return id;
}

async function forget(client: pg.Client, id: string): Promise<void> {
  await client.query('DELETE FROM syncd.daemon WHERE id = $1', [id]);
}

async function lookAtLeader(client: pg.Client): Promise<Leader> {
  const { rows } = await client.query<Leader>(
    `SELECT coalesce(d.host, 'unknown') AS host, coalesce(d.pid, 0) AS pid, concat(d.id, ' ', d.heartbeat_at) AS beat, l.pid AS backend
     FROM (SELECT 1) AS one
     LEFT JOIN LATERAL (SELECT * FROM syncd.daemon WHERE role = 'leader' ORDER BY leader_epoch DESC LIMIT 1) d ON true
     LEFT JOIN LATERAL (
       SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) l ON true`,
    [LOCK_CLASS, LOCKS.leader],
  );
  return rows[0] as Leader;
}
