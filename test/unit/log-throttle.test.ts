/** One trouble, one line in five minutes, one line at its end. */
import { Throttle } from '../../src/log-throttle.js';

const MINUTE = 60_000;

test('the first time is told, the same again only after five minutes, with how often it came meanwhile', () => {
  const throttle = new Throttle();
  expect(throttle.trouble('cloud', 0)).toEqual({ repeated: 0 });
  for (let i = 1; i <= 299; i++) expect(throttle.trouble('cloud', i * 1000)).toBeUndefined();
  expect(throttle.trouble('cloud', 5 * MINUTE)).toEqual({ repeated: 299 });
  expect(throttle.trouble('cloud', 5 * MINUTE + 1)).toBeUndefined();
  expect(throttle.trouble('cloud', 10 * MINUTE)).toEqual({ repeated: 1 });
});

test('troubles do not silence each other', () => {
  const throttle = new Throttle();
  expect(throttle.trouble('cloud', 0)).toBeDefined();
  expect(throttle.trouble('database', 1)).toBeDefined();
});

test('the end is told once, with how long it lasted and how often it came; then it may begin anew', () => {
  const throttle = new Throttle();
  expect(throttle.recover('cloud', 0)).toBeUndefined();
  throttle.trouble('cloud', 1000);
  throttle.trouble('cloud', 2000);
  expect(throttle.recover('cloud', 61_000)).toEqual({ lastedMs: 60_000, times: 2 });
  expect(throttle.recover('cloud', 62_000)).toBeUndefined();
  expect(throttle.trouble('cloud', 63_000)).toEqual({ repeated: 0 });
});

test('a flood of different troubles is forgotten from the quiet end, and takes bounded room', () => {
  const throttle = new Throttle();
  throttle.trouble('lively', 0);
  throttle.trouble('quiet', 0);
  for (let i = 0; i < 499; i++) {
    throttle.trouble(`t${i}`, 1);
    throttle.trouble('lively', 1);
  }
  expect(throttle.trouble('lively', 2)).toBeUndefined();
  expect(throttle.trouble('quiet', 2)).toEqual({ repeated: 0 });
});
