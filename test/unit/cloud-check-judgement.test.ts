/** How syncd cloud-check judges: digits, results field by field, what a conflict shows, and that it quotes the contract as it stands. */
import { readFileSync } from 'node:fs';
import { readExactly, whatIsLost, writeExactly } from '../../src/cloud-check/exact.js';
import type { Exchange } from '../../src/cloud-check/exchange.js';
import { bucketOf } from '../../src/cloud-check/fingerprint.js';
import { mustRepeat } from '../../src/cloud-check/judge-page.js';
import { eachOnce, mustConflict, mustFork, readResult } from '../../src/cloud-check/judge-push.js';
import { rowTemplate } from '../../src/cloud-check/row.js';
import { CHAPTERS } from '../../src/cloud-check/run.js';
import type { Change, PushExchange } from '../../src/cloud-check/test-outlet.js';
import { checkLines } from '../../src/commands/cloud-check-view.js';
import { golden } from '../support/golden.js';

const change = (change_id: string): Change => ({
  change_id,
  seq: '1',
  tx: '1',
  entity_type: 'product',
  entity_id: '7',
  operation: 'update',
  version: 1,
  base_cloud_version: 1,
  changed_at: '2026-11-22T01:02:03Z',
  data: '{"id":"7"}',
});
const answered = (body: unknown, status = 200): Exchange => ({
  sent: { method: 'POST', path: '/sync/push', body: '{"changes":[…]}', remark: null },
  reply: {
    kind: 'answer',
    status,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    retryAfter: undefined,
    date: undefined,
    durationMs: 1,
  },
});
const push = (body: unknown, changes: Change[], status = 200): PushExchange => ({ ...answered(body, status), changes });

test.each(['1.10', '123456789012345678901234567890', '-0.0', '1e400', '0'])('the digits of %s stay', (digits) => {
  const text = `{"n":${digits},"t":"${digits} \\" 1.10","list":[${digits},null,true]}`;
  expect(writeExactly(readExactly(text) ?? null)).toBe(text);
});

test.each([
  ['{"a":1.10}', '{"a":1.1}', 'a was sent as 1.10 and came back as 1.1'],
  ['{"a":1.10}', '{"b":2,"a":1.10}', undefined],
  ['{"a":{"b":[1,2.50]}}', '{"a":{"b":[1,2.5]}}', 'a.b[1] was sent as 2.50 and came back as 2.5'],
  ['{"a":null}', '{}', 'a is missing'],
  ['{"a":1}', '{"a":"1"}', 'a was sent as 1 and came back as "1"'],
  ['{"a":"2026-11-22T18:30:00+00:00"}', '{"a":"2026-11-22T18:30:00Z"}', undefined],
  ['{"a":"2026-11-22T18:30:00.120"}', '{"a":"2026-11-22T18:30:00.12"}', expect.stringContaining('a was sent as')],
  ['{"a":"2026-11-22T18:30:00.120000Z"}', '{"a":"2026-11-22T18:30:00.12+00:00"}', undefined],
  ['{"a":"2026-11-22T18:30:00.123456Z"}', '{"a":"2026-11-22T18:30:00.123Z"}', expect.stringContaining('a was sent as')],
  ['{"a":"x"}', 'null', 'the row was sent as {"a":"x"} and came back as null'],
])('of %s in %s is lost: %s', (sent, got, lost) => {
  expect(whatIsLost(readExactly(sent) ?? null, readExactly(got), 'each')).toEqual(lost);
});

test('outside of the check of the digits a number counts by its value', () => {
  const [sent, got] = [readExactly('{"a":1.10,"b":3}') ?? null, readExactly('{"a":1.1,"b":4}')];
  expect(whatIsLost(sent, got, 'value')).toBe('b was sent as 3 and came back as 4');
});

test('a given row keeps everything but its key, and nothing is added to it', () => {
  const row = rowTemplate('{"price":1.10,"code":"old"}', 'code');
  expect(row?.text('new', { name: '"x"' })).toBe('{"code":"new","price":1.10}');
  expect(row).toMatchObject({ own: false, delicate: true });
  expect(rowTemplate('{"price":1}', 'code')?.delicate).toBe(false);
  expect(rowTemplate('[1]', 'id')).toBeUndefined();
});

test.each<[unknown, string]>([
  [{ status: 'accepted', cloud_version: 1 }, 'a result without a change_id'],
  [{ change_id: 'x', status: 'accepted' }, 'a result "accepted" without a cloud_version that is an integer'],
  [
    { change_id: 'x', status: 'accepted', cloud_version: '1' },
    'a result "accepted" without a cloud_version that is an integer',
  ],
  [
    { change_id: 'x', status: 'accepted', cloud_version: 1, cloud_id: 7 },
    'a result "accepted" whose cloud_id is no string',
  ],
  [{ change_id: 'x', status: 'conflict' }, 'a result "conflict" without current'],
  [
    { change_id: 'x', status: 'conflict', current: { cloud_version: 2, data: {} } },
    'a result "conflict" whose current.deleted is neither true nor false',
  ],
  [
    { change_id: 'x', status: 'conflict', current: { cloud_version: 2, deleted: false, data: null } },
    'a result "conflict" without the row in current.data',
  ],
  [
    { change_id: 'x', status: 'conflict', current: { cloud_version: 2, deleted: true, data: null } },
    'a result "conflict" whose current.updated_at is no instant (RFC 3339)',
  ],
  [
    { change_id: 'x', status: 'rejected', error: { code: 'a', message: 'b' } },
    'a result "rejected" whose error.retryable is neither true nor false',
  ],
  [
    { change_id: 'x', status: 'held', waiting_for: {} },
    'a result "held" whose waiting_for does not name entity_type and entity_id as strings',
  ],
  [
    { change_id: 'x', status: 'ok' },
    'a result "ok" whose status is none of accepted, duplicate, conflict, held, rejected',
  ],
])('%j is told as: %s', (result, flaw) => {
  expect(readResult(result)).toEqual({ flaw });
});

test('a conflict with nothing needs no instant', () => {
  const result = { change_id: 'x', status: 'conflict', current: { cloud_version: 0, deleted: true, data: null } };
  expect(readResult(result)).toEqual({ result });
});

test('each change has one result in whatever order; none, two, or one for a stranger is told', () => {
  const [a, b] = [change('a'), change('b')];
  const accepted = (change_id: string) => ({ change_id, status: 'accepted', cloud_version: 1 });
  const told = (...ids: string[]) => eachOnce(push({ results: ids.map(accepted) }, [a, b]))?.why;
  expect(told('b', 'a')).toBeUndefined();
  expect(told('a')).toBe('change 2 of 2 (b) has no result, not one');
  expect(told('a', 'b', 'b')).toBe('change 2 of 2 (b) has 2 results, not one');
  expect(told('a', 'b', 'c')).toBe('a result names c, which was not sent');
  expect(eachOnce(push({ result: [] }, [a]))?.why).toBe('the answer has no list "results"');
  expect(eachOnce(push('<html>', [a]))?.why).toBe('the answer is no JSON object; did the cloud itself answer?');
  expect(eachOnce(push({ error: { code: 'bad', message: 'no' } }, [a], 422))?.why).toMatch(
    /HTTP 422: bad: no, not with 200/,
  );
});

test('a conflict has to show the version and the row that the cloud has', () => {
  const one = change('a');
  const shown = (current: unknown) =>
    mustConflict(push({ results: [{ change_id: 'a', status: 'conflict', current }] }, [one]), one, 'it', {
      version: 2,
      row: '{"id":"7","price":1.5}',
    })?.why;
  const current = {
    cloud_version: 2,
    updated_at: '2026-11-22T01:02:03Z',
    deleted: false,
    data: { id: '7', price: 1.5 },
  };
  expect(shown(current)).toBeUndefined();
  expect(shown({ ...current, cloud_version: 3 })).toBe(
    'current.cloud_version is 3, not 2, which the cloud told last of this entity',
  );
  expect(shown({ ...current, deleted: true, data: null })).toMatch(/^current\.deleted is true/);
  expect(shown({ ...current, data: { id: '7' } })).toMatch(/price is missing$/);
});

test('a fork is told by 409, its code, and the epoch that holds', () => {
  const told = (status: number, error: unknown) => mustFork(push({ error }, [], status), 'it', 5)?.why;
  expect(told(409, { code: 'fork', message: 'x', epoch: 5 })).toBeUndefined();
  expect(told(409, { code: 'fork', epoch: 4 })).toBe(
    'it was answered 409 with error.epoch 4; 5 is the epoch that holds',
  );
  expect(told(409, { code: 'busy', epoch: 5 })).toBe('it was answered 409 without error.code "fork"');
  expect(told(403, { code: 'fork', epoch: 5 })).toBe('it was answered with HTTP 403, not with 409');
});

test('a page that is asked for again may have more in it, never less', () => {
  const page = (...ids: string[]) =>
    answered({
      changes: ids.map((entity_id) => ({
        entity_type: 'a',
        entity_id,
        operation: 'update',
        cloud_version: 1,
        data: {},
      })),
      next_cursor: 'c',
      has_more: false,
    });
  expect(mustRepeat(page('1', '2'), page('1', '2', '3'))).toBeUndefined();
  expect(mustRepeat(page('1'), answered('', 410))).toBeUndefined();
  expect(mustRepeat(page('1', '2'), page('2'))?.why).toBe('asked again, the same cursor does not bring ["a","1","1"]');
});

test('a bucket is the sum of its fingerprints modulo 2^64', () => {
  // What md5sum(1) gives for 7|2 and 8|1: together they are beyond 2^64.
  const sum = String((0x6daefd26f15daae3n + 0xd3edbd2f740479afn) % 2n ** 64n);
  expect(
    bucketOf('*', [
      ['7', 2],
      ['8', 1],
    ]),
  ).toEqual({ bucket: '*', count: 2, sum });
  expect(bucketOf('*', [])).toEqual({ bucket: '*', count: 0, sum: '0' });
});

test('every sentence that is held against a cloud stands in the README', () => {
  const plain = (text: string) => text.replaceAll(/[`*|]/g, '').replaceAll(/\s+/g, ' ');
  const readme = plain(readFileSync('README.md', 'utf8'));
  const checks = CHAPTERS.flatMap((chapter) => chapter.checks);
  expect(checks.map(({ contract }) => contract.says).filter((says) => !readme.includes(plain(says)))).toEqual([]);
  expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
});

test('what failed is shown with what was sent, what came back and the sentence', () => {
  const check = {
    name: 'an update on an older version is a conflict with the current row',
    contract: {
      where: 'What the cloud must do, 4',
      says: 'Accept when the version equals base_cloud_version. Else: conflict.',
    },
    run: async () => ({ kind: 'ok' as const, note: null }),
  };
  const id = '896bfde3-0000-4000-8000-000000000000';
  const exchange = push({ results: [{ change_id: id, status: 'accepted', cloud_version: 3 }] }, []);
  const body = JSON.stringify({
    batch_id: id,
    changes: [{ ...change(id), data: { note: 'x'.repeat(100), more: Array(200).fill('kopi') } }],
  });
  const why = 'an update on version 1 where the cloud has 2 was answered "accepted", not "conflict"';
  const outcome = {
    kind: 'fail' as const,
    why,
    exchange: { ...exchange, sent: { ...exchange.sent, body, remark: 'gzip' } },
  };
  const lines = checkLines({ chapter: 'The optimistic lock', check, outcome, among: 0 }, (_style, text) => text, 80);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  golden('cloud-check-failure.txt', `${lines.join('\n')}\n`);
});
