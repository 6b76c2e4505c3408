/**
 * Kill -9 between any two states that outlive it: claimed, answered, settled on the way out; answered, stored, written, recorded,
 * committed on the way in. The daemon dies at each step in turn while tills sell and head office edits, the next one finds what
 * it left; at the end both sides are equal and nothing happened twice.
 */
import { seededRandom } from '../../src/demo/shop/random.js';
import { STEPS, type Step } from '../../src/step.js';
import { monotonicMs } from '../../src/time.js';
import { SOAK, seeded } from '../support/convergence/soak.js';
import { Office } from './office.js';
import { OUTLET, Stand } from './stand.js';

const TIMES = SOAK ? 20 : 1;
const QUIET_MS = SOAK ? 180_000 : 60_000;
/** A start, and as many changes as it takes to come to a step. */
const DEATH_MS = 60_000;

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

/** Lets the daemon run until it dies at this step; returns how long that took. */
async function dieAt(step: Step, nth: number): Promise<number> {
  const startedAt = monotonicMs();
  stand.daemon.startDying(step, nth);
  const { ended } = stand.daemon;
  await stand.until(`a death at: ${step}, time ${nth}`, DEATH_MS, () => !stand.daemon.running);
  expect(await ended).toEqual({ code: null, signal: 'SIGKILL' });
  return monotonicMs() - startedAt;
}

test(
  'the daemon dies at every step, both ways, and nothing is lost, doubled, sent back or out of order',
  () =>
    seeded(async (seed) => {
      const random = seededRandom(seed);
      stand.daemon.start();
      await stand.quiet(QUIET_MS);
      await stand.daemon.kill();
      const seller = stand.sell({ seed, pauseMs: 30 });
      const edits = (webhooks: 'row' | 'hint') =>
        new Office({ cloud: stand.cloud, outletId: OUTLET, seed, webhooks, pauseMs: SOAK ? 10 : 20 });
      office = edits('row');
      const counted = { edits: 0, failures: [] as string[] };
      for (let round = 0; round < TIMES; round += 1) {
        for (const step of STEPS) {
          // Nothing is fetched singly while its news come in pages.
          const alone = step === 'entity stored';
          if (alone) {
            await stand.cloud.addFault({ kind: 'status', status: 503, match: { path: '/sync/changes' } });
            await office.close();
            counted.edits += office.edits;
            counted.failures.push(...office.failures);
            office = edits('hint');
          }
          const ms = await dieAt(step, random.between(1, 3));
          if (alone) await stand.cloud.clearFaults();
          SOAK?.(`${step}: ${Math.round(ms)} ms`);
        }
      }
      await office.close();
      stand.daemon.start();
      await stand.quiet(QUIET_MS);
      expect([...counted.failures, ...office.failures]).toEqual([]);
      expect(await stand.findings()).toEqual([]);
      const [resolved] = await stand.query<{ n: number }>(
        "SELECT count(*)::int AS n FROM syncd.sync_conflicts WHERE status = 'resolved'",
      );
      expect(resolved?.n).toBeGreaterThan(0);
      expect(seller.sold).toBeGreaterThan(0);
      SOAK?.(`${seller.sold} sales, ${counted.edits + office.edits} edits, ${resolved?.n} conflicts`);
    }),
  SOAK ? 3_600_000 : 180_000,
);
