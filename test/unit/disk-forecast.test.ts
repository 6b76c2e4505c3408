/** How long the disk lasts at today's rate, and when capture steps aside. */
import { bytes, daysLeft, onDisk } from '../../src/ops/disk-forecast.js';

const HOUR = 3_600_000;
const GB = 1e9;
const reading = (hours: number, free: number, database = GB) => ({ at: hours * HOUR, free, database });

test.each([
  ['nothing is known', [], undefined],
  ['less than an hour is known', [reading(0, 10 * GB), reading(0.9, 9 * GB)], undefined],
  ['nothing grows', [reading(0, 10 * GB), reading(24, 10 * GB)], undefined],
  ['somebody made room', [reading(0, 9 * GB), reading(24, 10 * GB)], undefined],
  ['the disk fills', [reading(0, 11 * GB), reading(24, 10 * GB)], 9],
  ['the database grows faster than the disk fills', [reading(0, 10 * GB, GB), reading(12, 10 * GB, 2 * GB)], 4.5],
  ['the floor is reached', [reading(0, 2 * GB), reading(24, 0.5 * GB)], 0],
])('days left where %s', (_what, readings, days) => {
  expect(daysLeft(readings, GB)).toBe(days);
});

test.each([
  [0.99, false, 'suspend'],
  [0.99, true, 'suspend'],
  [1.0, false, 'nothing'],
  [1.2, true, 'nothing'],
  [1.25, true, 'resume'],
  [9, false, 'nothing'],
])('with %s times the floor free, suspended %s: %s', (free, suspended, what) => {
  expect(onDisk(free * GB, GB, suspended)).toBe(what);
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_500, '1.5 KB'],
  [1_000_000_000, '1 GB'],
  [123_456_789_000, '123 GB'],
  [5e15, '5000 TB'],
])('%s bytes are told as %s', (size, words) => {
  expect(bytes(size)).toBe(words);
});
