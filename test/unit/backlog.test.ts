/** The window of the queue: what leaves when, together with what, and what has to wait. */
import { Backlog, entityKey, type PendingChange, SPREAD, transactionKey } from '../../src/push/backlog.js';
import { agreed, makeChange, makeLimits, uuid } from '../support/changes.js';

const END = Number.POSITIVE_INFINITY;
const none: ReadonlySet<string> = new Set();
const ids = (batch: PendingChange[] | undefined) => batch?.map((change) => change.id);
const change = (id: number, tx: string, entity_id = `e${id}`, more: Partial<PendingChange> = {}) =>
  makeChange({ id: String(id), tx, entity_id, ...more });

function backlogOf(
  changes: PendingChange[],
  limits = makeLimits(100),
  upTo = END,
  spreads = new Map<string, number>(),
) {
  const backlog = new Backlog();
  backlog.add(changes, upTo, spreads, limits);
  return backlog;
}

describe('what leaves together', () => {
  test('an empty backlog yields nothing', () => {
    expect(new Backlog().take(makeLimits(10), none)).toBeUndefined();
  });

  test('transactions leave in the order of their last ids, the batch is sorted by id', () => {
    const backlog = backlogOf([change(1, 'A'), change(2, 'B'), change(3, 'A'), change(4, 'C')]);
    expect(ids(backlog.take(makeLimits(2, 10_000, 4), none))).toEqual(['2']);
    expect(ids(backlog.take(makeLimits(4), none))).toEqual(['1', '3', '4']);
  });

  test('a transaction above the line’s limit and within the cloud’s maximum stays whole and leaves alone', () => {
    const backlog = backlogOf([change(1, 'A'), change(2, 'A'), change(3, 'A'), change(4, 'B')]);
    expect(ids(backlog.take(makeLimits(2, 10_000, 100), none))).toEqual(['1', '2', '3']);
    expect(ids(backlog.take(makeLimits(2, 10_000, 100), none))).toEqual(['4']);
  });

  test('a transaction waits until the pass has read far enough to know its end', () => {
    const backlog = new Backlog();
    const limits = makeLimits(100);
    backlog.add([change(1, 'A')], SPREAD, new Map(), limits);
    expect(backlog.ready).toBe(false);
    expect(backlog.take(limits, none)).toBeUndefined();
    backlog.add([change(SPREAD + 1, 'A')], SPREAD + 1, new Map(), limits);
    expect(ids(backlog.take(limits, none))).toEqual(['1', String(SPREAD + 1)]);
  });

  test('one that spreads wider is named beforehand and waits for its last id', () => {
    const limits = makeLimits(100);
    const spreads = new Map([['A', 5_000]]);
    const backlog = backlogOf([change(1, 'A'), change(2, 'B')], limits, 2_000, spreads);
    expect(ids(backlog.take(limits, none))).toEqual(['2']);
    expect(backlog.take(limits, none)).toBeUndefined();
    backlog.add([change(5_000, 'A')], 5_000, spreads, limits);
    expect(ids(backlog.take(limits, none))).toEqual(['1', '5000']);
  });

  test('a row that does not fit beside the others begins the next part of its transaction', () => {
    const limits = makeLimits(100, 1_000);
    const rows = [change(1, 'A', 'a', { bytes: 600 }), change(2, 'A', 'b', { bytes: 600 })];
    const backlog = backlogOf(rows, limits);
    expect(ids(backlog.take(limits, none))).toEqual(['1']);
    expect(ids(backlog.take(limits, none))).toEqual(['2']);
    expect([backlog.ready, backlog.size]).toEqual([false, 0]);
  });

  test('a part leaves at the place of its own last id, however far its transaction reaches', () => {
    const rows = [change(1, 'A'), change(2, 'A'), change(5, 'B')];
    const backlog = backlogOf(rows, makeLimits(2), END, new Map([['A', 900]]));
    expect(ids(backlog.take(makeLimits(2), none))).toEqual(['1', '2']);
  });

  test('a small batch can be made to wait, but not one that nothing more would fit into', () => {
    const rows = [change(1, 'A', 'a', { bytes: 100 }), change(2, 'B', 'b', { bytes: 950 })];
    const backlog = backlogOf(rows, makeLimits(10, 1_000));
    expect(backlog.take(makeLimits(10, 2_000), none, 3)).toBeUndefined();
    expect(backlog.size).toBe(2);
    expect(ids(backlog.take(makeLimits(10, 1_000), none, 3))).toEqual(['1']);
    expect(ids(backlog.take(makeLimits(10, 950, 10, 1_000), none, 3))).toEqual(['2']);
  });

  test('a change above every limit leaves alone', () => {
    const limits = makeLimits(100, 1_000);
    const backlog = backlogOf([change(1, 'A', 'a', { bytes: 5_000 }), change(2, 'B')], limits);
    expect(ids(backlog.take(limits, none))).toEqual(['1']);
  });
});

describe('what waits', () => {
  const busyWith = (...entities: string[]) => new Set(entities.map((id) => entityKey('order', id)));

  test('what shares an entity with a request in flight stays, and so does everything that builds on it', () => {
    const rows = [
      change(1, 'A', 'x'),
      change(2, 'B', 'x'),
      change(3, 'B', 'y'),
      change(4, 'C', 'y'),
      change(5, 'D', 'z'),
    ];
    const backlog = backlogOf(rows);
    expect(ids(backlog.take(makeLimits(10), busyWith('x')))).toEqual(['5']);
    expect(ids(backlog.take(makeLimits(10), none))).toEqual(['1', '2', '3', '4']);
  });

  test('a part of a transaction stays behind an earlier part that has to', () => {
    const rows = [change(1, 'A', 'x'), change(2, 'A', 'y'), change(3, 'A', 'z'), change(4, 'B', 'q')];
    const backlog = backlogOf(rows, makeLimits(2));
    expect(ids(backlog.take(makeLimits(10), busyWith('x')))).toEqual(['4']);
    expect(ids(backlog.take(makeLimits(10), none))).toEqual(['1', '2', '3']);
  });

  test('what comes of a transaction of which all that was read has been let go leaves as ever', () => {
    const backlog = backlogOf([change(1, 'A', 'x')], makeLimits(100), 1);
    backlog.drop(entityKey('order', 'x'));
    backlog.addFirst([change(9, 'B')]);
    expect(ids(backlog.take(makeLimits(10), none))).toEqual(['9']);
    backlog.add([change(2, 'A', 'y')], END, new Map(), makeLimits(100));
    expect(ids(backlog.take(makeLimits(10), none))).toEqual(['2']);
  });

  test('the rest of a transaction that is in flight stays', () => {
    const backlog = backlogOf([change(1, 'A')]);
    expect(backlog.take(makeLimits(10), new Set([transactionKey('A')]))).toBeUndefined();
    expect(backlog.size).toBe(1);
  });

  test('a retry leaves before everything else, its followers behind it', () => {
    const backlog = backlogOf([change(4, 'B', 'x'), change(5, 'C')]);
    backlog.addFirst([change(2, 'A', 'x', { retried: true })]);
    expect(ids(backlog.take(makeLimits(1, 10_000, 10), none))).toEqual(['2']);
    expect(ids(backlog.take(makeLimits(10), none))).toEqual(['4', '5']);
  });

  test('a dropped entity leaves its transaction without it', () => {
    const backlog = backlogOf([change(1, 'A', 'x'), change(2, 'A', 'y'), change(3, 'B', 'x')]);
    backlog.drop(entityKey('order', 'x'));
    expect(backlog.size).toBe(1);
    expect(ids(backlog.take(makeLimits(10), none))).toEqual(['2']);
    expect(backlog.take(makeLimits(10), none)).toBeUndefined();
    expect([backlog.size, backlog.bytes]).toEqual([0, 0]);
  });

  test('a new agreement reaches what waits for it, and nothing else', () => {
    const backlog = backlogOf([change(1, 'A', 'x'), change(2, 'B', 'y')]);
    backlog.settled(entityKey('order', 'x'), agreed(7, 3, 'c-1'));
    const states = backlog.take(makeLimits(10), none)?.map((one) => one.state.cloudVersion);
    expect(states).toEqual([7, null]);
  });

  test('an older agreement, told once more after its answer was lost, takes nothing back', () => {
    const backlog = backlogOf([change(3, 'C', 'x')]);
    for (const version of [53, 52]) backlog.settled(entityKey('order', 'x'), agreed(version, 7, 'c-1'));
    expect(backlog.take(makeLimits(10), none)?.map((one) => one.state.cloudVersion)).toEqual([53]);
  });

  test('after clear nothing is held', () => {
    const backlog = backlogOf([change(1, 'A')], makeLimits(10), 1);
    backlog.clear();
    expect([backlog.size, backlog.bytes, backlog.ready]).toEqual([0, 0, false]);
    backlog.add([change(1, 'A')], END, new Map(), makeLimits(10));
    expect(ids(backlog.take(makeLimits(10), none))).toEqual(['1']);
  });
});

describe('coalescing', () => {
  const stock = (id: number) => change(id, `t${id}`, 'stock', { coalesce: true });

  test('the newest state names those that it replaces, oldest first, and counts their names', () => {
    const backlog = backlogOf([stock(1), stock(2), stock(3)]);
    const [only] = backlog.take(makeLimits(10), none) ?? [];
    expect(only?.id).toBe('3');
    expect(only?.supersedes).toEqual([1, 2].map((n) => ({ id: String(n), change_id: uuid(n) })));
    expect(only?.bytes).toBe(stock(3).bytes + 2 * 39);
  });

  test('what was emptied by folding is nothing that could leave: more has to be read', () => {
    const limits = makeLimits(100);
    const stock = (id: number, tx: string) => change(id, tx, 's', { coalesce: true });
    const backlog = backlogOf([stock(1, 'A')], limits, SPREAD + 1);
    expect(backlog.ready).toBe(true);
    backlog.add([stock(SPREAD + 2, 'B')], SPREAD + 2, new Map(), limits);
    expect([backlog.ready, backlog.take(limits, none)]).toEqual([false, undefined]);
    backlog.add([], END, new Map(), limits);
    expect([backlog.ready, ids(backlog.take(limits, none))]).toEqual([true, [String(SPREAD + 2)]]);
  });

  test('what was emptied does not stand in the way of what is whole behind it', () => {
    const limits = makeLimits(2, 10_000, 3);
    const stock = (id: number, tx: string) => change(id, tx, 's', { coalesce: true });
    const rows = [change(1, 'A'), change(2, 'A'), stock(3, 'B'), change(4, 'A'), stock(5, 'C')];
    const backlog = backlogOf(rows, limits, 5);
    expect([backlog.ready, ids(backlog.take(limits, none))]).toEqual([true, ['1', '2', '4']]);
    expect([backlog.ready, backlog.take(limits, none)]).toEqual([false, undefined]);
  });

  test('a long list of names ends at its bound and another begins', () => {
    const backlog = backlogOf(
      Array.from({ length: 2_000 }, (_, n) => stock(n + 1)),
      makeLimits(1_000),
    );
    const batch = backlog.take(makeLimits(1_000), none) ?? [];
    expect(batch.length).toBe(4);
    expect(batch.reduce((sum, { supersedes }) => sum + supersedes.length, batch.length)).toBe(2_000);
  });

  test('what stood beside a folded change in its transaction leaves without it', () => {
    const backlog = backlogOf([stock(1), change(2, 't1', 'sale'), stock(3)]);
    expect(ids(backlog.take(makeLimits(10), none))).toEqual(['2', '3']);
  });
});
