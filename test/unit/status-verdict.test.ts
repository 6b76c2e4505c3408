/** How a shop is judged: what is critical, what is a warning, what is neither, and how the rates are made. */

import type { Facts } from '../../src/ops/status/read.js';
import { findings, judge, STATE_EXIT, unknownReport } from '../../src/ops/status/verdict.js';
import { daemonFacts, RULES, shopFacts } from '../support/facts.js';

const minutesAgo = (minutes: number) => new Date(Date.parse('2026-11-22T15:40:11Z') - minutes * 60_000).toISOString();
const offline = (minutes: number) =>
  daemonFacts({ online: false, offline_since: minutesAgo(minutes), last_error: 'connect ECONNREFUSED' });

test('a shop where all is well is ok, without reasons', () => {
  const report = judge(shopFacts(), RULES);
  expect(report).toMatchObject({ state: 'ok', reasons: [], enabled: true });
  expect(report.daemon).toEqual({ running: true, pid: 812, since: '2026-11-22T01:01:00.000000Z', version: '0.1.0' });
  expect(report.cloud).toEqual({
    online: true,
    offline_since: null,
    last_error: null,
    next_try_at: null,
    refused: null,
  });
});

test('a pull without an answer is told once it has lasted, and not beside an outage that pushing has met as well', () => {
  const pull = (minutes: number) => ({ pull_error: 'no answer', pull_offline_since: minutesAgo(minutes) });
  expect(judge(shopFacts({ daemon: daemonFacts(pull(29)) }), RULES).state).toBe('ok');
  const both = { ...offline(31), ...pull(31) };
  expect(findings(shopFacts({ daemon: both }), RULES).map(({ topic }) => topic)).toEqual(['offline']);
});

test.each<[string, Partial<Facts>, string, RegExp]>([
  ['no daemon ever', { daemon: null }, 'critical', /never been started here/],
  [
    'a daemon without a sign of life',
    { daemon: daemonFacts({ silent_ms: 15_001 }) },
    'critical',
    /last sign of life was 15 s ago on till-7/,
  ],
  [
    'a daemon that was stopped',
    { daemon: daemonFacts({ stopped_at: minutesAgo(3), silent_ms: 180_000 }) },
    'critical',
    /it was stopped 3 min ago/,
  ],
  ['a failed change', { failed: 1 }, 'critical', /^1 change failed and will not reach the cloud by itself$/],
  ['failed changes', { failed: 2 }, 'critical', /^2 changes failed and will not reach the cloud by themselves$/],
  [
    'refused credentials',
    { daemon: daemonFacts({ refused: 'HTTP 401' }) },
    'critical',
    /refuses this outlet: HTTP 401/,
  ],
  [
    'an identity stop',
    { outlet: { id: 'a', code: null, stopped_reason: 'another copy pushes', stopped_at: minutesAgo(1) } },
    'critical',
    /stopped until a person acts: another copy pushes/,
  ],
  [
    'capture failures',
    {
      capture: [
        { entity_type: 'order', healthy: true, failures: 2, healed: 0 },
        { entity_type: 'payment', healthy: true, failures: 0, healed: 0 },
      ],
    },
    'critical',
    /capture failed 2 times: changes of order may be missing/,
  ],
  ['a long outage', { daemon: offline(31) }, 'warning', /out of reach for 31 min: connect ECONNREFUSED/],
  ['an open conflict', { conflicts: 1 }, 'warning', /^1 conflict is open$/],
  [
    'a refused pull',
    { daemon: daemonFacts({ pull_error: 'HTTP 403' }) },
    'critical',
    /refuses to be pulled from: HTTP 403$/,
  ],
  [
    'a pull that nobody answers',
    { daemon: daemonFacts({ pull_error: 'no answer', pull_offline_since: minutesAgo(31) }) },
    'warning',
    /^nothing could be pulled from the cloud for 31 min: no answer$/,
  ],
  [
    'a table without its triggers',
    {
      capture: [
        { entity_type: 'order', healthy: true, failures: 0, healed: 0 },
        { entity_type: 'payment', healthy: false, failures: 0, healed: 0 },
      ],
    },
    'warning',
    /^changes of payment are not captured; repair: sudo -u postgres syncd install$/,
  ],
  [
    'a table that was never installed',
    { capture: [{ entity_type: 'order', healthy: true, failures: 0, healed: 0 }] },
    'warning',
    /changes of payment are not captured/,
  ],
  [
    'a table that has drifted, told once',
    {
      capture: [
        { entity_type: 'order', healthy: true, failures: 0, healed: 0 },
        { entity_type: 'payment', healthy: false, failures: 0, healed: 0 },
      ],
      drifts: [
        {
          entity_type: 'payment',
          text: 'the trigger is gone: nothing is captured',
          since: minutesAgo(7),
          hint: 'sudo -u postgres syncd install',
        },
      ],
    },
    'warning',
    /^payment, for 7 min: the trigger is gone: nothing is captured; repair: sudo -u postgres syncd install$/,
  ],
  ['a truncated table', { truncated: ['order'] }, 'warning', /table of order was emptied by TRUNCATE/],
  [
    'a backlog',
    { pending: 9, oldest_pending_at: minutesAgo(6) },
    'warning',
    /the oldest change has been waiting for 6 min$/,
  ],
  [
    'a backlog behind a pause',
    { enabled: false, pending: 9, oldest_pending_at: minutesAgo(6) },
    'warning',
    /for syncing is paused$/,
  ],
])('%s', (_, change, state, reason) => {
  const report = judge(shopFacts(change), RULES);
  expect(report.reasons).toEqual([expect.stringMatching(reason)]);
  expect(report.state).toBe(state);
});

test.each<[string, Partial<Facts>]>([
  [
    'an outage that is not long yet, with what waits in it',
    { daemon: offline(29), pending: 99, oldest_pending_at: minutesAgo(29) },
  ],
  ['changes that wait for a moment', { pending: 99, oldest_pending_at: minutesAgo(4) }],
  ['a pause with nothing waiting', { enabled: false }],
  ['a heartbeat at the limit', { daemon: daemonFacts({ silent_ms: 15_000 }) }],
])('%s is no trouble', (_, change) => {
  expect(judge(shopFacts(change), RULES)).toMatchObject({ state: 'ok', reasons: [] });
});

test('critical comes before warning, and decides', () => {
  const report = judge(shopFacts({ failed: 1, conflicts: 2, daemon: offline(60) }), RULES);
  expect(report.state).toBe('critical');
  expect(report.reasons.map((reason) => reason.split(' ').slice(0, 2).join(' '))).toEqual([
    '1 change',
    'the cloud',
    '2 conflicts',
  ]);
});

test('a refusal by fork is told once, as the stop that it is', () => {
  const outlet = { id: 'a', code: null, stopped_reason: 'fork', stopped_at: minutesAgo(1) };
  expect(judge(shopFacts({ outlet, daemon: daemonFacts({ refused: 'fork' }) }), RULES).reasons).toHaveLength(1);
  // Nor what waits for the same person.
  const waits = { pending: 199, oldest_pending_at: minutesAgo(60) };
  expect(judge(shopFacts({ outlet, ...waits }), RULES).reasons).toHaveLength(1);
});

test('what a daemon that is gone last knew of the line is not told as the present', () => {
  const gone = daemonFacts({ silent_ms: 60_000, online: true, next_try_at: minutesAgo(0) });
  expect(judge(shopFacts({ daemon: gone }), RULES)).toMatchObject({
    daemon: { running: false, pid: null, since: null, version: '0.1.0' },
    cloud: { online: null, next_try_at: null },
  });
});

test('rates are parts of the verdicts, and unknown where there were none', () => {
  expect(judge(shopFacts(), RULES)).toMatchObject({
    success_rate: 0.998,
    failure_rate: 0.002,
    average_sync_duration_ms: 84.3,
  });
  // One of a hundred thousand was refused: not all were accepted.
  const nearly = shopFacts({ verdicts: { accepted: 99_999, refused: 1 } });
  expect(judge(nearly, RULES)).toMatchObject({ success_rate: 0.9999, failure_rate: 0.0001 });
  const idle = shopFacts({ verdicts: { accepted: 0, refused: 0 }, average_sync_duration_ms: null });
  expect(judge(idle, RULES)).toMatchObject({ success_rate: null, failure_rate: null, average_sync_duration_ms: null });
});

test('where nothing is known, every key is there all the same, and the exit code is 3', () => {
  const known = judge(shopFacts(), RULES);
  const unknown = unknownReport('the database does not answer');
  const keys = (value: object): string[] =>
    Object.entries(value).flatMap(([key, inner]) =>
      inner && typeof inner === 'object' && !Array.isArray(inner) ? keys(inner).map((one) => `${key}.${one}`) : [key],
    );
  expect(keys(unknown)).toEqual(keys(known));
  expect(STATE_EXIT[unknown.state]).toBe(3);
});

test('a configuration that names another outlet than the database is told with both', () => {
  const [first] = findings(shopFacts(), { ...RULES, outletId: 'outlet-8' });
  expect(first).toEqual({
    state: 'critical',
    topic: 'stopped',
    reason: 'syncd.yaml names outlet outlet-8, but the database belongs to outlet outlet-7: nothing is sent',
  });
});
