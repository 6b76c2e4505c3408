/** What a person's choice for a conflict becomes: the smallest request that says it, every digit kept. */
import { parseExact } from '../../src/dashboard/api/exact.js';
import type { Conflict, Row } from '../../src/dashboard/api/types.js';
import {
  allFrom,
  bodyOf,
  discardedIn,
  fieldsOf,
  isByField,
  type Picks,
  requestFor,
} from '../../src/dashboard/state/choice.js';

const row = (text: string) => parseExact(text) as Row;

const CONFLICT: Conflict = {
  id: '7',
  entity_type: 'product',
  entity_id: '1',
  fields: ['name', 'price', 'doubled'],
  base: row('{"price":1.00}'),
  local: row('{"id":1,"name":"Kopi","price":2.00,"doubled":4,"note":null}'),
  cloud: row('{"id":1,"name":"Teh","price":12345678901234567890.10,"note":null}'),
  cloud_version: 2,
  cloud_deleted: false,
  source: 'push',
  strategy: 'manual',
  status: 'open',
  detected_at: '2026-11-22T07:02:00Z',
  resolution: null,
  result: null,
  resolved_at: null,
  resolved_by: null,
  reason: null,
};

const body = (picks: Picks, reason?: string) => bodyOf(requestFor(CONFLICT, picks), reason);

test.each<[string, Picks, string]>([
  ['nothing chosen is the shop', {}, '{"strategy":"local_wins"}'],
  ['all from the shop', allFrom('shop', fieldsOf(CONFLICT)), '{"strategy":"local_wins"}'],
  ['all from the cloud, as far as it has it', allFrom('cloud', fieldsOf(CONFLICT)), '{"strategy":"cloud_wins"}'],
  ['one from the cloud', { price: { from: 'cloud' } }, '{"strategy":"data","data":{"price":12345678901234567890.10}}'],
  ['a number of one’s own', { price: { from: 'own', text: ' 3.50 ' } }, '{"strategy":"data","data":{"price":3.50}}'],
  ['no number at all', { price: { from: 'own', text: 'mahal' } }, '{"strategy":"data","data":{"price":"mahal"}}'],
  ['emptied', { price: { from: 'own', text: '' } }, '{"strategy":"data","data":{"price":null}}'],
  ['a text that looks like a number', { name: { from: 'own', text: '7' } }, '{"strategy":"data","data":{"name":"7"}}'],
  [
    'a mixture',
    { name: { from: 'cloud' }, price: { from: 'own', text: '5' } },
    '{"strategy":"data","data":{"name":"Teh","price":5}}',
  ],
])('%s', (_, picks, expected) => {
  expect(body(picks)).toBe(expected);
});

test('what a person notes is sent as the reason', () => {
  expect(body({}, 'dari pusat "baru"')).toBe('{"strategy":"local_wins","reason":"dari pusat \\"baru\\""}');
});

test('the differing fields come first, with what was there before', () => {
  const fields = fieldsOf(CONFLICT);
  expect(fields.map(({ name, differs }) => [name, differs])).toEqual([
    ['name', true],
    ['price', true],
    ['doubled', true],
    ['id', false],
    ['note', false],
  ]);
  expect(fields[0]).toMatchObject({ before: 'Kopi', shop: 'Kopi', cloud: 'Teh' });
  expect(fields[1]?.before).toEqual(parseExact('1.00'));
});

test('a deletion is chosen by side', () => {
  expect(isByField(CONFLICT)).toBe(true);
  expect(isByField({ ...CONFLICT, local: null })).toBe(false);
  expect(isByField({ ...CONFLICT, cloud: null })).toBe(false);
});

test('what a resolution threw away is named by side', () => {
  const ended = { ...CONFLICT, result: row('{"id":1,"name":"Kopi","price":3.50,"doubled":7,"note":null}') };
  expect(discardedIn(ended).map(({ name, side }) => `${side} ${name}`)).toEqual([
    'cloud name',
    'shop price',
    'cloud price',
    'shop doubled',
  ]);
  expect(discardedIn({ ...CONFLICT, result: null }).length).toBe(5);
});
