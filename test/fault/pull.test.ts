/**
 * The pull in every kind of trouble, while the tills sell: pushing goes on, nothing that came is wrong, and when the trouble is
 * over every edit of head office's is in the shop.
 */
import { checkBounds } from '../support/convergence/bounds.js';
import { PULL_FAULTS } from './pull-faults.js';
import { OUTLET, Stand } from './stand.js';

const PULL = { path: '/sync/changes' };
/** A time-out and the longest pause between two probes of this stand. */
const BACK_WITHIN_MS = 15_000;
let stand: Stand;
let price = 10_000;

beforeAll(async () => {
  stand = await Stand.open({ twoWay: true, timeout: '1s', longPoll: '2s', interval: '1s' });
  stand.daemon.start();
  await stand.quiet();
});
afterEach(async () => {
  await stand.cloud.clearFaults();
});
afterAll(() => stand?.close());

const newPrice = async (id: string) => {
  price += 1;
  await stand.cloud.edit({ entity_type: 'product', entity_id: id, patch: `{"price":${price}.50}` });
  return `${price}.50`;
};
const priceOf = async (id: string) =>
  (await stand.query<{ price: string }>('SELECT price::text FROM products WHERE id = $1', [id]))[0]?.price;
const struck = async (kind: string) =>
  (await stand.cloud.requests()).filter((one) => one.path === PULL.path && one.faults.includes(kind)).length;

test.each(PULL_FAULTS)(
  '$name',
  async ({ rule, unhurt }) => {
    const before = await struck(rule.kind);
    await stand.cloud.addFault({ ...rule, match: PULL });
    // What is under way is not struck any more: this edit ends its wait.
    await newPrice('1');
    await stand.until('a pull is struck', BACK_WITHIN_MS, async () => (await struck(rule.kind)) > before);
    const wanted = [await newPrice('1'), await newPrice('2')];
    const pushed = await stand.accepted();
    await stand.addCustomers(1);
    await stand.until('a push beside it', 5_000, async () => (await stand.accepted()) > pushed);
    const arrived = async () => (await priceOf('1')) === wanted[0] && (await priceOf('2')) === wanted[1];
    if (unhurt) await stand.until('the edits, all the same', BACK_WITHIN_MS, arrived);
    await stand.cloud.clearFaults();
    await stand.until('the edits', BACK_WITHIN_MS, arrived);
    await stand.quiet(BACK_WITHIN_MS);
    expect(await stand.findings()).toEqual([]);
  },
  60_000,
);

test('a version that went down on the way is not applied, and the true one is', async () => {
  const before = await newPrice('3');
  await stand.until('the edit', BACK_WITHIN_MS, async () => (await priceOf('3')) === before);
  await stand.cloud.addFault({ kind: 'page', how: 'lower-version', version: 1, match: { ...PULL, entity_id: '3' } });
  await newPrice('3');
  const other = await newPrice('4');
  await stand.until('what came with it', BACK_WITHIN_MS, async () => (await priceOf('4')) === other);
  expect(await priceOf('3')).toBe(before);
  await stand.cloud.clearFaults();
  const after = await newPrice('3');
  await stand.until('the next edit', BACK_WITHIN_MS, async () => (await priceOf('3')) === after);
  await stand.quiet();
});

test('an edit reaches the shop within a second of the long poll that told of it', async () => {
  // Something has just come, so the next long poll is waiting.
  for (let round = 0; round < 3; round += 1) {
    const wanted = await newPrice('5');
    const answered = Date.now();
    await stand.until('the edit', BACK_WITHIN_MS, async () => (await priceOf('5')) === wanted);
    if (round > 0) expect(Date.now() - answered).toBeLessThan(1_000);
  }
});

test('a long poll that is cut is taken up again, and nothing told meanwhile is missed', async () => {
  await stand.cloud.down(1_500);
  const wanted = await newPrice('6');
  await stand.until('the edit', BACK_WITHIN_MS, async () => (await priceOf('6')) === wanted);
  await stand.quiet(BACK_WITHIN_MS);
  expect(await stand.findings()).toEqual([]);
});

test('a cloud that is killed and started again goes on with its cursors', async () => {
  await stand.cloud.end('SIGKILL');
  await stand.cloud.startAgain();
  const wanted = await newPrice('7');
  await stand.until('the edit', BACK_WITHIN_MS, async () => (await priceOf('7')) === wanted);
  await stand.quiet(BACK_WITHIN_MS);
  expect(await stand.findings({ words: false })).toEqual([]);
});

test('a webhook brings an edit while pulls are refused, once, however often it comes', async () => {
  await stand.cloud.addFault({ kind: 'status', status: 503, retryAfter: { seconds: 60 }, match: PULL });
  const wanted = await newPrice('8');
  const about = { outlet_id: OUTLET, entities: [{ entity_type: 'product', entity_id: '8' }] };
  await stand.cloud.webhook({ ...about, deaf: 2 });
  await stand.until('the edit', 10_000, async () => (await priceOf('8')) === wanted);
  await stand.until('three deliveries', 10_000, async () =>
    (await stand.cloud.webhooks()).some((one) => one.state === 'taken' && one.attempts.length === 3),
  );
  const events = await stand.query("SELECT FROM syncd.inbox WHERE source = 'webhook'");
  expect(events).toHaveLength(1);
  await stand.cloud.clearFaults();
});

test('what the daemon holds stays within bounds after all of it', async () => {
  await stand.daemon.end();
  stand.daemon.start();
  await stand.quiet(BACK_WITHIN_MS);
  expect(await checkBounds(await stand.owner(), stand.daemon.pid, stand.daemon.logFile)).toEqual([]);
  expect(await stand.findings({ words: false })).toEqual([]);
});
