/** What the doctor says of captured tables whose triggers stepped aside on purpose. */
import { capture } from '../../src/doctor/checks/capture.js';
import type { Patient } from '../../src/doctor/patient.js';
import { NOW, shopFacts } from '../support/facts.js';

const entity = { table: 'public.orders', direction: 'push' };
const settings = { entities: new Map([['order', entity]]), disk: undefined };
const watched = [{ entity_type: 'order', healthy: false, failures: 0, healed: 0 }];
const told = async (change: Parameters<typeof shopFacts>[0]) =>
  (await capture.look({ facts: shopFacts({ capture: watched, ...change }), settings } as unknown as Patient)).map(
    ({ finding, what_to_type }) => [finding, what_to_type],
  );

test('a trigger that is missing is put right by install', async () => {
  expect(await told({})).toEqual([
    [expect.stringMatching(/^triggers of order .* are missing/), expect.stringMatching(/syncd install/)],
  ]);
});

test('one that steps aside for an upgrade is not: an install in the middle of it would end that', async () => {
  const suspended = [{ entity_type: 'order', by: 'Budi', at: NOW, reason: 'POS 4.2' }];
  expect(await told({ suspended })).toEqual([
    [expect.stringMatching(/suspended by Budi \(POS 4\.2\)/), 'syncd capture --resume'],
  ]);
});
