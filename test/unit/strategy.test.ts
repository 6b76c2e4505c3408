/** Which side of a divergence is kept: the whole table as a golden file, and its rules one by one. */

import type { Strategy } from '../../src/config/settings.js';
import { type ColumnFacts, mergeColumns } from '../../src/resolve/merge.js';
import {
  type Choice,
  type ClockTrust,
  type CloudSide,
  choose,
  type Divergence,
  type Order,
  orderOf,
} from '../../src/resolve/strategy.js';
import { golden } from '../support/golden.js';

const OPERATIONS = ['create', 'update', 'delete'] as const;
const CLOUD: CloudSide[] = ['row', 'deleted', 'nothing'];
const STRATEGIES: Strategy[] = ['cloud_wins', 'local_wins', 'newest_wins', 'merge', 'manual'];
const FALLBACKS: Strategy[] = ['manual', 'cloud_wins', 'local_wins', 'newest_wins'];
const ORDERS: Order[] = [
  { newer: 'local' },
  { newer: 'cloud' },
  { newer: 'neither' },
  { newer: 'unknown', why: 'its offset is not known' },
];

const column = (given: Partial<ColumnFacts>): ColumnFacts => ({
  name: 'price',
  kind: 'plain',
  at_cloud: true,
  based: true,
  local_changed: false,
  cloud_changed: false,
  equal: false,
  numeric: true,
  in_doubt: false,
  ...given,
});
const apart = mergeColumns([column({ local_changed: true }), column({ name: 'name', cloud_changed: true })]);
const clash = mergeColumns([column({ local_changed: true, cloud_changed: true })]);

const keep = (choice: Choice) => `${choice.keep.padEnd(6)} ${choice.reason}`;

test('the whole table of decisions', () => {
  const lines: string[] = [];
  const told = (order: Order) =>
    (order.newer === 'neither' ? 'same second' : `${order.newer} newer`).replace('unknown newer', 'not known');
  for (const strategy of STRATEGIES) {
    lines.push('', `== ${strategy}`, '');
    lines.push('shop did   cloud has  which is newer / columns                    keep');
    for (const local of OPERATIONS) {
      for (const cloud of CLOUD) {
        if (local === 'delete' && cloud !== 'row') {
          const choice = choose(
            strategy,
            'manual',
            { local, cloud, equal: false, unedited: false, own: false, order: ORDERS[1] as Order, merge: clash },
            false,
          );
          lines.push(`${local.padEnd(10)} ${cloud.padEnd(10)} ${''.padEnd(42)} ${keep(choice)}`);
          continue;
        }
        const cases: [string, Divergence, Strategy][] = [];
        const given = {
          local,
          cloud,
          equal: false,
          unedited: false,
          own: false,
          order: ORDERS[1] as Order,
          merge: clash,
        };
        if (strategy === 'newest_wins') {
          for (const order of ORDERS) cases.push([told(order), { ...given, order }, 'manual']);
        } else if (strategy === 'merge') {
          if (local !== 'delete' && cloud === 'row')
            cases.push(['changed apart', { ...given, merge: apart }, 'manual']);
          for (const fallback of FALLBACKS) {
            const words = local !== 'delete' && cloud === 'row' ? 'same column, then' : 'then';
            cases.push([`${words} ${fallback}`, given, fallback]);
          }
        } else cases.push(['', given, 'manual']);
        for (const [words, divergence, fallback] of cases) {
          const choice = choose(strategy, fallback, divergence, false);
          lines.push(`${local.padEnd(10)} ${cloud.padEnd(10)} ${words.padEnd(42)} ${keep(choice)}`);
        }
      }
    }
  }
  golden('strategy.txt', `${lines.join('\n').trim()}\n`);
});

describe.each(OPERATIONS)('the shop did %s', (local) => {
  describe.each(CLOUD)('the cloud has: %s', (cloud) => {
    const given = (more: Partial<Divergence> = {}): Divergence => ({
      local,
      cloud,
      equal: false,
      unedited: false,
      own: false,
      order: { newer: 'cloud' },
      merge: clash,
      ...more,
    });
    const both = cloud === 'row' && local !== 'delete';

    test('what is the same on both sides needs no choice', () => {
      for (const strategy of STRATEGIES) {
        const gone = local === 'delete' && cloud !== 'row';
        const choice = choose(strategy, 'manual', given({ equal: both }), false);
        expect(choice.keep === 'equal').toBe(gone || both);
      }
    });
    if (local === 'delete' && cloud !== 'row') return;

    test('local_wins keeps the shop’s side, manual leaves it open, whatever else holds', () => {
      for (const order of ORDERS) {
        expect(choose('local_wins', 'manual', given({ order }), false).keep).toBe('local');
        expect(choose('manual', 'cloud_wins', given({ order }), false).keep).toBe('open');
      }
    });

    test('cloud_wins keeps the cloud’s side, but deletes by itself only what somebody deleted', () => {
      expect(choose('cloud_wins', 'manual', given(), false).keep).toBe(cloud === 'nothing' ? 'open' : 'cloud');
      expect(choose('cloud_wins', 'manual', given(), true).keep).toBe('cloud');
    });

    test.each([
      ['local', 'local'],
      ['cloud', 'cloud'],
      ['neither', 'cloud'],
      ['unknown', 'open'],
    ] as const)('newest_wins where the newer edit is %s: %s', (newer, kept) => {
      const order = { newer, why: 'for this reason' } as Order;
      const choice = choose('newest_wins', 'manual', given({ order }), false);
      expect(choice.keep).toBe(cloud === 'nothing' ? 'local' : kept);
      if (choice.keep === 'open') expect(choice.reason).toContain('for this reason');
    });

    test('merge mixes rows whose columns were changed apart', () => {
      const choice = choose('merge', 'cloud_wins', given({ merge: apart }), false);
      expect(choice.keep).toBe(both ? 'merged' : cloud === 'nothing' ? 'local' : 'cloud');
    });

    test.each(FALLBACKS)('merge that cannot falls to %s, as a whole', (fallback) => {
      const choice = choose('merge', fallback, given(), false);
      const alone = choose(fallback, 'manual', given(), false);
      expect(choice.keep).toBe(cloud === 'nothing' ? 'local' : alone.keep);
      if (both) expect(choice.reason).toContain('both sides changed price');
    });

    test('merge never falls to itself', () => {
      expect(choose('merge', 'merge', given(), false).keep).toBe(cloud === 'nothing' ? 'local' : 'open');
    });
  });
});

describe('what nobody in the shop has edited takes the cloud’s side, whatever the strategy', () => {
  const given = (cloud: CloudSide, merge = clash): Divergence => ({
    local: 'update',
    cloud,
    equal: false,
    unedited: true,
    own: false,
    order: { newer: 'local' },
    merge,
  });

  test.each(STRATEGIES)('%s', (strategy) => {
    expect(choose(strategy, 'local_wins', given('row'), false).keep).toBe('cloud');
    expect(choose(strategy, 'local_wins', given('deleted'), false).keep).toBe('cloud');
    // What a trigger of the shop's made of the row stays where the cloud left it alone.
    expect(choose(strategy, 'local_wins', given('row', apart), false).keep).toBe('merged');
    expect(choose(strategy, 'local_wins', { ...given('row'), equal: true }, false).keep).toBe('equal');
  });

  test('but for what the cloud has lost, and for what a person wishes', () => {
    expect(choose('cloud_wins', 'manual', given('nothing'), false).keep).toBe('open');
    expect(choose('local_wins', 'manual', given('nothing'), false).keep).toBe('local');
    expect(choose('local_wins', 'manual', given('row'), true).keep).toBe('local');
  });
});

test('an earlier change of the shop’s own is no other side: what was edited after it stays, unless a person wishes otherwise', () => {
  const own: Divergence = {
    local: 'update',
    cloud: 'row',
    equal: false,
    unedited: false,
    own: true,
    order: { newer: 'neither' },
    merge: clash,
  };
  const keeps = (divergence: Divergence, asked = false) =>
    STRATEGIES.map((strategy) => choose(strategy, 'cloud_wins', divergence, asked).keep);
  expect(keeps(own)).toEqual(['local', 'local', 'local', 'local', 'open']);
  expect(keeps({ ...own, cloud: 'deleted', local: 'create' })).toEqual(['local', 'local', 'local', 'local', 'open']);
  expect(choose('cloud_wins', 'manual', own, true).keep).toBe('cloud');
});

test('equal rows still merge where their changes add up, and only under merge', () => {
  const sum = mergeColumns([column({ kind: 'delta', local_changed: true, cloud_changed: true, equal: true })]);
  const given: Divergence = {
    local: 'update',
    cloud: 'row',
    equal: true,
    unedited: false,
    own: false,
    order: { newer: 'cloud' },
    merge: sum,
  };
  expect(STRATEGIES.map((strategy) => choose(strategy, 'manual', given, false).keep)).toEqual([
    'equal',
    'equal',
    'equal',
    'merged',
    'equal',
  ]);
});

test('equal rows of which the cloud may have the shop’s change already, or not, are left to a person, or to another rule', () => {
  const doubt = mergeColumns([column({ kind: 'delta', local_changed: true, in_doubt: true, equal: true })]);
  const order: Order = { newer: 'cloud' };
  const given: Divergence = {
    local: 'update',
    cloud: 'row',
    equal: true,
    unedited: false,
    own: false,
    order,
    merge: doubt,
  };
  const kept = FALLBACKS.map((fallback) => choose('merge', fallback, given, false).keep);
  expect([...kept, choose('cloud_wins', 'manual', given, true).keep]).toEqual([
    'open',
    'cloud',
    'local',
    'cloud',
    'equal',
  ]);
});

describe('which edit is newer', () => {
  const known: ClockTrust = { offset_ms: 0, jumped: false };
  const AT = Date.UTC(2026, 10, 22);
  test.each([
    ['more than a second later in the shop', AT + 1_001, AT, known, 'local'],
    ['more than a second later at the cloud', AT, AT + 1_001, known, 'cloud'],
    ['a second apart', AT + 1_000, AT, known, 'neither'],
    ['a second apart the other way', AT, AT + 1_000, known, 'neither'],
    ['a slow clock in the shop', AT, AT + 10_000, { ...known, offset_ms: 20_000 }, 'local'],
    ['a fast clock in the shop', AT + 10_000, AT, { ...known, offset_ms: -20_000 }, 'cloud'],
    ['a minute off', AT, AT, { ...known, offset_ms: 60_000 }, 'local'],
    ['more than a minute off', AT, AT, { ...known, offset_ms: 60_001 }, 'unknown'],
    ['more than a minute off the other way', AT, AT, { ...known, offset_ms: -60_001 }, 'unknown'],
    ['an offset that nobody knows', AT, AT, { ...known, offset_ms: null }, 'unknown'],
    ['a clock that was set', AT, AT, { ...known, jumped: true }, 'unknown'],
    ['a cloud that does not say when', AT, null, known, 'unknown'],
    ['an edit from before capture', null, AT, known, 'unknown'],
  ] as const)('%s', (_title, local, cloud, clock, newer) => {
    expect(orderOf(local, cloud, clock).newer).toBe(newer);
  });
});
