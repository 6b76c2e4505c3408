/** The soak's looks at a real database: a sale that costs ever more is found, and checkpoints amid the same work are not taken for it. */
import pg from 'pg';
import { Cluster } from '../../src/demo/postgres.js';
import { openShop, type Shop } from '../support/shop.js';
import { FIGURES, Lookout } from './look.js';
import { judge, type Sample } from './slope.js';
import { openWal, WAL_SETTINGS } from './wal.js';

const WRITTEN = ['wal', 'images', 'size'] as const;
type Written = (typeof WRITTEN)[number];
const LOOKS = 40;
const SALES = 50;

let cluster: Cluster;
let owner: pg.Client;
const shops: Shop[] = [];

beforeAll(async () => {
  cluster = await Cluster.start({ settings: { ...WAL_SETTINGS, autovacuum: 'off', checkpoint_timeout: '1d' } });
});

afterEach(async () => {
  await owner?.end();
});

afterAll(async () => {
  for (const shop of shops) await shop.close();
  await cluster?.destroy();
});

/** Sells between looks, with a checkpoint now and then. @param note how long an order's note is at this look */
async function faults(name: string, note: (look: number) => number): Promise<Partial<Record<Written, string>>> {
  const shop = await openShop(cluster, name);
  shops.push(shop);
  owner = new pg.Client(cluster.url(name));
  await owner.connect();
  await openWal(owner);
  await owner.query("INSERT INTO orders (status) SELECT 'paid' FROM generate_series(1, 5000)");
  const lookout = new Lookout(owner);
  const series = { wal: [] as Sample[], images: [] as Sample[], size: [] as Sample[] };
  for (let look = 0; look < LOOKS; look++) {
    if (look % 5 === 4) await owner.query('CHECKPOINT');
    await owner.query(
      // Another text each time: what repeats itself is compressed.
      `INSERT INTO orders (status)
       SELECT (SELECT string_agg(md5(random()::text || n || m), '') FROM generate_series(1, ${Math.round(note(look) / 32)}) m)
       FROM generate_series(1, ${SALES}) n`,
    );
    const figures = await lookout.look(process.pid, SALES * (look + 1), false);
    for (const figure of WRITTEN) {
      const value = figures[figure];
      if (value !== undefined) series[figure].push({ minute: look, value });
    }
  }
  expect(series.wal).toHaveLength(LOOKS - 1);
  // Eight checkpoints began; between them lie seven whole cycles.
  expect(series.images).toHaveLength(7);
  const found: Partial<Record<Written, string>> = {};
  for (const { name: figure, bound } of FIGURES) {
    const written = WRITTEN.find((one) => one === figure);
    const fault = written && judge(series[written], bound).fault;
    if (written && fault !== undefined) found[written] = fault;
  }
  return found;
}

test('the same sale, a checkpoint now and then: nothing has grown', async () => {
  expect(await faults('steady', () => 320)).toEqual({});
});

test('a sale whose rows become longer: the records of the log have grown, and what is kept for each', async () => {
  const found = await faults('growing', (look) => 320 + look * 64);
  expect(found.wal).toContain('grew by');
  expect(found.size).toContain('grew by');
});
