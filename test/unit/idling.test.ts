/** When the queue is looked at again: quickly while there is work, ever more rarely without, asleep in the end. */
import type { WakeGate } from '../../src/db/wake.js';
import { Idling } from '../../src/push/idling.js';

class FakeGate {
  awake = false;
  sleeps = 0;
  wakes = 0;
  grants = true;
  wake() {
    this.awake = true;
    this.wakes++;
  }
  async tryToSleep() {
    this.sleeps++;
    if (this.grants) this.awake = false;
    return this.grants;
  }
}

let gate: FakeGate;
let idling: Idling;
beforeEach(() => {
  gate = new FakeGate();
  idling = new Idling(gate as unknown as WakeGate, () => {});
});

/** The wait after a look, rounded to what it was set to. */
async function waitAfter(found: boolean): Promise<number> {
  await idling.looked(found);
  return Math.ceil(idling.waitMs());
}

test('the first look is due at once', () => {
  expect(idling.waitMs()).toBe(0);
});

test('with something found it looks again after 5 ms and is awake', async () => {
  expect(await waitAfter(true)).toBeLessThanOrEqual(5);
  expect(gate.awake).toBe(true);
});

test('with nothing found it looks ever more rarely, up to 20 ms, then falls asleep with one look owed', async () => {
  await idling.looked(true);
  const waits: number[] = [];
  for (let look = 0; look < 9; look++) waits.push(await waitAfter(false));
  expect(waits.map((ms) => ms > 0 && ms <= 20)).toEqual(Array(9).fill(true));
  expect(waits[0]).toBeLessThanOrEqual(10);
  expect(waits[8]).toBeGreaterThan(10);
  expect(gate.sleeps).toBe(0);
  expect(await waitAfter(false)).toBe(0);
  expect([gate.sleeps, gate.awake]).toEqual([1, false]);
  const backstop = await waitAfter(false);
  expect(backstop).toBeGreaterThan(950);
  expect(backstop).toBeLessThanOrEqual(1_000);
});

test('refused sleep it stays awake, tries again at every look, and looks at least five times a second', async () => {
  gate.grants = false;
  await idling.looked(true);
  for (let look = 0; look < 9; look++) await idling.looked(false);
  const waits: number[] = [];
  for (let look = 0; look < 6; look++) waits.push(await waitAfter(false));
  expect(waits[0]).toBeLessThanOrEqual(40);
  expect(Math.max(...waits)).toBeLessThanOrEqual(200);
  expect(waits[5]).toBeGreaterThan(150);
  expect([gate.sleeps, gate.awake]).toEqual([6, true]);
});

test('found in its sleep, a change wakes it and the looks are quick again', async () => {
  await idling.looked(false);
  expect(idling.waitMs()).toBeGreaterThan(900);
  expect(await waitAfter(true)).toBeLessThanOrEqual(5);
  expect(gate.wakes).toBe(1);
  expect(await waitAfter(false)).toBeLessThanOrEqual(10);
});

test('a wake-up makes the next look due at once', async () => {
  await idling.looked(false);
  idling.lookNow();
  expect(idling.waitMs()).toBe(0);
});
