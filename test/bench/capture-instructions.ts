/**
 * A6: what capture costs a single sale in instructions of the till's backend, counted by valgrind (Debian's package `valgrind`).
 * A1 trembles by several per cent on a machine that does anything else; this count does not, to a thousandth, so it shows what a
 * change of the triggers or of the queue's table is worth. It knows nothing of what waits: locks, the disk, the client.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import type { Cluster } from '../../src/demo/postgres.js';
import { sleep } from '../../src/time.js';
import type { Measurement } from './measurement.js';
import { isInstalled, sell } from './pgbench.js';
import { type Figure, figureOf } from './report.js';
import { onDatabase, startServer } from './server.js';
import { attended, createShop, createVariant, VARIANTS, type Variant, type VariantName } from './variants.js';

const COMPARED: VariantName[] = ['none', 'smallest', 'naive', 'symmetric', 'awake'];
const BARE: VariantName = 'smallest';
const OURS: VariantName = 'awake';
/** Two counts, of which the smaller is taken off the larger: what a session costs before its first sale falls out. */
const FEW = 50;
const MANY = 250;

export const captureInstructions: Measurement = {
  benches: ['A6'],
  async measure(_wanted, _options, progress) {
    if (!isInstalled('valgrind')) {
      progress('left out, for valgrind is not installed: apt-get install valgrind');
      return [];
    }
    const variants = VARIANTS.filter(({ name }) => COMPARED.includes(name));
    const folder = mkdtempSync(join(tmpdir(), 'syncd-count-'));
    // The server may run as another user.
    chmodSync(folder, 0o777);
    const cluster = await startServer();
    try {
      await createShop(cluster);
      for (const variant of variants) {
        await createVariant(cluster, variant);
        await onDatabase(cluster.url(variant.database), (client) => client.query('VACUUM (ANALYZE)'));
      }
      await cluster.stop();
      await cluster.start([
        'valgrind',
        '--tool=callgrind',
        '--trace-children=yes',
        `--callgrind-out-file=${folder}/%p`,
      ]);
      const pids = new Map<VariantName, [few: number, many: number]>();
      for (const variant of variants) {
        pids.set(variant.name, await attended(cluster, variant, () => tillsOf(cluster, variant)));
        progress(`${variant.name} has sold`);
      }
      // A process writes its count when it ends.
      await cluster.stop();
      return [figureOfCounts(new Map([...pids].map(([name, [few, many]]) => [name, perSale(folder, few, many)])))];
    } finally {
      await cluster.destroy();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** One till after the other; returns the process ids of their backends. */
async function tillsOf(cluster: Cluster, { database }: Variant): Promise<[few: number, many: number]> {
  return onDatabase(cluster.url(database), async (client) => [
    await soldBy(cluster, client, database, FEW),
    await soldBy(cluster, client, database, MANY),
  ]);
}

async function soldBy(cluster: Cluster, client: pg.Client, database: string, salesEach: number): Promise<number> {
  let selling = true;
  const sold = sell(cluster, database, 1, { salesEach }).finally(() => {
    selling = false;
  });
  let pid = 0;
  // The load generator's first connection only asks for the version: the last one sells.
  while (selling) {
    const { rows } = await client.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench' AND datname = current_database()`,
    );
    pid = rows[0]?.pid ?? pid;
    await sleep(50);
  }
  await sold;
  return pid;
}

function perSale(folder: string, few: number, many: number): number {
  const total = (pid: number) =>
    Number(/^(?:summary|totals): (\d+)/m.exec(readFileSync(join(folder, String(pid)), 'utf8'))?.[1]);
  return (total(many) - total(few)) / (MANY - FEW);
}

function figureOfCounts(counts: ReadonlyMap<VariantName, number>): Figure {
  const of = (name: VariantName) => counts.get(name) as number;
  return figureOf([of(BARE) / of(OURS)], {
    bench: 'A6',
    what: 'instructions of a sale: syncd, daemon awake',
    reference: 'smallest trigger',
    unit: 'x',
    detail: Object.fromEntries([...counts].map(([name, count]) => [`${name}_thousands`, count / 1_000])),
  });
}
