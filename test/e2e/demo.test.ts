/** The demo as a person starts it: the fixed story tells the truth, and neither an end nor a Ctrl-C leaves anything behind. */
import { Playground } from '../support/spawned.js';

let playground: Playground;

beforeEach(() => {
  playground = new Playground();
});

afterEach(() => playground.destroy());

test('the fixed story ends with both sides equal in both directions, one JSON object on stdout, and nothing left behind', async () => {
  // A demo that followed these would work on somebody's real database.
  const env = { DATABASE_URL: 'postgres://pos@192.0.2.1/real_shop', SYNCD_CLOUD_URL: 'https://192.0.2.1/api/v1' };
  const demo = playground.run(['demo', '--once', '--json', '--seed', '7', '--sales', '30'], { env });
  const { code } = await demo.ended;
  expect(demo.stderr).toBe('');
  const result = JSON.parse(demo.stdout);
  expect(result).toEqual({
    ok: true,
    seed: 7,
    sales: 30,
    pushed: expect.any(Number),
    // One edit of head office's for every scene.
    pulled: 7,
    conflicts: expect.any(Number),
    lost: 0,
    doubled: 0,
    out_of_order: 0,
    different: 0,
    outage_ms: expect.any(Number),
    drain_ms: expect.any(Number),
    duration_ms: expect.any(Number),
  });
  expect(result.pushed).toBeGreaterThan(200);
  // The two products, the two customers, the goods received.
  expect(result.conflicts).toBeGreaterThanOrEqual(5);
  expect(result.duration_ms).toBeLessThan(60_000);
  expect(code).toBe(0);
  expect(playground.leftovers()).toEqual([]);
}, 90_000);

test('Ctrl-C ends the endless demo of an ordinary user within seconds and leaves nothing behind', async () => {
  const demo = playground.run(['demo'], { as: 'nobody' });
  await demo.says(/sold .*JKT-014-/, 30_000);
  await demo.says(/in the cloud [1-9]/, 30_000);
  await demo.says(/sold .*head office's new price, here after/, 30_000);
  expect(playground.leftovers().join('\n')).toMatch(/postgres .*syncd.js run/s);
  const askedAt = performance.now();
  // npm passes a terminal's Ctrl-C on a second time.
  demo.child.kill('SIGINT');
  demo.child.kill('SIGINT');
  expect(await demo.ended).toEqual({ code: 0, signal: null });
  expect(performance.now() - askedAt).toBeLessThan(12_000);
  expect(demo.stderr).toBe('');
  expect(playground.leftovers()).toEqual([]);
}, 90_000);

test('Ctrl-C while the demo is still starting leaves nothing behind either', async () => {
  const demo = playground.run(['demo']);
  await demo.says(/Opening/, 30_000);
  demo.child.kill('SIGINT');
  expect((await demo.ended).code).toBe(0);
  expect(playground.leftovers()).toEqual([]);
}, 60_000);

test.each([
  ['a seed that is no number', ['--seed', 'seven']],
  ['too few sales for a story', ['--sales', '3']],
])('%s is refused as a usage error', async (_, args) => {
  const demo = playground.run(['demo', '--once', ...args]);
  expect((await demo.ended).code).toBe(64);
  expect(demo.stderr).toMatch(/a whole number from/);
});
