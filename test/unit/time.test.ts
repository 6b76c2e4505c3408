/** Waiting: what ends a sleep, what a flag remembers, and how late is late. */
import { jest } from '@jest/globals';
import { Flag, monotonicMs, sleep, steadyMs, wallInstant, within } from '../../src/time.js';

const FOREVER = 2 ** 40;
const late = () => new Error('late');

describe('sleep', () => {
  test('returns after its time, not before', async () => {
    const from = monotonicMs();
    await sleep(30);
    expect(monotonicMs() - from).toBeGreaterThanOrEqual(28);
  });

  test('ends at once when the signal aborts, before or meanwhile', async () => {
    const stop = new AbortController();
    const sleeping = sleep(FOREVER, stop.signal);
    stop.abort();
    await within(1_000, sleeping, late);
    await within(1_000, sleep(FOREVER, stop.signal), late);
  });

  test('longer than a timer can be, it still sleeps', async () => {
    const stop = new AbortController();
    let over = false;
    const sleeping = sleep(Number.POSITIVE_INFINITY, stop.signal).then(() => {
      over = true;
    });
    await sleep(20);
    expect(over).toBe(false);
    stop.abort();
    await sleeping;
  });
});

describe('a flag', () => {
  test('raised before anybody waits, it is remembered until it is lowered', async () => {
    const flag = new Flag();
    flag.raise();
    await within(1_000, flag.wait(FOREVER), late);
    expect(flag.raised).toBe(true);
    flag.lower();
    await expect(within(20, flag.wait(FOREVER), late)).rejects.toThrow('late');
    flag.raise();
  });

  test('raised meanwhile, it ends the wait', async () => {
    const flag = new Flag();
    const waiting = flag.wait(FOREVER);
    flag.raise();
    await within(1_000, waiting, late);
  });

  test('a wait ends with its time and with its signal, and leaves the flag as it was', async () => {
    const flag = new Flag();
    await flag.wait(5);
    const stop = new AbortController();
    const waiting = flag.wait(FOREVER, stop.signal);
    stop.abort();
    await within(1_000, waiting, late);
    await within(1_000, flag.wait(FOREVER, stop.signal), late);
    expect(flag.raised).toBe(false);
  });
});

describe('within', () => {
  test('work that is done in time is handed on, good or bad', async () => {
    expect(await within(60_000, Promise.resolve(7), late)).toBe(7);
    await expect(within(60_000, Promise.reject(new Error('bad')), late)).rejects.toThrow('bad');
  });

  test('what takes longer is late', async () => {
    await expect(within(5, new Promise(() => {}), late)).rejects.toThrow('late');
  });
});

test('the steady clock agrees with the wall at first and does not follow its jumps; what is shown to people does', () => {
  const [wall, steady] = [Date.now(), steadyMs()];
  expect(Math.abs(wall - steady)).toBeLessThan(1_000);
  jest.spyOn(Date, 'now').mockReturnValue(wall - 86_400_000);
  expect(steadyMs() - steady).toBeGreaterThanOrEqual(0);
  expect(Math.abs(wallInstant(steady).getTime() - (wall - 86_400_000))).toBeLessThan(2_000);
});
