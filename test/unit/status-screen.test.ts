/** What people see: the answer to the owner's question, in 80 columns, without colour, for every plight. */
import { nagiosLine, statusScreen } from '../../src/commands/status-view.js';
import type { Facts } from '../../src/ops/status/read.js';
import { outages, tell } from '../../src/ops/status/story.js';
import { findings, judge, unknownReport } from '../../src/ops/status/verdict.js';
import { daemonFacts, RULES, shopFacts } from '../support/facts.js';
import { golden } from '../support/golden.js';

function screen(facts: Facts): string {
  const report = judge(facts, RULES);
  const story = tell(facts, report.state, 'Asia/Jakarta');
  return statusScreen(
    { facts, report, findings: findings(facts, RULES), story },
    { paint: (_, text) => text, width: 80, timezone: 'Asia/Jakarta' },
  );
}

const waiting = { pending: 1204, oldest_pending_at: '2026-11-22T13:31:00Z' };
const offline = daemonFacts({
  online: false,
  offline_since: '2026-11-22T13:31:02Z',
  last_error: 'connect ECONNREFUSED 203.0.113.7:443',
  next_try_at: '2026-11-22T15:40:23Z',
});

test.each<[string, Facts]>([
  ['all is well', shopFacts()],
  ['rows were there before capture', shopFacts({ older: ['order', 'payment'] })],
  [
    'what went by uncaptured is looked for',
    shopFacts({
      walks: ['order', 'payment', 'stock'].map((entity_type, i) => ({
        entity_type,
        kind: 'reconcile',
        cause: 'capture was suspended',
        walked: i === 0 ? 1200 : 0,
        estimate: i === 0 ? 9000 : null,
        waits_for: null,
        error: null,
      })),
    }),
  ],
  ['tables were emptied', shopFacts({ truncated: ['order_item', 'payment'] })],
  [
    'the line is down',
    shopFacts({
      ...waiting,
      daemon: offline,
      last_outage: {
        began_at: '2026-11-20T01:02:00Z',
        ended_at: '2026-11-20T04:31:00Z',
        duration_ms: 12_540_000,
        waited: 412,
        drained_at: '2026-11-20T04:31:38Z',
        drained_changes: 412,
        drain_ms: 38_000,
      },
    }),
  ],
  [
    'the daemon is down and something failed',
    shopFacts({ ...waiting, failed: 2, conflicts: 1, held: 3, daemon: daemonFacts({ silent_ms: 900_000 }) }),
  ],
  [
    'the cloud refuses the key',
    shopFacts({
      ...waiting,
      daemon: daemonFacts({ refused: 'HTTP 401: invalid_api_key', next_try_at: '2026-11-22T15:44:00Z' }),
    }),
  ],
  [
    'paused',
    shopFacts({
      ...waiting,
      enabled: false,
      paused: { by: 'budi (syncd)', at: '2026-11-21T02:00:00Z', reason: 'the till is being moved' },
    }),
  ],
  [
    'paused with nothing waiting',
    shopFacts({ enabled: false, paused: { by: 'budi (syncd)', at: '2026-11-21T02:00:00Z', reason: null } }),
  ],
  ['switched off with nothing waiting', shopFacts({ enabled: false, switched_off: true })],
  ['on their way', shopFacts({ pending: 3, oldest_pending_at: '2026-11-22T15:40:10Z' })],
  [
    'the cloud asks to wait',
    shopFacts({
      pending: 3,
      oldest_pending_at: '2026-11-22T15:40:10Z',
      daemon: daemonFacts({ last_error: 'HTTP 429', next_try_at: '2026-11-22T15:41:11Z' }),
    }),
  ],
  ['held back', shopFacts({ pending: 3, held: 3, oldest_pending_at: '2026-11-22T15:38:10Z' })],
  [
    'a wrong clock and capture faults',
    shopFacts({
      daemon: daemonFacts({ clock_offset_ms: -7_200_000 }),
      capture: [{ entity_type: 'order', healthy: false, failures: 3, healed: 0 }],
    }),
  ],
  [
    'hostile words',
    shopFacts({ ...waiting, daemon: { ...offline, last_error: 'x\u001b[2J\nhint: rm -rf / | \u202edone' } }),
  ],
])('%s', (name, facts) => {
  const text = screen(facts);
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  for (const control of ['\u001b', '\u202e', '\r']) expect(text).not.toContain(control);
  golden(`status-${name.replaceAll(' ', '-')}.txt`, `${text}\n`);
});

test('the line for Nagios has the state, the reasons and the figures, and no second bar', () => {
  const facts = shopFacts({ failed: 2, daemon: { ...offline, last_error: 'a | b' } });
  expect(nagiosLine(judge(facts, RULES), 75_000)).toBe(
    'SYNCD CRITICAL - 2 changes failed and will not reach the cloud by themselves; the cloud has been out of reach for 2 h 9 min: a / b' +
      ' | pending=0 oldest_pending=75s failed=2 conflicts=0 held=0 success_rate=99.8% duration=84.3ms pushed_today=412',
  );
  expect(nagiosLine(judge(shopFacts(), RULES), undefined)).toMatch(
    /^SYNCD OK - 0 changes waiting \| pending=0 failed=0/,
  );
  expect(nagiosLine(unknownReport('away'), undefined)).toBe('SYNCD UNKNOWN - away');
  const paused = shopFacts({
    enabled: false,
    paused: { by: 'budi (syncd)', at: '2026-11-21T02:00:00Z', reason: null },
  });
  expect(nagiosLine(judge(paused, RULES), undefined)).toMatch(
    /^SYNCD OK - 0 changes waiting; paused by budi \(syncd\) \|/,
  );
});

const over = {
  began_at: '2026-11-22T12:00:00Z',
  ended_at: '2026-11-22T15:29:11Z',
  duration_ms: 12_540_000,
  waited: 412,
  drained_at: '2026-11-22T15:29:49Z',
  drained_changes: 412,
  drain_ms: 38_000,
};

test.each<[string, Partial<Facts>, string | undefined]>([
  ['of none where there never was one', {}, undefined],
  [
    'of the last one',
    { last_outage: over },
    'the last outage ended 11 min ago: 3 h 29 min, 412 changes, drained in 38 s',
  ],
  [
    'of one that is not drained yet',
    { last_outage: { ...over, drained_at: null, drained_changes: null, drain_ms: null } },
    'the last outage ended 11 min ago: 3 h 29 min, 412 changes, not all of them sent yet',
  ],
  [
    'of one of which some could not go',
    { last_outage: { ...over, drained_changes: 410 } },
    'the last outage ended 11 min ago: 3 h 29 min, 412 changes, 410 of them drained in 38 s',
  ],
  [
    'of one in which nobody sold',
    { last_outage: { ...over, waited: 0, drained_changes: 0 } },
    'the last outage ended 11 min ago: 3 h 29 min, nothing waited',
  ],
  [
    'of the one that lasts, and of the one before',
    { pending: 412, daemon: daemonFacts({ online: false, offline_since: '2026-11-22T07:02:00Z' }), last_outage: over },
    'offline since 14:02, 412 changes wait; the last outage: 3 h 29 min, 412 changes, drained in 38 s',
  ],
  [
    'of the last one alone where no daemon knows how the line is',
    {
      daemon: daemonFacts({ online: false, offline_since: '2026-11-22T07:02:00Z', silent_ms: 900_000 }),
      last_outage: over,
    },
    'the last outage ended 11 min ago: 3 h 29 min, 412 changes, drained in 38 s',
  ],
])('outages are told in a sentence: %s', (_, change, sentence) => {
  expect(outages(shopFacts(change), 'Asia/Jakarta')).toBe(sentence);
});
