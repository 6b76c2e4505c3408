/** Which of the changes that a refused one contains the cloud has: what is asked for, in which order, and what an answer means. */
import type { PendingChange } from '../../src/push/backlog.js';
import { type Answer, containedIds, inquire, inTheLightOf, newestArrived } from '../../src/push/inquiry.js';
import type { ChangeOutcome } from '../../src/push/outcome.js';
import { makeChange } from '../support/changes.js';

const conflict: ChangeOutcome = { kind: 'conflict', index: 0, cloudVersion: 6, updatedAt: null, deleted: false };
const duplicate: ChangeOutcome = { kind: 'accepted', duplicate: true, cloudVersion: 5, cloudId: null };
const rejected: ChangeOutcome = { kind: 'rejected', reason: 'no', retryable: false };

const change = (id: number, given: Partial<PendingChange> = {}) => makeChange({ id: String(id), ...given });
const other = (id: number, given: Partial<PendingChange> = {}) => change(id, { entity_id: 'e2', ...given });
const key = change(1).key;

/** @param answer given the ids that are asked for, as '1 2' */
async function asking(older: PendingChange[], answer: (ids: string) => Answer) {
  const asked: string[] = [];
  const answers = await inquire(older, async (changes) => {
    const ids = changes.map(({ id }) => id).join(' ');
    asked.push(ids);
    return answer(ids);
  });
  return { asked, arrived: [...answers.arrived], unknown: [...answers.unknown] };
}
const none: Answer = new Set();

test('only what a change in conflict contains unsettled is asked for', () => {
  const supersedes = ['1', '0', '2'].map((id) => ({ id, change_id: `c${id}` }));
  const verdicts = [conflict, duplicate, rejected].map((outcome, n) => ({
    change: change(7 + n, { supersedes }),
    outcome,
  }));
  expect(containedIds(verdicts)).toEqual(['1', '2']);
  expect(containedIds([{ change: change(3), outcome: conflict }])).toEqual([]);
});

test('what the cloud has judged before is asked for last, and not at all where something newer had arrived', async () => {
  const older = [change(1, { retried: true }), change(2), other(3, { retried: true }), other(4)];
  expect(await asking(older, () => none)).toEqual({ asked: ['2 4', '1 3'], arrived: [], unknown: [] });
  expect(await asking(older, (ids) => (ids === '2 4' ? new Set([key]) : none))).toEqual({
    asked: ['2 4', '3'],
    arrived: [key],
    unknown: [],
  });
});

test('many are asked for in parts, the newest first', async () => {
  const { asked } = await asking(
    Array.from({ length: 260 }, (_, n) => change(n + 1)),
    () => none,
  );
  expect(asked.map((ids) => ids.split(' ').length)).toEqual([250, 10]);
  expect(asked.map((ids) => ids.split(' ')[0])).toEqual(['11', '1']);
  const large = [1, 2, 3].map((id) => change(id, { bytes: 150_000 }));
  expect((await asking(large, () => none)).asked).toEqual(['3', '2', '1']);
});

test('nothing follows a deletion of its entity in one request: where that is deleted already, it would be applied', async () => {
  const gone = { operation: 'delete' } as const;
  const older = [
    change(1, gone),
    other(2),
    change(3, { operation: 'create' }),
    other(4, gone),
    change(5, gone),
    change(6),
  ];
  expect((await asking(older, () => none)).asked).toEqual(['6', '2 3 4 5', '1']);
});

test('what is refused as a whole is asked for in halves; one that is refused alone has not arrived', async () => {
  const bad = (ids: string) => (ids.split(' ').includes('2') ? 'refused' : none);
  expect(await asking([change(1), change(2), change(3)], bad)).toEqual({
    asked: ['1 2 3', '2 3', '3', '2', '1'],
    arrived: [],
    unknown: [],
  });
});

test('of what gets no answer nothing is known, and a line that is down is not asked for ever', async () => {
  const choking = (ids: string) => (ids.split(' ').includes('1') ? 'silent' : none);
  expect(await asking([change(1), other(2)], choking)).toEqual({
    asked: ['1 2', '2', '1'],
    arrived: [],
    unknown: [key],
  });
  const down = await asking([change(1), change(2), other(3), other(4)], () => 'silent');
  expect(down).toEqual({ asked: ['1 2 3 4', '3 4', '4'], arrived: [], unknown: [other(4).key, key] });
});

test('the newest that the cloud has takes along all of its entity that came before', () => {
  const older = [change(1), other(2), change(3), change(4), change(5)];
  const outcomes = [duplicate, conflict, conflict, duplicate, conflict];
  const found = newestArrived(older, outcomes, older);
  expect(found.map((one) => [one.change.id, one.change.supersedes.map(({ id }) => id)])).toEqual([['4', ['1', '3']]]);
  expect(
    newestArrived(
      older,
      older.map(() => rejected),
      older,
    ),
  ).toEqual([]);
});

test('a conflict is judged where nothing had arrived, put off where that is not known', () => {
  const verdict = { change: change(9), outcome: conflict };
  const accepted = { change: change(9), outcome: duplicate };
  const nothing = new Set<string>();
  expect(inTheLightOf({ arrived: nothing, unknown: nothing }, verdict)).toEqual(verdict);
  expect(inTheLightOf({ arrived: new Set([key]), unknown: new Set([key]) }, verdict)).toEqual({
    ...verdict,
    overtaken: true,
  });
  expect(inTheLightOf({ arrived: nothing, unknown: new Set([key]) }, verdict).outcome.kind).toBe('held');
  expect(inTheLightOf({ arrived: new Set([key]), unknown: new Set([key]) }, accepted)).toEqual(accepted);
});
