/** What a table that is not as it was installed is told to be, and who has to wait for it. */

import { generatorMark } from '../../src/capture/generator-mark.js';
import { compare } from '../../src/drift/compare.js';
import { DRIFT_KINDS, driftOf } from '../../src/drift/kinds.js';
import type { Observed, ShapeColumn } from '../../src/drift/shape.js';
import {
  AROUND,
  altered,
  column,
  columns,
  ID,
  LEAF,
  RECORDED,
  root,
  seen,
  TRIGGERS,
  trigger,
  triggers,
} from '../support/drift-shapes.js';

const told = (observed: Observed, around = AROUND) => driftOf(compare(observed, around), observed.direction);

test('a table that is as it was installed has no drift', () => {
  expect(told(seen())).toBeNull();
});

test.each<[string, Observed, string, RegExp, string]>([
  [
    'dropped',
    seen({ named: null, original: null }),
    'gone',
    /public\.orders is gone: .*still goes out/,
    'misses apply',
  ],
  [
    'renamed',
    seen({ named: null, original: { ...RECORDED, table: 'public.sales' } }),
    'renamed',
    /is called public\.sales now: it is captured as before/,
    'apply',
  ],
  [
    'moved to another schema',
    seen({ named: null, original: { ...RECORDED, table: 'archive.orders' } }),
    'renamed',
    /is called archive\.orders now/,
    'apply',
  ],
  [
    'recreated',
    seen({ named: { ...RECORDED, oid: '200', members: [root({ oid: '200', triggers: [] })] }, original: null }),
    'recreated',
    /another table than .*the one that was captured is gone\): what is written to it is not captured, what the cloud/,
    'misses apply',
  ],
  [
    'restored from a dump, with its triggers',
    seen({ named: { ...RECORDED, oid: '200', members: [root({ oid: '200' })] }, original: null }),
    'recreated',
    /so what is written to it is captured; .* an excluded column that gets another name is sent, what the cloud/,
    'misses apply',
  ],
  [
    'recreated with one trigger less',
    seen({ named: { ...RECORDED, members: [root({ triggers: TRIGGERS.slice(1) })], oid: '200' }, original: null }),
    'recreated',
    /: what is written to it is not captured/,
    'misses apply',
  ],
  [
    'restored with a partition that has no triggers',
    seen({
      named: { ...RECORDED, oid: '200', members: [root({ oid: '200' }), { ...LEAF, oid: '201', triggers: [] }] },
      original: null,
    }),
    'recreated',
    /: what is written to it is not captured/,
    'misses apply',
  ],
  [
    'swapped for a copy',
    seen({ named: { ...RECORDED, oid: '200' }, original: { ...RECORDED, table: 'public.orders_old' } }),
    'recreated',
    /is public\.orders_old now/,
    'misses apply',
  ],
  ['trigger dropped', triggers(...TRIGGERS.slice(1)), 'triggers', /the trigger for DELETE is dropped/, 'misses apply'],
  [
    'triggers disabled',
    triggers(...TRIGGERS.map((one) => ({ ...one, fires: 'D' as const }))),
    'triggers',
    /for DELETE is disabled, .* and the trigger for UPDATE is disabled: what is changed there is not captured/,
    'misses apply',
  ],
  [
    'for replication alone',
    triggers(...TRIGGERS.slice(1), trigger('delete', { fires: 'R' })),
    'triggers',
    /fires for replication alone/,
    'misses apply',
  ],
  [
    'function altered',
    triggers(...TRIGGERS.slice(1), trigger('delete', { body: 'other' })),
    'triggers',
    /is not the one that was installed/,
    'misses apply',
  ],
  [
    'function with other settings',
    triggers(...TRIGGERS.slice(1), trigger('delete', { settings: '' })),
    'triggers',
    /is not the one/,
    'misses apply',
  ],
  [
    'new partition',
    altered({ members: [root(), { ...LEAF, triggers: [] }] }),
    'partition',
    /the partition public\.orders_11 is new: .*directly is not captured/,
    'misses',
  ],
  [
    'inheritance child',
    altered({ members: [root(), { ...LEAF, partition: false, triggers: [] }] }),
    'child',
    /public\.orders_11 inherits from public\.orders now/,
    'misses apply',
  ],
  [
    'partition detached',
    seen({ recorded: { ...RECORDED, members: [root(), LEAF] } }),
    'detached',
    /is no part of public\.orders any more/,
    '',
  ],
  ['column added', columns(...RECORDED.columns, column(4, 'note')), 'columns', /has a new column note: it is sent/, ''],
  [
    'secret column added',
    columns(...RECORDED.columns, column(4, 'pin_hash')),
    'columns',
    /new column pin_hash, which looks like a secret/,
    '',
  ],
  [
    'column added that every row must have',
    columns(...RECORDED.columns, column(4, 'till', 'text', { nullable: false })),
    'required',
    /new column till, which every row must have/,
    'apply',
  ],
  [
    'column added that has a default',
    columns(...RECORDED.columns, column(4, 'till', 'text', { nullable: false, given: true })),
    'columns',
    /new column till: it is sent/,
    '',
  ],
  ['column dropped', columns(...RECORDED.columns.slice(0, 2)), 'columns', /has no column total any more/, ''],
  [
    'column renamed',
    columns(ID, column(2, 'state'), column(3, 'total', 'numeric(12,2)')),
    'column_renamed',
    /the column status of public\.orders is called state now/,
    'apply',
  ],
  [
    'column retyped',
    columns(ID, column(2, 'status'), column(3, 'total', 'money')),
    'columns',
    /total of public\.orders was numeric\(12,2\) and is money now/,
    '',
  ],
  [
    'key column renamed',
    columns({ ...ID, name: 'no' }, ...RECORDED.columns.slice(1)),
    'key',
    /the key column id of public\.orders is called no now/,
    'misses push apply',
  ],
  [
    'key column dropped',
    columns(...RECORDED.columns.slice(1)),
    'key',
    /the key column id .* is gone/,
    'misses push apply',
  ],
  [
    'key column retyped',
    columns({ ...ID, type: 'uuid' }, ...RECORDED.columns.slice(1)),
    'key',
    /was integer and is uuid now/,
    'misses push apply',
  ],
  [
    'key column that may be null',
    columns({ ...ID, nullable: true }, ...RECORDED.columns.slice(1)),
    'key',
    /id of public\.orders may be null now/,
    'misses push apply',
  ],
  ['key index dropped', altered({ unique: [] }), 'key', /no unique index on its key \(id\)/, 'misses push apply'],
  ['key widened', altered({ unique: [[1, 2]] }), 'key', /no unique index on its key \(id\)/, 'misses push apply'],
  ['row-level security', altered({ policies: true }, { policed: true }), 'policies', /hides rows/, 'apply'],
  [
    'another direction in the configuration',
    seen({ configured: { table: 'public.orders', direction: 'push', excluded: [] } }),
    'configuration',
    /something else of direction/,
    '',
  ],
  [
    'a column to be excluded',
    seen({ configured: { table: 'public.orders', direction: 'both', excluded: ['total'] } }),
    'configuration',
    /something else of exclude/,
    '',
  ],
  ['triggers of an older program', seen({ generator: 'g0' }), 'outdated', /of an older program/, ''],
  [
    'a record of an older program',
    seen({ recorded: null, generator: null }),
    'outdated',
    /before drift was watched/,
    '',
  ],
])('%s', (_, observed, kind, text, consequences) => {
  const drift = told(observed);
  expect(drift).toMatchObject({ kind, text: expect.stringMatching(text) });
  const found = drift && [drift.misses && 'misses', drift.holdsPush && 'push', drift.holdsApply && 'apply'];
  expect((found || []).filter(Boolean).join(' ')).toBe(consequences);
  expect(drift?.hint).toMatch(/syncd install|ALTER ROLE/);
});

test('a role that writes as a replica is drift, unless the triggers fire always', () => {
  const around = { ...AROUND, replicas: ['role loader', 'role pos'] };
  expect(told(seen(), around)).toMatchObject({ kind: 'replica_role', misses: true, holdsApply: true });
  expect(told(seen(), around)?.text).toMatch(/^role loader and role pos have session_replication_role = replica/);
  const always = TRIGGERS.map((one) => ({ ...one, fires: 'A' as const }));
  expect(told(triggers(...always), around)).toBeNull();
});

test.each<[string, Observed]>([
  ['a wider key column of the same family', columns({ ...ID, type: 'bigint' }, ...RECORDED.columns.slice(1))],
  ['a foreign table as a new partition', altered({ members: [root(), { ...LEAF, kind: 'f', triggers: [] }] })],
  ['a new partition that was given triggers', altered({ members: [root(), LEAF] })],
  ['a mark alone', triggers(...TRIGGERS.map((one) => ({ ...one, mark: '999' })))],
  ['an entity that the configuration does not name', seen({ configured: undefined })],
  [
    'triggers that a person has made step aside',
    { ...triggers(...TRIGGERS.map((one) => ({ ...one, body: 'x' }))), suspended: true },
  ],
])('%s is no drift', (_, observed) => {
  expect(told(observed)).toBeNull();
});

test('a table that is only pulled needs no triggers, and one that is only pushed applies nothing', () => {
  expect(told({ ...triggers(), direction: 'pull', configured: undefined })).toBeNull();
  const pulled = told(seen({ direction: 'pull', named: null, original: null, configured: undefined }));
  expect(pulled).toMatchObject({ misses: false, holdsApply: true });
  for (const observed of [triggers(), columns(ID), seen({ named: null, original: null })])
    expect(told({ ...observed, direction: 'push', configured: undefined })).toMatchObject({ holdsApply: false });
});

test('of a table that is only pushed nothing is said of what the cloud sends', () => {
  const [id, ...others] = RECORDED.columns as [ShapeColumn, ...ShapeColumn[]];
  for (const observed of [
    seen({ named: null, original: null }),
    seen({ named: null, original: { ...RECORDED, table: 'public.sales' } }),
    seen({ named: { ...RECORDED, oid: '200' }, original: null }),
    columns(id, ...others.map((one) => ({ ...one, name: `${one.name}_2` }))),
    columns(...RECORDED.columns, { ...column(9, 'till'), nullable: false }),
  ]) {
    expect(told(observed)?.text).toMatch(/the cloud sends|it sends/);
    expect(told({ ...observed, direction: 'push', configured: undefined })?.text).not.toMatch(
      /the cloud sends|it sends/,
    );
  }
});

test('the gravest finding speaks, the others are named, and every one of them counts', () => {
  const now = { ...RECORDED, columns: [...RECORDED.columns, column(4, 'note')], members: [root({ triggers: [] })] };
  const drift = told(seen({ named: null, original: { ...now, table: 'public.sales' } }));
  expect(drift).toMatchObject({ kind: 'triggers', misses: true, holdsApply: true });
  expect(drift?.text).toMatch(
    /not captured; also: public\.orders is called public\.sales now; also: .* new column note$/,
  );
});

test('every kind is judged, and the mark of the generator follows what it writes', () => {
  for (const kind of DRIFT_KINDS)
    expect(driftOf([{ kind, what: 'w', means: 'm', hint: 'h' }], 'both')).toMatchObject({ kind, text: 'w: m' });
  const gate = generatorMark({ notify: 'gate', on_error: 'continue' });
  expect(generatorMark({ notify: 'gate', on_error: 'continue' })).toBe(gate);
  expect(generatorMark({ notify: 'never', on_error: 'continue' })).not.toBe(gate);
  expect(generatorMark({ notify: 'gate', on_error: 'block' })).not.toBe(gate);
});
