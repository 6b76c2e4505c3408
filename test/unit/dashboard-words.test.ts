/** The dashboard's words and figures in both languages, in the outlet's time. */
import { EventText } from '../../src/dashboard/api/event-text.js';
import { en } from '../../src/dashboard/i18n/en.js';
import { createFormat } from '../../src/dashboard/i18n/format.js';
import { id } from '../../src/dashboard/i18n/id.js';
import { seriesOf, shadesOf } from '../../src/dashboard/state/series.js';
import type { SampleColumns } from '../../src/http/admin/figures.js';

const indonesian = createFormat(id.locale, 'Asia/Jakarta', id.span);
const english = createFormat(en.locale, 'Asia/Jakarta', en.span);
const NOW = Date.parse('2026-11-22T12:00:00Z');

test.each([
  [indonesian.time('2026-11-22T07:02:00Z', NOW), '14.02'],
  [english.time('2026-11-22T07:02:00Z', NOW), '14:02'],
  [english.time('2026-11-21T17:30:00Z', NOW), '00:30'],
  [english.time('2026-11-21T16:30:00Z', NOW), '21 Nov 23:30'],
  [indonesian.time('not an instant', NOW), '–'],
  [indonesian.span(0), '0 detik'],
  [indonesian.span(12_500_000), '3 jam 28 menit'],
  [english.span(90_061_000), '1 d 1 h'],
  [indonesian.number(1_234_567), '1.234.567'],
  [english.number(null), '–'],
  [indonesian.percent(0.995), '99,5%'],
  [indonesian.percent(0.9999), '99,9%'],
  [indonesian.percent(1), '100%'],
  [indonesian.duration(61.6), '62 ms'],
  [english.duration(1_530), '1.5 s'],
  [indonesian.money('125000.00'), 'Rp\u202f125.000'],
  [indonesian.money('125000.50'), 'Rp\u202f125.000,50'],
  [english.money('12345678901234567890.10'), 'Rp\u202f12,345,678,901,234,567,890.10'],
  [indonesian.money('mahal'), 'mahal'],
  [indonesian.bytes(1_930), '1,9 kB'],
])('%s is %s', (shown, expected) => {
  expect(shown).toBe(expected);
});

/** Everything that both languages have to say, as paths. */
function paths(words: object, at = ''): string[] {
  return Object.entries(words).flatMap(([key, value]) =>
    typeof value === 'object' ? paths(value, `${at}${key}.`) : [`${at}${key}: ${typeof value}`],
  );
}

test('both languages say the same things', () => {
  expect(paths(id)).toEqual(paths(en));
});

test('the answer as a shop owner would say it', () => {
  expect(id.answer.safe).toBe('Semua penjualan aman');
  // A cloud that answers 503 is no fault of the shop's line.
  expect(id.answer.waiting('12', '14.02', 'offline')).toBe(
    '12 perubahan menunggu sejak 14.02 karena sambungan ke cloud terputus',
  );
  expect(en.answer.waiting('1', '14:02', 'offline')).toBe(
    '1 change waits since 14:02 because the connection to the cloud is down',
  );
});

test('events are put together from whatever pieces they come in', () => {
  const text = 'event: status\ndata: {"a":1}\n\n:\n\nevent: log\ndata: {"b":\ndata: 2}\n\n';
  const whole = [
    { event: 'status', data: '{"a":1}' },
    { event: 'log', data: '{"b":\n2}' },
  ];
  for (let size = 1; size <= text.length; size++) {
    const reader = new EventText();
    const events = [];
    for (let at = 0; at < text.length; at += size) events.push(...reader.take(text.slice(at, at + size)));
    expect(events).toEqual(whole);
  }
});

test('a chart has a point for every step, and gaps where nobody worked', () => {
  const minutes = ['2026-11-22T11:58:00.000000Z', '2026-11-22T11:59:00.000000Z'];
  const of = (...values: number[]) => values;
  const samples: SampleColumns = {
    step_ms: 60_000,
    minute: minutes,
    captured: of(3, 4),
    pushed: of(2, 5),
    pulled: of(0, 1),
    refused: of(0, 0),
    queue_depth: of(1, 7),
    oldest_pending_ms: of(0, 0),
    failed: of(0, 0),
    conflicts: of(0, 0),
    held: of(0, 0),
    push_count: of(2, 0),
    push_ms: of(100, 0),
    push_bytes: of(0, 0),
    online: [true, null],
  };
  const series = seriesOf(samples, 'hour', NOW);
  expect(series.at).toHaveLength(60);
  expect(series.captured.slice(-4)).toEqual([null, 3, 4, null]);
  expect(series.push.slice(-4)).toEqual([null, 50, null, null]);
  expect(series.totals).toEqual({ captured: 7, pushed: 7, pulled: 1, deepest: 7 });
  const outage = {
    id: '1',
    duration_ms: 0,
    reason: '',
    interruptions: 1,
    waited: null,
    drained_at: null,
    drained_changes: null,
    drain_ms: null,
  };
  const shades = shadesOf(
    [
      { ...outage, began_at: '2026-11-22T11:50:00Z', ended_at: null },
      { ...outage, began_at: '2026-11-21T11:50:00Z', ended_at: '2026-11-21T11:55:00Z' },
    ],
    'hour',
    NOW,
  );
  expect(shades).toEqual([[NOW / 1_000 - 600, NOW / 1_000]]);
});
