/**
 * The demo's stage: PostgreSQL with the shop's tables, the cloud, syncd installed by its own command, the daemon as a process
 * of its own, the till. Starts all of it in order and takes all of it down in the reverse one, also when a start fails half way;
 * what a crash of this process leaves is a directory in the temporary folder.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { SyncError } from '../errors.js';
import { monotonicMs, sleep } from '../time.js';
import type { FaultRule } from './cloud/faults.js';
import type { ReferenceCloud } from './cloud/reference-cloud.js';
import { startReferenceCloud } from './cloud/server.js';
import { Cluster, freePort } from './postgres.js';
import type { Random } from './shop/random.js';
import { entityLines, POS_ROLE, SHARED_TYPES, SHOP_REFERENCES, SHOP_SCHEMA, TWO_WAY_ENTITIES } from './shop/schema.js';
import { Till } from './shop/till.js';
import { DaemonProcess, runSyncd } from './syncd-process.js';

const DATABASE = 'kopi_senja';
export const OUTLET = 'JKT-014';

/** The answer to the shop's next push is lost on its way. Whoever else tries the demo's cloud meanwhile loses none. */
export const LOST_ANSWER: FaultRule = {
  kind: 'lost-ack',
  times: 1,
  match: { path: '/sync/push', outlet_id: OUTLET },
};

type Queue = { waiting: number; troubled: number };

export type Stage = {
  directory: string;
  configFile: string;
  /** The dashboard, and the file with the token that it asks for. */
  dashboard: { url: string; tokenFile: string };
  posUrl: string;
  cloud: ReferenceCloud;
  daemon: DaemonProcess;
  till: Till;
  /** The database owner's connection, to look with. */
  owner: pg.Client;
  queue(): Promise<Queue>;
  /** Looks until `done`; false when `ms` passed without it, the daemon fell or `signal` aborted. */
  until(ms: number, done: () => Promise<boolean> | boolean, signal?: AbortSignal): Promise<boolean>;
  close(): Promise<void>;
};

export type StageOptions = {
  random: Random;
  clock: () => string;
  signal?: AbortSignal;
  /** Settings of the server. */
  postgres?: Record<string, string>;
};

/** @throws SyncError when something of it does not start; whatever had started is gone by then. */
export async function openStage({ random, clock, signal, postgres = {} }: StageOptions): Promise<Stage> {
  const undo: (() => Promise<void> | void)[] = [];
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= takeDown(undo.reverse());
    return closing;
  };
  const check = () => {
    if (signal?.aborted) throw new SyncError('failed', 'the demo was stopped while it started');
  };
  try {
    const directory = mkdtempSync(join(tmpdir(), 'syncd-demo-'));
    const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    process.once('exit', remove);
    undo.push(remove, () => void process.off('exit', remove));

    const cluster = await Cluster.start({ settings: postgres });
    undo.push(() => cluster.destroy());
    check();
    const ownerUrl = await cluster.createDatabase(DATABASE);
    const owner = new pg.Client({ connectionString: ownerUrl, application_name: 'demo', ssl: false });
    owner.on('error', () => {});
    await owner.connect();
    undo.push(() => owner.end());
    await owner.query(SHOP_SCHEMA);

    const apiKey = randomBytes(16).toString('hex');
    const cloud = await startReferenceCloud({ apiKey, references: SHOP_REFERENCES, shared: SHARED_TYPES });
    undo.push(() => cloud.stop());
    check();

    const keyFile = join(directory, 'cloud_api_key');
    writeFileSync(keyFile, `${apiKey}\n`, { mode: 0o600 });
    const webhooks = `127.0.0.1:${await freePort()}`;
    // The daemon is killed and started again; a page that is open finds it where it was.
    const admin = `127.0.0.1:${await freePort()}`;
    const secret = `whsec_${randomBytes(24).toString('base64')}`;
    const secretsFile = join(directory, 'webhook_secrets');
    writeFileSync(secretsFile, `${secret}\n`, { mode: 0o600 });
    cloud.subscribe({ outlet_id: OUTLET, url: `http://${webhooks}`, profile: 'standard', secret });
    const configFile = join(directory, 'syncd.yaml');
    const database = cluster.url(DATABASE, 'syncd');
    writeFileSync(
      configFile,
      configuration({ database, cloud: cloud.url, keyFile, webhooks, secretsFile, admin, directory }),
    );
    await runSyncd(['install', '--config', configFile, '--admin-url', ownerUrl], directory);
    check();

    const daemon = new DaemonProcess(directory, configFile);
    undo.push(() => daemon.stop());
    const posUrl = cluster.url(DATABASE, POS_ROLE);
    const till = await Till.open(posUrl, random, clock);
    undo.push(() => till.close());
    await till.stockShop();
    daemon.start();

    const until: Stage['until'] = async (ms, done, stop) => {
      for (const deadline = monotonicMs() + ms; !(await done()); await sleep(20, stop)) {
        if (stop?.aborted || daemon.fell || monotonicMs() > deadline) return false;
      }
      return true;
    };
    const dashboard = { url: `http://${admin}/`, tokenFile: join(directory, 'state', 'admin_token') };
    return {
      directory,
      configFile,
      dashboard,
      posUrl,
      cloud,
      daemon,
      till,
      owner,
      queue: () => queueOf(owner),
      until,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Every step is taken, whatever another throws; the first fault is thrown at the end. */
async function takeDown(steps: (() => Promise<void> | void)[]): Promise<void> {
  const faults: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length > 0) throw faults[0];
}

async function queueOf(owner: pg.Client): Promise<Queue> {
  const { rows } = await owner.query<Queue>(
    'SELECT waiting::integer AS waiting, troubled::integer AS troubled FROM syncd.sync_light',
  );
  return rows[0] as Queue;
}

function configuration(at: {
  database: string;
  cloud: string;
  keyFile: string;
  webhooks: string;
  secretsFile: string;
  admin: string;
  directory: string;
}): string {
  // YAML reads JSON's quoted texts, whatever the temporary folder is called.
  const quoted = JSON.stringify;
  return `# The demo's outlet. It is gone when the demo ends.
outlet: { id: ${OUTLET}, code: ${OUTLET}, timezone: Asia/Jakarta }
database: { url: ${quoted(at.database)} }
state_dir: ${quoted(join(at.directory, 'state'))}
cloud:
  url: ${quoted(at.cloud)}
  timeout: 5s
  api_key_file: ${quoted(at.keyFile)}
webhook: { listen: ${at.webhooks}, secrets_file: ${quoted(at.secretsFile)}, allow_ips: [127.0.0.1/32] }
admin: { listen: ${at.admin} }
entities:
${entityLines(TWO_WAY_ENTITIES)}
`;
}
