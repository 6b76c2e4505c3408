/** What is out: owned and busy as long as it is in flight or suspect, and not a moment longer. */
import { transactionKey } from '../../src/push/backlog.js';
import { Flights } from '../../src/push/flights.js';
import { makeChange, uuid } from '../support/changes.js';

const one = [makeChange({ id: '1', tx: 'A', entity_id: 'a', supersedes: [{ id: '9', change_id: uuid(9) }] })];
const two = [makeChange({ id: '2', tx: 'B', entity_id: 'b' }), makeChange({ id: '3', tx: 'B', entity_id: 'c' })];

test('what is in flight is owned, its superseded changes with it, and its entities and transactions are busy', () => {
  const flights = new Flights();
  flights.begin(one);
  flights.begin(two);
  expect(flights.size).toBe(2);
  expect([...flights.owned()].sort()).toEqual(['1', '2', '3', '9']);
  expect([...flights.busy].sort()).toEqual(
    [...one, ...two]
      .flatMap((change) => [change.key, transactionKey(change.tx)])
      .sort()
      .filter((key, n, all) => key !== all[n - 1]),
  );
  flights.end(one);
  flights.end(two);
  expect([flights.size, flights.owned().size, flights.busy.size]).toEqual([0, 0, 0]);
});

test('a suspect stays owned after its request has ended, and is let go when it is none any more', () => {
  const flights = new Flights();
  flights.begin(two);
  flights.end(two);
  flights.keep(two);
  expect([flights.size, [...flights.owned()]]).toEqual([0, ['2', '3']]);
  flights.begin(one);
  flights.keep([two[1] as (typeof two)[1]]);
  expect([...flights.owned()].sort()).toEqual(['1', '3', '9']);
  flights.end(one);
  flights.keep([]);
  expect([flights.owned().size, flights.busy.size]).toEqual([0, 0]);
});
