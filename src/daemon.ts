/**
 * The daemon: puts the parts together, keeps them going, and takes them down in reverse order. One *session* is everything
 * that lives on one set of database connections. When any of them is lost the whole session ends and a new one begins after a
 * short wait, in the same process; what is known of the cloud outlives it. PostgreSQL may be away for as long as it likes.
 */
import { strategyOf } from './apply/strategy.js';
import { createCloudClient } from './cloud/client.js';
import { ClockOffset } from './cloud/clock.js';
import type { Settings } from './config/settings.js';
import { openApplier } from './db/applier.js';
import { ClockLog } from './db/clock-log.js';
import { BY_INDEX, type Db, databaseError, findPrimary, isConnectionLoss, openClient, openDb } from './db/connect.js';
import { takeLead } from './db/leader.js';
import { createListener } from './db/listen.js';
import { announce, WakeGate } from './db/wake.js';
import { SyncError, wordsOf } from './errors.js';
import { AdminListener } from './http/admin-listener.js';
import { WebhookListener } from './http/webhook-listener.js';
import { readRatchet } from './inbox/ratchet.js';
import { receive } from './inbox/receive.js';
import { createInbox, createPull, type IncomingMemory, newIncomingMemory } from './incoming.js';
import type { Log } from './log.js';
import { CloudHistory } from './ops/cloud-history.js';
import { signOff } from './ops/heartbeat.js';
import { Supervision } from './ops/supervision.js';
import { DATABASE, Vitals } from './ops/vitals.js';
import { PushLoop } from './push/loop.js';
import { type CloudMemory, newCloudMemory } from './push/memory.js';
import { monotonicMs, sleep, steadyMs, within } from './time.js';
import { VERSION } from './version.js';

/** What is in flight may take this long after the signal to stop; then it is abandoned, and repeated by the next run. */
const FINISH_MS = 6_000;
const LONGEST_PAUSE_MS = 5_000;
/** A server that was restarted, or whose client was killed, needs a moment to let go of the old lock. */
const PATIENCE_MS = { first: 3_000, later: 20_000 };

/** `/ready` says no once the database has not answered for so long. */
const SILENT_MS = 10_000;
/** What a loop may take for one round beside the cloud's own time. */
const ROUND_MS = 60_000;

type Across = {
  settings: Settings;
  log: Log;
  memory: CloudMemory;
  incoming: IncomingMemory;
  clock: ClockOffset;
  clockLog: ClockLog;
  /** Hears the cloud also while there is no database, and asks it to come again. */
  webhooks: WebhookListener | undefined;
  vitals: Vitals;
  signal: AbortSignal;
};

/**
 * Runs until `signal` aborts.
 * @throws SyncError `anotherDaemon`, or `configuration` where waiting cannot help
 */
export async function runDaemon(settings: Settings, log: Log, signal: AbortSignal): Promise<void> {
  const clock = new ClockOffset(settings.cloud.url.startsWith('https:'));
  const across: Across = {
    settings,
    log,
    memory: newCloudMemory(),
    incoming: newIncomingMemory(settings),
    clock,
    clockLog: new ClockLog(clock, { nowMs: Date.now, monotonicMs }),
    webhooks:
      settings.webhook &&
      new WebhookListener({ settings: settings.webhook, log, correctionMs: () => clock.correctionMs }),
    vitals: new Vitals(),
    signal,
  };
  const admin = new AdminListener({ settings, log, vitals: across.vitals });
  log.info('started', { version: VERSION, outlet: settings.outlet.code ?? settings.outlet.id, pid: process.pid });
  void across.webhooks?.start();
  void admin.start();
  try {
    await runSessions(across);
  } finally {
    await Promise.all([across.webhooks?.stop(), admin.stop()]);
  }
  log.info('stopped');
}

async function runSessions(across: Across): Promise<void> {
  const { settings, log, signal } = across;
  let hasLed = false;
  for (let pauseMs = 250; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      await runSession(across, hasLed ? PATIENCE_MS.later : PATIENCE_MS.first, () => {
        hasLed = true;
        pauseMs = 250;
      });
    } catch (error) {
      const fault = error instanceof SyncError ? error : databaseError(error, settings.database.urls[0] as string);
      if (fault.code === 'unavailable') {
        log.warn('the database is away; sales go on, and so does their capture', {
          trouble: 'database',
          error: wordsOf(fault),
        });
      } else if (fault.code === 'failed') {
        log.error('a fault ended the work on the database; it begins anew', { trouble: 'database', error: fault });
      } else {
        throw fault;
      }
      await sleep(pauseMs, signal);
    }
  }
}

async function runSession(across: Across, patienceMs: number, onLead: () => void): Promise<void> {
  const { settings, log, memory, clock, clockLog, signal } = across;
  const lost = new AbortController();
  let cause: unknown;
  const onLost = (error: unknown) => {
    cause ??= error;
    lost.abort();
  };
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const url = await findPrimary(settings.database.urls);
    const leading = await openClient(url, { role: 'leader' }, onLost);
    closing.push(() => leading.end());
    const lead = await takeLead(leading, VERSION, patienceMs, signal);
    announce(leading, onLost);
    const gating = await openClient(url, { role: 'gate', queryTimeoutMs: 0 }, onLost);
    closing.push(() => gating.end());
    const open = (role: string, settings: string[], queryTimeoutMs = 60_000): Db => {
      const db = openDb(url, { role, queryTimeoutMs, settings });
      closing.push(() => db.destroy());
      return db;
    };
    const [reader, settler, control] = [
      open('reader', BY_INDEX),
      open('settler', []),
      open('control', BY_INDEX, 15_000),
    ];
    const identity = await readIdentity(control, settings);
    onLead();
    log.info('working', { database: 'connected', recovered: 'database' });

    const client = createCloudClient({
      url: settings.cloud.url,
      outletId: settings.outlet.id,
      apiKey: settings.cloud.apiKey,
      timeoutMs: settings.cloud.timeoutMs,
      compression: settings.cloud.compression,
      ca: settings.cloud.ca,
      version: VERSION,
    });
    closing.push(async () => client.abort());
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
        Object.assign(identity, await readIdentity(control, settings));
      },
      pull: () => pull && across.incoming.pull.standing,
      // A fork stops pushing alone: what the cloud says holds for every copy.
      onLook: ({ enabled, stop }) => {
        const stopped = stop === null || stop.code === 'fork' ? null : stop.reason;
        pull?.configure(enabled, stopped);
        inbox.configure(stopped !== null);
      },
      onNow: () => {
        pull?.tryNow();
        inbox.tryNow();
      },
    });
    const loop = new PushLoop({
      db: settler,
      reader,
      client,
      clock,
      gate: new WakeGate(gating),
      memory,
      identity,
      leader_epoch: lead.leader_epoch,
      retry: settings.sync.retry,
      coalesced: new Set([...settings.entities].filter(([, { coalesce }]) => coalesce).map(([name]) => name)),
      strategyOf: (entity_type) => strategyOf(settings, entity_type),
      timeoutMs: settings.cloud.timeoutMs,
      log,
      nowMs: Date.now,
      steadyMs,
      random: Math.random,
      checkEpoch: (cloud_epoch) => history.check(cloud_epoch),
      onStanding: (standing) => {
        supervision.noteStanding(standing);
        if (standing.kind === 'online') pull?.cloudAnswers();
      },
      onQuiet: (pass) => supervision.noteQuiet(pass),
      onFork: (reason) => supervision.stopForFork(reason),
      onHeld: () => inbox.wake(),
    });
    const store = open('inbox', [], 15_000);
    const applier = await openApplier(url, 'applier');
    closing.push(() => applier.destroy());
    const inbox = createInbox({
      settings,
      log,
      client,
      memory: across.incoming,
      db: applier,
      store,
      leader_epoch: lead.leader_epoch,
      onLocalChanges: () => loop.wake(),
    });
    const pull = createPull({
      settings,
      log,
      client,
      clock,
      history,
      memory: across.incoming,
      cloud: memory,
      store,
      onStored: () => inbox.wake(),
      onStanding: () => supervision.notePull(),
    });
    const listener = createListener(
      url,
      () => {
        loop.wake();
        inbox.wake();
        supervision.wake();
      },
      (error) =>
        log.warn('NOTIFY is not heard; the queue is polled instead', { trouble: 'listen', error: wordsOf(error) }),
    );
    await listener.start();
    closing.push(() => listener.stop());

    if (settings.webhook && across.webhooks) {
      const unserve = across.webhooks.serve({
        receive: (event) => receive(store, event).finally(() => inbox.wake()),
        bodyRefused: await readRatchet(store, settings.webhook.profile),
        onMessage: () => loop.tryNow(),
        onUntimely: () => pull?.wake(),
      });
      closing.push(async () => unserve());
    }

    const roundMs = ROUND_MS + 3 * settings.cloud.timeoutMs;
    const unwatch = [
      across.vitals.watch(DATABASE, SILENT_MS, () => supervision.health()),
      across.vitals.watch('push', roundMs, () => loop.health()),
      across.vitals.watch('inbox', roundMs, () => inbox.health()),
      ...(pull ? [across.vitals.watch('pull', roundMs, () => pull.health())] : []),
    ];
    closing.push(async () => {
      for (const end of unwatch) end();
    });

    const ending = AbortSignal.any([signal, lost.signal]);
    lost.signal.addEventListener('abort', () => client.abort(), { once: true });
    const supervising = supervision.run(loop, ending).catch(onLost);
    const running = loop.run(ending).catch(onLost);
    const pulling = pull?.run(ending).catch(onLost);
    const applying = inbox.run(ending).catch(onLost);
    await Promise.race([running, aborted(ending)]);
    await within(FINISH_MS, running, () => new Error('in flight for too long')).catch(() => client.abort());
    await Promise.all([running, pulling, applying, supervising]);
    if (cause === undefined) await signOff(control, lead.id).catch(() => {});
  } finally {
    for (const close of closing.reverse()) await close().catch(() => {});
  }
  if (cause !== undefined && !(signal.aborted && isConnectionLoss(cause))) throw cause;
}

async function readIdentity(db: Db, settings: Settings) {
  const outlet = await db
    .selectFrom('syncd.outlet_config')
    .select(['outlet_id', 'install_id', 'epoch'])
    .executeTakeFirst();
  if (outlet?.outlet_id === settings.outlet.id) return outlet;
  const installed = outlet
    ? `the database belongs to outlet ${outlet.outlet_id}`
    : 'the database belongs to no outlet yet';
  throw new SyncError('configuration', `outlet.id is ${settings.outlet.id}, but ${installed}`, {
    hint: 'Correct outlet.id, or make the database match the configuration: syncd install',
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
