/**
 * E: what a change weighs on the wire. Real sales, captured by the triggers and sent by the daemon in batches of 500 (the
 * cloud allows no more), with gzip and with brotli; the reference is the same JSON before it was compressed.
 */
import { installSyncd, startDaemon } from './daemon.js';
import type { Measurement } from './measurement.js';
import { startCloud } from './programs.js';
import { allSettled, emptyAndRefill, fillQueue } from './queue-filler.js';
import { type Figure, figureOf } from './report.js';
import { startServer } from './server.js';
import { createShop } from './variants.js';

const DATABASE = 'wire';
const BATCH = 500;
const CHANGES = 24_000;
/** Batches that grow from a careful start are not counted. */
const FULL = 480;

export const wireBytes: Measurement = {
  benches: ['E'],
  async measure(_wanted, _options, progress) {
    const cluster = await startServer();
    try {
      await createShop(cluster, DATABASE);
      await installSyncd(cluster, DATABASE);
      await fillQueue(cluster, DATABASE, CHANGES);
      const figures: Figure[] = [];
      for (const compression of ['gzip', 'br'] as const) {
        await emptyAndRefill(cluster, DATABASE);
        const cloud = await startCloud(BATCH, ['gzip', 'br']);
        const daemon = await startDaemon({ cluster, database: DATABASE, cloudUrl: cloud.url, compression }, false);
        try {
          await allSettled(cluster, DATABASE, 60_000);
        } finally {
          await daemon.stop();
          await cloud.stop();
        }
        const full = cloud.pushes.filter(({ changes }) => changes >= FULL);
        progress(`${compression}: ${full.length} full batches of ${cloud.pushes.length}`);
        const sum = (of: 'changes' | 'bytes' | 'wireBytes') => full.reduce((total, push) => total + push[of], 0);
        const detail = {
          bytes_a_change: sum('wireBytes') / sum('changes'),
          json_bytes_a_change: sum('bytes') / sum('changes'),
        };
        const bound = { must: 0.25, aim: 0.18, better: 'lower' as const };
        const sample = full.map(({ wireBytes, bytes }) => wireBytes / bytes);
        figures.push(
          figureOf(sample, {
            bench: 'E',
            what: `bytes a change, ${compression}`,
            reference: 'raw JSON',
            unit: 'x',
            bound,
            detail,
          }),
        );
      }
      return figures;
    } finally {
      await cluster.destroy();
    }
  },
};
