/**
 * Both directions at once, and the machine falls: tills sell, head office edits, webhooks come, and the daemon is killed,
 * PostgreSQL restarted, the cloud in trouble. Afterwards both sides hold the same, nothing is lost or came back as an echo, and
 * every divergence is on record.
 */
import { scalarOf } from '../../src/demo/cloud/text.js';
import { seededRandom } from '../../src/demo/shop/random.js';
import { sleep } from '../../src/time.js';
import { TillWatch } from '../support/convergence/bounds.js';
import { SOAK, seeded } from '../support/convergence/soak.js';
import { Office } from './office.js';
import { OUTLET, Stand } from './stand.js';

const QUIET_MS = SOAK ? 180_000 : 60_000;
let stand: Stand;
let office: Office | undefined;

beforeAll(async () => {
  stand = await Stand.open({ twoWay: true, timeout: '2s', longPoll: '5s' });
});
afterEach(async () => {
  await office?.close();
  await stand.closeTills();
  await stand.daemon.kill();
  await stand.cloud.clearFaults();
});
afterAll(() => stand?.close());

function openOffice(seed: number, webhooks?: 'row' | 'hint'): Office {
  office = new Office({ cloud: stand.cloud, outletId: OUTLET, seed, webhooks, pauseMs: SOAK ? 10 : 20 });
  return office;
}

/** How many changes of the cloud's were dealt with, those of the shop's own that came back included. */
async function applied(): Promise<number> {
  const [row] = await stand.query<{ taken: number }>(
    `SELECT (SELECT coalesce(sum(changes), 0) FROM syncd.inbox)::int - (SELECT count(*) FROM syncd.incoming)::int AS taken`,
  );
  return row?.taken ?? 0;
}

async function expectConverged(office: Office, words = true): Promise<void> {
  await office.close();
  await stand.quiet(QUIET_MS);
  expect(office.failures).toEqual([]);
  expect(office.edits).toBeGreaterThan(0);
  expect(await stand.findings({ words })).toEqual([]);
  const [conflicts] = await stand.query<{ all: number; open: number }>(
    "SELECT count(*)::int AS all, count(*) FILTER (WHERE status = 'open')::int AS open FROM syncd.sync_conflicts",
  );
  expect(conflicts?.all).toBeGreaterThan(0);
  SOAK?.(`${office.edits} edits of head office's, ${conflicts?.all} conflicts, ${conflicts?.open} open`);
}

test(
  "no till waits for the applying of head office's changes",
  () =>
    seeded(async (seed) => {
      stand.daemon.start();
      await stand.quiet(QUIET_MS);
      stand.sell({ seed, pauseMs: 10 });
      const office = openOffice(seed);
      await stand.until('some edits', 20_000, () => office.edits >= 20);
      // A machine that stalls lets everybody wait for a moment; what syncd itself causes shows in every window.
      const windows: string[][] = [];
      while (windows.length < 5 && windows.at(-1)?.length !== 0) {
        const watch = await TillWatch.start(stand.ownerUrl);
        const { edits } = office;
        await stand.until('many edits', 60_000, () => office.edits >= edits + (SOAK ? 300 : 60));
        windows.push(await watch.stop());
      }
      await expectConverged(office);
      expect(windows.at(-1)).toEqual([]);
    }),
  SOAK ? 900_000 : 120_000,
);

test(
  'kill -9 in a loop while both sides write loses nothing, doubles nothing, sends nothing back',
  () =>
    seeded(async (seed) => {
      const random = seededRandom(seed);
      stand.daemon.start();
      await stand.quiet(QUIET_MS);
      stand.sell({ seed, pauseMs: 50 });
      const office = openOffice(seed, 'row');
      for (let kills = 0; kills < (SOAK ? 100 : 4); kills += 1) {
        // One time in four it dies before it is fully there; else something has gone either way.
        if (random.fraction() < 0.25) await sleep(random.between(50, 600));
        else {
          const before = { accepted: await stand.accepted(), edits: office.edits, applied: await applied() };
          const wanted = { pushed: random.between(1, 100), pulled: random.between(1, 10) };
          await stand.until(
            'traffic both ways',
            30_000,
            async () =>
              (await stand.accepted()) >= before.accepted + wanted.pushed &&
              (await applied()) >= before.applied + wanted.pulled,
          );
        }
        await stand.daemon.kill();
        const { edits } = office;
        await stand.until('an edit meanwhile', 30_000, () => office.edits > edits);
        stand.daemon.start();
      }
      await expectConverged(office);
    }),
  SOAK ? 1_800_000 : 150_000,
);

test.each(['fast', 'immediate'] as const)(
  'PostgreSQL is restarted (%s) while changes are applied and webhooks come',
  (mode) =>
    seeded(async (seed) => {
      stand.daemon.start();
      stand.sell({ seed, pauseMs: 40 });
      const office = openOffice(seed, 'row');
      for (let restarts = 0; restarts < (SOAK ? 20 : 2); restarts += 1) {
        const { edits } = office;
        await stand.until('edits', 20_000, () => office.edits > edits + 10);
        await stand.cluster.stop(mode);
        await sleep(200);
        await stand.cluster.start();
      }
      await expectConverged(office);
    }),
  SOAK ? 900_000 : 120_000,
);

test(
  'one request in three fails, whatever it asks for',
  () =>
    seeded(async (seed) => {
      stand.daemon.start();
      await stand.quiet(QUIET_MS);
      const chance = 0.06;
      for (const rule of [
        { kind: 'reset' },
        { kind: 'lost-ack' },
        { kind: 'status', status: 500 },
        { kind: 'truncated' },
        { kind: 'captive-portal' },
      ] as const) {
        await stand.cloud.addFault({ ...rule, chance });
      }
      stand.sell({ seed, pauseMs: 40 });
      const office = openOffice(seed);
      await stand.until('many edits', SOAK ? 600_000 : 60_000, () => office.edits >= (SOAK ? 1_000 : 100));
      await stand.cloud.clearFaults();
      await expectConverged(office);
    }),
  SOAK ? 900_000 : 120_000,
);

test('webhooks that come while the database is away come again, and are applied once', async () => {
  const tell = () => stand.cloud.webhook({ outlet_id: OUTLET, entities: [{ entity_type: 'product', entity_id: '2' }] });
  const told = async (id: string) => (await stand.cloud.webhooks()).find((one) => one.event_id === id);
  stand.daemon.start();
  const hello = await tell();
  await stand.until('it listens', 20_000, async () => (await told(hello.event_id))?.state === 'taken');
  await stand.quiet(QUIET_MS);
  await stand.cluster.stop('fast');
  await stand.cloud.edit({ entity_type: 'product', entity_id: '2', patch: '{"price":77700.25}' });
  const { event_id } = await tell();
  const refused = async () => (await told(event_id))?.attempts.filter((one) => one.status === 503).length ?? 0;
  await stand.until('two refusals', 20_000, async () => (await refused()) >= 2);
  expect((await told(event_id))?.state).toBe('waiting');
  await stand.cluster.start();
  await stand.until('it is taken', 20_000, async () => (await told(event_id))?.state === 'taken');
  await stand.quiet(QUIET_MS);
  const [row] = await stand.query<{ price: string }>('SELECT price::text FROM products WHERE id = 2');
  expect(row?.price).toBe('77700.25');
  expect(await stand.findings()).toEqual([]);
}, 90_000);

test(
  'the cloud is killed and started again between edits and pushes',
  () =>
    seeded(async (seed) => {
      stand.daemon.start();
      stand.sell({ seed, pauseMs: 40 });
      for (let kills = 0; kills < (SOAK ? 30 : 2); kills += 1) {
        const office = openOffice(seed + kills, 'row');
        await stand.until('edits', 20_000, () => office.edits > 10);
        await office.close();
        await stand.cloud.end('SIGKILL');
        await sleep(200);
        await stand.cloud.startAgain();
      }
      const last = openOffice(seed);
      await stand.until('edits', 20_000, () => last.edits > 10);
      await expectConverged(last, false);
    }),
  SOAK ? 900_000 : 120_000,
);

describe('a stock whose states are folded', () => {
  const entity = { entity_type: 'stock', entity_id: '3' };
  const sell = (much: number) => stand.query(`UPDATE stock SET quantity = quantity - ${much} WHERE product_id = 3`);
  const inShop = async () =>
    (await stand.query<{ quantity: string }>('SELECT quantity::text FROM stock WHERE product_id = 3'))[0]?.quantity;
  const atCloud = async () => {
    const all = await stand.cloud.entities(OUTLET, 'stock');
    return scalarOf(all.find((one) => one.entity_id === '3')?.data ?? '{}', 'quantity');
  };

  beforeEach(async () => {
    await stand.query('UPDATE stock SET quantity = 100 WHERE product_id = 3');
    stand.daemon.start();
    await stand.quiet(QUIET_MS);
    await stand.daemon.end();
  });

  /** What arrived unheard when the daemon died is in head office's count; only the sale after it comes off that. */
  async function isCountedOnce({
    arrived,
    counted,
    left,
  }: Record<'arrived' | 'counted' | 'left', string>): Promise<void> {
    await stand.daemon.ended;
    expect(await atCloud()).toBe(arrived);
    await stand.cloud.edit({ outlet_id: OUTLET, ...entity, patch: `{"quantity":${counted}}` });
    await sell(1);
    stand.daemon.start();
    await stand.quiet(QUIET_MS);
    expect([await inShop(), await atCloud()]).toEqual([left, left]);
    expect(await stand.findings()).toEqual([]);
  }

  test('what was sold is taken off once, though nobody heard the answer, head office counted and the till sold on', async () => {
    await sell(2);
    stand.daemon.startDying('push answered', 1);
    await isCountedOnce({ arrived: '98.000', counted: '103.000', left: '102.000' });
  }, 60_000);

  test('nor is what a failed change and its correction sold, though nobody heard that the correction arrived', async () => {
    await stand.cloud.addFault({ kind: 'reject', retryable: false, times: 1, match: entity });
    stand.daemon.startDying('push answered', 2);
    await sell(2);
    await stand.until(
      'it failed',
      20_000,
      async () => (await stand.query("SELECT FROM syncd.sync_queue WHERE status = 'failed'")).length === 1,
    );
    await sell(3);
    await isCountedOnce({ arrived: '95.000', counted: '105.000', left: '104.000' });
  }, 60_000);

  test('nor is what was folded into the state that arrived', async () => {
    await sell(2);
    await sell(3);
    stand.daemon.startDying('push answered', 1);
    await isCountedOnce({ arrived: '95.000', counted: '105.000', left: '104.000' });
  }, 60_000);

  test('the newest state goes out after a refusal for now, not an older one that was folded into it', async () => {
    for (const much of [1, 2, 3]) await sell(much);
    await stand.cloud.addFault({ kind: 'reject', retryable: true, times: 1, match: entity });
    stand.daemon.start();
    await stand.quiet(QUIET_MS);
    expect([await inShop(), await atCloud()]).toEqual(['94.000', '94.000']);
    expect(await stand.findings()).toEqual([]);
  }, 60_000);
});
