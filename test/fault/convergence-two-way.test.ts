/**
 * The convergence checker against itself, both directions: a run with head office at work must pass, with every kind of meeting
 * in it, and the same evidence with one seeded bug must not.
 */
import { SHOP_REFERENCES } from '../../src/demo/shop/schema.js';
import { checkConvergence } from '../support/convergence/convergence.js';
import { type Evidence, gatherEvidence } from '../support/convergence/evidence.js';
import type { FindingKind } from '../support/convergence/judge.js';
import { Office } from './office.js';
import { SEEDED_BUGS_INCOMING } from './seeded-bugs-incoming.js';
import { OUTLET, Stand } from './stand.js';

let stand: Stand;
let evidence: Evidence;

beforeAll(async () => {
  stand = await Stand.open({ twoWay: true });
  stand.daemon.start();
  await stand.quiet();
  const seller = stand.sell({ seed: 7, tills: 2, pauseMs: 5 });
  const office = new Office({ cloud: stand.cloud, outletId: OUTLET, seed: 7, pauseMs: 10 });
  await stand.until('edits and sales', 40_000, () => office.edits >= 100 && seller.sold >= 100);
  await office.close();
  await stand.quiet();
  await clash();
  await stand.quiet();
  evidence = await gatherEvidence(await stand.owner(), stand.tables, stand.cloud, OUTLET);
}, 120_000);

afterAll(() => stand?.close());

/** What chance may not have brought: a clash that the cloud wins, a merge, a change on each side after the other. */
async function clash(): Promise<void> {
  const office = (id: string, patch: string) => stand.cloud.edit({ entity_type: 'product', entity_id: id, patch });
  await office('1', '{"price":100.00}');
  await stand.quiet();
  await stand.query('UPDATE products SET price = 101, updated_at = clock_timestamp() WHERE id = 1');
  const guest = '00000000-0000-4000-8000-000000000001';
  const data = `{"id":"${guest}","name":"Tamu","phone":"+62","points":0,"birthday":null,"created_at":"2026-11-22T02:00:00+00:00"}`;
  await stand.cloud.edit({ entity_type: 'customer', entity_id: guest, data });
  await stand.quiet();
  await stand.cloud.edit({ entity_type: 'customer', entity_id: guest, operation: 'delete' });
  await stand.quiet();
  await stand.daemon.end();
  await stand.query('UPDATE products SET price = 201, updated_at = clock_timestamp() WHERE id = 2');
  await office('2', '{"price":202.00}');
  await stand.query('UPDATE products SET price = 301, updated_at = clock_timestamp() WHERE id = 3');
  await office('3', '{"name":"Kopi Tamu"}');
  stand.daemon.start();
}

async function kindsOf(tampered: Evidence): Promise<FindingKind[]> {
  const findings = await checkConvergence(await stand.owner(), stand.tables, tampered, { references: SHOP_REFERENCES });
  return [...new Set(findings.map((finding) => finding.kind))].sort();
}

test('a run without a bug has applied creates, updates and deletes in it, and conflicts, and passes', async () => {
  const applied = evidence.committed.filter((change) => change.by === 'syncd');
  expect(new Set(applied.map((change) => change.operation))).toEqual(new Set(['create', 'update', 'delete']));
  const resolutions = new Set(evidence.conflicts.map((conflict) => conflict.resolution));
  expect(resolutions).toEqual(new Set([...resolutions, 'cloud', 'merged']));
  expect(await stand.findings()).toEqual([]);
});

test.each(SEEDED_BUGS_INCOMING)('it is noticed when %s', async (_, kinds, spoil) => {
  const copy = structuredClone(evidence);
  spoil(copy);
  expect(await kindsOf(copy)).toEqual(expect.arrayContaining(kinds));
});
