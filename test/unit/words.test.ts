/** Numbers, spans and instants as people say them. */
import {
  age,
  count,
  fullTime,
  localTime,
  oneLine,
  percent,
  relative,
  shortened,
  wrapped,
} from '../../src/ops/status/words.js';

test.each([
  [0, '0 s'],
  [499, '0 s'],
  [59_499, '59 s'],
  [59_500, '1 min'],
  [3_599_000, '59 min'],
  [3_600_000, '1 h'],
  [7_500_000, '2 h 5 min'],
  [86_399_000, '23 h 59 min'],
  [86_400_000, '1 d'],
  [273_600_000, '3 d 4 h'],
  [-5, '0 s'],
])('%i ms are %s', (ms, words) => expect(age(ms)).toBe(words));

test('counts agree with their noun and are grouped', () => {
  expect([count(0, 'change'), count(1, 'change'), count(1204, 'change')]).toEqual([
    '0 changes',
    '1 change',
    '1,204 changes',
  ]);
});

test("a time of today is an hour, of another day has its date, of another year that too, in the shop's zone", () => {
  const now = '2026-01-02T01:00:00Z';
  expect(localTime('2026-01-01T18:30:00Z', now, 'Asia/Jakarta')).toBe('01:30');
  expect(localTime('2026-01-01T16:59:59Z', now, 'Asia/Jakarta')).toBe('Thu 1 Jan 23:59');
  expect(localTime('2025-12-31T16:59:59Z', now, 'Asia/Jakarta')).toBe('Wed 31 Dec 2025 23:59');
  expect(fullTime(now, 'Asia/Jakarta')).toBe('Fri 2 Jan 2026, 08:00:00');
  expect(localTime('2026-01-02T00:10:00.123456Z', now, 'UTC')).toBe('00:10');
});

test.each([
  ['2026-01-02T00:59:00Z', '1 min ago'],
  ['2026-01-02T01:00:09Z', 'in 9 s'],
  ['2026-01-02T01:00:00.500Z', 'in a moment'],
  ['1970-01-01T00:00:00Z', 'by a wrong clock'],
])('%s is %s', (at, words) => expect(relative(at, '2026-01-02T01:00:00Z')).toBe(words));

test.each([
  [1, '100 %'],
  [0.99999, '99.9 %'],
  [0.5, '50 %'],
  [0.0001, '0.1 %'],
  [0, '0 %'],
])('%f is %s', (rate, words) => expect(percent(rate)).toBe(words));

test('texts are broken at blanks and cut with an ellipsis', () => {
  expect(wrapped('one two  three', 8)).toEqual(['one two', 'three']);
  expect(wrapped('extraordinarily long', 8)).toEqual(['extraordinarily', 'long']);
  expect(wrapped('', 8)).toEqual([]);
  expect([shortened('abcdef', 6), shortened('abcdefg', 6)]).toEqual(['abcdef', 'abcde…']);
});

test('control characters, line breaks and text that runs backwards do not reach a terminal', () => {
  expect(oneLine('a\u001b[2Jb\r\nc\u202ed\u0000')).toBe('a [2Jb c d');
});
