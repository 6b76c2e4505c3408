/** Folded states of one entity: what is written down of them when the cloud does not accept the newest. */
import { Backlog } from '../../src/push/backlog.js';
import type { ChangeOutcome } from '../../src/push/outcome.js';
import { planSettlement } from '../../src/push/verdict.js';
import { makeChange, makeLimits } from '../support/changes.js';

const policy = { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2 };
const none: ReadonlySet<string> = new Set();
const conflict: ChangeOutcome = { kind: 'conflict', index: 0, cloudVersion: 6, updatedAt: null, deleted: false };
const rejected: ChangeOutcome = { kind: 'rejected', reason: 'busy', retryable: true };
const held: ChangeOutcome = { kind: 'held', waitingFor: { entity_type: 'order', entity_id: '7' }, reason: 'held' };

type Given = Parameters<typeof makeChange>[0];
const stock = (id: number, given: Partial<Given> = {}) =>
  makeChange({ id: String(id), tx: `t${id}`, coalesce: true, ...given });

/** Reads the states and takes out what leaves. */
function read(backlog: Backlog, changes: ReturnType<typeof stock>[]) {
  backlog.add(changes, Number.POSITIVE_INFINITY, new Map(), makeLimits(10));
  return backlog.take(makeLimits(10), none) ?? [];
}
const plan = (changes: ReturnType<typeof stock>[], outcome: ChangeOutcome, moved = none) =>
  planSettlement(
    changes.map((change) => ({ change, outcome })),
    moved,
    policy,
    () => 0,
    () => 'merge',
  );

test('a conflict of something that was overtaken leaves all of it as it was, to be read anew', () => {
  const [folded] = read(new Backlog(), [stock(1), stock(2), stock(3)]);
  const change = folded as ReturnType<typeof stock>;
  const verdicts = [
    { change, outcome: conflict, overtaken: true as const },
    { change: stock(4), outcome: rejected },
  ];
  const { settlement, held, anew, hasConflicts } = planSettlement(
    verdicts,
    none,
    policy,
    () => 0,
    () => 'merge',
  );
  expect([[...anew], held.size, hasConflicts, settlement.others.ids]).toEqual([[change.key], 0, false, []]);
});

test('any other conflict is put on record with the newest state, whose row is compared', () => {
  const folded = read(new Backlog(), [stock(1), stock(2), stock(3)]);
  const { settlement, anew } = plan(folded, conflict);
  expect([settlement.conflicts.ids, settlement.others.ids, anew.size]).toEqual([['3'], ['3'], 0]);
});

test('a change that names what a correction or a resolution replaces is in conflict at once', () => {
  const replaced = [{ id: '0', change_id: 'a' }];
  expect(plan([stock(3, { supersedes: replaced })], conflict).settlement.conflicts.ids).toEqual(['3']);
});

test('the oldest one is put off, and the others wait behind it', () => {
  const replaced = [{ id: '0', change_id: 'a' }];
  const folded = read(new Backlog(), [stock(1, { supersedes: replaced }), stock(2), stock(3)]);
  expect(plan(folded, rejected).settlement.others).toMatchObject({ ids: ['1'], retry_counts: [1] });
});

test('what was tried before counts for all that it is folded into', () => {
  const backlog = new Backlog();
  backlog.addFirst([stock(1, { retried: true, retryCount: 3, holdCount: 2 })]);
  const folded = read(backlog, [stock(2), stock(3)]);
  expect(plan(folded, rejected).settlement.others).toMatchObject({
    ids: ['1'],
    statuses: ['failed'],
    retry_counts: [4],
  });
  expect(plan(folded, held).settlement.others).toMatchObject({ ids: ['1'], hold_counts: [3] });
  expect(plan(folded, held, new Set(['1'])).settlement.others).toMatchObject({ ids: ['1'], hold_counts: [1] });
});

test('a newer state that goes first, for it was tried before, is not taken in by an older one', () => {
  const backlog = new Backlog();
  backlog.addFirst([stock(3, { retried: true })]);
  expect(read(backlog, [stock(1), stock(2)]).map(({ id }) => id)).toEqual(['2', '3']);
});
