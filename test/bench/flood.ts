/**
 * W: what a flood at the webhook port costs the way out. The daemon drains the same captured sales, with its webhook listener
 * open; once nobody knocks, once somebody sends 5,000 badly signed requests a second, once a thousand connections dribble.
 * In turned order, as a ratio of the times; the memory beside it.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import type { Cluster } from '../../src/demo/postgres.js';
import { sleep } from '../../src/time.js';
import { installSyncd, startDaemon } from './daemon.js';
import { settled } from './drain.js';
import type { FloodReport } from './flood-client.js';
import type { Measurement } from './measurement.js';
import { type Cloud, startCloud, startProgram } from './programs.js';
import { emptyAndRefill, fillQueue } from './queue-filler.js';
import { type Figure, figureOf } from './report.js';
import { startServer } from './server.js';
import { median, ratios, turned } from './statistics.js';
import { createShop } from './variants.js';

const DATABASE = 'drain';
const KINDS = ['none', 'bad', 'slow'] as const;
type Kind = (typeof KINDS)[number];
const STRENGTH = { bad: 5_000, slow: 1_000 } as const;
const CLIENT = new URL('./flood-client.ts', import.meta.url);
/** The flood lasts this long before the drain begins. */
const AHEAD_MS = 1_000;

type Drained = { ms: number; rssMb: number; report: FloodReport | undefined };

export const flood: Measurement = {
  benches: ['W'],
  async measure(_wanted, options, progress) {
    const cluster = await startServer();
    try {
      await createShop(cluster, DATABASE);
      await installSyncd(cluster, DATABASE);
      const cloud = await startCloud(1000, ['gzip', 'br']);
      try {
        const changes = await fillQueue(cluster, DATABASE, options.changes);
        const drained: Record<Kind, Drained[]> = { none: [], bad: [], slow: [] };
        for (let round = 0; round < options.rounds; round++) {
          for (const kind of turned([...KINDS], round)) {
            const one = await drainUnder(cluster, cloud, changes, kind);
            drained[kind].push(one);
            progress(`round ${round + 1}, ${kind}: ${wordsOf(one, changes)}`);
          }
        }
        return (['bad', 'slow'] as const).map((kind) => figure(kind, drained[kind], drained.none, changes));
      } finally {
        await cloud.stop();
      }
    } finally {
      await cluster.destroy();
    }
  },
};

async function drainUnder(cluster: Cluster, cloud: Cloud, changes: number, kind: Kind): Promise<Drained> {
  await emptyAndRefill(cluster, DATABASE);
  const webhookPort = await freePort();
  const options = { cluster, database: DATABASE, cloudUrl: cloud.url, compression: 'br', webhookPort } as const;
  const daemon = await startDaemon(options, true);
  const client = kind === 'none' ? undefined : await startFlood(kind, webhookPort, STRENGTH[kind]);
  try {
    await sleep(AHEAD_MS);
    cloud.pushes.length = 0;
    const start = performance.now();
    await daemon.resume();
    await settled(cluster, DATABASE, cloud, changes);
    const ms = performance.now() - start;
    return { ms, rssMb: daemon.peakRssMb(), report: await client?.report() };
  } finally {
    await client?.stop();
    await daemon.stop();
  }
}

/** A flood that goes on until it is stopped. */
export async function startFlood(kind: 'bad' | 'slow', port: number, strength: number) {
  const { child, stop } = await startProgram(CLIENT, [kind, String(port), String(strength)]);
  const report = async () => {
    const told = once(child, 'message');
    child.send('report');
    return ((await told) as [FloodReport])[0];
  };
  return { report, stop };
}

function figure(kind: 'bad' | 'slow', flooded: Drained[], quiet: Drained[], changes: number): Figure {
  const times = (list: Drained[]) => list.map(({ ms }) => ms);
  const reports = flooded.map(({ report }) => report as FloodReport);
  const what = kind === 'bad' ? `${STRENGTH.bad} bad requests/s` : `${STRENGTH.slow} slow connections`;
  return figureOf(ratios(times(flooded), times(quiet)), {
    bench: 'W',
    what: `drain of ${changes} changes under ${what}`,
    reference: 'nobody knocks',
    unit: 'x',
    bound: { must: 1.2, better: 'lower' },
    detail: {
      quiet_ms: median(times(quiet)),
      flooded_ms: median(times(flooded)),
      quiet_peak_rss_mb: median(quiet.map(({ rssMb }) => rssMb)),
      flooded_peak_rss_mb: median(flooded.map(({ rssMb }) => rssMb)),
      sent_per_s: median(reports.map(({ sent, ms }) => sent / (ms / 1_000))),
    },
  });
}

function wordsOf({ ms, rssMb, report }: Drained, changes: number): string {
  const speed = `${Math.round(changes / (ms / 1_000))} changes/s, ${Math.round(rssMb)} MB`;
  return report ? `${speed}; ${JSON.stringify({ ...report, ms: Math.round(report.ms) })}` : speed;
}

/** For a listener that has to be told its port. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
