/** The real daemon in this process, between a shop's database and a reference cloud, and ways to look at both ends. */
import { mkdirSync } from 'node:fs';
import { installCapture } from '../../src/capture/install.js';
import type { EntitySettings, Settings } from '../../src/config/settings.js';
import { runDaemon } from '../../src/daemon/daemon.js';
import type { CloudOptions } from '../../src/demo/cloud/open.js';
import type { ReferenceCloud } from '../../src/demo/cloud/reference-cloud.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import type { Cluster } from '../../src/demo/postgres.js';
import type { Log, LogFields } from '../../src/log.js';
import { setEnabled } from '../../src/ops/control.js';
import { eventually } from './eventually.js';
import { openShop } from './shop.js';

const API_KEY = 'planted-api-key-123';

export type Line = { level: string; message: string; fields: LogFields };

export type OutletOptions = {
  cloud?: Partial<CloudOptions>;
  /** Told before the daemon starts. */
  prepare?: (cloud: ReferenceCloud) => void;
  retry?: Partial<Settings['sync']['retry']>;
  timeoutMs?: number;
  /** What is set otherwise for some entities. */
  entities?: Record<string, Partial<EntitySettings>>;
  sync?: Partial<Settings['sync']>;
  /** Stands between the daemon and the cloud. @returns its own URL */
  through?: (url: string) => Promise<string>;
};

export type Outlet = Awaited<ReturnType<typeof openOutlet>>;

/** Exact values of every kind that JavaScript would spoil; a line's parent where the cloud is told so. */
const EXACT = 'CREATE TABLE exact (id bigint PRIMARY KEY, n numeric, f float8, at timestamptz)';

export async function openOutlet(cluster: Cluster, name: string, options: OutletOptions = {}) {
  const shop = await openShop(cluster, name);
  const cloud = await startReferenceCloud({ apiKey: API_KEY, ...options.cloud });
  options.prepare?.(cloud);
  await shop.sql.query(EXACT);
  const entities = new Map(shop.settings.entities);
  entities.set('exact', { ...(entities.get('line') as EntitySettings), table: 'exact' });
  entities.set('shift', { ...(entities.get('shift') as EntitySettings), coalesce: true });
  for (const [entity, given] of Object.entries(options.entities ?? {}))
    entities.set(entity, { ...(entities.get(entity) as EntitySettings), ...given });
  const settings: Settings = {
    ...shop.settings,
    entities,
    database: { urls: [cluster.url(name, 'syncd')] },
    cloud: {
      ...shop.settings.cloud,
      url: (await options.through?.(cloud.url)) ?? cloud.url,
      timeoutMs: options.timeoutMs ?? 5_000,
    },
    sync: {
      ...shop.settings.sync,
      ...options.sync,
      retry: { maxRetries: 3, initialBackoffMs: 50, maxBackoffMs: 200, multiplier: 2, ...options.retry },
    },
  };
  await installCapture({ adminUrl: shop.url, settings });
  // As `syncd run` does first of all.
  mkdirSync(settings.state_dir, { recursive: true });
  const lines: Line[] = [];
  let stopping = new AbortController();
  const run = () => {
    const running = runDaemon(settings, collect(lines), stopping.signal);
    running.catch(() => {});
    return running;
  };
  let running = run();
  const one = async (text: string, values: unknown[] = []) => (await shop.sql.query(text, values)).rows[0];
  const entity = (type: string, id: string) =>
    cloud.entities().find(({ entity_type, entity_id }) => entity_type === type && entity_id === id);
  return {
    shop,
    cloud,
    settings,
    lines,
    get running() {
      return running;
    },
    one,
    entity,
    /** Waits until the cloud has the entity. @param version or a later one */
    arrives: (type: string, id: string, version = 1) =>
      eventually(
        () => entity(type, id)?.cloud_version,
        (found) => found !== undefined && found >= version,
        `${type} ${id} at version ${version} in the cloud`,
      ),
    /** What the cloud saw of one entity, in order. */
    deliveries: (type: string, id: string) =>
      cloud.ledger.deliveries.filter((delivery) => delivery.entity_type === type && delivery.entity_id === id),
    /** Waits until nothing is pending any more; `troubled` may stay. */
    drained: () =>
      eventually(
        async () => (await one('SELECT waiting::int FROM syncd.sync_light')).waiting as number,
        (waiting) => waiting === 0,
        'the queue drained',
      ),
    /** Ends the daemon alone. */
    async stop() {
      stopping.abort();
      await running;
    },
    /** Starts it again, after `stop`. */
    start() {
      stopping = new AbortController();
      running = run();
    },
    async close() {
      stopping.abort();
      await running.catch(() => {});
      await cloud.stop();
      await shop.close();
    },
  };
}

/** What became of every change in the queue, in its order. */
export const statuses = async ({ shop }: Outlet) =>
  (await shop.sql.query('SELECT entity_id, status, error_message FROM syncd.sync_queue ORDER BY id')).rows;

/** Everything that waits is in one batch then. */
export async function atOnce(outlet: Outlet, write: () => Promise<unknown>): Promise<void> {
  await setEnabled(outlet.shop.db, false, 'budi', undefined);
  await eventually(
    () => outlet.lines.some((line) => line.message.startsWith('paused')),
    (told) => told,
    'paused',
  );
  await write();
  await setEnabled(outlet.shop.db, true, 'budi', undefined);
}

function collect(lines: Line[]): Log {
  const take =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void lines.push({ level, message, fields });
  return { error: take('error'), warn: take('warn'), info: take('info'), debug: take('debug') };
}
