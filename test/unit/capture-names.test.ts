/** Names from the configuration become identifiers, and entities become names of objects, without mix-up. */
import { EVENTS, failuresName, functionName, parseName, parseTable } from '../../src/capture/names.js';

test.each([
  ['orders', { schema: 'public', name: 'orders' }],
  ['Public.Orders', { schema: 'public', name: 'orders' }],
  ['"Tax Rates"', { schema: 'public', name: 'Tax Rates' }],
  ['"Back Office"."Tax ""x"""', { schema: 'Back Office', name: 'Tax "x"' }],
  ['back . "a.b"', { schema: 'back', name: 'a.b' }],
  ['käse$1', { schema: 'public', name: 'käse$1' }],
])('the table %s is read as SQL reads it', (text, expected) => {
  expect(parseTable(text)).toEqual(expected);
});

test.each(['', '  ', 'a.b.c', 'a b', '"open', 'a.', '.a', '1a', 'a;b', '""', 'a-b', 'drop table x; --'])(
  '%j is no table',
  (text) => {
    expect(parseTable(text)).toBeUndefined();
  },
);

test('a column keeps its case only in quotes', () => {
  expect([parseName('Id'), parseName('"Id"')]).toEqual([['id'], ['Id']]);
});

test('entities that differ never share a function or a counter, and every name fits', () => {
  const entities = [
    'order',
    'Order',
    'order-1',
    'order_1',
    'order 1',
    'ä',
    'ö',
    'x'.repeat(60),
    `${'x'.repeat(60)}y`,
    '1',
    '_',
  ];
  const names = entities.flatMap((entity) => [
    failuresName(entity),
    ...EVENTS.map((event) => functionName(entity, event)),
  ]);
  expect(new Set(names).size).toBe(names.length);
  // A member's own function adds nine characters more.
  for (const name of names) expect(name.length + 9).toBeLessThanOrEqual(63);
  expect(functionName('order', 'insert')).toBe('capture_order_insert');
});
