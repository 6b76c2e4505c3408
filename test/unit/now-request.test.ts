/** When a question for a sync now is answered, and with what. */
import { type Marks, NowRequest } from '../../src/ops/now-request.js';

const none = { applied: 0, parked: 0, conflicts: 0 };
const asked = (marks: Partial<Marks> = {}) =>
  new NowRequest({ pass: 4, call: 9, totals: { ...none, applied: 100 }, ...marks });
const SENT = 'everything that may be sent is in the cloud';

test('only after the queue was sent, a later pull has ended, and a look after that pull found nothing to apply', () => {
  const request = asked();
  request.noteQuiet(4);
  request.notePulled(9, 20);
  request.noteApplied(21, none);
  expect(request.answer).toBeUndefined();
  request.noteQuiet(5);
  expect(request.answer).toBeUndefined();
  request.noteApplied(22, none);
  request.notePulled(10, 22);
  request.noteApplied(22, none);
  expect(request.answer).toBeUndefined();
  request.noteApplied(23, { ...none, applied: 101 });
  expect(request.answer).toEqual({ outcome: `${SENT}; 1 change of it was applied`, error: null });
});

test.each([
  [{ applied: 100 }, 'nothing new came from it'],
  [{ applied: 103 }, '3 changes of it were applied'],
  [
    { applied: 100, parked: 2, conflicts: 1 },
    '0 changes of it were applied, 1 conflict came up, 2 changes could not be applied: syncd inbox',
  ],
])('it tells what came: %j', (dealt, words) => {
  const request = asked();
  request.noteQuiet(5);
  request.notePulled(10, 1);
  request.noteApplied(2, { ...none, ...dealt });
  expect(request.answer).toEqual({ outcome: `${SENT}; ${words}`, error: null });
});

test('where nothing is pulled, what was sent is the whole answer', () => {
  const request = asked({ call: undefined });
  request.noteQuiet(5);
  expect(request.answer).toEqual({ outcome: SENT, error: null });
});

test('a failure answers at once; one of a call from before the question does not', () => {
  const pulling = asked();
  pulling.notePullFailed(9, 'old');
  expect(pulling.answer).toBeUndefined();
  pulling.notePullFailed(10, 'HTTP 500');
  expect(pulling.answer).toEqual({ outcome: null, error: 'nothing could be fetched from the cloud: HTTP 500' });
  const pushing = asked();
  pushing.notePushFailed('no line');
  pushing.noteQuiet(5);
  expect(pushing.answer).toEqual({ outcome: null, error: 'no line' });
});
