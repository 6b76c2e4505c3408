/** The soak's judgement: what grows is found, what trembles or fills up at the start is not. */
import { judge, type Sample, slopeOf } from './slope.js';

const series = (value: (minute: number) => number, minutes = 60): Sample[] =>
  Array.from({ length: minutes }, (_, minute) => ({ minute, value: value(minute) }));

test('a straight line’s slope is its own, and one look says nothing', () => {
  expect(slopeOf(series((minute) => 5 + 2 * minute))).toBeCloseTo(2);
  expect(slopeOf([{ minute: 3, value: 7 }])).toBe(0);
});

test.each<[string, (minute: number) => number, string | undefined]>([
  ['a leak of 2 MB a minute', (minute) => 80 + 2 * minute, 'grew by 72'],
  ['a saw of 15 MB', (minute) => 90 + (minute % 15), undefined],
  ['caches that fill for ten minutes', (minute) => 60 + 4 * Math.min(minute, 10), undefined],
  ['one peak beyond the bound', (minute) => (minute === 30 ? 201 : 80), 'above 200'],
])('memory: %s', (_name, value, fault) => {
  expect(judge(series(value), { most: 200, growth: { by: 20, share: 0.15 } }).fault).toBe(fault);
});

test('a figure that falls is never a fault', () => {
  expect(
    judge(
      series((minute) => 100 - minute),
      { growth: { by: 0, share: 0 } },
    ),
  ).toMatchObject({ fault: undefined });
});
