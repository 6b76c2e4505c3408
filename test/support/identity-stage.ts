/**
 * Shops that are copied, restored and moved: databases of one server, each with its configuration, daemons in this process, and one
 * reference cloud that sees them all. Wants the built program for what a person types.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { installCapture } from '../../src/capture/install.js';
import { loadSettings } from '../../src/config/load.js';
import type { Settings, Strategy } from '../../src/config/settings.js';
import { runDaemon } from '../../src/daemon/daemon.js';
import type { ReferenceCloud } from '../../src/demo/cloud/reference-cloud.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { Cluster } from '../../src/demo/postgres.js';
import type { Log, LogFields } from '../../src/log.js';
import { type CliRun, syncd } from './cli.js';
import { eventually } from './eventually.js';

const API_KEY = 'planted-api-key-123';
const TABLES = `
  CREATE TABLE products (sku text PRIMARY KEY, price numeric NOT NULL);
  CREATE TABLE sales (no int PRIMARY KEY, total numeric NOT NULL)`;

/** A configuration and what it points to. */
export type Outlet = { settings: Settings; config: string; database: string };

export type Running = { lines: string[]; ended: Promise<void>; stop(): Promise<void> };

export class IdentityStage {
  readonly cluster: Cluster;
  readonly cloud: ReferenceCloud;
  readonly #directory = mkdtempSync(join(tmpdir(), 'syncd-identity-'));
  readonly #running: Running[] = [];

  private constructor(cluster: Cluster, cloud: ReferenceCloud) {
    this.cluster = cluster;
    this.cloud = cloud;
  }

  /** @param settings of the server */
  static async open(settings: Record<string, string> = {}): Promise<IdentityStage> {
    const [cluster, cloud] = await Promise.all([Cluster.start({ settings }), startReferenceCloud({ apiKey: API_KEY })]);
    return new IdentityStage(cluster, cloud);
  }

  /**
   * @param state the state directory's name; another host has another one
   * @param servers where the database may be found, in order
   * @param conflict the strategy; undefined: as it is where nobody says
   */
  outlet(id: string, database: string, state: string, servers = [this.cluster], conflict?: Strategy): Outlet {
    const config = join(this.#directory, `${id}-${database}-${state}.yaml`);
    const state_dir = join(this.#directory, state);
    mkdirSync(state_dir, { recursive: true });
    const yaml = `
outlet: { id: ${id}, timezone: Asia/Jakarta }
database: { url: ${JSON.stringify(servers.map((server) => server.url(database, 'syncd')))} }
state_dir: ${state_dir}
cloud: { url: "${this.cloud.url}", api_key: ${API_KEY}, timeout: 5s }
admin: { listen: 127.0.0.1:0 }
sync: { long_poll: 1s, interval: 1s${conflict === undefined ? '' : `, conflict: ${conflict}`} }
entities:
  product: { table: products, direction: both }
  sale: { table: sales, direction: push }
`;
    writeFileSync(config, yaml, { mode: 0o600 });
    return { settings: loadSettings({ file: config, env: {} }).settings, config, database };
  }

  /** A new shop, installed. */
  async shop(id: string, database: string, state: string, conflict?: Strategy): Promise<Outlet> {
    await this.cluster.createDatabase(database);
    await this.sql(database, TABLES);
    const outlet = this.outlet(id, database, state, [this.cluster], conflict);
    await installCapture({ adminUrl: this.cluster.url(database), settings: outlet.settings });
    return outlet;
  }

  async sql<T = Record<string, unknown>>(database: string, text: string, server = this.cluster): Promise<T[]> {
    const client = new pg.Client(server.url(database));
    await client.connect();
    try {
      const result = await client.query(text);
      return result.rows as T[];
    } finally {
      await client.end();
    }
  }

  /** The same in one transaction that `amid` happens in, before its end: neither side can know of the other. */
  async sqlAmid(database: string, text: string, amid: () => void): Promise<void> {
    const client = new pg.Client(this.cluster.url(database));
    await client.connect();
    try {
      await client.query(`BEGIN; ${text}`);
      amid();
      await client.query('COMMIT');
    } finally {
      await client.end();
    }
  }

  /** A copy of the database as it is, as a backup that was restored would be: nobody may be connected to the original. */
  async copy(from: string, to: string): Promise<void> {
    await this.sql('postgres', `CREATE DATABASE ${to} TEMPLATE ${from}`);
  }

  run({ settings }: Outlet): Running {
    const lines: string[] = [];
    const stopping = new AbortController();
    const ended = runDaemon(settings, collect(lines), stopping.signal);
    ended.catch(() => {});
    const running = {
      lines,
      ended,
      stop: async () => {
        stopping.abort();
        await ended;
      },
    };
    this.#running.push(running);
    return running;
  }

  /** What a person types. */
  type({ config }: Outlet, ...args: string[]): Promise<CliRun> {
    return syncd([...args, '--config', config]);
  }

  async drained(database: string, server = this.cluster): Promise<void> {
    const query = 'SELECT waiting::int FROM syncd.sync_light';
    await eventually(
      async () => (await this.sql<{ waiting: number }>(database, query, server))[0]?.waiting,
      (waiting) => waiting === 0,
      `the queue of ${database} drained`,
      20_000,
    );
  }

  async stopped(database: string): Promise<{ code: string; reason: string }> {
    const look = () =>
      this.sql<{ code: string | null; reason: string }>(
        database,
        'SELECT stopped_code AS code, stopped_reason AS reason FROM syncd.outlet_config',
      );
    const [row] = await eventually(look, ([one]) => one?.code != null, `a stop in ${database}`);
    return row as { code: string; reason: string };
  }

  /** The cloud's row of an outlet, parsed. */
  at(outlet_id: string, type: string, id: string): Record<string, unknown> | undefined {
    const found = this.cloud.entities(outlet_id).find((one) => one.entity_type === type && one.entity_id === id);
    return found?.data == null ? undefined : JSON.parse(found.data);
  }

  async close(): Promise<void> {
    for (const running of this.#running) await running.stop().catch(() => {});
    await this.cloud.stop();
    await this.cluster.destroy();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function collect(lines: string[]): Log {
  const take = (message: string, fields: LogFields = {}) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  return { error: take, warn: take, info: take, debug: () => {} };
}
