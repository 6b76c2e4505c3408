/** The three-way merge of one row: every combination of what can be known of a column. */
import fc from 'fast-check';
import { type ColumnFacts, type ColumnKind, mergeColumns } from '../../src/resolve/merge.js';

const column = (given: Partial<ColumnFacts>): ColumnFacts => ({
  name: 'a',
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
const sourceOf = (given: Partial<ColumnFacts>) => {
  const merge = mergeColumns([column(given)]);
  return merge.kind === 'clash' ? 'clash' : merge.take[0]?.from;
};
const none = { based: false, local_changed: true, cloud_changed: true };

test.each([
  ['unchanged', { equal: true }, 'cloud'],
  ['changed in the shop', { local_changed: true }, 'local'],
  ['changed at the cloud', { cloud_changed: true }, 'cloud'],
  ['changed on both sides to different values', { local_changed: true, cloud_changed: true }, 'clash'],
  ['changed on both sides to the same value', { local_changed: true, cloud_changed: true, equal: true }, 'cloud'],
  ['without a base, different', { ...none }, 'clash'],
  ['without a base, the same', { ...none, equal: true }, 'cloud'],
  ['not in the cloud’s row', { at_cloud: false, local_changed: true, cloud_changed: true }, 'local'],
])('a plain column %s', (_title, given, expected) => {
  expect(sourceOf(given)).toBe(expected);
});

test.each([
  ['unchanged', { equal: true }, 'cloud'],
  ['changed in the shop', { local_changed: true }, 'local'],
  ['changed at the cloud', { cloud_changed: true }, 'cloud'],
  ['changed on both sides', { local_changed: true, cloud_changed: true }, 'sum'],
  ['changed by the same amount on both sides', { local_changed: true, cloud_changed: true, equal: true }, 'sum'],
  ['without a base, different', { ...none }, 'clash'],
  ['without a base, the same', { ...none, equal: true }, 'cloud'],
  [
    'that holds no number, changed on both sides',
    { local_changed: true, cloud_changed: true, numeric: false },
    'clash',
  ],
])('a delta column %s', (_title, given, expected) => {
  expect(sourceOf({ ...given, kind: 'delta' })).toBe(expected);
});

test('a local column is the shop’s whatever happened, and one clash makes the whole row clash', () => {
  for (const given of [{}, { ...none }, { local_changed: true, cloud_changed: true }]) {
    expect(sourceOf({ ...given, kind: 'local' })).toBe('local');
  }
  const clashing = { local_changed: true, cloud_changed: true };
  expect(mergeColumns([column({}), column({ ...clashing, name: 'b' }), column({ ...clashing, name: 'c' })])).toEqual({
    kind: 'clash',
    columns: ['b', 'c'],
    reason: 'both sides changed b, c',
  });
});

test.each([
  ['not changed in the shop', { cloud_changed: true }, ['cloud', 'cloud']],
  ['changed in the shop', { local_changed: true }, ['clash', 'clash']],
  ['changed on both sides', { local_changed: true, cloud_changed: true }, ['clash', 'clash']],
  ['the same on both sides', { local_changed: true, cloud_changed: true, equal: true }, ['cloud', 'clash']],
])(
  'where the cloud may have the shop’s change already, a plain column and one that adds up, %s',
  (_title, given, expected) => {
    const sources = (['plain', 'delta'] as const).map((kind) => sourceOf({ ...given, kind, in_doubt: true }));
    expect(sources).toEqual(expected);
  },
);

test('the words name every column that differed, by where its value comes from', () => {
  const merge = mergeColumns([
    column({ name: 'same', equal: true }),
    column({ name: 'price', local_changed: true }),
    column({ name: 'name', cloud_changed: true }),
    column({ name: 'seen', kind: 'local', local_changed: true, cloud_changed: true }),
    column({ name: 'qty', kind: 'delta', local_changed: true, cloud_changed: true, equal: true }),
  ]);
  expect(merge.reason).toBe("the shop's price; the cloud's name; added up qty");
  expect(mergeColumns([column({ equal: true })]).reason).toBe('both sides hold the same');
});

test('no change of either side is ever dropped by a merge', () => {
  const facts = fc.record({
    name: fc.string(),
    kind: fc.constantFrom<ColumnKind>('plain', 'delta'),
    at_cloud: fc.constant(true),
    based: fc.constant(true),
    local_changed: fc.boolean(),
    cloud_changed: fc.boolean(),
    equal: fc.boolean(),
    numeric: fc.boolean(),
    in_doubt: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(facts), (columns) => {
      const merge = mergeColumns(columns);
      if (merge.kind === 'clash') return;
      for (const [place, { from }] of merge.take.entries()) {
        const { local_changed, cloud_changed, equal } = columns[place] as ColumnFacts;
        if (local_changed && from === 'cloud') expect(equal).toBe(true);
        if (cloud_changed && from === 'local') expect(equal).toBe(true);
      }
    }),
  );
});
