/** When an alert is raised and when it is over, as tables; and that whatever happens it never becomes a storm. */
import fc from 'fast-check';
import { type OpenAlert, restMs, steps, type Trouble, troubles } from '../../src/ops/alerts/rules.js';
import { clearedWords, raisedWords } from '../../src/ops/alerts/words.js';
import type { Facts } from '../../src/ops/status/read.js';
import { daemonFacts, NOW, RULES, shopFacts } from '../support/facts.js';

const rules = { ...RULES, failureRate: 0.05 };
const none = new Set<string>();
const quiet = { accepted: 100, refused: 0 };
const names = (change: Partial<Facts>, recent = quiet, open = none) =>
  troubles(shopFacts(change), rules, recent, open).map(({ alert, severity, value }) => [alert, severity, value]);
const before = (minutes: number) => new Date(Date.parse(NOW) - minutes * 60_000).toISOString();

test.each<[string, Partial<Facts>, string[][]]>([
  ['nothing is wrong', {}, []],
  ['a change failed', { failed: 3 }, [['failed', 'critical', '3']]],
  ['a conflict is open', { conflicts: 2 }, [['conflicts', 'warning', '2']]],
  ['a change of the cloud is parked', { parked: { count: 4, reason: 'x' } }, [['parked', 'warning', '4']]],
  [
    'capture failed',
    {
      capture: [
        { entity_type: 'order', healthy: true, failures: 7, healed: 0 },
        { entity_type: 'payment', healthy: true, failures: 0, healed: 0 },
      ],
    },
    [['capture', 'critical', '7']],
  ],
  ['a table is not watched', { capture: [] }, [['drift', 'warning', '']]],
  ['two tables were emptied', { truncated: ['order', 'payment'] }, [['truncated', 'warning', '']]],
  ['the oldest waits for four minutes', { pending: 1, oldest_pending_at: before(4) }, []],
  [
    'the oldest waits for six minutes',
    { pending: 1, oldest_pending_at: before(6) },
    [['oldest_pending', 'warning', before(6)]],
  ],
  ['offline for 29 minutes', { daemon: daemonFacts({ online: false, offline_since: before(29) }) }, []],
  [
    'offline for 31 minutes, with all that waits for it',
    { pending: 9, oldest_pending_at: before(31), daemon: daemonFacts({ online: false, offline_since: before(31) }) },
    [['offline', 'warning', before(31)]],
  ],
  ['the key is refused', { daemon: daemonFacts({ refused: 'HTTP 401' }) }, [['refused', 'critical', '']]],
  [
    'this copy was stopped',
    { outlet: { id: 'outlet-7', code: null, stopped_reason: 'a fork', stopped_at: before(1) } },
    [['stopped', 'critical', '']],
  ],
  ['a heartbeat was late: who looks is running', { daemon: daemonFacts({ silent_ms: 60_000 }) }, []],
])('%s', (_, change, found) => {
  expect(names(change)).toEqual(found);
});

test.each<[string, number, number, boolean, boolean]>([
  ['five of a hundred are not more than 5 %', 95, 5, false, false],
  ['six of a hundred are', 94, 6, false, true],
  ['three of nineteen are too few to tell', 16, 3, false, false],
  ['once raised, 4 % are still too many', 96, 4, true, true],
  ['2 % are well again', 98, 2, true, false],
  ['and nothing judged is well too', 0, 0, true, false],
])('the failure rate: %s', (_, accepted, refused, isOpen, isFound) => {
  const found = names({}, { accepted, refused }, new Set(isOpen ? ['failure_rate'] : []));
  expect(found.map(([name]) => name)).toEqual(isFound ? ['failure_rate'] : []);
});

const trouble = (alert: Trouble['alert'] = 'failed'): Trouble => ({
  alert,
  severity: 'critical',
  value: '1',
  reason: 'r',
});
const open = (well_since: string | null, alert = 'failed'): OpenAlert => ({ id: '1', alert, well_since });

test.each<[string, Trouble[], string[], OpenAlert[], number, string[]]>([
  ['found for the first time: not yet', [trouble()], [], [], 0, []],
  ['found twice: raised', [trouble()], ['failed'], [], 0, ['raise']],
  ['found and raised: nothing', [trouble()], ['failed'], [open(null)], 1, []],
  ['not found any more: well since now', [], ['failed'], [open(null)], 1, ['well']],
  ['well for four minutes: not over', [], [], [open(before(4))], 1, []],
  ['well for five minutes: over', [], [], [open(before(5))], 1, ['clear']],
  ['found again meanwhile: not well', [trouble()], [], [open(before(4))], 1, ['unwell']],
  ['raised for the third time today: five minutes are not enough', [], [], [open(before(59))], 3, []],
  ['an hour is', [], [], [open(before(60))], 3, ['clear']],
  ['raised for the sixth time today: not an hour', [], [], [open(before(359))], 6, []],
  ['well since a time yet to come, for the clock was set: well since now', [], [], [open(before(-60))], 1, ['well']],
  ['another rule is another alert', [trouble('offline')], ['offline'], [open(null)], 1, ['raise', 'well']],
])('%s', (_, found, earlier, alerts, raised, kinds) => {
  const taken = steps(found, new Set(earlier), alerts, new Map([['failed', raised]]), NOW);
  expect(taken.map(({ kind }) => kind)).toEqual(kinds);
});

test('However a rule flaps, a day brings no more than nine alerts of it, and none is raised twice at once', () => {
  const day = fc.array(fc.record({ forLooks: fc.integer({ min: 1, max: 60 }), bad: fc.boolean() }), {
    minLength: 200,
    maxLength: 400,
  });
  fc.assert(
    fc.property(day, (phases) => {
      const [lookMs, start] = [15_000, Date.parse(NOW)];
      const raisedAt: number[] = [];
      let alert: OpenAlert | undefined;
      let earlier = new Set<string>();
      let now = start;
      for (const { forLooks, bad } of phases) {
        for (let look = 0; look < forLooks; look++, now += lookMs) {
          const found = bad ? [trouble()] : [];
          const lately = raisedAt.filter((at) => at > now - 86_400_000).length;
          for (const step of steps(
            found,
            earlier,
            alert ? [alert] : [],
            new Map([['failed', lately]]),
            new Date(now).toISOString(),
          )) {
            if (step.kind === 'raise') {
              expect(alert).toBeUndefined();
              raisedAt.push(now);
              alert = open(null);
            } else if (step.kind === 'clear') alert = undefined;
            else alert = open(step.kind === 'well' ? new Date(now).toISOString() : null);
          }
          earlier = new Set(found.map((one) => one.alert));
        }
      }
      for (const at of raisedAt)
        expect(raisedAt.filter((other) => other >= at && other < at + 86_400_000).length).toBeLessThanOrEqual(9);
    }),
    { numRuns: 12 },
  );
  expect([1, 2, 3, 5, 6, 40].map((raised) => restMs(raised) / 60_000)).toEqual([5, 5, 60, 60, 360, 360]);
});

test('A message says which outlet, what, since when and what to do, in both languages, in one line and without end', () => {
  const facts = shopFacts({ failed: 3 });
  expect(raisedWords('failed', '3 changes failed', facts, 'Asia/Jakarta')).toEqual({
    text: 'JKT-014: 3 changes failed (22:40); see why with: syncd queue --status failed',
    text_id: 'JKT-014: 3 perubahan gagal dikirim ke cloud (22:40); periksa: syncd queue --status failed',
  });
  const long = raisedWords('refused', `the cloud says ${'x\n\u001b[31m'.repeat(500)}`, facts, 'Asia/Jakarta');
  expect(long.text.length).toBeLessThan(420);
  expect(long.text).not.toMatch(/\p{Cc}/u);
  expect(clearedWords('oldest_pending', { since: before(90), until: before(5) }, facts, 'Asia/Jakarta')).toEqual({
    text: 'JKT-014: over: oldest pending, since 21:10, lasted 1 h 25 min',
    text_id: 'JKT-014: sudah pulih: perubahan yang terlalu lama menunggu, sejak 21:10, selama 1 jam 25 menit',
  });
  const days = clearedWords('offline', { since: before(3_000), until: before(5) }, facts, 'Asia/Jakarta');
  expect(days.text_id).toMatch(/cloud tidak terjangkau, sejak Jum 20 Nov 20:40, selama 2 hari 1 jam$/);
});
