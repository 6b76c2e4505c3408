/**
 * Where the fault tests play: a PostgreSQL with the shop's tables and its commits kept for the checker, the reference cloud as
 * its own process, syncd installed, the daemon as its own process. `close` ends all of it; where a test failed, it keeps the
 * daemon's log and says where.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { installCapture } from '../../src/capture/install.js';
import type { WireCapabilities } from '../../src/cloud/wire.js';
import { loadSettings } from '../../src/config/load.js';
import type { EntityRecord } from '../../src/demo/cloud/records.js';
import type { ComparedTable } from '../../src/demo/compare.js';
import { Cluster, freePort } from '../../src/demo/postgres.js';
import { seededRandom } from '../../src/demo/shop/random.js';
import {
  entityLines,
  SHARED_TYPES,
  SHOP_ENTITIES,
  SHOP_REFERENCES,
  SHOP_SCHEMA,
  TWO_WAY_ENTITIES,
} from '../../src/demo/shop/schema.js';
import { Till } from '../../src/demo/shop/till.js';
import { monotonicMs, sleep } from '../../src/time.js';
import { CloudProcess } from '../support/cloud-process.js';
import { type CheckOptions, checkConvergence } from '../support/convergence/convergence.js';
import { gatherEvidence } from '../support/convergence/evidence.js';
import { historyOf } from '../support/convergence/history.js';
import { keepCommits } from '../support/convergence/journal.js';
import type { Finding } from '../support/convergence/judge.js';
import { Daemon } from './daemon.js';
import { Seller, type SellerOptions } from './seller.js';

export const OUTLET = 'JKT-014';
const API_KEY = 'a-key-for-fault-tests';
const WEBHOOK_SECRET = 'a-secret-for-fault-tests';
const DATABASE = 'kopi_senja';

export type StandOptions = {
  postgres?: Record<string, string>;
  /** `cloud.timeout`; with units. */
  timeout?: string;
  /** Where the daemon is to find the cloud, when not at its own address. */
  cloudUrl?: (cloud: CloudProcess) => Promise<string>;
  /** The certificate that it is to trust, asked for after `cloudUrl`. */
  caFile?: () => string;
  /** The cloud's environment beside our own. */
  cloudEnv?: Record<string, string>;
  /** What merging falls to, in place of each entity's own. */
  mergeFallback?: string;
  /** What the cloud says that it takes. */
  capabilities?: Partial<WireCapabilities>;
  /** Lines under `sync.retry`, as YAML in one line. */
  retry?: string;
  /** `sync.long_poll` and `sync.interval`; with units. */
  longPoll?: string;
  interval?: string;
  /** Head office edits too: by pull, and by webhook where it is told to. */
  twoWay?: true;
};

export class Stand {
  readonly directory: string;
  readonly cluster: Cluster;
  readonly cloud: CloudProcess;
  readonly daemon: Daemon;
  readonly configFile: string;
  readonly tables: ComparedTable[];
  #sellers: Seller[] = [];
  #days = 0;
  #owner: pg.Client | undefined;

  private constructor(
    directory: string,
    cluster: Cluster,
    cloud: CloudProcess,
    configFile: string,
    tables: ComparedTable[],
  ) {
    this.directory = directory;
    this.cluster = cluster;
    this.cloud = cloud;
    this.configFile = configFile;
    this.tables = tables;
    this.daemon = new Daemon(directory, configFile);
  }

  /** Everything but the daemon runs afterwards; the shop is stocked. */
  static async open(options: StandOptions = {}): Promise<Stand> {
    const directory = mkdtempSync(join(tmpdir(), 'syncd-fault-'));
    const settings = { wal_level: 'logical', max_wal_senders: '2', max_replication_slots: '2', ...options.postgres };
    const [cluster, cloud] = await Promise.all([
      Cluster.start({ settings }),
      CloudProcess.start(
        directory,
        {
          apiKey: API_KEY,
          references: SHOP_REFERENCES,
          webhook_retry: { first_ms: 100, cap_ms: 500, timeout_ms: 5_000 },
          ...(options.twoWay && { shared: SHARED_TYPES }),
          ...(options.capabilities && { capabilities: options.capabilities }),
        },
        options.cloudEnv,
      ),
    ]);
    const configFile = join(directory, 'syncd.yaml');
    const stand = new Stand(directory, cluster, cloud, configFile, options.twoWay ? TWO_WAY_ENTITIES : SHOP_ENTITIES);
    try {
      await cluster.createDatabase(DATABASE);
      await stand.query(SHOP_SCHEMA);
      await keepCommits(await stand.owner());
      const cloudUrl = (await options.cloudUrl?.(cloud)) ?? cloud.url;
      const webhook = options.twoWay ? await stand.#openWebhooks() : '';
      writeFileSync(configFile, configuration(stand, cloudUrl, options, webhook), { mode: 0o600 });
      const { settings } = loadSettings({ file: configFile, env: {} });
      await installCapture({ adminUrl: cluster.url(DATABASE), settings });
      const till = await Till.open(stand.posUrl, seededRandom(1), () => '2026-11-22T02:00:00.000001Z');
      await till.stockShop();
      await till.close();
      return stand;
    } catch (error) {
      await stand.close();
      throw error;
    }
  }

  get posUrl(): string {
    return this.cluster.url(DATABASE, 'pos');
  }

  get databaseUrl(): string {
    return this.cluster.url(DATABASE, 'syncd');
  }

  get ownerUrl(): string {
    return this.cluster.url(DATABASE);
  }

  /** A connection as the owner, made anew when the last one broke. */
  async owner(): Promise<pg.Client> {
    if (this.#owner) return this.#owner;
    const client = new pg.Client({ connectionString: this.ownerUrl, application_name: 'test', ssl: false });
    client.on('error', () => {
      if (this.#owner === client) this.#owner = undefined;
    });
    await client.connect();
    this.#owner = client;
    return client;
  }

  async query<T extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> {
    const owner = await this.owner();
    return values.length === 0 ? (await owner.query<T>(text)).rows : (await owner.query<T>(text, values)).rows;
  }

  /** Opens tills; `close` and `quiet` close them. */
  sell(options: Partial<SellerOptions> = {}): Seller {
    this.#days += 1;
    const seller = new Seller({ url: this.posUrl, ...options, seed: (options.seed ?? 1) + 7919 * this.#days });
    this.#sellers.push(seller);
    return seller;
  }

  /** Tells the cloud where webhooks are taken; returns the daemon's line for it. */
  async #openWebhooks(): Promise<string> {
    const listen = `127.0.0.1:${await freePort()}`;
    const secretsFile = join(this.directory, 'webhook_secrets');
    writeFileSync(secretsFile, `${WEBHOOK_SECRET}\n`, { mode: 0o600 });
    await this.cloud.subscribe({
      outlet_id: OUTLET,
      url: `http://${listen}`,
      profile: 'timestamped',
      secret: WEBHOOK_SECRET,
    });
    return `webhook: { listen: ${listen}, secrets_file: '${secretsFile}', allow_ips: [127.0.0.1/32] }`;
  }

  /** New customers, each in a transaction of its own; their names count from 1. */
  async addCustomers(count: number): Promise<void> {
    await this.query(`DO $$ BEGIN FOR i IN 1..${count} LOOP
      INSERT INTO customers VALUES (gen_random_uuid(), 'customer ' || i, '+62', 0, NULL, clock_timestamp());
      COMMIT; END LOOP; END $$`);
  }

  /** How many changes the cloud has accepted. */
  async accepted(): Promise<number> {
    return (await this.cloud.statistics()).outcomes.accepted;
  }

  /** Waits for a condition. @throws Error with the daemon's last words when it does not come true within `ms` */
  async until(what: string, ms: number, done: () => Promise<boolean> | boolean): Promise<void> {
    for (const deadline = monotonicMs() + ms; ; await sleep(20)) {
      const yes = await Promise.resolve(done()).catch(() => false);
      if (yes) return;
      if (monotonicMs() <= deadline) continue;
      const words = this.daemon.words().split('\n').slice(-15).join('\n');
      const sold = this.#sellers.map((seller) => seller.sold).join(', ');
      throw new Error(`${what}: not within ${ms} ms; sold: ${sold}. The daemon's last words:\n${words}`);
    }
  }

  /** Closes the tills, then waits until nothing is pending any more, either way; returns for how long. */
  async quiet(ms = 20_000): Promise<number> {
    await this.closeTills();
    const startedAt = monotonicMs();
    await this.until('nothing waits, either way', ms, async () => (await this.#unsettled()) === 0);
    return monotonicMs() - startedAt;
  }

  /**
   * How many changes wait to be sent or applied, conflicts for their strategy, and entities of head office's are known in an
   * older version. The cloud is asked first and the shop in one snapshot: what passes from one of these to another is counted.
   * All of this is asked only where nothing waits to be sent: all that the cloud holds is much to read at every look.
   */
  async #unsettled(): Promise<number> {
    const [sending] = await this.query<{ waiting: number }>('SELECT waiting::int FROM syncd.sync_light');
    if (sending === undefined) throw new Error('the shop told nothing');
    if (sending.waiting > 0) return sending.waiting;
    const pulled = this.tables.filter((table) => table.pulled === true).map((table) => table.entity_type);
    const theirs: EntityRecord[] = [];
    for (const type of pulled) theirs.push(...(await this.cloud.entities(OUTLET, type)));
    const [shop] = await this.query<{ waiting: number; known: Record<string, number> }>(
      `SELECT
        (SELECT waiting FROM syncd.sync_light)::int
        + (SELECT count(*) FROM syncd.incoming WHERE status = 'waiting')::int
        + (SELECT count(*) FROM syncd.sync_conflicts WHERE status = 'open' AND reason IS NULL)::int AS waiting,
        (SELECT coalesce(json_object_agg(entity_type || ' ' || entity_id, cloud_version), '{}') FROM syncd.entity_state
          WHERE entity_type = ANY ($1)) AS known`,
      [pulled],
    );
    if (shop === undefined) throw new Error('the shop told nothing');
    const behind = theirs.filter(
      ({ entity_type, entity_id, cloud_version }) => (shop.known[`${entity_type} ${entity_id}`] ?? 0) < cloud_version,
    );
    return shop.waiting + behind.length;
  }

  /** @throws Error when a sale failed although PostgreSQL was there */
  async closeTills(): Promise<void> {
    await Promise.all(this.#sellers.map((seller) => seller.close()));
    const failures = this.#sellers.flatMap((seller) => seller.failures);
    this.#sellers = [];
    if (failures.length > 0) throw new Error(`${failures.length} sales failed: ${failures.slice(0, 3).join('; ')}`);
  }

  /** What contradicts the invariants; empty where all is well. */
  async findings(options: CheckOptions = {}): Promise<Finding[]> {
    const evidence = await gatherEvidence(await this.owner(), this.tables, this.cloud, OUTLET);
    if (evidence.committed.length === 0) throw new Error('nothing was committed, so nothing was tested');
    const found = await checkConvergence(await this.owner(), this.tables, evidence, {
      references: SHOP_REFERENCES,
      ...options,
    });
    for (const finding of found.slice(0, 3)) process.stderr.write(`${historyOf(evidence, finding)}\n`);
    return found;
  }

  async close(): Promise<void> {
    await Promise.all(this.#sellers.map((seller) => seller.close()));
    await this.daemon.kill();
    await this.#owner?.end().catch(() => {});
    await this.cloud.end('SIGKILL');
    await this.cluster.destroy();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function configuration(stand: Stand, cloudUrl: string, options: StandOptions, webhook: string): string {
  const usual = entityLines(stand.tables);
  const { mergeFallback } = options;
  const lines = mergeFallback ? usual.replaceAll(/merge_fallback: \w+/g, `merge_fallback: ${mergeFallback}`) : usual;
  return `outlet: { id: ${OUTLET}, code: ${OUTLET}, timezone: Asia/Jakarta }
database: { url: '${stand.databaseUrl}' }
state_dir: '${join(stand.directory, 'state')}'
cloud: { url: '${cloudUrl}', timeout: ${options.timeout ?? '5s'}, api_key: ${API_KEY}${options.caFile ? `, ca_file: '${options.caFile()}'` : ''} }
admin: { listen: 127.0.0.1:0 }
${webhook}
sync: { long_poll: ${options.longPoll ?? '25s'}, interval: ${options.interval ?? '30s'}, retry: { ${options.retry ?? 'initial_backoff: 200ms, max_backoff: 1s'} } }
entities:
${lines}
`;
}
