/**
 * B3: the daemon beside two job queues for PostgreSQL that a shop could have been given instead, each with a handler that posts to
 * the same cloud. They keep no order within an entity, no whole transactions, no versions and no states. Each drains as many of the
 * same changes as take it some seconds; what is compared is changes a second.
 */
import { once } from 'node:events';
import type { Cluster } from '../../src/demo/postgres.js';
import { installSyncd, startDaemon } from './daemon.js';
import { settled } from './drain.js';
import type { Measurement } from './measurement.js';
import { type Cloud, startCloud, startProgram } from './programs.js';
import { emptyAndRefill, fillQueue } from './queue-filler.js';
import { type Bound, type Figure, figureOf } from './report.js';
import { onDatabase, startServer } from './server.js';
import { median, ratios, turned } from './statistics.js';
import { createShop } from './variants.js';

const DATABASE = 'jobs';

type JobQueue = { name: string; file: string; schema: string; most: number; what: string; bound: Bound };
const QUEUES: JobQueue[] = [
  {
    name: 'pg-boss',
    file: 'pg-boss-http.ts',
    schema: 'pgboss',
    most: 50_000,
    what: '3 × 500 in flight',
    bound: { must: 4, aim: 8, better: 'higher' },
  },
  {
    name: 'graphile-worker',
    file: 'graphile-worker-http.ts',
    schema: 'graphile_worker',
    most: 10_000,
    what: '20 single ones in flight',
    bound: { must: 20, aim: 40, better: 'higher' },
  },
];

type Shop = { cluster: Cluster; cloud: Cloud };

export const jobQueues: Measurement = {
  benches: ['B3'],
  async measure(_wanted, options, progress) {
    const cluster = await startServer();
    const cloud = await startCloud(1000, ['gzip', 'br']);
    try {
      const shop = { cluster, cloud };
      await createShop(cluster, DATABASE);
      await installSyncd(cluster, DATABASE);
      const changes = await fillQueue(cluster, DATABASE, options.changes);
      const speeds = new Map(['syncd', ...QUEUES.map(({ name }) => name)].map((name) => [name, [] as number[]]));
      for (let round = 0; round < options.rounds; round++) {
        for (const program of turned([undefined, ...QUEUES], round)) {
          const name = program?.name ?? 'syncd';
          const speed = await (program ? byQueue(shop, program, changes) : byDaemon(shop, changes));
          speeds.get(name)?.push(speed);
          progress(`round ${round + 1}, ${name}: ${Math.round(speed)} changes/s`);
        }
      }
      return QUEUES.map((queue) => speedFigure(speeds.get('syncd') ?? [], speeds.get(queue.name) ?? [], queue));
    } finally {
      await cloud.stop();
      await cluster.destroy();
    }
  },
};

function speedFigure(ours: number[], theirs: number[], { name, what, bound }: JobQueue): Figure {
  return figureOf(ratios(ours, theirs), {
    bench: 'B3',
    what: `drain, uncompressed; the other with ${what}`,
    reference: name,
    unit: 'x',
    bound,
    detail: { changes_per_s: median(ours), reference_changes_per_s: median(theirs) },
  });
}

async function byDaemon({ cluster, cloud }: Shop, changes: number): Promise<number> {
  await emptyAndRefill(cluster, DATABASE);
  const daemon = await startDaemon({ cluster, database: DATABASE, cloudUrl: cloud.url, compression: 'none' }, true);
  try {
    return await speedOf(cloud, changes, async () => {
      await daemon.resume();
      await settled(cluster, DATABASE, cloud, changes);
    });
  } finally {
    await daemon.stop();
  }
}

async function byQueue({ cluster, cloud }: Shop, { file, schema, most }: JobQueue, changes: number): Promise<number> {
  const count = Math.min(most, changes);
  const url = cluster.url(DATABASE);
  await onDatabase(url, (client) => client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`));
  const program = await startProgram(
    new URL(`./references/${file}`, import.meta.url),
    [url, cloud.url, String(count)],
    FILLING_MS,
  );
  try {
    await onDatabase(url, async (client) => {
      await client.query('VACUUM (ANALYZE)');
      await client.query('CHECKPOINT');
    });
    return await speedOf(cloud, count, async () => {
      program.child.send('go');
      await once(program.child, 'message');
    });
  } finally {
    await program.stop();
  }
}

/** Its jobs are made before it is ready. */
const FILLING_MS = 120_000;

/** @throws Error where the cloud did not get every change: then something else was measured */
async function speedOf(cloud: Cloud, changes: number, drain: () => Promise<void>): Promise<number> {
  cloud.pushes.length = 0;
  const start = performance.now();
  await drain();
  const ms = performance.now() - start;
  if (cloud.received() !== changes) throw new Error(`the cloud has ${cloud.received()} of ${changes} changes`);
  return changes / (ms / 1000);
}
