/** The audit of a ledger against the till's journal: an honest ledger passes, and every way of spoiling it is caught. */
import { auditLedger, auditReferences, type FindingKind } from '../../src/demo/audit.js';
import type { Delivery } from '../../src/demo/cloud/records.js';
import type { JournalEntry } from '../../src/demo/shop/journal.js';
import { SHOP_REFERENCES } from '../../src/demo/shop/schema.js';

type Line = [tx: string, entity: string, operation: JournalEntry['operation'], data?: string];

const DAY: Line[] = [
  ['10', 'product 1', 'create', '{"id":1,"price":24000.00}'],
  ['10', 'stock 1', 'create', '{"product_id":1}'],
  ['11', 'order a', 'create', '{"id":"a","customer_id":null}'],
  ['11', 'order_item ["a","1"]', 'create', '{"order_id":"a","line":1,"product_id":1}'],
  ['11', 'stock 1', 'update', '{"product_id":1}'],
  ['12', 'payment 1', 'create', '{"id":1,"order_id":"a"}'],
  ['12', 'order a', 'update', '{"id":"a","customer_id":null}'],
  ['13', 'order b', 'create', '{"id":"b","customer_id":null}'],
  ['13', 'order_item ["b","1"]', 'create', '{"order_id":"b","line":1,"product_id":1}'],
  ['14', 'order b', 'delete'],
  ['14', 'order_item ["b","1"]', 'delete'],
];

function journal(): JournalEntry[] {
  return DAY.map(([tx, entity, operation]) => ({ tx, ...named(entity), operation }));
}

function named(entity: string): { entity_type: string; entity_id: string } {
  const [entity_type = '', entity_id = ''] = entity.split(' ');
  return { entity_type, entity_id };
}

/** What a cloud writes that got every change once and in order. */
function ledger(lines = DAY): Delivery[] {
  const versions = new Map<string, number>();
  return lines.map(([tx, entity, operation, data], index) => {
    const cloud_version = (versions.get(entity) ?? 0) + 1;
    versions.set(entity, cloud_version);
    return {
      request: 1,
      at: '2026-11-22T00:00:00Z',
      outlet_id: 'o',
      install_id: 'i',
      epoch: 1,
      batch_id: 'b',
      change_id: `change ${index}`,
      seq: String(100 + index),
      tx,
      ...named(entity),
      operation,
      base_cloud_version: null,
      after: null,
      supersedes: [],
      changed_at: '2026-11-22T00:00:00Z',
      outcome: 'accepted',
      cloud_version,
      data: data ?? null,
      delivered: true,
    };
  });
}

const kinds = (spoiled: Delivery[]): FindingKind[] => [
  ...new Set(
    [...auditLedger(journal(), spoiled), ...auditReferences(SHOP_REFERENCES, spoiled)].map((finding) => finding.kind),
  ),
];

function swap(lines: Delivery[], one: number, other: number): Delivery[] {
  const copy = [...lines];
  [copy[one], copy[other]] = [lines[other] as Delivery, lines[one] as Delivery];
  return copy;
}

test('an honest ledger has no findings', () => {
  expect(kinds(ledger())).toEqual([]);
});

test('deliveries that took no effect count for nothing', () => {
  const again = ledger().map((line): Delivery => ({ ...line, outcome: 'duplicate', data: null }));
  expect(kinds([...ledger(), ...again])).toEqual([]);
});

test.each(DAY.map((line, index) => [line.slice(0, 3).join(' '), index] as const))(
  'a lost change is caught: %s',
  (_, lost) => {
    expect(kinds(ledger().filter((_line, index) => index !== lost))).toContain('lost');
  },
);

test('a change that took effect twice is caught, whether under its own id or under another', () => {
  const twice = (change_id: string): Delivery[] => {
    const lines = ledger();
    const last = lines[6] as Delivery;
    return [...lines, { ...last, change_id, seq: '200', cloud_version: 3 }];
  };
  expect(kinds(twice('change 6'))).toContain('doubled');
  expect(kinds(twice('change 99'))).toContain('doubled');
});

test('a change that never happened in the shop is caught', () => {
  const phantom: Delivery = { ...(ledger()[5] as Delivery), entity_id: '2', change_id: 'x', seq: '300', tx: '99' };
  expect(auditLedger(journal(), [...ledger(), phantom])).toEqual([
    expect.objectContaining({ kind: 'doubled', entity_type: 'payment', entity_id: '2' }),
  ]);
});

test('two changes of one entity that arrive in the wrong order are caught, also where the versions look right', () => {
  const lines = swap(ledger(), 2, 6);
  expect(kinds(lines)).toContain('out_of_order');
  const relabelled = lines.map((line, index) => ({
    ...line,
    seq: String(100 + index),
    cloud_version: index === 2 ? 1 : index === 6 ? 2 : line.cloud_version,
  }));
  expect(kinds(relabelled)).toContain('out_of_order');
});

test('a version that does not rise is caught', () => {
  const lines = ledger();
  lines[6] = { ...(lines[6] as Delivery), cloud_version: 1 };
  expect(kinds(lines)).toEqual(['out_of_order']);
});

test('two changes of one transaction in the wrong order are caught', () => {
  expect(kinds(swap(ledger(), 2, 3))).toEqual(['out_of_order']);
});

test('a change that the cloud held first may take effect after the others of its transaction', () => {
  const lines = swap(ledger(), 2, 3);
  const held: Delivery = { ...(lines[3] as Delivery), outcome: 'held', cloud_version: null, data: null };
  expect(kinds([...lines.slice(0, 2), held, ...lines.slice(2)])).toEqual([]);
  // It is no excuse for the others.
  const other: Delivery = { ...held, change_id: (lines[2] as Delivery).change_id };
  expect(kinds([...lines.slice(0, 2), other, ...lines.slice(2)])).toEqual(['out_of_order']);
});

test('a child whose parent comes with a later transaction is caught, a child before its parent in one transaction is not', () => {
  const late = ledger();
  const [product] = late.splice(0, 1) as [Delivery];
  expect(auditReferences(SHOP_REFERENCES, [...late, { ...product, tx: '15' }])[0]).toMatchObject({
    entity_type: 'stock',
    entity_id: '1',
  });
  expect(auditReferences(SHOP_REFERENCES, swap(ledger(), 2, 3))).toEqual([]);
});

test('a parent that is deleted from under its children is caught', () => {
  const lines = ledger().filter((line) => !(line.operation === 'delete' && line.entity_type === 'order_item'));
  expect(auditReferences(SHOP_REFERENCES, lines)).toEqual([
    expect.objectContaining({ kind: 'out_of_order', entity_type: 'order_item', entity_id: '["b","1"]' }),
  ]);
});

test('a transaction that ends in the middle of another says nothing about the children that the other still removes', () => {
  const lines = ledger();
  const other: Delivery = { ...(lines[9] as Delivery), tx: '16', entity_type: 'customer', entity_id: '9' };
  expect(auditReferences(SHOP_REFERENCES, lines.toSpliced(10, 0, other))).toEqual([]);
});
