/** The arithmetic behind the benchmark's table, for a wrong ratio would be believed. Pure. */
import { type Figure, figureOf, tableOf, verdictOf } from './report.js';
import { median, quantile, ratios, tremble, turned } from './statistics.js';

const A1 = { bench: 'A1', what: 'sales', reference: 'smallest trigger', unit: 'x', detail: { sales_per_s: 4321.5 } };
const atLeast = { must: 0.8, aim: 0.92, better: 'higher' } as const;
const atMost = { must: 3, aim: 2.5, better: 'lower' } as const;

test.each([
  [[5], 0.5, 5],
  [[4, 1, 3, 2], 0.5, 2.5],
  [[30, 10, 20], 0.5, 20],
  [[10, 20, 30, 40, 50], 0.99, 49.6],
  [[10, 20, 30], 0, 10],
  [[10, 20, 30], 1, 30],
])('the quantile of %j at %d is %d', (sample, share, expected) => {
  expect(quantile(sample, share)).toBeCloseTo(expected, 10);
});

test('nothing measured has no median', () => {
  expect(() => median([])).toThrow('a quantile of nothing');
});

test('a ratio is taken within each round, so that a slow minute hits both sides', () => {
  expect(ratios([80, 40], [100, 50])).toEqual([0.8, 0.8]);
  expect(() => ratios([80], [100, 50])).toThrow('do not pair');
});

test('noise is half the quartile distance as a share of the median', () => {
  expect(tremble([8, 9, 10, 11, 12])).toBeCloseTo(0.1, 10);
});

test('every variant goes first once in as many rounds as there are variants', () => {
  expect([0, 1, 2, 3].map((round) => turned(['a', 'b', 'c'], round).join(''))).toEqual(['abc', 'bca', 'cab', 'abc']);
});

test.each([
  [0.95, atLeast, 'aim'],
  [0.92, atLeast, 'aim'],
  [0.8, atLeast, 'must'],
  [0.79, atLeast, 'MISSED'],
  [2.5, atMost, 'aim'],
  [3, atMost, 'must'],
  [3.01, atMost, 'MISSED'],
] as const)('a figure of %d against %j is %s', (value, bound, verdict) => {
  expect(verdictOf(figureOf([value], { ...A1, bound }))).toBe(verdict);
});

test('the table shows median, extremes, noise, bounds and verdict of each figure, and the machine below', () => {
  const figure: Figure = figureOf([0.7, 0.75, 0.8], { ...A1, bound: atLeast });
  const table = tableOf({ machine: { cores: 2 }, options: {}, figures: [figure] }).split('\n');
  expect(table[1]?.split(/ {2,}/)).toEqual([
    'A1',
    'sales',
    'smallest trigger',
    '0.75 x',
    '0.7..0.8',
    '±3 %',
    '≥ 0.8 / 0.92',
    'MISSED',
  ]);
  expect(table.slice(2)).toEqual(['', '  A1 sales: sales_per_s 4322', '', 'cores 2']);
});
