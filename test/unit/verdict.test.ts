/** From the outcomes of a batch to what is written down: chains, supersession, conflicts, holds, agreements. */
import type { ChangeOutcome } from '../../src/push/outcome.js';
import { planSettlement } from '../../src/push/verdict.js';
import { agreed, makeChange, uuid } from '../support/changes.js';

const policy = { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2 };
const none: ReadonlySet<string> = new Set();
type Given = Parameters<typeof makeChange>[0];
const plan = (given: [Given, ChangeOutcome][], moved = none) =>
  planSettlement(
    given.map(([change, outcome]) => ({ change: makeChange(change), outcome })),
    moved,
    policy,
    () => 0,
    () => 'newest_wins',
  );

const accepted = (cloudVersion: number, cloudId: string | null = null, duplicate = false): ChangeOutcome => ({
  kind: 'accepted',
  duplicate,
  cloudVersion,
  cloudId,
});
const held: ChangeOutcome = { kind: 'held', waitingFor: null, reason: 'held by the cloud' };
const rejected = (retryable: boolean): ChangeOutcome => ({ kind: 'rejected', reason: 'bad: no', retryable });
const conflict: ChangeOutcome = { kind: 'conflict', index: 4, cloudVersion: 6, updatedAt: null, deleted: true };

describe('accepted', () => {
  test('a chain settles as a whole and only its last change makes the new agreement', () => {
    const state = agreed(5, 10, 'c-1');
    const { settlement, states, held, log } = plan([
      [{ id: '1', state }, accepted(6)],
      [{ id: '2', state }, accepted(7, 'c-2')],
      [{ id: '3', state }, accepted(8)],
    ]);
    expect(settlement.accepted).toEqual({ fresh: ['1', '2', '3'], retried: [] });
    expect(settlement.states).toEqual({
      ids: ['3'],
      entity_types: ['order'],
      entity_ids: ['e1'],
      versions: [13],
      cloud_versions: [8],
      cloud_ids: ['c-2'],
      deleted: [false],
    });
    expect([...states.values()]).toEqual([{ version: 13, cloudVersion: 8, cloudId: 'c-2' }]);
    expect([log.accepted, held.size]).toEqual([3, 0]);
  });

  test('no row is taken for agreed on where the last answer of a chain is older than the one before', () => {
    const { settlement } = plan([
      [{ id: '1' }, accepted(6)],
      [{ id: '2' }, accepted(4, null, true)],
    ]);
    expect(settlement.first).toMatchObject({ ids: ['0'], cloud_versions: [6] });
  });

  test('entities without a state stand apart from those that have one', () => {
    const { settlement, states } = plan([
      [{ id: '1', entity_id: 'a' }, accepted(1)],
      [{ id: '2', entity_id: 'b', state: agreed(4, 2) }, accepted(5)],
      [{ id: '3', entity_id: 'a' }, accepted(2)],
    ]);
    expect(settlement.first).toMatchObject({ entity_ids: ['a'], versions: [2], cloud_versions: [2] });
    expect(settlement.states).toMatchObject({ entity_ids: ['b'], versions: [3], cloud_versions: [5] });
    expect(states.size).toBe(2);
  });

  test('fresh ones and retries stand apart; a duplicate is told as such and settles the same', () => {
    const { settlement, log } = plan([
      [{ id: '1', entity_id: 'a' }, accepted(1)],
      [{ id: '2', entity_id: 'b', retried: true }, accepted(1, null, true)],
    ]);
    expect(settlement.accepted).toEqual({ fresh: ['1'], retried: ['2'] });
    expect(log).toEqual({ accepted: 2, outcomes: ['accepted', 'duplicate'] });
  });

  test('what a change supersedes settles with it, under its name, and counts as versions', () => {
    const supersedes = [7, 8].map((n) => ({ id: String(n), change_id: uuid(n) }));
    const { settlement } = plan([[{ id: '9', supersedes, state: agreed(1, 4) }, accepted(2)]]);
    expect(settlement.superseded).toEqual({ ids: ['7', '8'], by: [uuid(9), uuid(9)] });
    expect(settlement.states.versions).toEqual([7]);
  });

  test('what a change that was not accepted supersedes stays as it was', () => {
    const supersedes = [{ id: '7', change_id: uuid(7) }];
    const { settlement } = plan([[{ id: '9', supersedes }, rejected(false)]]);
    expect(settlement.superseded.ids).toEqual([]);
  });

  test('what a change supersedes that was not accepted itself settles with a later one that was', () => {
    const supersedes = [{ id: '7', change_id: uuid(7) }];
    const { settlement } = plan([
      [{ id: '8', supersedes }, rejected(false)],
      [{ id: '9' }, accepted(2)],
    ]);
    expect(settlement.superseded).toEqual({ ids: ['8', '7'], by: [uuid(9), uuid(9)] });
  });

  test('a delete leaves a tombstone, a create after it brings the entity back', () => {
    expect(plan([[{ id: '1', operation: 'delete' }, accepted(2)]]).settlement.first.deleted).toEqual([true]);
    const again = plan([
      [{ id: '1', operation: 'delete' }, accepted(2)],
      [{ id: '2', operation: 'create' }, accepted(3)],
    ]);
    expect(again.settlement.first.deleted).toEqual([false]);
  });

  test('a version below the known one moves nothing back, neither in memory nor within an answer', () => {
    const { states, settlement } = plan([[{ id: '1', state: agreed(9, 1, 'c-1') }, accepted(2)]]);
    expect([...states.values()]).toEqual([{ version: 2, cloudVersion: 9, cloudId: 'c-1' }]);
    expect(settlement.states.cloud_versions).toEqual([2]);
    const late = plan([
      [{ id: '1', operation: 'delete' }, accepted(5)],
      [{ id: '2', operation: 'update' }, accepted(4, null, true)],
    ]);
    expect(late.settlement.first).toMatchObject({ cloud_versions: [5], deleted: [true] });
  });

  test('what was deleted before the cloud ever knew it is gone on both sides', () => {
    const { settlement } = plan([[{ id: '1', operation: 'delete' }, accepted(0)]]);
    expect(settlement.first).toMatchObject({ ids: ['1'], cloud_versions: [0], deleted: [true] });
  });
});

describe('not accepted', () => {
  test('a retryable rejection waits, a final one fails, each holds back its entity', () => {
    const { settlement, held } = plan([
      [{ id: '1', entity_id: 'a' }, rejected(true)],
      [{ id: '2', entity_id: 'b' }, rejected(false)],
      [{ id: '3', entity_id: 'c', retryCount: 3 }, rejected(true)],
    ]);
    expect(settlement.others).toEqual({
      ids: ['1', '2', '3'],
      statuses: ['pending', 'failed', 'failed'],
      retry_counts: [1, 1, 4],
      hold_counts: [0, 0, 0],
      delays_ms: [60_000, null, null],
      errors: ['bad: no', 'bad: no', 'bad: no'],
    });
    expect(held.size).toBe(3);
  });

  test('a hold behind an unaccepted change of its own entity leaves that change as it was', () => {
    const { settlement, log } = plan([
      [{ id: '1', entity_id: 'a' }, rejected(true)],
      [{ id: '2', entity_id: 'a' }, held],
      [{ id: '3', entity_id: 'b' }, held],
    ]);
    expect(settlement.others.ids).toEqual(['1', '3']);
    expect(log.outcomes).toEqual(['rejected', 'held', 'held']);
  });

  test('what was held for the first time goes again with all that follows it, in the order of the queue', () => {
    const {
      settlement,
      again,
      held: back,
    } = plan([
      [{ id: '1', entity_id: 'a', retried: true }, held],
      [{ id: '2', entity_id: 'b' }, held],
      [{ id: '3', entity_id: 'a' }, rejected(false)],
    ]);
    expect(again).toMatchObject([{ id: '1', holdCount: 1, retried: false }, { id: '2' }, { id: '3', holdCount: 0 }]);
    expect([settlement.others.ids, settlement.others.delays_ms, back.size]).toEqual([['1', '2'], [null, null], 0]);
  });

  test('a hold whose parent has moved begins to count anew', () => {
    const given: [Given, ChangeOutcome][] = [[{ id: '1', holdCount: 9, retryCount: 1 }, held]];
    expect(plan(given).settlement.others).toMatchObject({ hold_counts: [10], retry_counts: [2] });
    expect(plan(given, new Set(['1'])).settlement.others).toMatchObject({ hold_counts: [1], retry_counts: [1] });
  });

  test('a conflict waits for a person, with where its values stand in the answer', () => {
    const { settlement, held, hasConflicts } = plan([[{ id: '1', retryCount: 2 }, conflict]]);
    expect(settlement.conflicts).toEqual({
      ids: ['1'],
      indexes: [4],
      cloud_versions: [6],
      updated_ats: [null],
      deleted: [true],
      strategies: ['newest_wins'],
    });
    expect(settlement.others).toMatchObject({ statuses: ['conflict'], retry_counts: [2], delays_ms: [null] });
    expect([held.size, hasConflicts]).toEqual([1, true]);
  });

  test('what was accepted before the rejected change of an entity counts', () => {
    const { settlement, held } = plan([
      [{ id: '1' }, accepted(1)],
      [{ id: '2' }, rejected(true)],
    ]);
    expect(settlement.first.cloud_versions).toEqual([1]);
    expect([settlement.others.ids, held.size]).toEqual([['2'], 1]);
  });

  test('words that PostgreSQL cannot store lose what it cannot store', () => {
    const outcome: ChangeOutcome = { kind: 'rejected', reason: 'a\u0000b', retryable: true };
    expect(plan([[{ id: '1' }, outcome]]).settlement.others.errors).toEqual(['ab']);
  });
});
