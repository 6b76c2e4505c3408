/**
 * The incoming half of the convergence checker against itself: an honest history of one entity passes, and each bug that an
 * outlet could have is told by its kind.
 */
import type { Operation } from '../../src/cloud/wire.js';
import { judgeHeld, judgeResults, judgeSilence } from '../support/convergence/conflicts.js';
import { type Committed, type Fed, judgeIncoming, type Recorded } from '../support/convergence/incoming.js';
import { type Delivered, judgeEffects } from '../support/convergence/judge.js';

const named = { entity_type: 'product', entity_id: '1' };
const forms = (text: string | null) => ({ data: text, row: text, shared: text });

/** One commit in the shop: who, which transaction, the row (null: deleted). */
type Commit = [by: 'pos' | 'syncd', tx: string, row: string | null];
/** One version at the cloud: the outlet's own by its transaction, or head office's. */
type Version = [version: number, row: string | null, tx?: string];

type Story = { commits: Commit[]; versions: Version[]; conflicts?: Partial<Recorded>[] };

/** Version 1 is the shop's; head office edits twice, the shop once in between, head office deletes. */
const HONEST: Story = {
  commits: [
    ['pos', '10', 'a'],
    ['syncd', '11', 'b'],
    ['pos', '12', 'c'],
    ['syncd', '13', 'd'],
    ['syncd', '14', null],
  ],
  versions: [
    [1, 'a', '10'],
    [2, 'b'],
    [3, 'c', '12'],
    [4, 'd'],
    [5, null],
  ],
};

function kindsOf({ commits, versions, conflicts = [] }: Story): string[] {
  const operationOf = (row: string | null, first: boolean): Operation =>
    row === null ? 'delete' : first ? 'create' : 'update';
  const committed = commits.map(
    ([by, tx, row], at): Committed => ({ ...named, by, tx, operation: operationOf(row, at === 0), ...forms(row) }),
  );
  const feed = versions.map(
    ([cloud_version, row, tx], at) =>
      ({
        ...named,
        cloud_version,
        deleted: row === null,
        operation: operationOf(row, at === 0),
        origin_outlet_id: tx === undefined ? null : 'here',
        ...forms(row),
      }) as Fed,
  );
  const deliveries = versions.flatMap(([cloud_version, row, tx], at) =>
    tx === undefined
      ? []
      : [
          {
            ...named,
            tx,
            cloud_version,
            operation: operationOf(row, at === 0),
            outcome: 'accepted',
            change_id: `change of ${tx}`,
            supersedes: [] as string[],
            ...forms(row),
          } as Delivered,
        ],
  );
  const recorded = conflicts.map(
    (one): Recorded => ({
      ...named,
      status: 'resolved',
      cloud_version: 0,
      resolved_change_id: null,
      local: { row: null, shared: null },
      result: { row: null, shared: null },
      ...one,
    }),
  );
  const ownVersion = (commit: Committed) => deliveries.find((one) => one.tx === commit.tx)?.cloud_version ?? undefined;
  const incoming = judgeIncoming({ committed, feed, conflicts: recorded, parked: [], ownVersion }, 'here');
  const findings = [
    ...incoming.findings,
    ...judgeEffects(committed, deliveries, { applied: incoming.applied, conflicts: recorded, replaced: [] }),
    ...judgeResults(committed, deliveries, recorded, feed),
    ...judgeSilence(deliveries, recorded, feed),
  ];
  return [...new Set(findings.map((finding) => finding.kind))].sort();
}

const text = (row: string | null) => ({ row, shared: row });
const without = <T>(list: T[], at: number) => list.toSpliced(at, 1);

test.each<[string, Story]>([
  ['an honest history', HONEST],
  [
    'versions that came together',
    {
      commits: [['syncd', '11', 'c']],
      versions: [
        [1, 'a'],
        [2, 'b'],
        [3, 'c'],
      ],
    },
  ],
  ['a delete of what the shop never had', { commits: [], versions: [[1, null]] }],
  [
    'a version that changed nothing',
    {
      commits: [['pos', '10', 'a']],
      versions: [
        [1, 'a', '10'],
        [2, 'a'],
      ],
    },
  ],
  [
    'a conflict that the cloud won, with the loser on record',
    {
      commits: [
        ['pos', '10', 'a'],
        ['pos', '11', 'lost'],
        ['syncd', '12', 'b'],
      ],
      versions: [
        [1, 'a', '10'],
        [2, 'b'],
      ],
      conflicts: [{ cloud_version: 2, local: text('lost'), result: text('b') }],
    },
  ],
  [
    'a merge whose result went out',
    {
      commits: [
        ['pos', '10', 'a'],
        ['syncd', '12', 'a+b'],
      ],
      versions: [
        [1, 'a', '10'],
        [2, 'b'],
        [3, 'a+b', '12'],
      ],
      conflicts: [{ cloud_version: 2, local: text('a'), result: text('a+b'), resolved_change_id: 'change of 12' }],
    },
  ],
  [
    'an open conflict',
    {
      commits: [
        ['pos', '10', 'a'],
        ['pos', '11', 'mine'],
      ],
      versions: [
        [1, 'a', '10'],
        [2, 'theirs'],
      ],
      conflicts: [{ status: 'open', cloud_version: 2, local: text('mine') }],
    },
  ],
  [
    'what a trigger of the shop made of an applied row, and pushed',
    {
      commits: [
        ['pos', '10', 'a'],
        ['syncd', '11', 'b!'],
      ],
      versions: [
        [1, 'a', '10'],
        [2, 'b'],
        [3, 'b!', '11'],
      ],
      conflicts: [{ cloud_version: 2 }],
    },
  ],
])('%s passes', (_, story) => {
  expect(kindsOf(story)).toEqual([]);
});

test.each<[string, string[], Story]>([
  ['the last change of head office is dropped', ['unseen'], { ...HONEST, commits: HONEST.commits.slice(0, -1) }],
  ['a change is dropped before one of the shop', ['unseen'], { ...HONEST, commits: without(HONEST.commits, 1) }],
  [
    'an echo is pushed',
    ['echo'],
    { ...HONEST, versions: [...HONEST.versions.slice(0, 2), [3, 'b', '11'], [4, 'c', '12'], [5, 'd'], [6, null]] },
  ],
  ['a stale version is applied', ['out_of_order'], { ...HONEST, commits: [...HONEST.commits, ['syncd', '15', 'b']] }],
  [
    'a version is applied a second time',
    ['doubled', 'lost'],
    {
      commits: [
        ['syncd', '11', 'b'],
        ['pos', '12', 'c'],
        ['syncd', '13', 'b'],
      ],
      versions: [[1, 'b']],
    },
  ],
  [
    'an applied row is altered on the way',
    ['lost', 'unseen'],
    { commits: [['syncd', '11', 'b?']], versions: [[1, 'b']] },
  ],
  [
    'the loser of a conflict is on no record',
    ['lost'],
    {
      commits: [
        ['pos', '10', 'a'],
        ['pos', '11', 'lost'],
        ['syncd', '12', 'b'],
      ],
      versions: [
        [1, 'a', '10'],
        [2, 'b'],
      ],
      conflicts: [{ cloud_version: 2, local: text('another'), result: text('b') }],
    },
  ],
  [
    'a local change is overwritten and nothing is on record',
    ['lost'],
    {
      commits: [
        ['pos', '10', 'a'],
        ['pos', '11', 'lost'],
        ['syncd', '12', 'b'],
      ],
      versions: [
        [1, 'a', '10'],
        [2, 'b'],
      ],
    },
  ],
  [
    'a resolution sends what the shop never held',
    ['different'],
    {
      commits: [
        ['pos', '10', 'a'],
        ['syncd', '12', 'a+b'],
      ],
      versions: [
        [1, 'a', '10'],
        [2, 'b'],
        [3, 'a-b', '12'],
      ],
      conflicts: [{ cloud_version: 2, local: text('a'), result: text('a+b'), resolved_change_id: 'change of 12' }],
    },
  ],
  [
    'a resolution sends back what came',
    ['echo'],
    {
      commits: [
        ['pos', '10', 'a'],
        ['syncd', '12', 'b'],
      ],
      versions: [
        [1, 'a', '10'],
        [2, 'b'],
        [3, 'b', '12'],
      ],
      conflicts: [{ cloud_version: 2, local: text('a'), result: text('b'), resolved_change_id: 'change of 12' }],
    },
  ],
])('it is noticed when %s', (_, kinds, story) => {
  expect(kindsOf(story)).toEqual(kinds);
});

test('a conflict that the cloud answered and nobody wrote down is noticed', () => {
  const answered = { ...named, outcome: 'conflict', delivered: true, change_id: 'c', ...forms('mine') } as Delivered;
  const theirs = { ...named, cloud_version: 2, ...forms('theirs') } as Fed;
  expect(judgeSilence([answered], [], [theirs])).toMatchObject([{ kind: 'unrecorded' }]);
  expect(judgeSilence([answered], [], [{ ...theirs, ...forms('mine') }])).toEqual([]);
  expect(judgeSilence([{ ...answered, delivered: false }], [], [theirs])).toEqual([]);
});

test('a change that lies in conflict while no conflict is open is noticed', () => {
  const conflict = { ...named, status: 'open', cloud_version: 2 } as Recorded;
  expect(judgeHeld([{ ...named, change_id: 'c' }], [conflict])).toEqual([]);
  expect(judgeHeld([{ ...named, change_id: 'c' }], [{ ...conflict, status: 'resolved' }])).toMatchObject([
    { kind: 'unrecorded' },
  ]);
});
