/** How long a change waits that nobody in the shop made, and that no edit of the shop ever waits for one. */

import { roundDelayMs } from '../../src/cloud/backoff.js';
import type { PendingChange } from '../../src/push/backlog.js';
import { EchoBrake, LONGEST_WAIT_MS } from '../../src/push/echo-brake.js';
import { makeChange } from '../support/changes.js';

let nowMs = 0;
let brake: EchoBrake;
let id = 0;
let slowed: string[];
beforeEach(() => {
  nowMs = 1_000_000;
  slowed = [];
  brake = new EchoBrake(
    () => nowMs,
    (change) => slowed.push(change.id),
  );
});

/** What the trigger made of the row: `token` is its own, the rest came in. */
const echo = (row: object = {}, given: Partial<PendingChange> = {}) =>
  makeChange({
    id: String(++id),
    echo: true,
    changedFields: '["token"]',
    payload: JSON.stringify({ id: 1, price: 4, ...row, token: `t${id}` }),
    ...given,
  });
const edit = (given: Partial<PendingChange> = {}) => makeChange({ id: String(++id), payload: '{"id":1}', ...given });
const leaving = (...changes: PendingChange[]) => brake.without(changes).map((change) => change.id);
const rounds = (n: number, of = () => echo()) => {
  for (let i = 0; i < n; i++) {
    brake.without([of()]);
    nowMs += LONGEST_WAIT_MS;
  }
};

test('four rounds cost no wait; then it is 1 s, twice as long each time, up to 30 s', () => {
  const waits = [1, 4, 5, 6, 7, 9, 10, 1_000_000].map((n) => roundDelayMs(n, LONGEST_WAIT_MS));
  expect(waits).toEqual([0, 0, 1_000, 2_000, 4_000, 16_000, 30_000, 30_000]);
});

test('the fifth in a row waits its time, however often it is looked at, and then leaves', () => {
  for (let i = 0; i < 4; i++) expect(leaving(echo())).toHaveLength(1);
  const fifth = echo();
  expect(leaving(fifth)).toEqual([]);
  nowMs += 999;
  expect(leaving(fifth)).toEqual([]);
  nowMs += 1;
  expect(leaving(fifth)).toEqual([fifth.id]);
  expect(leaving(fifth)).toEqual([fifth.id]);
  expect(slowed).toEqual([fifth.id]);
});

test('what waits goes when a person asks, and the next waits longer all the same', () => {
  rounds(9);
  const waiting = echo();
  expect(leaving(waiting)).toEqual([]);
  brake.release();
  expect(leaving(waiting)).toEqual([waiting.id]);
  expect(leaving(echo())).toEqual([]);
});

test('an edit of the same row goes at once, and what waited in front of it; so do all others, without what waits', () => {
  rounds(9);
  const waiting = echo();
  expect(leaving(waiting)).toEqual([]);
  const other = edit({ entity_id: 'e2' });
  expect(leaving(waiting, other)).toEqual([other.id]);
  const real = edit();
  expect(leaving(waiting, other, real)).toEqual([waiting.id, other.id, real.id]);
});

test('an edit in the same transaction is not parted from it, and does not wait', () => {
  rounds(9);
  const [waiting, real] = [echo({}, { tx: '9' }), edit({ entity_id: 'e2', tx: '9' })];
  expect(leaving(waiting, real)).toEqual([waiting.id, real.id]);
});

test('a row that comes in with another value begins anew, each time, and so does one that was quiet', () => {
  for (let i = 0; i < 30; i++) expect(leaving(echo({ price: i }))).toHaveLength(1);
  rounds(9);
  expect(leaving(echo())).toEqual([]);
  nowMs += 300_000;
  expect(leaving(echo())).toHaveLength(1);
});

test('a row that is too large to look into, or cannot be read, never waits', () => {
  for (const payload of [JSON.stringify({ note: 'x'.repeat(65_536) }), 'nonsense'])
    for (let i = 0; i < 9; i++) expect(leaving(echo({}, { payload }))).toHaveLength(1);
});

test('edits of the shop never wait, however often one row is sold', () => {
  for (let i = 0; i < 30; i++) expect(leaving(edit({ changedFields: '["token"]' }))).toHaveLength(1);
});
