/** What a push reply means: the HTTP table of the wire contract row by row, then every kind of result, and hostile ones. */
import type { Reply } from '../../src/cloud/reply.js';
import { type ExchangeOutcome, judgeChanges, judgeExchange } from '../../src/push/outcome.js';
import { agreed, makeChange, uuid } from '../support/changes.js';

const NOW = Date.UTC(2026, 10, 22, 8);
const answer = (status: number, body = '', more: Partial<Extract<Reply, { kind: 'answer' }>> = {}): Reply => ({
  kind: 'answer',
  status,
  body,
  retryAfter: undefined,
  date: undefined,
  durationMs: 5,
  ...more,
});
const error = (code: string, more: object = {}) => JSON.stringify({ error: { code, message: 'why', ...more } });

describe('the request as a whole', () => {
  test.each<[string, Reply, Partial<ExchangeOutcome>]>([
    [
      'no answer',
      { kind: 'none', error: 'ECONNRESET', timedOut: false, durationMs: 1 },
      { kind: 'offline', timedOut: false },
    ],
    ['a time-out', { kind: 'none', error: 'late', timedOut: true, durationMs: 1 }, { kind: 'offline', timedOut: true }],
    [
      '200 with results',
      answer(200, '{"results":[],"server_time":"2026-11-22T08:00:00Z"}'),
      { kind: 'results', serverTime: '2026-11-22T08:00:00Z' },
    ],
    [
      '200 with a server_time of another kind',
      answer(200, '{"results":[],"server_time":7}'),
      { kind: 'results', serverTime: undefined },
    ],
    ['a captive portal', answer(200, '<html>log in</html>'), { kind: 'offline', timedOut: false }],
    ['a truncated body', answer(200, '{"results":[{"change_id":"'), { kind: 'offline' }],
    ['an empty body', answer(200, ''), { kind: 'offline' }],
    ['JSON without results', answer(200, '{"ok":true}'), { kind: 'offline' }],
    ['results that are no array', answer(200, '{"results":{"0":1}}'), { kind: 'offline' }],
    ['an array', answer(200, '[]'), { kind: 'offline' }],
    ['null', answer(200, 'null'), { kind: 'offline' }],
    ...[201, 202, 204, 206].map((s) => [`another ${s}`, answer(s, '{"results":[]}'), { kind: 'offline' }] as never),
    ...[301, 302, 304, 307, 308].map((s) => [`a redirect ${s}`, answer(s), { kind: 'offline' }] as never),
    ['408', answer(408), { kind: 'offline', timedOut: true }],
    ...[500, 502, 503, 504, 599].map((s) => [`${s}`, answer(s), { kind: 'offline', timedOut: false }] as never),
    ['429 without Retry-After', answer(429), { kind: 'offline', timedOut: false }],
    ['429 with a Retry-After that says nothing', answer(429, '', { retryAfter: 'soon' }), { kind: 'offline' }],
    ['429 with seconds', answer(429, '', { retryAfter: '90' }), { kind: 'wait', waitMs: 90_000 }],
    ['503 with seconds', answer(503, '', { retryAfter: '90' }), { kind: 'wait', waitMs: 90_000 }],
    ['500 with seconds is an outage', answer(500, '', { retryAfter: '90' }), { kind: 'offline' }],
    ['a wait above half an hour', answer(503, '', { retryAfter: '86400' }), { kind: 'wait', waitMs: 1_800_000 }],
    ['a wait of nothing', answer(429, '', { retryAfter: '0' }), { kind: 'wait', waitMs: 1_000 }],
    ['a date', answer(503, '', { retryAfter: 'Sun, 22 Nov 2026 08:01:30 GMT' }), { kind: 'wait', waitMs: 90_000 }],
    [
      'a date by a clock two hours behind ours',
      answer(503, '', { retryAfter: 'Sun, 22 Nov 2026 06:01:30 GMT', date: 'Sun, 22 Nov 2026 06:00:00 GMT' }),
      { kind: 'wait', waitMs: 90_000 },
    ],
    ...[401, 403, 404, 405, 415, 402, 410, 418, 426, 451].map(
      (status) =>
        [
          `${status}`,
          answer(status, error('no')),
          { kind: 'refused', status, reason: `HTTP ${status}: no: why` },
        ] as never,
    ),
    ['409 fork', answer(409, error('fork', { epoch: 4 })), { kind: 'fork', epoch: 4 }],
    ['409 fork with an odd epoch', answer(409, error('fork', { epoch: -1 })), { kind: 'fork', epoch: undefined }],
    ['409 otherwise', answer(409, error('busy')), { kind: 'bad_batch', retryable: true }],
    ['400', answer(400), { kind: 'bad_batch', retryable: false }],
    ['422', answer(422, error('bad')), { kind: 'bad_batch', retryable: false }],
    ['413', answer(413, '<html>nginx</html>'), { kind: 'too_large' }],
  ])('%s', (_title, reply, expected) => {
    expect(judgeExchange(reply, NOW)).toMatchObject(expected);
  });

  test('a reason never grows beyond what can be kept', () => {
    const outcome = judgeExchange(answer(500, error('c', { message: 'x'.repeat(100_000) })), NOW);
    expect('reason' in outcome && outcome.reason.length).toBeLessThan(600);
  });
});

describe('each change', () => {
  const sent = [makeChange({ id: '1' }), makeChange({ id: '2' })];
  const [first, second] = [uuid(1), uuid(2)];
  const accepted = (change_id: string, more: object = {}) => ({
    change_id,
    status: 'accepted',
    cloud_version: 3,
    ...more,
  });
  const judged = (...results: unknown[]) => judgeChanges(sent, results);

  test('a change is known by its id in capitals too', () => {
    const change = makeChange({ id: '3', change_id: 'abcdefab-0000-4000-8000-00000000000f' });
    const { outcomes, faults } = judgeChanges([change], [accepted(change.change_id.toUpperCase())]);
    expect([outcomes[0]?.kind, faults]).toEqual(['accepted', []]);
  });

  test('results come in any order and keep their own change', () => {
    const { outcomes, faults } = judged(
      { change_id: second, status: 'duplicate', cloud_version: 9, cloud_id: 'c-2' },
      accepted(first, { cloud_id: null }),
    );
    expect(outcomes).toEqual([
      { kind: 'accepted', duplicate: false, cloudVersion: 3, cloudId: null },
      { kind: 'accepted', duplicate: true, cloudVersion: 9, cloudId: 'c-2' },
    ]);
    expect(faults).toEqual([]);
  });

  test('a conflict keeps where its row stands in the answer', () => {
    const current = { cloud_version: 4, updated_at: '2026-11-22T08:00:00Z', deleted: false, data: { id: 1 } };
    expect(judged(accepted(second), { change_id: first, status: 'conflict', current }).outcomes[0]).toEqual({
      kind: 'conflict',
      index: 1,
      cloudVersion: 4,
      updatedAt: '2026-11-22T08:00:00Z',
      deleted: false,
    });
    const gone = { cloud_version: 0, deleted: true, data: null };
    const built = [{ ...makeChange({ id: '1' }), state: { version: 4, cloudVersion: 4, cloudId: null } }];
    expect(judgeChanges(built, [{ change_id: first, status: 'conflict', current: gone }]).outcomes[0]).toMatchObject({
      cloudVersion: 0,
      updatedAt: null,
      deleted: true,
    });
  });

  test.each([
    [null, 0],
    [4, 4],
  ])('a conflict of base %j with version %i contradicts itself: held, and told as a fault', (cloudVersion, version) => {
    const built = [{ ...makeChange({ id: '1' }), state: { version: 1, cloudVersion, cloudId: null } }];
    const current = { cloud_version: version, deleted: version === 0, data: version === 0 ? null : { id: 1 } };
    const { outcomes, faults } = judgeChanges(built, [{ change_id: first, status: 'conflict', current }]);
    expect(outcomes).toEqual([
      {
        kind: 'held',
        waitingFor: null,
        reason: `the cloud calls it a conflict with version ${version}, the one that it builds on`,
      },
    ]);
    expect(faults).toEqual([expect.stringContaining(first)]);
  });

  test('a conflict with an older version than was accepted is one, and is told', () => {
    const built = [{ ...makeChange({ id: '1' }), state: { version: 1, cloudVersion: 5, cloudId: null } }];
    const current = { cloud_version: 3, deleted: false, data: { id: 1 } };
    const judgement = judgeChanges(built, [{ change_id: first, status: 'conflict', current }]);
    expect(judgement).toMatchObject({ outcomes: [{ kind: 'conflict', cloudVersion: 3 }], faults: [] });
    expect(judgement.remarks).toEqual([`change ${first}: the cloud went back from version 5 to 3`]);
  });

  test('held and rejected say what for', () => {
    const waiting_for = { entity_type: 'order', entity_id: '7' };
    const held = judged({ change_id: first, status: 'held', waiting_for }, { change_id: second, status: 'held' });
    expect(held.outcomes).toEqual([
      { kind: 'held', waitingFor: waiting_for, reason: 'waits for order 7' },
      { kind: 'held', waitingFor: null, reason: 'held by the cloud' },
    ]);
    const rejected = judged(
      { change_id: first, status: 'rejected', error: { code: 'bad', message: 'price', retryable: true } },
      { change_id: second, status: 'rejected', error: { retryable: false } },
    );
    expect(rejected.outcomes).toEqual([
      { kind: 'rejected', reason: 'bad: price', retryable: true },
      { kind: 'rejected', reason: 'rejected: no reason given', retryable: false },
    ]);
    expect([held.faults, rejected.faults]).toEqual([[], []]);
  });

  test.each<[string, unknown[], string]>([
    ['no result', [], 'no result for it'],
    ['two results', [accepted(first), accepted(first)], 'two results for it'],
    ['an unknown status', [{ change_id: first, status: 'fine', cloud_version: 1 }], '(its status is "fine")'],
    ['no version', [{ change_id: first, status: 'accepted' }], '(cloud_version is missing, not an integer below 2^53)'],
    ['a version as text', [accepted(first, { cloud_version: '3' })], '(cloud_version is "3", not'],
    ['a negative version', [accepted(first, { cloud_version: -1 })], '(cloud_version is -1, not'],
    ['a fraction of a version', [accepted(first, { cloud_version: 1.5 })], '(cloud_version is 1.5, not'],
    [
      'a version beyond exact numbers',
      [accepted(first, { cloud_version: 2 ** 53 })],
      '(cloud_version is 9007199254740992',
    ],
    ['a conflict without current', [{ change_id: first, status: 'conflict' }], '(current is missing, not an object)'],
    [
      'a conflict with null',
      [{ change_id: first, status: 'conflict', current: null }],
      '(current is null, not an object)',
    ],
    [
      'a conflict without a version',
      [{ change_id: first, status: 'conflict', current: { deleted: true } }],
      '(current.cloud_version is missing, not',
    ],
  ])('%s counts as held and is told as a fault', (_title, results, words) => {
    const { outcomes, faults } = judged(...results, accepted(second));
    expect(outcomes[0]).toMatchObject({ kind: 'held', waitingFor: null, reason: expect.stringContaining(words) });
    expect(outcomes[1]).toMatchObject({ kind: 'accepted' });
    expect(faults.length).toBe(1);
    expect(faults[0]).toContain(first);
  });

  test.each([undefined, null, 'busy', {}, { retryable: 'true' }])('a rejection that says %j is not final', (error) => {
    const { outcomes, faults } = judged({ change_id: first, status: 'rejected', error }, accepted(second));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['held', 'accepted']);
    expect(faults).toHaveLength(1);
  });

  test('the words of a broken rejection are kept', () => {
    const { outcomes } = judged(
      { change_id: first, status: 'rejected', error: { code: 'busy', message: 'closing the day' } },
      accepted(second),
    );
    expect(outcomes[0]).toMatchObject({
      kind: 'held',
      reason: expect.stringContaining('(error.retryable is missing, neither true nor false): busy: closing the day'),
    });
  });

  test('a second result behind all others leaves its change in doubt as well', () => {
    const { outcomes, faults } = judged(accepted(first), accepted(second), accepted(first));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['held', 'accepted']);
    expect(faults).toHaveLength(1);
  });

  test.each([[null], [7], ['x'], [[]], [{}], [{ change_id: 5 }], [accepted(uuid(99))]])(
    'a result for nobody (%j) settles nothing and is told',
    (stray) => {
      const { outcomes, faults } = judged(stray, accepted(first), accepted(second));
      expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted', 'accepted']);
      expect(faults).toEqual(['1 results for changes that were not sent']);
    },
  );

  test('names that JavaScript knows are no way in', () => {
    const hostile = JSON.parse(`[{"change_id":"__proto__","status":"accepted","cloud_version":1},
      {"__proto__":{"change_id":"${first}","status":"accepted","cloud_version":1}}]`);
    expect(judged(...hostile).outcomes.map(({ kind }) => kind)).toEqual(['held', 'held']);
  });
});

describe('the version of what was accepted', () => {
  const judge = (given: Parameters<typeof makeChange>[0], status: string, cloud_version: number) => {
    const change = makeChange(given);
    return judgeChanges([change], [{ change_id: change.change_id.toUpperCase(), status, cloud_version }]);
  };
  const base = (cloudVersion: number | null) => ({ id: '1', state: agreed(cloudVersion) });

  test.each<[string, Parameters<typeof makeChange>[0], string, number, string]>([
    ['above its base', base(3), 'accepted', 4, 'accepted'],
    ['where there is no base', base(null), 'accepted', 0, 'accepted'],
    ['equal to its base', base(3), 'accepted', 3, 'held'],
    ['below its base', base(3), 'accepted', 1, 'held'],
    ['of a duplicate, made long ago', base(3), 'duplicate', 2, 'accepted'],
    ['of a deletion that changed nothing', { ...base(3), operation: 'delete' }, 'accepted', 3, 'accepted'],
    ['of a deletion of what the cloud never had', { ...base(3), operation: 'delete' }, 'accepted', 1, 'accepted'],
  ])('%s', (_title, given, status, version, kind) => {
    const { outcomes, faults } = judge(given, status, version);
    expect([outcomes[0]?.kind, faults.length]).toEqual([kind, kind === 'held' ? 1 : 0]);
  });
});
