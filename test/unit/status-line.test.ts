/** The one line of `systemctl status`. */
import { type LineFacts, lineOf } from '../../src/ops/status/systemd-line.js';

const NOW = Date.parse('2026-11-22T15:40:00Z');
const facts = (change: Partial<LineFacts> = {}): LineFacts => ({
  waiting: 0,
  failed: 0,
  conflicts: 0,
  enabled: true,
  switchedOn: true,
  standing: { kind: 'online' },
  away: undefined,
  steadyMs: 1_000_000,
  nowMs: NOW,
  timezone: 'Asia/Jakarta',
  ...change,
});

test.each<[string, Partial<LineFacts>]>([
  ['everything is in the cloud', {}],
  ['starting', { waiting: undefined }],
  ['1 change waits, on the way to the cloud', { waiting: 1 }],
  ['412 changes wait, on the way to the cloud', { waiting: 412, standing: { kind: 'unknown' } }],
  ['more than 10,000 changes wait, on the way to the cloud', { waiting: 10_001 }],
  ['nothing waits; 2 failed', { failed: 2 }],
  [
    '1 change waits, on the way to the cloud; more than 10,000 failed, 1 in conflict',
    { waiting: 1, failed: 10_001, conflicts: 1 },
  ],
  ['paused; 3 changes wait; 1 in conflict', { waiting: 3, enabled: false, conflicts: 1 }],
  ['starting', { waiting: undefined, failed: 2 }],
  ['paused; 3 changes wait', { waiting: 3, enabled: false }],
  ['paused; nothing waits', { switchedOn: false }],
  [
    '412 changes wait; the cloud is away since 22:30',
    { waiting: 412, standing: { kind: 'offline', sinceMs: 400_000, probes: 3, nextTryMs: 0, reason: 'x' } },
  ],
  [
    'nothing waits; the cloud refuses this outlet: 401 the key is not known',
    { standing: { kind: 'refused', failures: 1, nextTryMs: 0, reason: '401 the key\nis not known' } },
  ],
  [
    '2 changes wait; stopped until a person acts: a fork',
    { waiting: 2, standing: { kind: 'stopped', reason: 'a fork' } },
  ],
  ['the database is away; sales go on: refused', { away: 'the database is away; sales go on: refused', waiting: 3 }],
])('%s', (line, change) => {
  expect(lineOf(facts(change))).toBe(line);
});

test('words of the cloud’s fill no screen', () => {
  const line = lineOf(facts({ standing: { kind: 'waiting', nextTryMs: 0, reason: 'x'.repeat(5_000) } }));
  expect(line.length).toBe(160);
});
