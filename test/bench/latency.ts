/**
 * C: how long after its COMMIT returned a single sale has arrived at the cloud, on a system that is otherwise idle. The daemon
 * and the bare LISTEN + POST run side by side, each on its own database with its own cloud, and take turns. The pauses are
 * drawn from a range that finds the daemon sometimes still polling and sometimes asleep. Both instants are on the host's
 * monotonic clock.
 */
import pg from 'pg';
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
const PAUSE_MS = { least: 20, most: 600 };
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
      const bare = await openTill(cluster, BARE, stops, () => runReferences(cluster.url(BARE), 'queue', 'naive'));
      const daemon = await startDaemon({ cluster, database: OURS, cloudUrl: ours.cloud.url, compression: 'br' }, false);
      stops.push(daemon.stop);
      const program = await startProgram(new URL('./references/bare-notify.ts', import.meta.url), [
        cluster.url(BARE),
        bare.cloud.url,
      ]);
      stops.push(program.stop);
      return await takeTurns(ours, bare, options, progress);
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
  ours: Till,
  bare: Till,
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<Figure[]> {
  const pause = pauses(1);
  const taken: { ours: number[]; bare: number[] } = { ours: [], bare: [] };
  for (let sale = -WARM_UP; sale < options.singles; sale++) {
    for (const [name, till] of [['ours', ours] as const, ['bare', bare] as const]) {
      await sleep(pause());
      const ms = await sellOne(till, sale);
      if (sale >= 0) taken[name].push(ms);
    }
    if (sale > 0 && sale % 50 === 0)
      progress(`${sale} sales: p50 ${median(taken.ours).toFixed(1)} ms, bare ${median(taken.bare).toFixed(1)} ms`);
  }
  const detail = {
    p50_ms: median(taken.ours),
    p99_ms: quantile(taken.ours, 0.99),
    max_ms: Math.max(...taken.ours),
    reference_p50_ms: median(taken.bare),
    reference_p99_ms: quantile(taken.bare, 0.99),
  };
  const blocks = (sample: number[]) => inBlocks(sample, options.rounds).map(median);
  const half = { must: 2, aim: 1.3, better: 'lower' as const };
  const what = `commit to cloud, p50 of ${options.singles} single sales`;
  const worst = inBlocks(taken.ours, 1).map((sample) => quantile(sample, 0.99));
  return [
    figureOf(ratios(blocks(taken.ours), blocks(taken.bare)), {
      bench: 'C',
      what,
      reference: 'LISTEN + POST',
      unit: 'x',
      bound: half,
      detail,
    }),
    figureOf(worst, {
      bench: 'C',
      what: what.replace('p50', 'p99'),
      reference: '',
      unit: 'ms',
      bound: { must: 15, better: 'lower' },
      detail: {},
    }),
  ];
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
