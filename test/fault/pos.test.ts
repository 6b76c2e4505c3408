/**
 * What the POS itself does to us: transactions that stay open while others commit, savepoints that are taken back, commits that
 * come in another order than their changes. Nothing is skipped, and every transaction arrives whole.
 */
import pg from 'pg';
import { checkBounds } from '../support/convergence/bounds.js';
import { Stand } from './stand.js';

let stand: Stand;
const tills: pg.Client[] = [];

beforeAll(async () => {
  stand = await Stand.open();
  stand.daemon.start();
  await stand.quiet();
});
afterEach(async () => {
  await Promise.all(tills.splice(0).map((till) => till.end()));
});
afterAll(() => stand?.close());

async function openTill(): Promise<pg.Client> {
  const till = new pg.Client({ connectionString: stand.posUrl, application_name: 'till 9' });
  await till.connect();
  tills.push(till);
  return till;
}

const addCustomer = (till: pg.Client, name: string) =>
  till.query("INSERT INTO customers VALUES (gen_random_uuid(), $1, '+62', 0, NULL, clock_timestamp())", [name]);

const inCloud = async (name: string) =>
  (await stand.cloud.entities()).filter((one) => one.data?.includes(`"name":"${name}"`)).length;

test('a transaction that stays open skips nothing, and its rows arrive whole afterwards', async () => {
  const slow = await openTill();
  await slow.query('BEGIN');
  await addCustomer(slow, 'slow');
  await slow.query('UPDATE products SET price = price + 1 WHERE id = 1');

  const seller = stand.sell({ tills: 1, pauseMs: 1 });
  await stand.until('100 sales beside it', 20_000, () => seller.sold >= 100);
  await stand.closeTills();
  const waiting = () => stand.query('SELECT FROM syncd.sync_queue WHERE status = $1', ['pending']);
  await stand.until('all that is committed', 20_000, async () => (await waiting()).length === 0);
  expect(await inCloud('slow')).toBe(0);

  for (let n = 0; n < 20; n += 1) await addCustomer(slow, 'slow');
  await slow.query('UPDATE products SET price = price + 1 WHERE id = 1');
  await slow.query('COMMIT');
  await stand.until('its rows', 10_000, async () => (await inCloud('slow')) === 21);
  await stand.quiet();
  // Whole: the checker knows no transaction that came in parts.
  expect(await stand.findings()).toEqual([]);
});

test('what a savepoint took back and what was rolled back never arrives', async () => {
  const till = await openTill();
  await till.query('BEGIN');
  await addCustomer(till, 'kept');
  await till.query('SAVEPOINT s');
  await addCustomer(till, 'taken back');
  await till.query('ROLLBACK TO SAVEPOINT s');
  await addCustomer(till, 'kept');
  await till.query('COMMIT');
  await till.query('BEGIN');
  await addCustomer(till, 'rolled back');
  await till.query('ROLLBACK');
  await stand.quiet();
  expect([await inCloud('kept'), await inCloud('taken back'), await inCloud('rolled back')]).toEqual([2, 0, 0]);
  expect(await stand.findings()).toEqual([]);
});

test('transactions that commit in the reverse order of their changes arrive whole and in order', async () => {
  const open = await Promise.all(Array.from({ length: 8 }, openTill));
  for (const till of open) {
    await till.query('BEGIN');
    await addCustomer(till, 'crossed');
  }
  for (const till of [...open].reverse()) {
    // The later ones touch what the earlier ones wait for.
    await till.query('UPDATE products SET price = price + 1 WHERE id = 5');
    await addCustomer(till, 'crossed');
    await till.query('COMMIT');
  }
  await stand.quiet();
  expect(await inCloud('crossed')).toBe(16);
  expect(await stand.findings()).toEqual([]);
});

test('one transaction beyond what the cloud takes at once arrives in parts, in order, between others', async () => {
  const seller = stand.sell({ tills: 1, pauseMs: 1 });
  await stand.until('a sale', 10_000, () => seller.sold > 0);
  await stand.query(`INSERT INTO customers
    SELECT gen_random_uuid(), 'many ' || n, '+62', 0, NULL, clock_timestamp() FROM generate_series(1, 2500) n`);
  const [tx] = await stand.query<{ tx: string }>(
    "SELECT txid::text AS tx FROM syncd.sync_queue WHERE payload->>'name' = 'many 1'",
  );
  await stand.quiet();
  expect(await stand.findings({ maySplit: (one) => one.tx === tx?.tx })).toEqual([]);
  expect(await checkBounds(await stand.owner(), stand.daemon.pid, stand.daemon.logFile)).toEqual([]);
});
