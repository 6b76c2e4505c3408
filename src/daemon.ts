/**
 * The daemon: keeps sessions coming and owns what outlives them: what is known of the cloud, and the two listeners. When a
 * session ends because a connection was lost a new one begins after a short wait, in the same process. PostgreSQL may be away
 * for as long as it likes.
 */
import { ClockOffset } from './cloud/clock.js';
import type { Settings } from './config/settings.js';
import { ClockLog } from './db/clock-log.js';
import { databaseError } from './db/connect.js';
import { SyncError, wordsOf } from './errors.js';
import { AdminListener } from './http/admin-listener.js';
import { WebhookListener } from './http/webhook-listener.js';
import { newIncomingMemory } from './incoming.js';
import type { Log } from './log.js';
import { OutageLedger } from './ops/outages.js';
import { Vitals } from './ops/vitals.js';
import { newCloudMemory } from './push/memory.js';
import { type Across, runSession } from './session.js';
import { monotonicMs, sleep } from './time.js';
import { VERSION } from './version.js';

const LONGEST_PAUSE_MS = 5_000;
/** A server that was restarted, or whose client was killed, needs a moment to let go of the old lock. */
const PATIENCE_MS = { first: 3_000, later: 20_000 };

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
    outages: new OutageLedger(),
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
