/**
 * Somebody knocks at the webhook port 5,000 times a second, or with a thousand connections that say nothing. The way out must
 * not notice, memory must stay as it is, and the cloud must still be heard. What the whole machine makes of it is measured by
 * the bench W; here counts what does not depend on who else uses the processor: the CPU of the thread that pushes.
 */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { Cluster } from '../../src/demo/postgres.js';
import { BENCH_WEBHOOK_SECRET, type Daemon, installSyncd, startDaemon } from '../bench/daemon.js';
import { freePort, startFlood } from '../bench/flood.js';
import { type Cloud, startCloud } from '../bench/programs.js';
import { createShop } from '../bench/variants.js';
import { eventually } from '../support/eventually.js';
import { sendRaw } from '../support/raw-http.js';
import { onWire } from '../support/signed-webhook.js';

const DATABASE = 'flooded';
const SALES = 10_000;
/** So many bad requests have to come while the sales go out. */
const FLOOD = 1_000;
/** What pushing may cost under a flood, as a ratio of CPU. */
const MOST_COST = 1.2;
/** So long a starved machine may take to bring about what is quick elsewhere. */
const STARVED_MS = 45_000;
const ROUNDS = { least: 3, most: 8 };
const FILL = `INSERT INTO orders (order_number, cashier, status, subtotal, tax, total)
  SELECT 'JKT-' || n, 'kasir-1', 'paid', 40000, 4400, 44400 FROM generate_series(1, ${SALES}) n`;

let cluster: Cluster;
let cloud: Cloud;
let sql: pg.Client;
let daemon: Daemon;
let port: number;
beforeAll(async () => {
  cluster = await Cluster.start();
  await createShop(cluster, DATABASE);
  await installSyncd(cluster, DATABASE);
  sql = new pg.Client(cluster.url(DATABASE));
  await sql.connect();
  cloud = await startCloud(1000, ['gzip', 'br']);
  port = await freePort();
  daemon = await startDaemon(
    { cluster, database: DATABASE, cloudUrl: cloud.url, compression: 'br', webhookPort: port },
    false,
  );
});
afterAll(async () => {
  await daemon?.stop();
  await cloud?.stop();
  await sql?.end();
  await cluster?.destroy();
});

/** For how long the daemon's first thread, the one that pushes, has been on a processor so far, in ms. */
function pusherCpuMs(): number {
  return Number(readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6;
}

function rssMb(): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Sells and waits until the cloud has it all. @returns the CPU that pushing it took, in ms */
async function sellAndDrain(): Promise<number> {
  cloud.pushes.length = 0;
  const before = pusherCpuMs();
  await sql.query(FILL);
  await eventually(cloud.received, (received) => received >= SALES, 'everything is pushed', 30_000);
  await eventually(
    async () => (await sql.query("SELECT FROM syncd.sync_queue WHERE status <> 'synced' LIMIT 1")).rowCount,
    (count) => count === 0,
    'everything is settled',
  );
  return pusherCpuMs() - before;
}

/** A true webhook from another address of this machine. */
async function webhook(): Promise<number | undefined> {
  const wire = { signing: { profile: 'body', secret: BENCH_WEBHOOK_SECRET } } as const;
  return (await sendRaw(port, [onWire(wire)], { from: '127.0.0.2' }))[0]?.status;
}

test('a flood of bad signatures costs the way out nothing, takes no memory, and does not drown the cloud', async () => {
  await sellAndDrain();
  const cpuMs = { quiet: [] as number[], flooded: [] as number[] };
  const rss: number[] = [];
  // A round may find the address still locked out by the one before: then nothing of it is even looked at.
  const told = new Set<string>();
  let skipped = 0;
  // The least of each: what else the machine does can only add to it, so on a busy one more rounds tell more.
  const ratio = () => Math.min(...cpuMs.flooded) / Math.min(...cpuMs.quiet);
  for (let round = 0; round < ROUNDS.least || (ratio() > MOST_COST && round < ROUNDS.most); round++) {
    cpuMs.quiet.push(await sellAndDrain());
    const flood = await startFlood('bad', port, 5_000);
    try {
      await eventually(
        async () => (await flood.report()).answers['429'] ?? 0,
        (refused) => refused > 0,
        'it is noticed',
      );
      // On a starved machine the flood itself comes slowly: pushing goes on until it was one.
      do {
        cpuMs.flooded.push(await sellAndDrain());
      } while ((await flood.report()).sent < FLOOD);
      expect(await webhook()).toBe(202);
      rss.push(rssMb());
      const { answers, ...rest } = await flood.report();
      skipped += rest.skipped;
      for (const status of Object.keys(answers)) told.add(status);
    } finally {
      await flood.stop();
    }
  }
  expect([...told].sort()).toEqual(['401', '429']);
  expect({ ratio: ratio() <= MOST_COST, cpuMs, skipped }).toMatchObject({ ratio: true });
  expect(Math.max(...rss) - (rss[0] as number)).toBeLessThan(30);
}, 180_000);

test('a thousand connections that say nothing take no memory, and the cloud is still heard', async () => {
  const before = rssMb();
  const flood = await startFlood('slow', port, 1_000);
  try {
    await eventually(
      async () => (await flood.report()).sent,
      (sent) => sent > 5_000,
      'a thousand, again and again',
      STARVED_MS,
    );
    expect(await webhook()).toBe(202);
    await sellAndDrain();
    expect(rssMb() - before).toBeLessThan(30);
  } finally {
    await flood.stop();
  }
}, 120_000);
