/** The cloud's clock against ours: what is learnt from its answers, and what is not believed. */
import fc from 'fast-check';
import { ClockOffset } from '../../src/cloud/clock.js';

const NOW = Date.UTC(2026, 10, 22, 8);
const observed = (...offsets: number[]) => {
  const clock = new ClockOffset(true);
  for (const offset of offsets) clock.observe(NOW + 50 + offset, 0, NOW, 100);
  return clock;
};

test('before the first answer the offset is unknown and nothing is corrected', () => {
  const clock = new ClockOffset(true);
  expect([clock.offsetMs, clock.correctionMs]).toEqual([undefined, 0]);
});

test('half the request’s duration is taken for the way there', () => {
  expect(observed(0).offsetMs).toBe(0);
  expect(observed(7_000).offsetMs).toBe(7_000);
});

test('a Date header, cut to the second, is read as its middle', () => {
  const clock = new ClockOffset(true);
  clock.observe(NOW, 1_000, NOW, 0);
  expect(clock.offsetMs).toBe(500);
});

test('the median of the last nine shrugs off slow answers', () => {
  expect(observed(5_000, 5_000, 90_000, 5_000, -80_000).offsetMs).toBe(5_000);
  expect(observed(1, 1, 1, ...Array<number>(9).fill(9_000)).offsetMs).toBe(9_000);
});

test('within a second nothing is corrected, beyond it all of it', () => {
  expect([observed(1_000), observed(-1_000), observed(1_001), observed(-7_200_000)].map((c) => c.correctionMs)).toEqual(
    [0, 0, 1_001, -7_200_000],
  );
});

test('an outlet whose clock stands in 1970 is corrected all the same', () => {
  const clock = new ClockOffset(true);
  clock.observe(NOW, 0, 0, 0);
  expect(clock.correctionMs).toBe(NOW);
});

test('over loopback both clocks are one, whatever an answer says', () => {
  const clock = new ClockOffset(false);
  clock.observe(NOW + 3_600_000, 1, NOW, 0);
  expect([clock.offsetMs, clock.correctionMs]).toEqual([0, 0]);
});

test('no answer moves our clock out of the range of dates', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.double(), fc.integer(), fc.constant(8.64e15), fc.constant(-62_135_596_800_000))),
      (all) => {
        const clock = new ClockOffset(true);
        for (const serverMs of all) clock.observe(serverMs, 1, NOW, 10);
        expect(() => new Date(NOW + clock.correctionMs).toISOString()).not.toThrow();
        expect(new Date(NOW + clock.correctionMs).toISOString()).toMatch(/^2[01]/);
      },
    ),
  );
});

test.each(['2026-11-22T15:00:00', '2026-11-22 15:00:00', '5', 'soon', ''])(
  'a server_time of %j, which has no offset, is passed over for the Date header',
  (serverTime) => {
    const clock = new ClockOffset(true);
    clock.observeAnswer(serverTime, 'Sun, 22 Nov 2026 08:00:00 GMT', NOW, 0);
    expect(clock.offsetMs).toBe(500);
  },
);
