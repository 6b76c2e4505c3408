/**
 * The convergence checker against itself: a real run with the real daemon must pass, and the same evidence with one seeded bug
 * must not. Every bug is one that an outlet could have.
 */
import { SHOP_ENTITIES, SHOP_REFERENCES } from '../../src/demo/shop/schema.js';
import { checkConvergence } from '../support/convergence/convergence.js';
import { type Evidence, gatherEvidence } from '../support/convergence/evidence.js';
import type { FindingKind } from '../support/convergence/judge.js';
import { SEEDED_BUGS } from './seeded-bugs.js';
import { OUTLET, Stand } from './stand.js';

let stand: Stand;
let evidence: Evidence;

beforeAll(async () => {
  stand = await Stand.open();
  stand.daemon.start();
  const seller = stand.sell({ seed: 7, tills: 2 });
  await stand.until('100 sales', 20_000, () => seller.sold >= 100);
  await stand.quiet();
  evidence = await gatherEvidence(await stand.owner(), SHOP_ENTITIES, stand.cloud, OUTLET);
});

afterAll(() => stand?.close());

async function kindsOf(tampered: Evidence): Promise<FindingKind[]> {
  const findings = await checkConvergence(await stand.owner(), SHOP_ENTITIES, tampered, {
    references: SHOP_REFERENCES,
  });
  return [...new Set(findings.map((finding) => finding.kind))].sort();
}

test('a run without a bug has creates, updates and deletes in it and passes', async () => {
  expect(new Set(evidence.committed.map((change) => change.operation))).toEqual(
    new Set(['create', 'update', 'delete']),
  );
  expect(evidence.settled).toHaveLength(evidence.committed.length);
  expect(await kindsOf(evidence)).toEqual([]);
});

test.each(SEEDED_BUGS)('it is noticed when %s', async (_, kinds, spoil) => {
  const copy = structuredClone(evidence);
  spoil(copy);
  expect(copy).not.toEqual(evidence);
  expect(await kindsOf(copy)).toEqual(expect.arrayContaining(kinds));
});
