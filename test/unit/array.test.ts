/** Array literals: read back by PostgreSQL's own rules they give what went in, whatever stood in it. */
import fc from 'fast-check';
import { arrayLiteral } from '../../src/db/array.js';

/** Reads a one-dimensional literal as the manual describes it: bare words, quoted elements with backslashes, NULL. */
function read(literal: string): (string | null)[] {
  const values: (string | null)[] = [];
  const elements = literal.slice(1, -1).matchAll(/(?:"((?:[^"\\]|\\.)*)"|([^,"{}\\\s]+))(?:,|$)/gs);
  for (const [, quoted, bare] of elements) {
    if (quoted !== undefined) values.push(quoted.replaceAll(/\\(.)/gs, '$1'));
    else values.push(/^null$/i.test(bare as string) ? null : (bare as string));
  }
  return values;
}

test.each([
  [[], '{}'],
  [['1', '22'], '{1,22}'],
  [[1, 2.5, -3], '{1,2.5,-3}'],
  [[true, false], '{true,false}'],
  [[null, 'a'], '{NULL,a}'],
  [['null', 'NULL'], '{"null","NULL"}'],
  [['', ' ', 'a,b', '{}'], '{""," ","a,b","{}"}'],
  [['["7","2"]', 'back\\slash'], '{"[\\"7\\",\\"2\\"]","back\\\\slash"}'],
])('%j is written %s', (values, literal) => {
  expect(arrayLiteral(values)).toBe(literal);
});

test('any texts and nulls come back as they were', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('null', 'NuLL', '"', '\\', ',', '{', '}', '', ' '),
  );
  fc.assert(
    fc.property(fc.array(fc.option(text, { nil: null })), (values) => {
      expect(read(arrayLiteral(values))).toEqual(values);
    }),
  );
});
