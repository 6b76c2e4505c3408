/**
 * C: how long after its COMMIT returned a single sale has arrived at the cloud. The daemon and the bare LISTEN + POST run side
 * by side, each on its own database with its own cloud, and take turns; nothing else happens. Measured twice: with the daemon
 * asleep before each sale, which is what an idle system is, and with sales that follow each other while it may still be
 * polling. Both instants are on the host's monotonic clock.
 */
import pg from 'pg';
import { LOCK_CLASS, LOCKS } from '../../src/db/schema.js';
import type { Cluster } from '../../src/demo/postgres.js';
import { sleep, within } from '../../src/time.js';
import { hostMs } from './clock.js';
import { installSyncd, startDaemon } from './daemon.js';
import type { BenchOptions, Measurement } from './measurement.js';
import { type Cloud, startCloud, startProgram } from './programs.js';
import { type Figure, figureOf } from './report.js';
import { startServer } from './server.js';
import { median, quantile, ratios } from './statistics.js';
import { createShop, runReferences } from './variants.js';

const OURS = 'latency';
const BARE = 'bare_latency';
/** Between two sales of one program lie two such pauses. */
const PAUSE_MS = { least: 20, most: 400 };
/** In which state the daemon is found, and what the bounds are about. */
const REGIMES = { idle: 'asleep before each', following: '0.04 to 0.8 s apart' } as const;
type Regime = keyof typeof REGIMES;
const LOST_MS = 30_000;
/** Sales before the measured ones: connections, prepared statements and compiled code settle. */
const WARM_UP = 20;
const PAY =
  "INSERT INTO orders (order_number, cashier, status, subtotal, tax, total) VALUES ($1, 'kasir-1', 'paid', 40000, 4400, 44400)";

type Till = { cloud: Cloud; client: pg.Client };

export const latency: Measurement = {
  benches: ['C'],
  async measure(_wanted, options, progress) {
    const cluster = await startServer();
    const stops: (() => Promise<void>)[] = [() => cluster.destroy()];
    try {
      const ours = await openTill(cluster, OURS, stops, () => installSyncd(cluster, OURS));
      const bare = await openTill(cluster, BARE, stops, () =>
        runReferences(cluster.url(BARE), 'queue', 'folded', 'naive'),
      );
      const daemon = await startDaemon({ cluster, database: OURS, cloudUrl: ours.cloud.url, compression: 'br' }, false);
      stops.push(daemon.stop);
      const program = await startProgram(new URL('./references/bare-notify.ts', import.meta.url), [
        cluster.url(BARE),
        bare.cloud.url,
      ]);
      stops.push(program.stop);
      const idle = await takeTurns('idle', ours, bare, options, progress);
      return [...idle, ...(await takeTurns('following', ours, bare, options, progress))];
    } finally {
      for (const stop of stops.reverse()) await stop();
    }
  },
};

async function openTill(
  cluster: Cluster,
  database: string,
  stops: (() => Promise<void>)[],
  install: () => Promise<void>,
): Promise<Till> {
  await createShop(cluster, database);
  await install();
  const cloud = await startCloud(1000, ['gzip', 'br']);
  stops.push(cloud.stop);
  const client = new pg.Client(cluster.url(database));
  await client.connect();
  stops.push(() => client.end());
  return { cloud, client };
}

async function takeTurns(
  regime: Regime,
  ours: Till,
  bare: Till,
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<Figure[]> {
  const pause = pauses(1);
  const taken: { ours: number[]; bare: number[] } = { ours: [], bare: [] };
  for (let sale = -WARM_UP; sale < options.singles; sale++) {
    if (regime === 'idle') await asleep(ours);
    for (const [name, till] of [['ours', ours] as const, ['bare', bare] as const]) {
      await sleep(pause());
      const ms = await sellOne(till, sale);
      if (sale >= 0) taken[name].push(ms);
    }
    if (sale > 0 && sale % 50 === 0)
      progress(
        `${regime}, ${sale} sales: p50 ${median(taken.ours).toFixed(1)} ms, bare ${median(taken.bare).toFixed(1)} ms`,
      );
  }
  const detail = {
    p50_ms: median(taken.ours),
    p99_ms: quantile(taken.ours, 0.99),
    max_ms: Math.max(...taken.ours),
    reference_p50_ms: median(taken.bare),
    reference_p99_ms: quantile(taken.bare, 0.99),
  };
  const blocks = (sample: number[]) => inBlocks(sample, options.rounds).map(median);
  const halfRatios = ratios(blocks(taken.ours), blocks(taken.bare));
  const p99 = [quantile(taken.ours, 0.99)];
  const what = (share: string) => `commit to cloud, ${share} of ${options.singles} sales, ${REGIMES[regime]}`;
  const bounds =
    regime === 'idle'
      ? ([
          { must: 2, aim: 1.3, better: 'lower' },
          { must: 15, better: 'lower' },
        ] as const)
      : [];
  return [
    figureOf(halfRatios, {
      bench: 'C',
      what: what('p50'),
      reference: 'LISTEN + POST',
      unit: 'x',
      detail,
      ...(bounds[0] && { bound: bounds[0] }),
    }),
    figureOf(p99, {
      bench: 'C',
      what: what('p99'),
      reference: '',
      unit: 'ms',
      detail: {},
      ...(bounds[1] && { bound: bounds[1] }),
    }),
  ];
}

/** Waits until the daemon has let go of the wake gate: from then on a sale has to notify it. */
async function asleep({ client }: Till): Promise<void> {
  const deadline = performance.now() + LOST_MS;
  const HELD = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND mode = 'ExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
  while ((await client.query({ name: 'held', text: HELD, values: [LOCK_CLASS, LOCKS.gateAwake] })).rowCount !== 0) {
    if (performance.now() > deadline) throw new Error(`the daemon did not fall asleep within ${LOST_MS} ms`);
    await sleep(20);
  }
}

/** From the moment that COMMIT has returned until the cloud had the whole push. */
async function sellOne({ cloud, client }: Till, sale: number): Promise<number> {
  const push = cloud.nextPush();
  await client.query({ name: 'pay', text: PAY, values: [`JKT-014-${sale}`] });
  const committed = hostMs();
  const { at } = await within(
    LOST_MS,
    push,
    () => new Error(`sale ${sale} did not reach the cloud within ${LOST_MS} ms`),
  );
  return at - committed;
}

/** Pauses in ms that are the same in every run. */
function pauses(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return PAUSE_MS.least + (state / 2_147_483_647) * (PAUSE_MS.most - PAUSE_MS.least);
  };
}

/** The sample cut into `count` stretches of time; what is left over stays out. */
function inBlocks(sample: number[], count: number): number[][] {
  const size = Math.floor(sample.length / count);
  return Array.from({ length: count }, (_, block) => sample.slice(block * size, (block + 1) * size));
}
