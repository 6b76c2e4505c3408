/** The pull alone between a reference cloud and a shop's database: no push, nobody who applies. */
import { createCloudClient } from '../../src/cloud/client.js';
import { ClockOffset } from '../../src/cloud/clock.js';
import { openDb } from '../../src/db/connect.js';
import type { CloudOptions } from '../../src/demo/cloud/open.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import type { Cluster } from '../../src/demo/postgres.js';
import type { LogFields } from '../../src/log.js';
import { CloudHistory } from '../../src/ops/identity/cloud-history.js';
import { PullLoop, type PullLoopDeps } from '../../src/pull/loop.js';
import { newPullMemory } from '../../src/pull/memory.js';
import { steadyMs } from '../../src/time.js';
import { eventually } from './eventually.js';
import type { Shop } from './shop.js';

const API_KEY = 'planted-api-key-123';
const OUTLET = 'outlet-7';

export type PullOptions = {
  cloud?: Partial<CloudOptions>;
  longPollMs?: number;
  intervalMs?: number;
  timeoutMs?: number;
  since?: string;
  /** Which entity types come in. */
  types?: string[];
  /** Whether the cloud is known to wait. */
  waits?: boolean;
  retry?: Partial<PullLoopDeps['retry']>;
};

export type PullStage = Awaited<ReturnType<typeof openPullStage>>;

/** Empties the inbox and forgets the cursor. */
export async function openPullStage(cluster: Cluster, shop: Shop, options: PullOptions = {}) {
  const { longPollMs = 5_000, intervalMs = 60_000, timeoutMs = 2_000, waits = true } = options;
  await shop.sql.query('TRUNCATE syncd.inbox, syncd.incoming, syncd.sync_logs');
  await shop.sql.query(
    'UPDATE syncd.outlet_config SET pull_cursor = NULL, last_pull_at = NULL, cloud_epoch = NULL, stopped_code = NULL, stopped_reason = NULL, stopped_at = NULL',
  );
  const { dbname } = (await shop.sql.query('SELECT current_database() AS dbname')).rows[0];
  const cloud = await startReferenceCloud({
    apiKey: API_KEY,
    shared: ['product'],
    ...options.cloud,
    capabilities: { long_poll: waits, ...options.cloud?.capabilities },
  });
  const db = openDb(cluster.url(dbname, 'syncd'), { role: 'test' });
  const client = createCloudClient({
    url: cloud.url,
    outletId: OUTLET,
    apiKey: API_KEY,
    timeoutMs,
    compression: 'auto',
    ca: undefined,
    version: '1.2.3',
  });
  const lines: { level: string; message: string; fields: LogFields }[] = [];
  const take =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void lines.push({ level, message, fields });
  const log = { error: take('error'), warn: take('warn'), info: take('info'), debug: take('debug') };
  const memory = newPullMemory(longPollMs);
  const history = new CloudHistory(db, log, () => {});
  let stored = 0;
  const loop = new PullLoop({
    db,
    client,
    clock: new ClockOffset(true),
    memory,
    types: options.types ?? ['product'],
    retry: { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2, ...options.retry },
    intervalMs,
    longPollMs,
    since: options.since,
    timeoutMs,
    waits: () => waits,
    checkEpoch: (epoch) => history.check(epoch),
    log,
    nowMs: Date.now,
    steadyMs,
    random: () => 0.01,
    onStored: () => void stored++,
    onStanding: () => {},
  });
  const stopping = new AbortController();
  let running: Promise<void> | undefined;
  const waiting = async () =>
    (
      await shop.sql.query(
        'SELECT entity_type, entity_id, operation, cloud_version, data::text, status, reason FROM syncd.incoming ORDER BY id',
      )
    ).rows;
  return {
    cloud,
    db,
    client,
    loop,
    memory,
    lines,
    stored: () => stored,
    start(enabled = true) {
      loop.configure(enabled, null);
      running = loop.run(stopping.signal);
      running.catch(() => {});
    },
    running: () => running,
    /** Head office writes a product. */
    write: (entity_id: string, data: string | null = JSON.stringify({ id: entity_id })) =>
      cloud.edit({ entity_type: 'product', entity_id, data }),
    waiting,
    /** Waits until so many changes have come in. */
    arrived: (count: number) => eventually(waiting, (rows) => rows.length >= count, `${count} changes`),
    pulls: () => cloud.ledger.requests.filter(({ path }) => path === '/sync/changes'),
    outlet: async () => (await shop.sql.query('SELECT * FROM syncd.outlet_config')).rows[0],
    told: (words: string) => lines.filter(({ message, fields }) => JSON.stringify([message, fields]).includes(words)),
    async stop() {
      stopping.abort();
      await running;
    },
    async close() {
      stopping.abort();
      await running?.catch(() => {});
      client.abort();
      await cloud.stop();
      await db.destroy();
    },
  };
}
