/**
 * The daemon: keeps sessions coming and owns what outlives them: what is known of the cloud, the listeners, the word with the
 * service manager. When a session ends because a connection was lost, or because there are other settings, a new one begins
 * after a short wait, in the same process. PostgreSQL may be away for as long as it likes.
 */

import { isDeepStrictEqual } from 'node:util';
import { ClockOffset } from '../cloud/clock.js';
import type { ManagerSettings } from '../config/notify-socket.js';
import type { Settings } from '../config/settings.js';
import { ClockLog } from '../db/clock-log.js';
import { type Db, openDb } from '../db/connect.js';
import { databaseError } from '../db/database-error.js';
import { codeOf, SyncError, wordsOf } from '../errors.js';
import type { Log } from '../log.js';
import { Counted } from '../ops/figures/gathered.js';
import { Metrics } from '../ops/figures/metrics.js';
import { OutageLedger } from '../ops/figures/outages.js';
import type { IdentityCheck } from '../ops/identity/check.js';
import { primaryOf } from '../ops/identity/file.js';
import { lineOf, UNCOUNTED } from '../ops/status/systemd-line.js';
import { Vitals } from '../ops/status/vitals.js';
import { ServiceManager } from '../ops/systemd.js';
import { newPushMemory } from '../push/memory.js';
import { failUnreadable, isUnreadable } from '../queue/unreadable.js';
import type { OnStep } from '../step.js';
import { monotonicMs, sleep, steadyMs } from '../time.js';
import { VERSION } from '../version.js';
import type { Across } from './across.js';
import type { StandingBy } from './connections.js';
import { newIncomingMemory } from './incoming.js';
import { Listeners } from './listeners.js';
import type { Reload } from './reload.js';
import { runSession } from './session.js';

const LONGEST_PAUSE_MS = 5_000;
/** A server that was restarted, or whose client was killed, needs a moment to let go of the old lock. */
const PATIENCE_MS = { first: 3_000, later: 20_000 };

/**
 * What a daemon meets that has worked on this database before, while somebody restores a backup: no database, no schema, no table, no
 * right to use them. Ending would be for good, for the service manager does not repeat a start that failed so.
 */
const GONE = new Set(['3D000', '3F000', '42P01', '42501']);

/** What a daemon may have beside its settings. */
export type DaemonOptions = {
  /** Brings other settings while it runs. */
  reload?: Reload;
  /** Wants to know how it does. */
  manager?: ManagerSettings | undefined;
  /** Where another daemon leads, wait for its end instead of ending. */
  standby?: boolean;
  /** Told of every step; see src/step.ts. */
  onStep?: OnStep;
};

/**
 * Runs until `signal` aborts.
 * @throws SyncError `anotherDaemon`, or `configuration` where waiting cannot help
 */
export async function runDaemon(
  settings: Settings,
  log: Log,
  signal: AbortSignal,
  { reload, manager, standby = false, onStep }: DaemonOptions = {},
): Promise<void> {
  const across: Across = {
    settings,
    log,
    ...whatTheCloudTells(settings),
    webhooks: undefined,
    vitals: new Vitals(),
    outages: new OutageLedger(),
    metrics: new Metrics(),
    tally: manager && { ...UNCOUNTED },
    configuration: reload,
    standby: undefined,
    signal,
    renewed: new AbortController().signal,
    onStep,
  };
  const { vitals, metrics, outages } = across;
  const own = () => ({
    leads: vitals.readiness(monotonicMs()).database,
    standing: across.memory.standing,
    awayMs: outages.awayMs,
  });
  const measured = { metrics, counted: new Counted(), own };
  const listeners = new Listeners({ settings, log, vitals, measured, clock: () => across.clock });
  // It may never work: another daemon may lead. What it has come to is told by `working`.
  log.info('starting', { version: VERSION, outlet: settings.outlet.code ?? settings.outlet.id, pid: process.pid });
  if (standby) across.standby = (check) => standingBy(across, listeners, check);
  const ended = new AbortController();
  const telling = manager && tellManager(across, manager, AbortSignal.any([signal, ended.signal]), reload);
  try {
    await runSessions(across, listeners, reload);
  } finally {
    ended.abort();
    await Promise.all([listeners.close(), telling]);
  }
  log.info('stopped');
}

/** Beside the leader: no port of its own, but its memory of the database is kept fit for the day when it takes over. */
function standingBy({ log, vitals }: Across, listeners: Listeners, check: IdentityCheck): StandingBy {
  return {
    onWait: async () => {
      log.info('another daemon leads; standing by');
      vitals.noteSearch('another daemon leads; this one stands by');
      await listeners.close();
    },
    attend: (db) => {
      vitals.noteSearch(undefined);
      return check.attend(db);
    },
    onLead: () => log.info('the lead was free; this daemon works on the database now'),
    onTakeover: ({ host, pid, silentMs }) =>
      log.warn('the leader is silent; taking over', { host, pid, silent_ms: Math.round(silentMs) }),
  };
}

/** Learnt by asking it; another cloud, or another key, is asked anew. */
function whatTheCloudTells(settings: Settings): Pick<Across, 'memory' | 'incoming' | 'clock' | 'clockLog'> {
  const clock = new ClockOffset(settings.cloud.url.startsWith('https:'));
  const clockLog = new ClockLog(clock, { nowMs: Date.now, monotonicMs });
  return { memory: newPushMemory(), incoming: newIncomingMemory(settings), clock, clockLog };
}

async function runSessions(across: Across, listeners: Listeners, reload: Reload | undefined): Promise<void> {
  const { log, signal, vitals } = across;
  let hasLed = false;
  for (let pauseMs = 250; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    if (reload) await follow(across, listeners, reload);
    across.webhooks = listeners.webhooks;
    try {
      vitals.noteSearch(undefined);
      await runSession(across, hasLed ? PATIENCE_MS.later : PATIENCE_MS.first, () => {
        hasLed = true;
        pauseMs = 250;
        listeners.open();
        across.webhooks = listeners.webhooks;
        vitals.noteSearch(undefined);
      });
    } catch (error) {
      const url = across.settings.database.urls[0] as string;
      const fault = error instanceof SyncError ? error : databaseError(error, url);
      // Other settings have cut the wait for the lead short: it goes on with them.
      if (fault.code === 'anotherDaemon' && across.renewed.aborted) continue;
      if (fault.code === 'unavailable') {
        // Nobody knows who leads, and whoever asks how things are gets an answer all the same.
        if (!across.standby) listeners.open();
        log.warn('the database is away; sales go on, and so does their capture', {
          trouble: 'database',
          error: wordsOf(fault),
        });
      } else if (fault.code === 'anotherDaemon' && across.standby) {
        log.info(signal.aborted ? 'stood by until the end' : 'another daemon has taken over');
      } else if (hasLed && GONE.has(codeOf(fault.cause) ?? '')) {
        log.error('the database is not what it was; syncd waits until it is: is a backup being restored?', {
          trouble: 'database',
          error: fault,
        });
      } else if (isUnreadable(fault) && (await setUnreadableAside(across)) > 0) {
        continue;
      } else if (fault.code === 'failed') {
        log.error('a fault ended the work on the database; it begins anew', { trouble: 'database', error: fault });
      } else {
        throw fault;
      }
      vitals.noteSearch(`no database; sales go on: ${wordsOf(fault)}`);
      await sleep(pauseMs, AbortSignal.any([signal, across.renewed]));
    }
  }
}

/** @returns how many changes were in the way; 0 also where that could not be found out */
async function setUnreadableAside({ settings, log }: Across): Promise<number> {
  let db: Db | undefined;
  try {
    db = openDb(await primaryOf(settings), { role: 'unreadable', queryTimeoutMs: 0 });
    const changes = await failUnreadable(db);
    if (changes > 0)
      log.error('changes whose text is not UTF-8 cannot be sent; all others go on', { trouble: 'unreadable', changes });
    return changes;
  } catch (error) {
    log.warn('what cannot be read of the queue could not be set aside', { trouble: 'setting aside', error });
    return 0;
  } finally {
    await db?.destroy();
  }
}

/** What is in force from here on. */
async function follow(across: Across, listeners: Listeners, reload: Reload): Promise<void> {
  const { settings, renewed } = reload.begin();
  const before = across.settings;
  across.settings = settings;
  across.renewed = renewed;
  if (!isDeepStrictEqual(settings.cloud, before.cloud)) Object.assign(across, whatTheCloudTells(settings));
  else if (settings !== before) across.incoming = newIncomingMemory(settings);
  await listeners.follow(settings);
}

function tellManager(
  across: Across,
  settings: ManagerSettings,
  signal: AbortSignal,
  reload: Reload | undefined,
): Promise<void> {
  const { log, vitals } = across;
  const statusLine = () =>
    lineOf({
      ...(across.tally ?? UNCOUNTED),
      standing: across.memory.standing,
      switchedOn: across.settings.sync.enabled,
      away: vitals.away,
      steadyMs: steadyMs(),
      nowMs: Date.now(),
      timezone: across.settings.outlet.timezone,
    });
  const manager = new ServiceManager({
    settings,
    log,
    statusLine,
    // A start without a database has come to its end too: it is told in the status line, and syncd goes on looking.
    isReady: () => vitals.readiness(monotonicMs()).ready || vitals.away !== undefined,
    stuck: (nowMs) => vitals.stuck(nowMs),
  });
  reload?.onTurn((turn) => void (turn === 'begins' ? manager.reloading() : manager.reloaded()));
  return manager.run(signal);
}
