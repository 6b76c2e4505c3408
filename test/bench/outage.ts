/**
 * I: what an outage of an hour costs afterwards. 18,000 sales (five a second) wait when the line comes back: 1 Mbit/s, round trips
 * of 300 ms, and of a hundred requests two are cut off. The reference is the line itself: what the same compressed bytes take on it
 * when nothing is lost and nobody waits.
 */
import { seededRandom } from '../../src/demo/shop/random.js';
import { installSyncd, startDaemon } from './daemon.js';
import { settled } from './drain.js';
import type { Measurement } from './measurement.js';
import { startCloud } from './programs.js';
import { emptyAndRefill, fillQueue } from './queue-filler.js';
import { figureOf } from './report.js';
import { startServer } from './server.js';
import { SlowLine } from './slow-line.js';
import { median } from './statistics.js';
import { createShop } from './variants.js';

const DATABASE = 'outage';
const ROWS_A_SALE = 6;
const CHANGES = 3_600 * 5 * ROWS_A_SALE;
const LINE = { bytesPerS: 125_000, roundTripMs: 300, cut: 0.02 };
/** A round takes more than a minute, and the line's rate is the same in all of them. */
const MOST_ROUNDS = 3;

export const outage: Measurement = {
  benches: ['I'],
  async measure(_wanted, { rounds }, progress) {
    const cluster = await startServer();
    try {
      await createShop(cluster, DATABASE);
      await installSyncd(cluster, DATABASE);
      const changes = await fillQueue(cluster, DATABASE, CHANGES);
      const found: { ratio: number; s: number; limitS: number; cuts: number }[] = [];
      for (let round = 0; round < Math.min(rounds, MOST_ROUNDS); round++) {
        await emptyAndRefill(cluster, DATABASE);
        const cloud = await startCloud(1_000, ['gzip', 'br'], 'gzip');
        const line = await SlowLine.start(Number(new URL(cloud.url).port), {
          ...LINE,
          random: seededRandom(round + 1).fraction,
        });
        const cloudUrl = cloud.url.replace(/:\d+/, `:${line.port}`);
        const daemon = await startDaemon({ cluster, database: DATABASE, cloudUrl, compression: 'br' }, true);
        try {
          const begun = performance.now();
          await daemon.resume();
          await settled(cluster, DATABASE, cloud, changes);
          const s = (performance.now() - begun) / 1_000;
          // What came twice, for its answer was cut off, is the outage's price and not the line's.
          const sum = (of: 'changes' | 'wireBytes') => cloud.pushes.reduce((total, push) => total + push[of], 0);
          const limitS = ((sum('wireBytes') / sum('changes')) * changes) / LINE.bytesPerS + LINE.roundTripMs / 1_000;
          found.push({ ratio: s / limitS, s, limitS, cuts: line.cuts });
          progress(
            `round ${round + 1}: ${s.toFixed(1)} s, the line's own limit ${limitS.toFixed(1)} s, ${line.cuts} requests cut off`,
          );
        } finally {
          await daemon.stop();
          await line.stop();
          await cloud.stop();
        }
      }
      return [
        figureOf(
          found.map(({ ratio }) => ratio),
          {
            bench: 'I',
            what: `after an hour's outage: ${changes} changes over 1 Mbit/s, 300 ms, 2 % cut`,
            reference: "the line's limit",
            unit: 'x',
            bound: { must: 1.5, aim: 1.15, better: 'lower' },
            detail: {
              s: median(found.map(({ s }) => s)),
              limit_s: median(found.map(({ limitS }) => limitS)),
              cuts: median(found.map(({ cuts }) => cuts)),
            },
          },
        ),
      ];
    } finally {
      await cluster.destroy();
    }
  },
};
