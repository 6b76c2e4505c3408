/**
 * The daemon dies while the till sells: kill -9 at any moment, SIGTERM in mid batch, a second daemon beside it. Whatever
 * happens, every sale arrives once and in order, and the next daemon works at once.
 */
import { seededRandom } from '../../src/demo/shop/random.js';
import { sleep, within } from '../../src/time.js';
import { checkBounds, TillWatch } from '../support/convergence/bounds.js';
import { SOAK, seeded } from '../support/convergence/soak.js';
import { Daemon } from './daemon.js';
import { Stand } from './stand.js';

let stand: Stand;
beforeAll(async () => {
  stand = await Stand.open();
});
afterEach(async () => {
  await stand.closeTills();
  await stand.daemon.kill();
  await stand.cloud.clearFaults();
});
afterAll(() => stand?.close());

test(
  'kill -9 in a loop while two tills sell loses nothing and doubles nothing',
  () =>
    seeded(async (seed) => {
      const random = seededRandom(seed);
      const watch = await TillWatch.start(stand.ownerUrl);
      const seller = stand.sell({ seed, pauseMs: SOAK ? 5 : 10 });
      for (let kills = 0; kills < (SOAK ? 100 : 6); kills += 1) {
        stand.daemon.start();
        const before = await stand.accepted();
        // One time in four it does not even get to its first push.
        if (random.fraction() < 0.25) await sleep(random.between(50, 600));
        else {
          const pushed = before + random.between(1, 400);
          await stand.until('a push', 30_000, async () => (await stand.accepted()) >= pushed);
        }
        await stand.daemon.kill();
      }
      stand.daemon.start();
      await stand.quiet(SOAK ? 120_000 : 30_000);
      const statistics = await stand.cloud.statistics();
      expect(await stand.findings()).toEqual([]);
      expect(await checkBounds(await stand.owner(), stand.daemon.pid, stand.daemon.logFile)).toEqual([]);
      expect(await watch.stop()).toEqual([]);
      await stand.daemon.end();
      SOAK?.(`kill -9: ${seller.sold} transactions, ${JSON.stringify(statistics.outcomes)}`);
    }),
  SOAK ? 900_000 : 90_000,
);

test(
  'SIGTERM in mid batch ends it with 0 within 10 s, and the next daemon goes on',
  () =>
    seeded(async (seed) => {
      const random = seededRandom(seed);
      const slowest = { ms: 0 };
      // Every answer takes a while, so that a batch is always under way.
      await stand.cloud.addFault({ kind: 'latency', ms: 100, match: { path: '/sync/push' } });
      stand.sell({ seed, pauseMs: SOAK ? 2 : 10 });
      for (let ends = 0; ends < (SOAK ? 100 : 6); ends += 1) {
        stand.daemon.start();
        const { pushes } = await stand.cloud.statistics();
        await stand.until('a push', 30_000, async () => (await stand.cloud.statistics()).pushes > pushes);
        await sleep(random.between(0, 200));
        const end = await stand.daemon.end();
        expect(end).toMatchObject({ code: 0, signal: null });
        slowest.ms = Math.max(slowest.ms, end.ms);
      }
      expect(slowest.ms).toBeLessThan(10_000);
      await stand.cloud.clearFaults();
      stand.daemon.start();
      await stand.quiet(SOAK ? 120_000 : 30_000);
      await stand.daemon.end();
      expect(await stand.findings()).toEqual([]);
      SOAK?.(`SIGTERM: the slowest of them took ${Math.round(slowest.ms)} ms`);
    }),
  SOAK ? 900_000 : 90_000,
);

test('SIGTERM, also one after another, ends it with 0 within 10 s while the cloud never answers', async () => {
  await stand.cloud.addFault({ kind: 'silence', match: { path: '/sync/push' } });
  await stand.addCustomers(10);
  const { pushes } = await stand.cloud.statistics();
  stand.daemon.start();
  await stand.until('a push', 30_000, async () => (await stand.cloud.statistics()).pushes > pushes);
  const ending = stand.daemon.end();
  // A wrapper passes on what the process has had already; sent at once, the two would become one.
  let again = 0;
  await stand.until('some more', 10_000, async () => {
    void stand.daemon.end();
    return ++again === 10;
  });
  const end = await ending;
  expect(end).toMatchObject({ code: 0, signal: null });
  expect(end.ms).toBeLessThan(10_000);
  await stand.cloud.clearFaults();
  stand.daemon.start();
  await stand.quiet();
  expect(await stand.findings()).toEqual([]);
});

test('a second daemon exits 75 and leaves the first one to its work', async () => {
  stand.daemon.start();
  await stand.until('the first one leads', 10_000, async () => {
    const rows = await stand.query('SELECT FROM syncd.daemon WHERE pid = $1', [stand.daemon.pid]);
    return rows.length === 1;
  });
  const second = new Daemon(stand.directory, stand.configFile, 'second');
  second.start();
  const end = await within(15_000, second.ended, () => new Error('it went on beside the first one')).finally(() =>
    second.kill(),
  );
  expect(end).toEqual({ code: 75, signal: null });
  expect(second.words()).toContain(`pid ${stand.daemon.pid}`);
  // It has tried none of the first one's ports.
  expect(second.words()).not.toMatch(/port|webhooks/);
  const seller = stand.sell();
  await stand.until('20 sales', 10_000, () => seller.sold >= 20);
  await stand.quiet();
  expect(await stand.findings()).toEqual([]);
});

test('a daemon that was frozen for a while goes on where it stood', async () => {
  stand.daemon.start();
  const before = await stand.accepted();
  const seller = stand.sell({ pauseMs: 10 });
  await stand.until('a push', 30_000, async () => (await stand.accepted()) > before + 50);
  process.kill(stand.daemon.pid, 'SIGSTOP');
  const { sold } = seller;
  await sleep(2_000);
  expect(seller.sold).toBeGreaterThan(sold);
  process.kill(stand.daemon.pid, 'SIGCONT');
  await stand.quiet();
  expect(await stand.findings()).toEqual([]);
});
