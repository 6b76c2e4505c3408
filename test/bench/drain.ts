/**
 * B1 and F: how fast a full queue empties over real HTTP, and what memory that takes. The daemon and the bare pipe drain the
 * same captured sales into the same null cloud, one after the other in turned order; once plain, once with brotli.
 * A drain lasts from the word "go" until the last row is settled.
 */
import type { Cluster } from '../../src/demo/postgres.js';
import { sleep } from '../../src/time.js';
import { installSyncd, startDaemon } from './daemon.js';
import type { BenchOptions, Measurement } from './measurement.js';
import { type Cloud, startCloud, startProgram } from './programs.js';
import { allSettled, emptyAndRefill, fillQueue } from './queue-filler.js';
import { type Figure, figureOf } from './report.js';
import { cpuOf, serverCpuMs, startServer } from './server.js';
import { median, ratios, turned } from './statistics.js';
import { createShop } from './variants.js';

const DATABASE = 'drain';
const ENCODINGS = ['none', 'br'] as const;
type Encoding = (typeof ENCODINGS)[number];
const PROGRAMS = ['daemon', 'pipe'] as const;
const MILLION = 1_000_000;

type Bench = { cluster: Cluster; cloud: Cloud; progress: (line: string) => void };
/** Milliseconds of time and of CPU, the program's and the server's. */
type Drained = { ms: number; cpuMs: number; serverCpuMs: number; rssMb: number | undefined };

export const drain: Measurement = {
  benches: ['B1', 'F'],
  async measure(wanted, options, progress) {
    const cluster = await startServer();
    try {
      await createShop(cluster, DATABASE);
      await installSyncd(cluster, DATABASE);
      const cloud = await startCloud(1000, ['gzip', 'br']);
      const bench = { cluster, cloud, progress };
      try {
        const figures = await drainInRounds(bench, options);
        if (options.million) figures.push(await drainMillion(bench));
        return figures.filter((figure) => wanted.includes(figure.bench));
      } finally {
        await cloud.stop();
      }
    } finally {
      await cluster.destroy();
    }
  },
};

async function drainInRounds(bench: Bench, options: BenchOptions): Promise<Figure[]> {
  const changes = await fillQueue(bench.cluster, DATABASE, options.changes);
  const drained: Record<(typeof PROGRAMS)[number], Record<Encoding, Drained[]>> = {
    daemon: { none: [], br: [] },
    pipe: { none: [], br: [] },
  };
  for (let round = 0; round < options.rounds; round++) {
    for (const encoding of ENCODINGS) {
      for (const program of turned([...PROGRAMS], round)) {
        const result = await (program === 'daemon' ? byDaemon : byPipe)(bench, encoding, changes);
        drained[program][encoding].push(result);
        const rss = result.rssMb === undefined ? '' : `, ${Math.round(result.rssMb)} MB`;
        bench.progress(
          `round ${round + 1}, ${program}, ${encoding}: ${Math.round(changes / (result.ms / 1000))} changes/s${rss}`,
        );
      }
    }
  }
  const speeds = ENCODINGS.map((encoding) =>
    speedFigure(drained.daemon[encoding], drained.pipe[encoding], encoding, changes),
  );
  const memory = ENCODINGS.flatMap((encoding) => drained.daemon[encoding].map(({ rssMb }) => rssMb as number));
  return [...speeds, memoryFigure(memory, changes)];
}

async function drainMillion(bench: Bench): Promise<Figure> {
  bench.progress(`filling the queue with ${MILLION} changes`);
  const changes = await fillQueue(bench.cluster, DATABASE, MILLION);
  const { ms, rssMb } = await byDaemon(bench, 'br', changes);
  bench.progress(
    `${changes} changes, daemon: ${Math.round(changes / (ms / 1000))} changes/s, ${Math.round(rssMb as number)} MB`,
  );
  return memoryFigure([rssMb as number], changes);
}

function speedFigure(ours: Drained[], bare: Drained[], encoding: Encoding, changes: number): Figure {
  const speeds = (list: Drained[]) => list.map(({ ms }) => changes / (ms / 1000));
  const cpuUs = (list: Drained[], of: 'cpuMs' | 'serverCpuMs') => (median(list.map((one) => one[of])) * 1000) / changes;
  const detail = {
    changes_per_s: median(speeds(ours)),
    reference_changes_per_s: median(speeds(bare)),
    cpu_us_per_change: cpuUs(ours, 'cpuMs'),
    reference_cpu_us_per_change: cpuUs(bare, 'cpuMs'),
    server_cpu_us_per_change: cpuUs(ours, 'serverCpuMs'),
    reference_server_cpu_us_per_change: cpuUs(bare, 'serverCpuMs'),
  };
  const what = `drain of ${changes} changes, ${encoding === 'none' ? 'uncompressed' : 'brotli'}`;
  const bound = { must: 0.6, aim: 0.8, better: 'higher' as const };
  return figureOf(ratios(speeds(ours), speeds(bare)), {
    bench: 'B1',
    what,
    reference: 'bare pipe',
    unit: 'x',
    bound,
    detail,
  });
}

function memoryFigure(sample: number[], changes: number): Figure {
  const bound = { must: 200, aim: 130, better: 'lower' as const };
  return figureOf(sample, {
    bench: 'F',
    what: `peak RSS while draining ${changes}`,
    reference: '',
    unit: 'MB',
    bound,
    detail: {},
  });
}

async function byDaemon(bench: Bench, compression: Encoding, changes: number): Promise<Drained> {
  const { cluster, cloud } = bench;
  await emptyAndRefill(cluster, DATABASE);
  const daemon = await startDaemon({ cluster, database: DATABASE, cloudUrl: cloud.url, compression }, true);
  try {
    const drained = await timed(bench, daemon.pid, changes, () => daemon.resume());
    return { ...drained, rssMb: daemon.peakRssMb() };
  } finally {
    await daemon.stop();
  }
}

async function byPipe(bench: Bench, encoding: Encoding, changes: number): Promise<Drained> {
  const { cluster, cloud } = bench;
  await emptyAndRefill(cluster, DATABASE);
  const file = new URL('./references/bare-pipe.ts', import.meta.url);
  const pipe = await startProgram(file, [cluster.url(DATABASE), cloud.url, encoding]);
  try {
    const drained = await timed(bench, pipe.child.pid as number, changes, async () => void pipe.child.send('go'));
    return { ...drained, rssMb: undefined };
  } finally {
    await pipe.stop();
  }
}

async function timed({ cluster, cloud }: Bench, pid: number, changes: number, go: () => Promise<void>) {
  cloud.pushes.length = 0;
  const before = { cpuMs: cpuOf(pid), serverCpuMs: await serverCpuMs(cluster.pid as number) };
  const start = performance.now();
  await go();
  await settled(cluster, DATABASE, cloud, changes);
  const ms = performance.now() - start;
  return {
    ms,
    cpuMs: cpuOf(pid) - before.cpuMs,
    serverCpuMs: (await serverCpuMs(cluster.pid as number)) - before.serverCpuMs,
  };
}

/** A drain that stands still for this long has failed. */
const STALL_MS = 30_000;

/** Watches the cloud, which costs the drain nothing, and asks the database only at the end. */
export async function settled(cluster: Cluster, database: string, cloud: Cloud, changes: number): Promise<void> {
  let seen = { received: 0, at: performance.now() };
  while (cloud.received() < changes) {
    const received = cloud.received();
    if (received > seen.received) seen = { received, at: performance.now() };
    if (performance.now() - seen.at > STALL_MS)
      throw new Error(`the drain stands still at ${received} of ${changes} changes`);
    await sleep(5);
  }
  await allSettled(cluster, database, STALL_MS);
}
