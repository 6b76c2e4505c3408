/**
 * B2: what it costs that somebody keeps an old snapshot open, as a report, a dump or a forgotten psql does: nothing that was
 * settled since can leave the queue's index. A drain must not slow down towards its end, and afterwards a look must not read
 * again whatever was settled: that is the server's CPU for a sale.
 */
import pg from 'pg';
import type { Cluster } from '../../src/demo/postgres.js';
import { sleep } from '../../src/time.js';
import { installSyncd, startDaemon } from './daemon.js';
import { settled } from './drain.js';
import type { Measurement } from './measurement.js';
import { sell } from './pgbench.js';
import { type Cloud, startCloud } from './programs.js';
import { emptyAndRefill, fillQueue } from './queue-filler.js';
import { figureOf } from './report.js';
import { onDatabase, serverCpuMs, startServer } from './server.js';
import { ratios } from './statistics.js';
import { createShop } from './variants.js';

const DATABASE = 'snapshot';
/** As many times the changes of a drain, and one round for so many of the others: it takes a minute. */
const LONGER = 5;
/** A minute of them: what the daemon does once a minute is in it once. */
const SALES = 300;
const BETWEEN_SALES_MS = 200;
/** The daemon has noticed by then what is done with. */
const CALM_MS = 5_000;

type Shop = { cluster: Cluster; cloud: Cloud };

export const oldSnapshot: Measurement = {
  benches: ['B2'],
  async measure(_wanted, { changes: single, rounds }, progress) {
    const cluster = await startServer();
    const cloud = await startCloud(1000, ['gzip', 'br']);
    try {
      const shop = { cluster, cloud };
      await createShop(cluster, DATABASE);
      await installSyncd(cluster, DATABASE);
      progress(`filling the queue with ${LONGER * single} changes`);
      const changes = await fillQueue(cluster, DATABASE, LONGER * single);
      const tenths = { first: [] as number[], last: [] as number[] };
      const sales = { before: [] as number[], after: [] as number[] };
      for (let round = 0; round < Math.ceil(rounds / LONGER); round++) {
        sales.before.push(await cpuOfSale(shop));
        const drained = await drainBesideSnapshot(shop, changes);
        tenths.first.push(drained.first);
        tenths.last.push(drained.last);
        sales.after.push(drained.cpuMsOfSale);
        progress(
          `round ${round + 1}: ${Math.round(drained.first)} changes/s in the first tenth, ${Math.round(drained.last)} in the last`,
        );
      }
      const common = { bench: 'B2', unit: 'x', detail: {} };
      return [
        figureOf(ratios(tenths.last, tenths.first), {
          ...common,
          what: `drain of ${changes} beside an old snapshot, last tenth`,
          reference: 'its first tenth',
          bound: { must: 0.9, aim: 1, better: 'higher' },
        }),
        figureOf(ratios(sales.after, sales.before), {
          ...common,
          what: `server's CPU for a sale, ${changes} settled beside it`,
          reference: 'an empty queue',
        }),
      ];
    } finally {
      await cloud.stop();
      await cluster.destroy();
    }
  },
};

async function cpuOfSale({ cluster, cloud }: Shop): Promise<number> {
  await onDatabase(cluster.url(DATABASE), (client) =>
    client.query('TRUNCATE syncd.sync_queue, syncd.entity_state, syncd.sync_logs'),
  );
  const daemon = await startDaemon({ cluster, database: DATABASE, cloudUrl: cloud.url, compression: 'br' }, false);
  try {
    await sleep(CALM_MS);
    return await sellSlowly(cluster);
  } finally {
    await daemon.stop();
  }
}

/** Changes a second in both tenths; CPU in ms. */
async function drainBesideSnapshot({ cluster, cloud }: Shop, changes: number) {
  await emptyAndRefill(cluster, DATABASE);
  const forgotten = new pg.Client(cluster.url(DATABASE));
  await forgotten.connect();
  await forgotten.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  await forgotten.query('SELECT count(*) FROM products');
  const daemon = await startDaemon({ cluster, database: DATABASE, cloudUrl: cloud.url, compression: 'br' }, true);
  try {
    cloud.pushes.length = 0;
    await daemon.resume();
    await settled(cluster, DATABASE, cloud, changes);
    const first = rateBetween(cloud, 0, changes / 10);
    const last = rateBetween(cloud, (changes * 9) / 10, changes);
    await sleep(CALM_MS);
    return { first, last, cpuMsOfSale: await sellSlowly(cluster) };
  } finally {
    await daemon.stop();
    await forgotten.end();
  }
}

/** Changes a second from the push that reached `from` changes to the one that reached `to`. */
function rateBetween({ pushes }: Cloud, from: number, to: number): number {
  let received = 0;
  const reached: { at: number; received: number }[] = [];
  for (const push of pushes) {
    received += push.changes;
    if (received > from && received <= to) reached.push({ at: push.at, received });
  }
  const [begin, end] = [reached[0], reached.at(-1)];
  if (!begin || !end || begin === end) throw new Error('too few pushes to tell a rate');
  return ((end.received - begin.received) / (end.at - begin.at)) * 1_000;
}

/** The server's CPU in ms, looks of the daemon included, for each of some single sales. */
async function sellSlowly(cluster: Cluster): Promise<number> {
  const before = await serverCpuMs(cluster.pid as number);
  for (let sale = 0; sale < SALES; sale++) {
    await sell(cluster, DATABASE, 1, { salesEach: 1 });
    await sleep(BETWEEN_SALES_MS);
  }
  return ((await serverCpuMs(cluster.pid as number)) - before) / SALES;
}
