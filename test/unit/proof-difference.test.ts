/** What counts as a difference between what was agreed on here and what the cloud says it holds, and what is done about it. */
import {
  compare,
  confirmed,
  type Difference,
  type DifferenceKind,
  type Here,
  type There,
} from '../../src/proof/difference.js';
import { type Course, courseOf } from '../../src/proof/repair.js';

const AGREED: Here = {
  cloud_version: 3,
  deleted: false,
  row: true,
  bucket: '2026-11-22',
  moving: false,
  stuck: false,
  departed: false,
};
const HELD: There = { cloud_version: 3, bucket: '2026-11-22' };

test.each<[string, Partial<Here>, Partial<There> | undefined, DifferenceKind | undefined]>([
  ['the same version on the same day', {}, {}, undefined],
  ['the same version, and no row to tell the day from', { row: false, bucket: null }, {}, undefined],
  ['the same version on another day', { bucket: '2026-11-21' }, {}, 'other_day'],
  ['nothing at the cloud', {}, undefined, 'missing_there'],
  ['nothing at the cloud, and no version agreed on', { cloud_version: null }, undefined, 'missing_there'],
  ['deleted here, and nothing at the cloud', { deleted: true, row: false, bucket: null }, undefined, undefined],
  ['an older version at the cloud', {}, { cloud_version: 2 }, 'older_there'],
  ['a newer version at the cloud', {}, { cloud_version: 4 }, 'newer_there'],
  ['deleted here, and an older version at the cloud', { deleted: true }, { cloud_version: 2 }, 'older_there'],
  ['deleted here, and alive at the cloud under that very version', { deleted: true }, {}, 'older_there'],
  ['deleted here, and made anew at the cloud', { deleted: true }, { cloud_version: 4 }, 'newer_there'],
  ['never agreed on here', { cloud_version: null, deleted: true, bucket: null }, {}, 'unknown_here'],
])('%s', (_case, here, there, kind) => {
  const ours = new Map([['7', { ...AGREED, ...here }]]);
  const theirs = new Map(there === undefined ? [] : [['7', { ...HELD, ...there }]]);
  const { differences, moving } = compare(ours, theirs);
  expect(differences.map((one) => one.kind)).toEqual(kind === undefined ? [] : [kind]);
  expect(moving).toBe(0);
});

test('what has something on its way is counted, and no difference', () => {
  const here = new Map([
    ['7', { ...AGREED, moving: true }],
    ['8', { ...AGREED, moving: true }],
  ]);
  const there = new Map([['8', HELD]]);
  expect(compare(here, there)).toEqual({ differences: [], moving: 1 });
  expect(compare(here, there, true).differences).toEqual([
    { entity_id: '7', kind: 'missing_there', here: 3, there: null, row: true, departed: false },
  ]);
});

test('what waits for a person is told of a loss, and of nothing that was told already', () => {
  const here = new Map([
    ['7', { ...AGREED, stuck: true }],
    ['8', { ...AGREED, stuck: true }],
  ]);
  expect(compare(here, new Map([['8', { ...HELD, cloud_version: 9 }]])).differences).toMatchObject([
    { entity_id: '7', kind: 'missing_there' },
  ]);
});

test('a row that was put away is left, a tombstone is named, and a restored cloud that is ahead meets a push without a base', () => {
  const lost: Difference = { entity_id: '7', kind: 'missing_there', here: 3, there: null, row: false, departed: true };
  expect(courseOf('push', lost)).toEqual({ how: 'left' });
  expect(courseOf('push', { ...lost, departed: false, there: 2 })).toEqual({ how: 'push', version: 2 });
  const ahead: Difference = { ...lost, kind: 'newer_there', there: 9, departed: false };
  expect(courseOf('both', ahead, true)).toEqual({ how: 'push', version: null });
  expect(courseOf('both', ahead)).toEqual({ how: 'pull' });
});

test('a difference counts when it is seen twice with nothing moved in between', () => {
  const seen: Difference = { entity_id: '7', kind: 'older_there', here: 3, there: 2, row: true, departed: false };
  expect(confirmed([seen], [seen])).toEqual([seen]);
  expect(confirmed([], [seen])).toEqual([]);
  expect(confirmed([{ ...seen, here: 2, there: 1 }], [seen])).toEqual([]);
  expect(confirmed([{ ...seen, entity_id: '8' }], [seen])).toEqual([]);
});

test.each<[DifferenceKind, boolean, { push: Course; both: Course; pull: Course }]>([
  [
    'missing_there',
    true,
    {
      push: { how: 'push', version: null },
      both: { how: 'push', version: null },
      pull: { how: 'left', version: null },
    },
  ],
  [
    'older_there',
    true,
    { push: { how: 'push', version: 2 }, both: { how: 'push', version: 2 }, pull: { how: 'pull', version: null } },
  ],
  ['newer_there', true, { push: { how: 'push' }, both: { how: 'pull' }, pull: { how: 'pull' } }],
  ['unknown_here', true, { push: { how: 'push' }, both: { how: 'pull' }, pull: { how: 'pull' } }],
  ['unknown_here', false, { push: { how: 'left' }, both: { how: 'pull' }, pull: { how: 'pull' } }],
  ['other_day', true, { push: { how: 'push' }, both: { how: 'push' }, pull: { how: 'pull', version: null } }],
])('%s is mended by the direction of its type (row here: %s)', (kind, row, courses) => {
  const difference: Difference = {
    entity_id: '7',
    kind,
    here: 3,
    there: kind === 'missing_there' ? null : 2,
    row,
    departed: false,
  };
  for (const direction of ['push', 'both', 'pull'] as const)
    expect(courseOf(direction, difference)).toEqual(courses[direction]);
});
