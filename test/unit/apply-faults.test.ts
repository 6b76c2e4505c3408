/** What an error means for the rows, what is sorted out before a look, how far back the second look must go, and how big a chunk is. */
import fc from 'fast-check';
import { nextChunkSize, nextMost } from '../../src/apply/chunk-size.js';
import { judgeFault, parkedMs, soonMs, waitingMs } from '../../src/apply/faults.js';
import { Horizon } from '../../src/apply/horizon.js';
import type { Incoming } from '../../src/apply/incoming.js';
import { sortOut } from '../../src/apply/sort-out.js';
import { type AppliedTable, type AppliedTables, ranks } from '../../src/apply/tables.js';

test.each([
  ['collision', ['23505', '23P01']],
  ['row', ['22P02', '22P05', '22003', '23514', '23502', 'P0001', '42601', '54000', 'XX000', '0A000']],
  ['reference', ['23503', '23001']],
  ['soon', ['40001', '40P01', '55P03', '57014']],
  ['table', ['42703', '42P01', '42804', '428C9', '42P10']],
  ['rights', ['42501']],
  ['server', ['53100', '53200', '58030']],
  ['up', ['08006', '57P01', '25006', 'ECONNRESET', undefined]],
] as const)('an error is one of a %s by its code', (fault, codes) => {
  for (const code of codes) expect([code, judgeFault(code)]).toEqual([code, fault]);
});

test('waits grow, and end somewhere', () => {
  expect([0, 1, 2, 8, 99].map(soonMs)).toEqual([50, 100, 200, 10_000, 10_000]);
  expect([0, 1, 2, 99].map(parkedMs)).toEqual([500, 2_000, 8_000, 1_800_000]);
});

const one = (id: number, entity_id: string, cloud_version: number | null, more: Partial<Incoming> = {}): Incoming => ({
  id: String(id),
  source: 'pull',
  entity_type: 'item',
  entity_id,
  operation: 'update',
  cloud_version: cloud_version === null ? null : String(cloud_version),
  attempts: 0,
  ...more,
});
const tables: AppliedTables = new Map([
  ['item', { entity: 'item', direction: 'both' } as AppliedTable],
  ['order', { entity: 'order', direction: 'push' } as AppliedTable],
]);
const sorted = (...incoming: Incoming[]) => {
  const { work, dropped, pushOnly, parked } = sortOut(incoming, tables, new Set(['item', 'order', 'later']));
  return { work: work.map(({ incoming: { id } }) => id), dropped, pushOnly, parked: parked.map(({ id }) => id) };
};

describe('of what was picked', () => {
  test('only the newest version of an entity counts, in whatever order they came', () => {
    expect(sorted(one(1, 'a', 9), one(2, 'a', 10), one(3, 'a', 2), one(4, 'b', 1))).toEqual({
      work: ['2', '4'],
      dropped: ['1', '3'],
      pushOnly: 0,
      parked: [],
    });
  });

  test('the same version twice counts once', () => {
    expect(sorted(one(1, 'a', 3), one(2, 'a', 3))).toMatchObject({ work: ['2'], dropped: ['1'] });
  });

  test('a hint that the row beside it fulfils leaves; one that asks for more waits for its turn', () => {
    const hint = { operation: 'hint' } as const;
    expect(sorted(one(1, 'a', 3), one(2, 'a', 3, hint))).toMatchObject({ work: ['1'], dropped: ['2'] });
    expect(sorted(one(1, 'a', 3), one(2, 'a', 4, hint))).toMatchObject({ work: ['1'], dropped: [] });
    expect(sorted(one(1, 'a', 3), one(2, 'a', null, hint))).toMatchObject({ work: ['1'], dropped: [] });
    expect(sorted(one(1, 'a', 3, hint), one(2, 'a', null, hint), one(3, 'a', 5, hint))).toMatchObject({
      work: ['2'],
      dropped: ['1', '3'],
    });
  });

  test('what is only sent leaves, what is not installed is parked, what nobody knows is told apart, the newest of each alone', () => {
    const given = [
      one(1, 'a', 1, { entity_type: 'order' }),
      one(2, 'a', 1, { entity_type: 'pg_authid' }),
      one(3, 'a', 2, { entity_type: 'pg_authid' }),
      one(4, 'a', 1, { entity_type: 'later' }),
    ];
    const { work, dropped, pushOnly, parked, strangers } = sortOut(given, tables, new Set(['later']));
    expect({ work, dropped, pushOnly }).toEqual({ work: [], dropped: ['1', '2'], pushOnly: 1 });
    expect(parked).toMatchObject([
      { id: '4', reason: 'the table of later is not installed: sudo -u postgres syncd install' },
    ]);
    expect(strangers.map(({ id }) => id)).toEqual(['3']);
  });
});

describe('the second look', () => {
  test('goes back to where the queue stood when none of the open transactions had begun', () => {
    const horizon = new Horizon();
    expect(horizon.note({ position: '5000', xmin: '100', xmax: '100' })).toBe('4900');
    // 103 is open: it began after the first mark.
    expect(horizon.note({ position: '6000', xmin: '103', xmax: '105' })).toBe('4900');
    expect(horizon.note({ position: '7000', xmin: '103', xmax: '109' })).toBe('4900');
    // 103 has ended, 106 is still open: it began after the second mark.
    expect(horizon.note({ position: '8000', xmin: '106', xmax: '110' })).toBe('5900');
    expect(horizon.note({ position: '9000', xmin: '111', xmax: '111' })).toBe('8900');
  });

  test('goes back to the beginning where a transaction is older than everything known', () => {
    expect(new Horizon().note({ position: '5000', xmin: '7', xmax: '100' })).toBe('0');
  });

  test('finds every place that a transaction drew which the first one did not see, whatever the order of events', () => {
    // A made-up server: numbers and places are drawn in one order, transactions end in any.
    const event = fc.oneof(
      fc.constant('begin' as const),
      fc.constant('look' as const),
      fc.nat(20),
      fc.record({ end: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300 }), (events) => {
        const horizon = new Horizon();
        const open = new Map<number, number[]>();
        let [xid, place] = [100, 1_000];
        for (const step of events) {
          const nth = (n: number) => [...open.keys()][n % Math.max(1, open.size)];
          if (step === 'begin') open.set(xid++, []);
          else if (step === 'look') {
            const xmin = open.size === 0 ? xid : Math.min(...open.keys());
            const bound = Number(horizon.note({ position: String(place), xmin: String(xmin), xmax: String(xid) }));
            for (const places of open.values()) for (const drawn of places) if (drawn <= bound) return false;
          } else if (typeof step === 'number') {
            const writer = nth(step);
            if (writer !== undefined) open.get(writer)?.push(++place);
          } else {
            const ended = nth(step.end);
            if (ended !== undefined) open.delete(ended);
          }
        }
        return true;
      }),
    );
  });
});

test('what waits for an answer is looked at every second, and in an outage ever more rarely', () => {
  expect([0, 1, 4, 5, 30].map(waitingMs)).toEqual([50, 100, 800, 1_000, 1_000]);
  expect(waitingMs(40)).toBeCloseTo(2_594, 0);
  expect([80, 100_000].map(waitingMs)).toEqual([60_000, 60_000]);
});

test('a chunk grows while its locks are short, shrinks when they are not, and stays in its bounds', () => {
  expect(nextChunkSize(200, 200, 10)).toBe(400);
  expect(nextChunkSize(200, 200, 84)).toBe(100);
  expect(nextChunkSize(200, 5, 2)).toBe(200);
  expect(nextChunkSize(400, 200, 100)).toBe(84);
  expect(nextChunkSize(60, 60, 5_000)).toBe(50);
  expect(nextChunkSize(2_000, 2_000, 1)).toBe(2_000);
});

test('a chunk that was broken off is followed by smaller ones, until they are quick', () => {
  const went = (largest: number, lockedMs: number, brokenOff = false) => ({ brokenOff, largest, lockedMs });
  expect(nextMost(undefined, went(50, 400))).toBeUndefined();
  expect(nextMost(undefined, went(6, 30, true))).toBe(6);
  expect(nextMost(6, went(6, 30))).toBe(6);
  expect(nextMost(6, went(6, 20))).toBe(12);
  expect(nextMost(6, went(1, 90, true))).toBe(1);
  expect(nextMost(2, went(0, 0, true))).toBe(1);
  expect(nextMost(undefined, went(500, 30, true))).toBeUndefined();
  expect(nextMost(30, went(30, 10))).toBeUndefined();
});

test('parents have a lower rank than their children, and a cycle does not hang', () => {
  const refer = (...parents: string[]) => ({
    references: parents.map((parent) => ({ columns: [], parent, parentColumns: [] })),
  });
  const rank = ranks(
    new Map([
      ['line', refer('order', 'product')],
      ['order', refer('customer')],
      ['product', refer('product')],
      ['customer', refer()],
    ]),
  );
  expect(Object.fromEntries(rank)).toEqual({ customer: 0, product: 0, order: 1, line: 2 });
  expect(
    ranks(
      new Map([
        ['a', refer('b')],
        ['b', refer('a')],
      ]),
    ).size,
  ).toBe(2);
});
