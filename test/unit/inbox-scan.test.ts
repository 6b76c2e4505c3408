/** The scanner against JSON.parse, which sees the same values in the same places, and against texts that would hurt another one. */
import fc from 'fast-check';
import { MAX_DEPTH, scan } from '../../src/inbox/scan.js';
import { flawIn, rawText, type Span, stringIn } from '../../src/inbox/span.js';

const blanks = fc.stringMatching(/^[ \t\r\n]{0,2}$/);
/** JSON texts as any writer may write them: blanks anywhere, escapes where none are needed. */
const texts = fc
  .tuple(fc.jsonValue({ maxDepth: 5 }), fc.infiniteStream(blanks), fc.infiniteStream(fc.boolean()))
  .map(([value, blank, coin]) => {
    const gap = () => blank.next().value as string;
    const quote = (text: string) =>
      `"${[
        ...JSON.stringify(text)
          .slice(1, -1)
          .matchAll(/\\u....|\\.|./gsu),
      ]
        .map(([part]) => (/^[a-z]$/.test(part) && coin.next().value ? `\\u00${part.charCodeAt(0).toString(16)}` : part))
        .join('')}"`;
    const list = (open: string, parts: string[], close: string) =>
      `${open}${gap()}${parts.join(`${gap()},${gap()}`)}${gap()}${close}`;
    const write = (part: unknown): string => {
      if (Array.isArray(part)) return list('[', part.map(write), ']');
      if (typeof part === 'string') return quote(part);
      if (typeof part !== 'object' || part === null) return JSON.stringify(part);
      return list(
        '{',
        Object.entries(part).map(([key, one]) => `${quote(key)}${gap()}:${gap()}${write(one)}`),
        '}',
      );
    };
    return `${gap()}${write(value)}${gap()}`;
  });

function rootOf(text: string, levels: number): Span {
  const scanned = scan(text, levels);
  if ('fault' in scanned) throw new Error(`${scanned.fault}: ${text}`);
  return scanned.root;
}

/** What the spans say, in JSON.parse's terms. */
function read(text: string, span: Span): unknown {
  if (span.members) return Object.fromEntries([...span.members].map(([key, part]) => [key, read(text, part)]));
  if (span.items) return span.items.map((part) => read(text, part));
  return JSON.parse(rawText(text, span));
}

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

test('every span holds what JSON.parse sees there, however deep the values are listed', () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 0, max: 4 }), (text, levels) => {
      const seen = JSON.stringify(read(text, rootOf(text, levels)));
      expect(seen).toBe(JSON.stringify(JSON.parse(text)));
    }),
    { numRuns: 500 },
  );
});

test('it takes for JSON exactly what JSON.parse takes for it, also after a text was damaged', () => {
  const junk = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '\\u12',
    '0',
    '-',
    '.',
    'e',
    'tru',
    'null',
    '\u0001',
    ' ',
    '\ufeff',
    '\u00a0',
    '/',
  );
  const damaged = fc
    .tuple(texts, fc.nat(), fc.nat({ max: 3 }), fc.oneof(junk, fc.constant('')))
    .map(
      ([text, at, gone, added]) =>
        text.slice(0, at % (text.length + 1)) + added + text.slice((at % (text.length + 1)) + gone),
    );
  fc.assert(
    fc.property(damaged, (text) => {
      expect(['root' in scan(text, 2), text]).toEqual([parses(text), text]);
    }),
    { numRuns: 3_000 },
  );
});

test.each([
  '',
  ' ',
  '{',
  '[1,]',
  '{"a":1,}',
  '{a:1}',
  "{'a':1}",
  '01',
  '1.',
  '.5',
  '+1',
  '-',
  '1e',
  '1e+',
  'NaN',
  'nul',
  'truex',
  '"\t"',
  '"\u0000"',
  '"\\x"',
  '"\\u12g4"',
  '"a',
  '[1] x',
  '1 2',
  '[1}',
  '{"a"}',
  '{"a":}',
  '{,}',
  '[,]',
  '//',
  '\ufeff1',
])('%j is not JSON', (text) => {
  expect(scan(text, 1)).toMatchObject({ fault: expect.stringContaining('not JSON') });
});

describe('a flaw', () => {
  test.each<[string, string | undefined]>([
    ['{"a":1,"a":2}', 'a key stands twice'],
    ['{"a":1,"\\u0061":2}', 'a key stands twice'],
    ['{"a":{"a":1},"b":{"a":1}}', undefined],
    ['[{"__proto__":1,"__proto__":1}]', 'a key stands twice'],
    ['"a\\u0000b"', 'a text holds U+0000'],
    ['{"\\u0000":1}', 'a text holds U+0000'],
    ['"\\\\u0000"', undefined],
    ['"\\ud800"', 'a text holds half of a character'],
    ['"\\ud800\\u0041"', 'a text holds half of a character'],
    ['"\\udc00\\ud800"', 'a text holds half of a character'],
    ['"\\uD83D\\uDE00 \\ud83d\\ude00"', undefined],
    [`${'['.repeat(MAX_DEPTH)}1${']'.repeat(MAX_DEPTH)}`, undefined],
    [`${'['.repeat(MAX_DEPTH + 1)}1${']'.repeat(MAX_DEPTH + 1)}`, 'nested too deep'],
  ])('is seen in text %#, wherever it stands', (text, flaw) => {
    for (const levels of [0, 1, 2, 3]) expect(flawIn(rootOf(text, levels))).toBe(flaw);
  });

  test('stands with the innermost listed part that holds it', () => {
    const text = '{"good":[1,{"x":2}],"bad":{"x":[{"y":1,"y":2}]},"worse":"\\u0000"}';
    const { flaw, members } = rootOf(text, 1);
    expect(flaw).toBeUndefined();
    expect([...(members ?? [])].map(([key, part]) => [key, part.flaw])).toEqual([
      ['good', undefined],
      ['bad', 'a key stands twice'],
      ['worse', 'a text holds U+0000'],
    ]);
  });

  test('of nesting outweighs those before it', () => {
    const text = `{"a":1,"a":${'['.repeat(MAX_DEPTH)}1${']'.repeat(MAX_DEPTH)}}`;
    expect(rootOf(text, 0).flaw).toBe('nested too deep');
  });
});

test('a text is spelt out without what cannot be stored', () => {
  const text = '["a\\u0000b","\\u0041\\n","plain",1]';
  expect(rootOf(text, 1).items?.map((part) => stringIn(text, part))).toEqual(['a\ufffdb', 'A\n', 'plain', undefined]);
});

test('the time grows with the length alone, whatever the text', () => {
  const shapes: [string, (size: number) => string][] = [
    ['rows', (size) => `[${'{"id":1,"name":"caf\u00e9 \\"x\\"","tags":["a","b"]},'.repeat(size / 44)}0]`],
    ['depth', (size) => '['.repeat(size / 2) + ']'.repeat(size / 2)],
    ['one string of escapes', (size) => `"${'\\u0000'.repeat(size / 6)}"`],
    ['one long string', (size) => `"${'x'.repeat(size)}"`],
    ['keys', (size) => `{${Array.from({ length: size / 12 }, (_, n) => `"k${n}":{}`).join(',')}}`],
    ['blanks', (size) => `[${' '.repeat(size)}]`],
    ['digits', (size) => '9'.repeat(size)],
    ['an end that is missing', (size) => `"${'\\\\'.repeat(size / 2)}`],
  ];
  for (const [shape, make] of shapes) {
    const text = make(10_000_000);
    const before = process.cpuUsage();
    scan(text, 0);
    const { user, system } = process.cpuUsage(before);
    // 20 to 300 ms of a processor, which others may be busy with; anything quadratic would take hours.
    expect([shape, (user + system) / 1_000 < 5_000]).toEqual([shape, true]);
  }
});

test('a text of endless little parts is refused rather than listed', () => {
  expect(scan(`[${'{},'.repeat(300_000)}{}]`, 3)).toMatchObject({ fault: expect.stringContaining('parts') });
});
