/**
 * The cloud in every kind of trouble, while the shop goes on: no outage spends an attempt, nothing is settled without a result
 * that says so, the daemon comes back by itself, and at the end every change has had one effect.
 */
import { monotonicMs } from '../../src/time.js';
import { OUTAGES, REFUSALS, SPOILT_RESULTS, WAITS } from './cloud-faults.js';
import { Stand } from './stand.js';

const PUSH = { path: '/sync/push' };
/** After a short outage: a probe, the short retries of its push, one of them timed out. */
const BACK_WITHIN_MS = 15_000;
let stand: Stand;

beforeAll(async () => {
  stand = await Stand.open({ timeout: '1s' });
  stand.daemon.start();
  await stand.quiet();
});
afterEach(async () => {
  await stand.cloud.clearFaults();
  await stand.quiet(BACK_WITHIN_MS);
});
afterAll(() => stand?.close());

type Standing = { online: boolean | null; refused: string | null; next_try_ms: number | null };

async function standing(): Promise<Standing> {
  const [row] = await stand.query<Standing>(
    `SELECT online, refused, extract(epoch FROM next_try_at - clock_timestamp())::float8 * 1000 AS next_try_ms
     FROM syncd.daemon ORDER BY leader_epoch DESC LIMIT 1`,
  );
  return row as Standing;
}

/** Changes that wait and have spent an attempt, or were given up. */
const spent = () =>
  stand.query(
    "SELECT change_id, status, retry_count FROM syncd.unsettled WHERE retry_count > 0 OR status <> 'pending'",
  );

const pending = async () => (await stand.query("SELECT FROM syncd.unsettled WHERE status = 'pending'")).length;

/** Pushes that this fault has struck. */
const struck = async (kind: string) =>
  (await stand.cloud.requests()).filter((one) => one.path === '/sync/push' && one.faults.includes(kind)).length;

test.each(OUTAGES)('offline, and nothing spent: $name', async ({ rule, everywhere }) => {
  const before = await struck(rule.kind);
  await stand.cloud.addFault({ ...rule, ...(everywhere ? {} : { match: PUSH }) });
  await stand.addCustomers(1);
  await stand.until('the outage is noticed', BACK_WITHIN_MS, async () => (await standing()).online === false);
  expect(await struck(rule.kind)).toBeGreaterThan(before);
  expect(await pending()).toBe(1);
  expect(await spent()).toEqual([]);
  await stand.cloud.clearFaults();
  await stand.quiet(BACK_WITHIN_MS);
  await stand.until('it is online', BACK_WITHIN_MS, async () => (await standing()).online === true);
});

test('pushes that fail for long while the health check answers spend no attempt either', async () => {
  // Something was accepted a moment ago; that is no proof that the cloud takes pushes now.
  await stand.addCustomers(1);
  await stand.quiet();
  const before = await struck('status');
  await stand.cloud.addFault({ kind: 'status', status: 500, match: PUSH });
  await stand.addCustomers(3);
  await stand.until('many tries', 30_000, async () => (await struck('status')) >= before + 15);
  expect(await spent()).toEqual([]);
  expect(await pending()).toBe(3);
  await stand.cloud.clearFaults();
  await stand.quiet(30_000);
  expect(await stand.query('SELECT FROM syncd.sync_queue WHERE retry_count > 0')).toEqual([]);
}, 70_000);

test.each(WAITS)('no push before its time: $name', async ({ rule, seconds }) => {
  await stand.cloud.addFault({ ...rule, match: PUSH });
  await stand.addCustomers(1);
  await stand.quiet(BACK_WITHIN_MS);
  const pushes = (await stand.cloud.requests()).filter((one) => one.path === '/sync/push').slice(-2);
  expect(pushes.map((one) => one.faults.length)).toEqual([1, 0]);
  const [refused, next] = pushes.map((one) => Date.parse(one.at));
  // A date is cut to the second.
  expect((next ?? 0) - (refused ?? 0)).toBeGreaterThan((seconds - 1) * 1_000);
  expect(await stand.query('SELECT FROM syncd.sync_queue WHERE retry_count > 0')).toEqual([]);
});

test.each(REFUSALS)('refused with %i: it stops, says so, asks now and then, and goes on', async (status) => {
  const before = await struck('status');
  const startedAt = monotonicMs();
  await stand.cloud.addFault({ kind: 'status', status, match: PUSH });
  await stand.addCustomers(2);
  await stand.until(
    'it says so',
    BACK_WITHIN_MS,
    async () => (await standing()).refused?.includes(`${status}`) === true,
  );
  await stand.until('a second try', BACK_WITHIN_MS, async () => (await struck('status')) >= before + 2);
  expect(await spent()).toEqual([]);
  const tries = (await struck('status')) - before;
  // On the retry schedule (200 ms, 400 ms, 800 ms, then every second), not in a storm; three batches may have been on their way.
  expect(tries).toBeLessThan(6 + (monotonicMs() - startedAt) / 1_000);
  await stand.cloud.clearFaults();
  await stand.quiet(BACK_WITHIN_MS);
  await stand.until('it is content again', BACK_WITHIN_MS, async () => (await standing()).refused === null);
});

const versions = () =>
  stand.query<{ entity_id: string; cloud_version: string }>(
    "SELECT entity_id, cloud_version FROM syncd.entity_state WHERE entity_type = 'customer' ORDER BY entity_id",
  );

test.each(SPOILT_RESULTS)('a result that is %s settles nothing that the cloud has not said', async (how) => {
  await stand.addCustomers(1);
  await stand.quiet();
  const before = await versions();
  await stand.cloud.addFault({ kind: 'results', how, times: 1, match: { ...PUSH, entity_type: 'customer' } });
  await stand.query("UPDATE customers SET phone = phone || '1'");
  await stand.until('the fault', BACK_WITHIN_MS, async () => (await struck('results')) > 0);
  expect(await stand.query('SELECT FROM syncd.sync_queue WHERE retry_count > 0')).toEqual([]);
  await stand.quiet(BACK_WITHIN_MS);
  const after = await versions();
  const lower = after.filter((one, at) => Number(one.cloud_version) < Number(before[at]?.cloud_version));
  expect(lower).toEqual([]);
});

test('a held change waits without spending an attempt, and its later changes wait behind it', async () => {
  await stand.addCustomers(1);
  await stand.quiet();
  const held = await stand.cloud.addFault({ kind: 'hold', match: { ...PUSH, entity_type: 'product', entity_id: '3' } });
  await stand.query('UPDATE products SET price = price + 1 WHERE id IN (3, 4)');
  await stand.until('a second hold', BACK_WITHIN_MS, async () => {
    const rows = await stand.query<{ hold_count: number }>('SELECT hold_count FROM syncd.unsettled');
    return (rows[0]?.hold_count ?? 0) >= 2;
  });
  await stand.query('UPDATE products SET price = price + 1 WHERE id IN (3, 4)');
  await stand.until('the other product', BACK_WITHIN_MS, async () => (await pending()) === 2);
  expect(await spent()).toEqual([]);
  await stand.cloud.clearFaults(held);
  await stand.quiet(BACK_WITHIN_MS);
});

test('the cloud process is killed while the tills sell, and comes back', async () => {
  const seller = stand.sell({ pauseMs: 5 });
  await stand.until('20 sales', 10_000, () => seller.sold >= 20);
  await stand.cloud.end('SIGKILL');
  const { sold } = seller;
  await stand.until('sales without a cloud', 10_000, () => seller.sold >= sold + 50);
  await stand.until('the outage is noticed', BACK_WITHIN_MS, async () => (await standing()).online === false);
  expect(await spent()).toEqual([]);
  await stand.cloud.startAgain();
  await stand.quiet(BACK_WITHIN_MS);
  expect(await spent()).toEqual([]);
});

test('after all of this both sides hold the same', async () => {
  // Batches were halved and changes held on the way, so transactions came in parts.
  expect(await stand.findings({ maySplit: () => true, words: false })).toEqual([]);
});
