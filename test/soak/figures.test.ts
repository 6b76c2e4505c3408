/** The soak's bounds on what is written: more work for a sale, or space that nobody takes again, is found; larger tables alone are not. */
import { FIGURES, type Name } from './look.js';
import { judge, type Sample } from './slope.js';
import { Cycles } from './wal.js';

const series = (value: (minute: number) => number, minutes = 60): Sample[] =>
  Array.from({ length: minutes }, (_, minute) => ({ minute, value: value(minute) }));

function faultOf(figure: Name, samples: Sample[]): string | undefined {
  const { bound } = FIGURES.find(({ name }) => name === figure) as (typeof FIGURES)[number];
  return judge(samples, bound).fault;
}

/** Between -1 and 1, as looks tremble. */
const tremble = (minute: number) => ((minute * 7) % 5) / 2 - 1;

test.each<[Name, string, (minute: number) => number]>([
  ['wal', 'the same work, look by look', (minute) => 10 + tremble(minute)],
  ['wal', 'a chore that comes every tenth minute', (minute) => (minute % 10 === 9 ? 26 : 10)],
  [
    'size',
    'space that is taken again once a vacuum was there',
    (minute) => 4.2 + 2 / (1 + minute) + tremble(minute) / 10,
  ],
  ['images', 'tables that have grown', (minute) => 3 + 35 * (1 - Math.exp(-minute / 200))],
])('%s: %s is sound', (figure, _what, value) => {
  expect(faultOf(figure, series(value))).toBeUndefined();
});

test.each<[Name, string, (minute: number) => number, string]>([
  ['wal', 'a sale that costs 4 kB more after an hour', (minute) => 10 + minute / 15 + tremble(minute), 'grew by'],
  ['wal', 'a chore that comes ever more often', (minute) => 10 + (minute > 40 && minute % 3 > 0 ? 5 : 0), 'grew by'],
  ['size', 'rows that stay where they did not before', (minute) => 4 + minute / 30 + tremble(minute) / 10, 'grew by'],
  ['images', 'pages that a sale has no business with', (minute) => 20 + minute, 'above 50'],
])('%s: %s is found', (figure, _what, value, fault) => {
  expect(faultOf(figure, series(value))).toContain(fault);
});

test('images are counted by whole cycles: neither the look right after a checkpoint nor the one before it says anything alone', () => {
  const cycles = new Cycles();
  const kB = [7, 290, 5, 5, 320, 5, 5, 350];
  const perSale = kB.map((images) => cycles.add({ images: images * 1024, checkpoint: images > 200 }, 10));
  // The one under way at the first look is left out, and so is the one that lasts.
  const none = undefined;
  expect(perSale).toEqual([none, none, none, none, 10, none, none, 11]);
});
