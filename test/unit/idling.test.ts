/** When the queue is looked at again: quickly while there is work, ever more rarely without, asleep in the end. */
import { jest } from '@jest/globals';
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
// The clock stands still, so that a wait is what it was set to however busy the machine is.
beforeEach(() => {
  jest.spyOn(performance, 'now').mockReturnValue(1_000);
  gate = new FakeGate();
  idling = new Idling(gate as unknown as WakeGate, () => {});
});

async function waitAfter(found: boolean): Promise<number> {
  await idling.looked(found);
  return idling.waitMs();
}

async function waitsAfterNothing(looks: number): Promise<number[]> {
  const waits: number[] = [];
  for (let look = 0; look < looks; look++) waits.push(await waitAfter(false));
  return waits;
}

test('the first look is due at once', () => {
  expect(idling.waitMs()).toBe(0);
});

test('with something found it looks again after 5 ms and is awake', async () => {
  expect(await waitAfter(true)).toBe(5);
  expect(gate.awake).toBe(true);
});

test('with nothing found it looks ever more rarely, up to 20 ms, then falls asleep with one look owed', async () => {
  await idling.looked(true);
  expect(await waitsAfterNothing(9)).toEqual([10, ...Array(8).fill(20)]);
  expect(gate.sleeps).toBe(0);
  expect(await waitAfter(false)).toBe(0);
  expect([gate.sleeps, gate.awake]).toEqual([1, false]);
  expect(await waitAfter(false)).toBe(1_000);
});

test('what is found meanwhile has it count the empty looks anew', async () => {
  for (let round = 0; round < 2; round++) {
    await idling.looked(true);
    await waitsAfterNothing(9);
  }
  expect(gate.sleeps).toBe(0);
});

test('refused sleep it stays awake, tries again at every look, and looks at least five times a second', async () => {
  gate.grants = false;
  await idling.looked(true);
  await waitsAfterNothing(9);
  expect(await waitsAfterNothing(6)).toEqual([40, 80, 160, 200, 200, 200]);
  expect([gate.sleeps, gate.awake]).toEqual([6, true]);
});

test('found in its sleep, a change wakes it and the looks are quick again', async () => {
  expect(await waitAfter(false)).toBe(1_000);
  expect(await waitAfter(true)).toBe(5);
  expect(gate.wakes).toBe(1);
  expect(await waitAfter(false)).toBe(10);
});

test('a wake-up makes the next look due at once', async () => {
  await idling.looked(false);
  idling.lookNow();
  expect(idling.waitMs()).toBe(0);
});
