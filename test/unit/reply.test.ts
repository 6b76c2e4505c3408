/** The parsers of the cloud's answers against what a stranger may send: they accept what the contract promises, and never throw. */
import fc from 'fast-check';
import {
  flawOfResult,
  parseCapabilities,
  parseError,
  parseObject,
  parseResult,
  parseRetryAfterMs,
  tooManyParts,
} from '../../src/cloud/reply.js';

const NOW = Date.UTC(2026, 10, 22, 8);
const DEFAULTS = {
  protocol: 1,
  max_batch_changes: 500,
  max_batch_bytes: 1_048_576,
  encodings: ['gzip'],
  long_poll: false,
  digest: false,
};

describe('capabilities', () => {
  test('what the cloud names is taken', () => {
    const given = {
      protocol: 1,
      max_batch_changes: 1000,
      max_batch_bytes: 4194304,
      encodings: ['gzip', 'br'],
      long_poll: true,
      digest: true,
      cloud_epoch: 'e-1',
    };
    expect(parseCapabilities(JSON.stringify(given))).toEqual(given);
  });

  test.each([undefined, '', 'nonsense', '[]', 'null', '{}', '{"max_batch_changes":null}'])(
    '%j means the defaults',
    (body) => {
      expect(parseCapabilities(body)).toEqual(DEFAULTS);
    },
  );

  test.each([0, -1, 1.5, '500', null, [], {}, 1e300])('a maximum of %j is not believed', (value) => {
    const body = JSON.stringify({ max_batch_changes: value, max_batch_bytes: value });
    expect(parseCapabilities(body)).toEqual(DEFAULTS);
  });

  test('a maximum beyond our own means is cut down to them', () => {
    const body = JSON.stringify({
      max_batch_changes: Number.MAX_SAFE_INTEGER,
      max_batch_bytes: Number.MAX_SAFE_INTEGER,
    });
    expect(parseCapabilities(body)).toMatchObject({ max_batch_changes: 10_000, max_batch_bytes: 32 * 1024 * 1024 });
  });

  test('of the encodings only names are kept, of the flags only true', () => {
    const body = '{"encodings":["br",7,null,["gzip"]],"long_poll":1,"digest":"yes","cloud_epoch":7}';
    expect(parseCapabilities(body)).toEqual({ ...DEFAULTS, encodings: ['br'] });
  });
});

describe('Retry-After', () => {
  test.each<[string | undefined, number | undefined]>([
    [undefined, undefined],
    ['', undefined],
    ['soon', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['0', 1_000],
    ['7', 7_000],
    [' 120 ', 120_000],
    ['1801', 1_800_000],
    ['9'.repeat(400), 1_800_000],
    ['Sun, 22 Nov 2026 08:00:30 GMT', 30_000],
    ['Sun, 22 Nov 2026 07:00:00 GMT', 1_000],
    ['Mon, 23 Nov 2026 08:00:00 GMT', 1_800_000],
  ])('%j', (value, expected) => {
    expect(parseRetryAfterMs(value, NOW)).toBe(expected);
  });
});

describe('errors', () => {
  test('code, message and epoch are read, a message is cut', () => {
    const body = JSON.stringify({ error: { code: 'fork', message: 'x'.repeat(900), epoch: 4 } });
    expect(parseError(body)).toEqual({ code: 'fork', message: 'x'.repeat(500), epoch: 4 });
  });

  test.each([
    '',
    '<html>',
    '[]',
    '{"error":null}',
    '{"error":"no"}',
    '{"error":[1]}',
    '{"error":{"code":5,"epoch":"4"}}',
  ])('%j names nothing', (body) => {
    expect(parseError(body)).toEqual({ code: undefined, message: undefined, epoch: undefined });
  });
});

describe('results', () => {
  test.each([{ a: 1 }, 7, 'é'.repeat(1_001), 'a\u0000'])(
    'a cloud_id that no change could carry is none',
    (cloud_id) => {
      const given = { change_id: 'a', status: 'accepted', cloud_version: 1, cloud_id };
      expect(parseResult(given)).toEqual({ change_id: 'a', status: 'accepted', cloud_version: 1, cloud_id: null });
    },
  );

  test.each(['tomorrow', 7, null, '', {}, '5', '2026-11-22T08:00:00', '+099999-01-01T00:00:00Z'])(
    'an instant %j in a conflict is none',
    (updated_at) => {
      const current = { cloud_version: 1, updated_at, deleted: 'yes', data: undefined };
      expect(parseResult({ change_id: 'a', status: 'conflict', current })).toMatchObject({
        current: { updated_at: null, deleted: false, data: null },
      });
    },
  );

  test('half a name in waiting_for is none', () => {
    const waiting_for = { entity_type: 'order' };
    expect(parseResult({ change_id: 'a', status: 'held', waiting_for })).toMatchObject({ waiting_for: null });
  });
});

test('a text of more small things than the memory holds is not read; a long one is', () => {
  const list = (parts: number, part: string) => `{"results":[${`${part},`.repeat(parts - 1)}${part}]}`;
  for (const part of ['{}', '[[]]', '0', '{"a":0}']) expect(parseObject(list(300_000, part))).toBeUndefined();
  expect(parseObject(`{${Array.from({ length: 300_000 }, (_, key) => `"${key}":0`)}}`)).toBeUndefined();
  expect(parseError(`{"error":{"code":"a"},"x":${list(300_000, '{}')}}`).code).toBeUndefined();
  expect(tooManyParts(list(300_000, '{}'))).toBe('it has more than 250000 parts');
  const result = JSON.stringify({ change_id: 'a', status: 'accepted', cloud_version: 1, cloud_id: '[,{\\",[' });
  expect(parseObject(list(10_000, result))?.results).toHaveLength(10_000);
  expect(parseObject(list(300_000, '0'), 400_000)?.results).toHaveLength(300_000);
  expect(parseObject(`{"code":${JSON.stringify('\\",['.repeat(300_000))}}`)).toBeDefined();
});

test('no JSON makes a parser throw or hand on what it did not check', () => {
  const statuses = fc.constantFrom('accepted', 'duplicate', 'conflict', 'held', 'rejected', 'x', 1, null);
  const loose = fc.dictionary(
    fc.constantFrom('cloud_version', 'current', 'error', 'waiting_for', 'cloud_id'),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(fc.jsonValue(), statuses, loose, (value, status, fields) => {
      const text = JSON.stringify(value);
      parseObject(text);
      parseError(text);
      const limits = parseCapabilities(text);
      expect(limits.max_batch_changes).toBeGreaterThan(0);
      parseResult(value);
      const result = parseResult({ ...fields, change_id: 'a', status });
      expect(flawOfResult({ ...fields, change_id: 'a', status }).length).toBeLessThan(150);
      expect(flawOfResult(value)).not.toContain('\u0000');
      if (result?.status === 'accepted') expect(Number.isSafeInteger(result.cloud_version)).toBe(true);
      if (result?.status === 'rejected') expect(typeof result.error.retryable).toBe('boolean');
    }),
  );
});
