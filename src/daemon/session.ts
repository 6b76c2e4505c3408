/**
 * One session: everything that lives on one set of database connections. It is put together, runs until it is told to stop or a
 * connection is lost, and is taken down in reverse order. What is known of the cloud outlives it, in `Across`.
 *
 * The loops do not know each other: they meet in tables. Here each gets the hints that save the next one a wait.
 */

import { sql } from 'kysely';
import { cloudClientOf } from '../cloud/access.js';
import type { CloudClient } from '../cloud/client.js';
import { inPlainWords } from '../cloud/plain-words.js';
import type { Db } from '../db/connect.js';
import { isConnectionLoss } from '../db/database-error.js';
import { appliedMigrations, readMigrations, refuseNewer } from '../db/migrate.js';
import { tablesExchanged } from '../db/place.js';
import { SyncError } from '../errors.js';
import type { InboxLoop } from '../inbox/loop.js';
import type { ChoresLoop } from '../ops/chores.js';
import { signOff } from '../ops/heartbeat.js';
import { IdentityCheck } from '../ops/identity/check.js';
import { CloudHistory } from '../ops/identity/cloud-history.js';
import { readIdentity } from '../ops/identity/outlet.js';
import { DATABASE } from '../ops/status/vitals.js';
import { Supervision } from '../ops/supervision.js';
import type { PullLoop } from '../pull/loop.js';
import type { PushLoop } from '../push/loop.js';
import { within } from '../time.js';
import { WALKS } from '../walk/chores.js';
import type { Across } from './across.js';
import { type Connections, connect } from './connections.js';
import { hear } from './hearing.js';
import { createInbox, createPull } from './incoming.js';
import { createPush } from './outgoing.js';
import { createUpkeep } from './upkeep.js';

type Parts = {
  push: PushLoop;
  pull: PullLoop | undefined;
  inbox: InboxLoop;
  upkeep: ChoresLoop;
  supervision: Supervision;
};

/** What is in flight may take this long after the signal to stop; then it is abandoned, and repeated by the next run. */
const FINISH_MS = 6_000;
/** `/ready` says no once the database has not answered for so long. */
const SILENT_MS = 10_000;
/** What a loop may take for one round beside the cloud's own time. */
const ROUND_MS = 60_000;
/** The chores may rest between their turns, and one may wait long for a lock. */
const CHORES_MS = 300_000;

/**
 * @param patienceMs how long an earlier daemon's lock may take to go
 * @param onLead called once this daemon is the leader and may work
 * @throws what ended the session, if it was not the signal
 */
export async function runSession(across: Across, patienceMs: number, onLead: () => void): Promise<void> {
  const { settings, log, signal, renewed } = across;
  const ending = AbortSignal.any([signal, renewed]);
  const lost = new AbortController();
  let cause: unknown;
  const onLost = (error: unknown) => {
    cause ??= error;
    lost.abort();
  };
  const check = new IdentityCheck(settings, log);
  const connections = await connect(settings, patienceMs, ending, onLost, across.standby?.(check));
  const closing: (() => unknown)[] = [() => connections.close()];
  try {
    refuseNewer(readMigrations(), await appliedMigrations(connections.control));
    await readIdentity(connections.control, settings);
    await check.begin(connections.control);
    // A failover has raised its epoch.
    const identity = await readIdentity(connections.control, settings);
    onLead();
    log.info('working', { database: 'connected', recovered: 'database' });
    const client = await clientFor(settings, connections.control);
    closing.push(() => client.abort());
    lost.signal.addEventListener('abort', () => client.abort(), { once: true });

    const parts = assemble(across, connections, client, identity, check);
    closing.push(...(await hear(across, connections, parts)));
    closing.push(...watch(across, parts));
    // What went by uncaptured while nobody watched must be known before anything is applied over it.
    await parts.upkeep.begin('drift', ending);
    await work(parts, client, AbortSignal.any([ending, lost.signal]), onLost);
    // Between two sessions it has not stopped.
    if (cause === undefined) await parts.supervision.lastLook().catch(() => {});
    if (cause === undefined && signal.aborted) await signOff(connections.control, connections.lead.id).catch(() => {});
    if (cause !== undefined && !(ending.aborted && isConnectionLoss(cause))) throw cause;
  } catch (error) {
    // Waiting cannot help, so the daemon ends: whoever asks is to hear so at once.
    if (error instanceof SyncError && error.code === 'configuration')
      await signOff(connections.control, connections.lead.id).catch(() => {});
    throw error;
  } finally {
    for (const close of closing.reverse()) {
      try {
        await close();
      } catch {
        // What is gone already needs no closing.
      }
    }
  }
}

/** One whose words can be written down in this database. */
async function clientFor(settings: Across['settings'], db: Db): Promise<CloudClient> {
  const client = cloudClientOf(settings);
  const { rows } = await sql<{ knows: boolean }>`
    SELECT current_setting('server_encoding') IN ('UTF8', 'SQL_ASCII') AS knows`.execute(db);
  return rows[0]?.knows === false ? inPlainWords(client) : client;
}

function assemble(
  across: Across,
  connections: Connections,
  client: CloudClient,
  identity: Awaited<ReturnType<typeof readIdentity>>,
  check: IdentityCheck,
): Parts {
  const { settings, log, memory, incoming, clock, clockLog, outages, onStep } = across;
  const { control, store, applier, lead } = connections;
  const history = new CloudHistory(control, log, () => supervision.wake());
  const supervision: Supervision = new Supervision({
    db: control,
    runId: lead.id,
    enabled: settings.sync.enabled,
    memory,
    clock,
    clockLog,
    log,
    reidentify: async () => {
      history.forget();
      if (!(await check.begin(control))) throw tablesExchanged();
      Object.assign(identity, await readIdentity(control, settings));
    },
    onSettled: (settled_id, now_ms) => check.note(settled_id, now_ms),
    pull: () => pull && incoming.pull.standing,
    // A fork stops pushing alone: what the cloud says holds for every copy.
    onLook: ({ enabled, stop, heldTypes, walks }) => {
      const stopped = stop === null || stop.code === 'fork' ? null : stop.reason;
      pull?.configure(enabled, stopped);
      incoming.fetch.enabled = enabled;
      inbox.configure(stopped !== null, heldTypes);
      if (walks) upkeep.wake(WALKS);
    },
    onNow: () => {
      pull?.tryNow();
      inbox.tryNow();
      return { call: pull?.calls, totals: inbox.totals };
    },
  });
  const push = createPush({
    settings,
    log,
    client,
    clock,
    history,
    memory,
    connections,
    identity,
    metrics: across.metrics,
    onStanding: (standing) => {
      supervision.noteStanding(standing);
      outages.note(standing);
      if (standing.kind === 'online') pull?.cloudAnswers();
    },
    onQuiet: (pass) => supervision.noteQuiet(pass),
    onFork: (reason, epoch) => supervision.stopForFork(reason, epoch),
    onHeld: () => inbox.wake(),
    onStep,
  });
  const inbox = createInbox({
    settings,
    log,
    client,
    memory: incoming,
    db: applier,
    store,
    leader_epoch: lead.leader_epoch,
    onLocalChanges: () => push.wake(),
    onQuiet: (look, totals) => supervision.noteApplied(look, totals),
    onStep,
  });
  const pull = createPull({
    settings,
    log,
    client,
    clock,
    history,
    memory: incoming,
    cloud: memory,
    store,
    onStored: () => inbox.wake(),
    onStanding: () => supervision.notePull(),
    onEnd: (call, failure) => {
      supervision.notePulled(call, inbox.looks, failure);
      inbox.wake();
    },
    onStep,
  });
  const upkeep = createUpkeep({
    settings,
    log,
    db: connections.upkeep,
    client,
    leader_epoch: lead.leader_epoch,
    memory,
    clock,
    outages,
    runId: lead.id,
    pulling: incoming.pull,
    configuration: across.configuration,
    tally: across.tally,
    onHolds: () => supervision.wake(),
    onLocalChanges: () => push.wake(),
  });
  return { push, pull, inbox, upkeep, supervision };
}

/** Lets `/ready` know how the parts do. @returns what ends it */
function watch({ vitals, settings }: Across, { push, pull, inbox, upkeep, supervision }: Parts): (() => unknown)[] {
  const roundMs = ROUND_MS + 3 * settings.cloud.timeoutMs;
  return [
    vitals.watch(DATABASE, SILENT_MS, () => supervision.health()),
    vitals.watch('push', roundMs, () => push.health()),
    vitals.watch('inbox', roundMs, () => inbox.health()),
    vitals.watch('upkeep', CHORES_MS, () => upkeep.health()),
    ...(pull ? [vitals.watch('pull', roundMs, () => pull.health())] : []),
  ];
}

/** Runs all loops until `ending`; what is in flight then gets a moment. */
async function work(
  { push, pull, inbox, upkeep, supervision }: Parts,
  client: CloudClient,
  ending: AbortSignal,
  onLost: (error: unknown) => void,
): Promise<void> {
  const supervising = supervision.run(push, ending).catch(onLost);
  const working = Promise.all(
    [push, inbox, upkeep, ...(pull ? [pull] : [])].map((part) => part.run(ending).catch(onLost)),
  );
  await aborted(ending);
  await within(FINISH_MS, working, () => new Error('in flight for too long')).catch(() => client.abort());
  await Promise.all([working, supervising]);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
