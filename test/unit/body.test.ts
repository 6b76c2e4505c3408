/** The bytes of a body are those of its parts in UTF-8, however wrong the guess of their length was. */
import fc from 'fast-check';
import { Body } from '../../src/push/body.js';

test('whatever is added comes out, as often as the memory has to grow', () => {
  const parts = fc.array(fc.string({ unit: 'grapheme', maxLength: 60 }), { maxLength: 30 });
  fc.assert(
    fc.property(parts, fc.nat({ max: 200 }), (texts, expected) => {
      const body = new Body(expected);
      for (const text of texts) body.add(text);
      expect(body.bytes.equals(Buffer.from(texts.join('')))).toBe(true);
    }),
  );
});
