/** What `syncd verify` says: that both sides hold the same only beside what may differ all the same. */
import { verifyScreen } from '../../src/commands/verify-view.js';
import { NOTHING_UNDECIDED } from '../../src/proof/undecided.js';
import type { Proof } from '../../src/proof/verify.js';

const proof = (change: Partial<Proof> = {}): Proof => ({
  entity_type: 'product',
  direction: 'both',
  skipped: null,
  entities: 412,
  buckets: 1,
  on_the_way: 0,
  ...NOTHING_UNDECIDED,
  differences: [],
  ...change,
});
const screenOf = (...proofs: Proof[]) =>
  verifyScreen(
    proofs.map((one) => ({ proof: one, repaired: null })),
    { equal: proofs.every(({ differences }) => differences.length === 0), running: true },
  );

test('where nothing waits for anybody, both sides hold the same', () => {
  expect(screenOf(proof())).toBe(`product  412 rows: the same on both sides

Both sides hold the same: everything that was settled is in the cloud.`);
});

test('beside open conflicts both sides hold the same but for them', () => {
  expect(
    screenOf(proof({ open_conflicts: 2 }), proof({ entity_type: 'tax', entities: 1, open_conflicts: 1 })),
  ).toBe(`product  412 rows: the same on both sides, 2 open conflicts
tax      1 row: the same on both sides, 1 open conflict

Both sides hold the same, but for 3 open conflicts (syncd conflicts): everything
that was settled is in the cloud.`);
});

test('everything else that may differ is named too, with the command that shows it', () => {
  expect(
    screenOf(proof({ on_the_way: 4, open_conflicts: 1, failed: 1, parked: 1 })),
  ).toBe(`product  412 rows: the same on both sides, 4 on the way, 1 open conflict, 1 failed change, 1 change of the cloud that cannot be applied

Both sides hold the same, but for what is on its way and 1 open conflict (syncd
conflicts) and 1 failed change (syncd queue --status failed) and 1 change of the
cloud that cannot be applied (syncd inbox): everything that was settled is in
the cloud.`);
});

test('where they differ, what waits for a person is told beside the difference', () => {
  const lost = { entity_id: '7', kind: 'missing_there', here: 1, there: null, row: true, departed: false } as const;
  expect(
    screenOf(proof({ open_conflicts: 1, differences: [lost] })),
  ).toBe(`product  412 rows: 1 difference, 1 open conflict
  the cloud does not have 7

The two sides differ. To have it mended: syncd verify --repair`);
});
