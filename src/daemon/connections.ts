/**
 * The database connections of one session, one for each role, so that nothing queues behind anything else. They are opened in
 * an order that tells early whether this daemon may work at all: first the lead, then the others. `close` takes them down in
 * reverse; with the lead's connection the lead itself goes.
 */
import type pg from 'pg';
import type { Settings } from '../config/settings.js';
import { openApplier } from '../db/applier.js';
import { BY_INDEX, type Db, openClient, openDb, PLANNED_ONCE, UNSCANNED } from '../db/connect.js';
import { type Leadership, takeLead } from '../db/leader.js';
import { findPrimary } from '../db/primary.js';
import { type StandbyDeps, standBy } from '../db/standby.js';
import { announce } from '../db/wake.js';
import { readMemory } from '../ops/identity/file.js';
import { VERSION } from '../version.js';

export type Connections = {
  url: string;
  lead: Leadership;
  /** Holds the wake gate's locks. */
  gating: pg.Client;
  /** Reads the queue; writes down answers; deals with people. */
  reader: Db;
  settler: Db;
  control: Db;
  /** Stores what comes in; applies it. */
  store: Db;
  applier: Db;
  /** Does the chores. */
  upkeep: Db;
  close(): Promise<void>;
};

/** How a daemon waits beside the leader; `attend` is given a connection of its own. */
export type StandingBy = Pick<StandbyDeps, 'onWait' | 'onLead' | 'onTakeover'> & { attend: (db: Db) => Promise<void> };

/**
 * @param patienceMs how long the server may take to let go of an earlier daemon's lock
 * @param onLost told when one of the two lasting connections is gone
 * @throws SyncError as `findPrimary`, `openClient` and `takeLead` do; then nothing stays open
 */
export async function connect(
  settings: Settings,
  patienceMs: number,
  signal: AbortSignal,
  onLost: (error: unknown) => void,
  standby?: StandingBy,
): Promise<Connections> {
  const closing: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of closing.splice(0).reverse()) await end().catch(() => {});
  };
  const pool = (db: Db): Db => {
    closing.push(() => db.destroy());
    return db;
  };
  try {
    const memory = await readMemory(settings.state_dir);
    const url = await findPrimary(settings.database.urls, typeof memory === 'object' ? memory : undefined);
    const leading = await openClient(url, { role: 'leader' }, onLost);
    closing.push(() => leading.end());
    const lead = standby
      ? await waitForLead(url, leading, signal, standby)
      : await takeLead(leading, VERSION, patienceMs, signal);
    announce(leading, onLost);
    const gating = await openClient(url, { role: 'gate', queryTimeoutMs: 0 }, onLost);
    closing.push(() => gating.end());
    return {
      url,
      lead,
      gating,
      reader: pool(openDb(url, { role: 'reader', prepared: true, settings: [...BY_INDEX, ...PLANNED_ONCE] })),
      settler: pool(openDb(url, { role: 'settler', prepared: true, settings: PLANNED_ONCE })),
      control: pool(openDb(url, { role: 'control', queryTimeoutMs: 15_000, settings: BY_INDEX })),
      store: pool(openDb(url, { role: 'inbox', queryTimeoutMs: 15_000, settings: UNSCANNED })),
      applier: pool(await openApplier(url, 'applier')),
      upkeep: pool(openDb(url, { role: 'upkeep' })),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function waitForLead(
  url: string,
  leading: pg.Client,
  signal: AbortSignal,
  { attend, ...told }: StandingBy,
): Promise<Leadership> {
  const watching = openDb(url, { role: 'standby', queryTimeoutMs: 15_000 });
  try {
    return await standBy(leading, VERSION, signal, { ...told, attend: () => attend(watching) });
  } finally {
    await watching.destroy();
  }
}
