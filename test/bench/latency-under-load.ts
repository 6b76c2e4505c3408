/**
 * C2: how long after its COMMIT returned a sale has arrived at the cloud while the shop sells a hundred a second: single marked
 * sales between those of four busy tills. Both instants are on the host's monotonic clock.
 */
import pg from 'pg';
import { sleep, within } from '../../src/time.js';
import { hostMs } from './clock.js';
import { installSyncd, startDaemon } from './daemon.js';
import type { Measurement } from './measurement.js';
import { sell } from './pgbench.js';
import { type Cloud, startCloud } from './programs.js';
import { figureOf } from './report.js';
import { startServer } from './server.js';
import { median, quantile } from './statistics.js';
import { createShop } from './variants.js';

const DATABASE = 'busy';
const TILLS = 4;
const SALES_PER_SECOND = 100;
const BETWEEN_MS = 40;
/** Marked sales before the measured ones, while everything warms up. */
const WARM_UP = 50;
const LOST_MS = 30_000;
const PAY =
  "INSERT INTO orders (order_number, cashier, status, subtotal, tax, total) VALUES ($1, 'kasir-1', 'paid', 40000, 4400, 44400)";

export const latencyUnderLoad: Measurement = {
  benches: ['C2'],
  async measure(_wanted, { singles }, progress) {
    const cluster = await startServer();
    const cloud = await startCloud(1000, ['gzip', 'br'], 'plain', 'marks');
    const till = new pg.Client(await createBusyShop());
    await till.connect();
    const daemon = await startDaemon({ cluster, database: DATABASE, cloudUrl: cloud.url, compression: 'br' }, false);
    try {
      const seconds = Math.ceil(((singles + WARM_UP) * 2 * BETWEEN_MS) / 1_000);
      const busy = sell(cluster, DATABASE, TILLS, { seconds, salesPerSecond: SALES_PER_SECOND });
      const taken = await sellMarked(till, cloud, singles);
      const { tps } = await busy;
      progress(`${Math.round(tps)} sales/s beside the marked ones`);
      return [
        figureOf([quantile(taken, 0.99)], {
          bench: 'C2',
          what: `commit to cloud, p99 of ${singles} sales beside ${SALES_PER_SECOND} a second`,
          reference: '',
          unit: 'ms',
          bound: { must: 50, aim: 25, better: 'lower' },
          detail: { p50_ms: median(taken), max_ms: Math.max(...taken), other_sales_per_s: tps },
        }),
      ];
    } finally {
      await daemon.stop();
      await till.end();
      await cloud.stop();
      await cluster.destroy();
    }

    async function createBusyShop(): Promise<string> {
      await createShop(cluster, DATABASE);
      await installSyncd(cluster, DATABASE);
      return cluster.url(DATABASE);
    }
  },
};

async function sellMarked(till: pg.Client, cloud: Cloud, singles: number): Promise<number[]> {
  const taken: number[] = [];
  for (let sale = -WARM_UP; sale < singles; sale++) {
    const mark = `MARKED-${sale + WARM_UP}`;
    const arrived = cloud.marked(mark);
    await till.query({ name: 'pay', text: PAY, values: [mark] });
    const committed = hostMs();
    const { at } = await within(LOST_MS, arrived, () => new Error(`${mark} did not arrive within ${LOST_MS} ms`));
    if (sale >= 0) taken.push(at - committed);
    await sleep(BETWEEN_MS);
  }
  return taken;
}
