/**
 * A5: what capture costs one statement that touches 100,000 rows: every price of a large catalogue is raised. A statement's
 * time is taken at the client, commit included; the ratio is to the bare statement of the same round.
 */
import type { Cluster } from '../../src/demo/postgres.js';
import type { Measurement } from './measurement.js';
import { type Figure, figureOf } from './report.js';
import { onDatabase, serverCpuMs, startServer } from './server.js';
import { median, ratios, turned } from './statistics.js';
import { attended, createShop, createVariant, freshen, VARIANTS, type Variant, type VariantName } from './variants.js';

const RAISE = 'UPDATE products SET price = price + 500, updated_at = now()';
const ROWS = 100_000;
/** Awake or asleep, folded or not: the same for a single statement. */
const LEFT_OUT: VariantName[] = ['asleep', 'naive'];

type Sample = { ms: number; cpuMs: number };

export const captureBulk: Measurement = {
  benches: ['A5'],
  async measure(_wanted, options, progress) {
    const variants = VARIANTS.filter(({ name }) => !LEFT_OUT.includes(name));
    const samples = new Map<VariantName, Sample[]>(variants.map(({ name }) => [name, []]));
    const cluster = await startServer();
    try {
      await createShop(cluster);
      for (const variant of variants) {
        await createVariant(cluster, variant);
        await raise(cluster, variant);
      }
      for (let round = 0; round < options.rounds; round++) {
        for (const variant of turned(variants, round)) {
          const sample = await raise(cluster, variant);
          samples.get(variant.name)?.push(sample);
          progress(`round ${round + 1}, ${variant.name}: ${Math.round(sample.ms)} ms`);
        }
      }
      return figuresOf(variants, samples);
    } finally {
      await cluster.destroy();
    }
  },
};

async function raise(cluster: Cluster, variant: Variant): Promise<Sample> {
  await freshen(cluster, variant);
  return attended(cluster, variant, async () => {
    const cpuBefore = await serverCpuMs(cluster.pid as number);
    const ms = await onDatabase(cluster.url(variant.database), async (client) => {
      const before = performance.now();
      const { rowCount } = await client.query(RAISE);
      const elapsed = performance.now() - before;
      if (rowCount !== ROWS) throw new Error(`raised ${rowCount} prices, not ${ROWS}`);
      return elapsed;
    });
    return { ms, cpuMs: (await serverCpuMs(cluster.pid as number)) - cpuBefore };
  });
}

function figuresOf(variants: Variant[], samples: Map<VariantName, Sample[]>): Figure[] {
  const msOf = (name: VariantName) => (samples.get(name) as Sample[]).map((sample) => sample.ms);
  const cpuOf = (name: VariantName) => (samples.get(name) as Sample[]).map((sample) => sample.cpuMs);
  return variants.flatMap(({ name, title }) => {
    if (name === 'none') return [];
    const detail = {
      ms: median(msOf(name)),
      bare_ms: median(msOf('none')),
      cpu_ratio: median(ratios(cpuOf(name), cpuOf('none'))),
    };
    const rest = {
      bench: 'A5',
      what: `UPDATE of 100,000 rows: ${title}`,
      reference: 'bare statement',
      unit: 'x',
      detail,
    };
    const bound = name === 'awake' ? { must: 3, aim: 2.5, better: 'lower' as const } : undefined;
    return figureOf(ratios(msOf(name), msOf('none')), { ...rest, ...(bound && { bound }) });
  });
}
