/** The dashboard's answer to the owner: what is said for every way in which changes can wait. */
import { additionTo } from '../../src/dashboard/state/addition.js';
import { answerTo } from '../../src/dashboard/state/answer.js';
import type { StatusReport } from '../../src/ops/status/verdict.js';
import { unknownReport } from '../../src/ops/status/verdict.js';

const NOW = Date.parse('2026-11-22T07:02:00Z');
const LATER = '2026-11-22T07:02:40.000000Z';

type Change = Partial<Omit<StatusReport, 'cloud' | 'daemon'>> & {
  cloud?: Partial<StatusReport['cloud']>;
  daemon?: Partial<StatusReport['daemon']>;
};

function status({ cloud, daemon, ...change }: Change = {}): StatusReport {
  const unknown = unknownReport('');
  return {
    ...unknown,
    state: 'ok',
    reasons: [],
    enabled: true,
    switched_off: false,
    pending: 0,
    failed: 0,
    conflicts: 0,
    held: 0,
    ...change,
    daemon: { ...unknown.daemon, running: true, ...daemon },
    cloud: { ...unknown.cloud, online: true, ...cloud },
  };
}

const LOOKING = {
  entity_type: 'order',
  kind: 'reconcile' as const,
  cause: 'capture was suspended',
  walked: 0,
  estimate: null,
  waits_for: null,
  error: null,
};
const GIVEN_UP = { ...LOOKING, error: 'permission denied' };

const OFFLINE = { online: false, last_error: 'getaddrinfo ENOTFOUND', next_try_at: LATER };

test.each<[string, Change, tone: string, headline: object, next: string, canTryNow: boolean]>([
  ['all is in the cloud', {}, 'ok', { kind: 'safe' }, 'none', false],
  ['it sold before capture', { older_rows: ['order'] }, 'ok', { kind: 'safe since' }, 'none', false],
  ['what went by is looked for', { walks: [LOOKING] }, 'busy', { kind: 'looking' }, 'none', false],
  [
    'a comparison was given up',
    { state: 'warning', walks: [GIVEN_UP] },
    'attention',
    { kind: 'safe, but' },
    'none',
    false,
  ],
  [
    'the cloud has lost what it had accepted',
    {
      state: 'critical',
      compared: {
        at: LATER,
        differing: [{ entity_type: 'order', at: LATER, differences: 4, lost: 3 }],
        beyond_repair: 0,
        skipped: [],
      },
    },
    'attention',
    { kind: 'lost', rows: 3 },
    'none',
    false,
  ],
  ['something else is wrong', { state: 'warning' }, 'attention', { kind: 'safe, but' }, 'none', false],
  ['it is being sent', { pending: 3 }, 'busy', { kind: 'waiting', pending: 3, cause: 'none' }, 'now', false],
  ['no internet', { pending: 12, cloud: OFFLINE }, 'waiting', { kind: 'waiting', cause: 'offline' }, 'retry', true],
  ['no internet, nothing waits', { cloud: OFFLINE }, 'ok', { kind: 'safe' }, 'retry', true],
  [
    'the cloud asks to wait',
    { pending: 1, cloud: { last_error: '429', next_try_at: LATER } },
    'waiting',
    { cause: 'asked' },
    'retry',
    true,
  ],
  ['refused', { pending: 1, cloud: { refused: '401' } }, 'attention', { cause: 'refused' }, 'now', true],
  ['paused', { pending: 1, enabled: false }, 'attention', { cause: 'paused' }, 'resume', false],
  [
    'switched off by the configuration',
    { pending: 1, enabled: false, switched_off: true },
    'attention',
    { cause: 'off' },
    'configure',
    false,
  ],
  [
    'stopped',
    { pending: 1, stopped: { reason: 'fork', at: null } },
    'attention',
    { cause: 'stopped' },
    'person',
    false,
  ],
  ['no daemon', { pending: 1, daemon: { running: false } }, 'attention', { cause: 'daemon' }, 'start', false],
  ['all wait for their retry', { pending: 2, held: 2 }, 'waiting', { cause: 'turn' }, 'turn', true],
  ['only failed', { failed: 2 }, 'attention', { kind: 'trouble', failed: 2, conflicts: 0, pending: 0 }, 'none', false],
  [
    'failed beside a retry',
    { failed: 2, pending: 1, held: 1 },
    'attention',
    { kind: 'trouble', pending: 1 },
    'turn',
    true,
  ],
  [
    'failed during an outage',
    { failed: 2, pending: 9, cloud: OFFLINE },
    'attention',
    { kind: 'waiting', pending: 9 },
    'retry',
    true,
  ],
])('%s', (_, change, tone, headline, next, canTryNow) => {
  const answer = answerTo(status(change), NOW);
  expect(answer).toMatchObject({ tone, headline, next: { kind: next }, canTryNow });
});

test('a database that is away is an answer too', () => {
  expect(answerTo(unknownReport('the database is away'), NOW)).toMatchObject({
    tone: 'unknown',
    headline: { kind: 'unknown' },
    detail: 'the database is away',
    canTryNow: false,
  });
});

test('a next try that has passed is being made now', () => {
  const past = { ...OFFLINE, next_try_at: '2026-11-22T07:01:59.000000Z' };
  expect(answerTo(status({ pending: 1, cloud: past }), NOW).next).toEqual({ kind: 'now' });
});

test('the daemon’s English is shown only for what it adds to the page’s own sentence', () => {
  const report = status({
    cloud: { refused: 'the key was revoked', last_error: 'connect ETIMEDOUT' },
    stopped: { reason: 'the cloud has seen another copy', at: null },
    findings: [{ state: 'critical', topic: 'stopped', reason: 'pushing is stopped: the cloud has seen another copy' }],
  });
  const added = (topic: StatusReport['findings'][number]['topic'], shown = report) =>
    additionTo({ state: 'warning', topic, reason: 'said in full' }, shown);
  expect(added('failed')).toBeUndefined();
  expect(added('refused')).toBe('the key was revoked');
  expect(added('offline')).toBe('connect ETIMEDOUT');
  expect(added('stopped')).toBe('the cloud has seen another copy');
  expect(added('stopped', { ...report, findings: [...report.findings, ...report.findings] })).toBe('said in full');
  expect(added('drift')).toBe('said in full');
});
