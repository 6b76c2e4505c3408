/** JSON in the dashboard keeps its digits on the way in and on the way out. */
import fc from 'fast-check';
import { Digits, parseExact, plain, textOf } from '../../src/dashboard/api/exact.js';

describe('what is parsed', () => {
  test.each([
    '{"price":125000.00,"id":9007199254740993,"e":1e-400,"neg":-0}',
    '{"a":[1.10,[],{}],"t":"\\"\\\\ \\u00e9 😀","n":null,"b":true,"f":false}',
    '{"__proto__":{"x":1},"constructor":2}',
    '123456789012345678901234567890.10',
  ])('%s comes out as it went in', (text) => {
    expect(textOf(parseExact(text)).replaceAll(/\\u00e9|é/g, 'é')).toBe(text.replaceAll('\\u00e9', 'é'));
  });

  test('blanks between the parts do not matter', () => {
    expect(plain(parseExact(' { "a" : [ 1 , 2.50 ] }\n'))).toEqual({ a: [1, 2.5] });
  });

  test('a column called __proto__ is a column', () => {
    const row = parseExact('{"__proto__":{"admin":true}}') as object;
    expect(Object.keys(row)).toEqual(['__proto__']);
    expect('admin' in row).toBe(false);
  });

  test('whatever JSON.parse takes is read the same', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(plain(parseExact(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  test.each([
    '',
    '{',
    '{"a"}',
    '[1,]',
    '{"a":1,}',
    '01',
    '1.',
    'nul',
    '"\n"',
    '"a',
    '1 2',
    '{a:1}',
    `${'['.repeat(600)}`,
  ])('%j is refused', (text) => {
    expect(() => parseExact(text)).toThrow(SyntaxError);
  });
});

test('a number is the text that it was', () => {
  expect(parseExact('1.10')).toEqual(new Digits('1.10'));
});
