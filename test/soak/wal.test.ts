/** What the soak reads from the log: images of pages grow with a table, records only with the work that is done. */
import pg from 'pg';
import { Cluster } from '../../src/demo/postgres.js';
import { openWal, WAL_SETTINGS, type WalBytes, walBetween, walPosition } from './wal.js';

const SALES = 2_000;

let cluster: Cluster;
let owner: pg.Client;

beforeAll(async () => {
  cluster = await Cluster.start({ settings: { ...WAL_SETTINGS, autovacuum: 'off', checkpoint_timeout: '1d' } });
  owner = new pg.Client(cluster.url());
  await owner.connect();
  await openWal(owner);
  await owner.query('CREATE TABLE orders (id uuid PRIMARY KEY, note text NOT NULL)');
});

afterAll(async () => {
  await owner?.end();
  await cluster?.destroy();
});

let numbered = 0;

/** Ids that lie as strewn as random ones, but the same in every run: where a page of their index splits, four kilobytes more are written. */
async function insert(rows: number, letters: number): Promise<void> {
  await owner.query(
    `INSERT INTO orders SELECT md5(n::text)::uuid, repeat('x', ${letters}) FROM generate_series(${numbered + 1}, ${numbered + rows}) AS n`,
  );
  numbered += rows;
}

/** The bytes of one sale, after a checkpoint. */
async function sold(letters: number): Promise<Omit<WalBytes, 'checkpoint'>> {
  await owner.query('CHECKPOINT');
  const from = await walPosition(owner);
  await insert(SALES, letters);
  const { records, images, checkpoint } = await walBetween(owner, from, await walPosition(owner));
  expect(checkpoint).toBe(false);
  return { records: records / SALES, images: images / SALES };
}

test('a table that has grown costs a sale more images, and not one byte more of records to speak of; a larger row costs records', async () => {
  await insert(1_000, 100);
  const small = await sold(100);
  await insert(100_000, 100);
  const large = await sold(100);
  expect(large.images).toBeGreaterThan(5 * small.images);
  expect(large.records / small.records).toBeGreaterThan(0.8);
  expect(large.records / small.records).toBeLessThan(1.05);

  const more = await sold(300);
  expect(more.records - large.records).toBeGreaterThan(150);
  expect(more.images / large.images).toBeLessThan(1.2);
});

test('both together are what the log has grown by, and a look finds its bytes after checkpoints have passed', async () => {
  const from = await walPosition(owner);
  for (let round = 0; round < 3; round++) {
    await insert(20_000, 300);
    await owner.query('CHECKPOINT');
  }
  const to = await walPosition(owner);
  const { records, images, checkpoint } = await walBetween(owner, from, to);
  expect(checkpoint).toBe(true);
  const { rows } = await owner.query<{ bytes: number }>('SELECT ($1::pg_lsn - $2::pg_lsn)::float8 AS bytes', [
    to,
    from,
  ]);
  const [{ bytes } = { bytes: 0 }] = rows;
  // Headers of the log's own pages, and what fills a record up to a multiple of eight bytes.
  expect((records + images) / bytes).toBeGreaterThan(0.9);
  expect((records + images) / bytes).toBeLessThan(1);
  expect(bytes).toBeGreaterThan(16 * 1024 * 1024);
});
