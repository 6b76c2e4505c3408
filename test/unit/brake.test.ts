/** How long a change waits whose conflict comes back again and again. */
import { brakeAfter } from '../../src/resolve/brake.js';

test('four rounds cost no wait; then it is 1 s, twice as long each time, up to the limit', () => {
  const waits = [1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 1_000_000].map((rounds) => brakeAfter(rounds, 1_800_000)?.waitMs);
  const none = [undefined, undefined, undefined, undefined];
  expect(waits).toEqual([...none, 1_000, 2_000, 4_000, 8_000, 1_024_000, 1_800_000, 1_800_000]);
  expect(brakeAfter(5, 200)?.waitMs).toBe(200);
});

test('what waits says how often it was answered so', () => {
  expect(brakeAfter(7, 60_000)?.reason).toMatch(/^7 conflicts in a row/);
});
