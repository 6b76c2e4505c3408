/**
 * A1 to A4: what capture costs a single sale (an order, its three lines, the payment's update, the stock: six captured
 * rows), at 4 and 16 tills. Every variant sells for the same time in every round, in turned order; a ratio is always between
 * two variants of the same round. The server's CPU for one sale stands beside the throughput, for it trembles less.
 */
import type { Cluster } from '../../src/demo/postgres.js';
import type { BenchOptions, Measurement } from './measurement.js';
import { sell } from './pgbench.js';
import { type Bound, type Figure, figureOf } from './report.js';
import { serverCpuMs, startServer } from './server.js';
import { median, ratios, turned } from './statistics.js';
import { attended, createShop, createVariant, freshen, VARIANTS, type Variant, type VariantName } from './variants.js';

const CLIENTS = [4, 16];

type Comparison = {
  bench: string;
  reference: VariantName;
  title: string;
  /** By number of tills; undefined: shown only. */
  bounds: Record<number, Bound> | undefined;
};
const COMPARISONS: Comparison[] = [
  {
    bench: 'A1',
    reference: 'smallest',
    title: 'smallest trigger',
    bounds: { 4: atLeast(0.8, 0.92), 16: atLeast(0.8, 0.92) },
  },
  { bench: 'A2', reference: 'none', title: 'no trigger', bounds: undefined },
  {
    bench: 'A3',
    reference: 'naive',
    title: 'row trigger + NOTIFY',
    bounds: { 4: atLeast(1.15, 1.4), 16: atLeast(1.7, 2.2) },
  },
  { bench: 'A3', reference: 'folded', title: 'the same, folded to one', bounds: undefined },
  {
    bench: 'A4',
    reference: 'symmetric',
    title: 'SymmetricDS-shaped trigger',
    bounds: { 4: atLeast(1, 1.2), 16: atLeast(1, 1.2) },
  },
];
const comparisonsOf = (bench: string) => COMPARISONS.filter((comparison) => comparison.bench === bench);
const OURS: VariantName[] = ['awake', 'asleep'];

type Sample = { tps: number; cpuMs: number };

export const captureSales: Measurement = {
  benches: [...new Set(COMPARISONS.map(({ bench }) => bench))],
  async measure(wanted, options, progress) {
    const comparisons = wanted.flatMap((bench) => comparisonsOf(bench));
    const names = new Set([...comparisons.map(({ reference }) => reference), ...OURS]);
    const variants = VARIANTS.filter((variant) => names.has(variant.name));
    const cluster = await startServer(options.flushUs);
    try {
      await createShop(cluster);
      for (const database of new Map(variants.map((variant) => [variant.database, variant])).values()) {
        await createVariant(cluster, database);
        await sell(cluster, database.database, 4, { seconds: 2 });
      }
      const samples = await sellInRounds(cluster, variants, options, progress);
      return CLIENTS.flatMap((clients) =>
        comparisons.flatMap((comparison) => compare(comparison, clients, samples, options.flushUs)),
      );
    } finally {
      await cluster.destroy();
    }
  },
};

type Samples = Map<string, Sample[]>;
const keyOf = (name: VariantName, clients: number) => `${name} at ${clients}`;

async function sellInRounds(
  cluster: Cluster,
  variants: Variant[],
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<Samples> {
  const samples: Samples = new Map();
  for (let round = 0; round < options.rounds; round++) {
    for (const clients of CLIENTS) {
      for (const variant of turned(variants, round)) {
        const sample = await sellOnce(cluster, variant, clients, options.seconds);
        const key = keyOf(variant.name, clients);
        samples.set(key, [...(samples.get(key) ?? []), sample]);
        progress(
          `round ${round + 1}, ${key}: ${Math.round(sample.tps)} sales/s, ${sample.cpuMs.toFixed(3)} ms of CPU each`,
        );
      }
    }
  }
  return samples;
}

async function sellOnce(cluster: Cluster, variant: Variant, clients: number, seconds: number): Promise<Sample> {
  await freshen(cluster, variant);
  return attended(cluster, variant, async () => {
    const before = await serverCpuMs(cluster.pid as number);
    const { tps, transactions } = await sell(cluster, variant.database, clients, { seconds });
    return { tps, cpuMs: ((await serverCpuMs(cluster.pid as number)) - before) / transactions };
  });
}

function compare(comparison: Comparison, clients: number, samples: Samples, flushUs: number): Figure[] {
  const disk = flushUs === 0 ? '' : `, flushes ${flushUs} µs longer`;
  const { bench, reference, title, bounds } = comparison;
  const bare = samples.get(keyOf(reference, clients)) as Sample[];
  // Against no trigger at all the references are shown too: what capturing costs anybody.
  const compared = VARIANTS.filter(({ name }) => OURS.includes(name) || (reference === 'none' && name !== 'none'));
  return compared.flatMap(({ name, title: what }) => {
    const sample = samples.get(keyOf(name, clients));
    if (!sample) return [];
    const tps = (rounds: Sample[]) => rounds.map((round) => round.tps);
    const cpu = (rounds: Sample[]) => rounds.map((round) => round.cpuMs);
    const detail = {
      sales_per_s: median(tps(sample)),
      reference_sales_per_s: median(tps(bare)),
      cpu_ms_per_sale: median(cpu(sample)),
      reference_cpu_ms_per_sale: median(cpu(bare)),
      cpu_ratio: median(ratios(cpu(sample), cpu(bare))),
    };
    // The bounds are for a daemon that is awake: asleep it stays only until the first sale.
    const bound = name === 'awake' ? bounds?.[clients] : undefined;
    const rest = { bench, what: `sales at ${clients} tills${disk}: ${what}`, reference: title, unit: 'x', detail };
    return figureOf(ratios(tps(sample), tps(bare)), { ...rest, ...(bound && { bound }) });
  });
}

function atLeast(must: number, aim: number): Bound {
  return { must, aim, better: 'higher' };
}
