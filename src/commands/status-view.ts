/** How `syncd status` looks: one screen for people, one line for Nagios. Pure; 80 columns, and readable without colour. */

import type { Finding } from '../ops/status/finding.js';
import type { Facts } from '../ops/status/read.js';
import { isLooking, outages, type Story } from '../ops/status/story.js';
import { captureWords, comparedWords, diskWords, olderWords, walkWords } from '../ops/status/table-findings.js';
import type { State, StatusReport } from '../ops/status/verdict.js';
import { age, count, fullTime, localTime, percent, relative, wrapped } from '../ops/status/words.js';
import type { Paint, Style } from './output.js';

const COLOURS: Record<State, Style> = { ok: 'green', warning: 'yellow', critical: 'red', unknown: 'yellow' };
const MARKS: Record<State, string> = { ok: '✓', warning: '!', critical: '✗', unknown: '?' };
const LABEL = 11;

export type Screen = { paint: Paint; width: number; timezone: string };

export type Told = { facts: Facts; report: StatusReport; findings: Finding[]; story: Story };

export function statusScreen({ facts, report, findings, story }: Told, screen: Screen): string {
  const { paint, timezone } = screen;
  const colour = COLOURS[report.state];
  const width = Math.min(screen.width, 100);
  const name = facts.outlet.code ?? facts.outlet.id;
  const lines = [`${paint('bold', name)}  ${paint('dim', `${fullTime(facts.now, timezone)} ${timezone}`)}`, ''];
  // All is as it should be, and yet something is on its way: that deserves no tick.
  const underWay = story.since !== undefined || isLooking(facts);
  const mark = report.state === 'ok' && underWay ? '…' : MARKS[report.state];
  const answer = wrapped(story.answer, width - 2);
  lines.push(...answer.map((line, i) => paint(colour, paint('bold', `${i === 0 ? mark : ' '} ${line}`))));
  const told: [string, string | undefined][] = [
    ['since', story.since],
    ['why', story.why],
    ['next', story.next],
  ];
  for (const [label, text] of told) if (text) lines.push(...row(label, text, width, paint));
  const further = findings.filter(({ topic }) => topic !== story.topic);
  if (further.length > 0) lines.push('');
  for (const { state, reason } of further) lines.push(...row(state, reason, width, paint, COLOURS[state]));
  lines.push('', ...figures(facts, report, timezone).flatMap(([label, text]) => row(label, text, width, paint)));
  if (story.todo.length > 0) {
    const wide = Math.max(...story.todo.map(({ what }) => what.length));
    lines.push('', ...story.todo.map(({ what, type }) => `  ${what.padEnd(wide)}  ${paint('cyan', type)}`));
  }
  return lines.join('\n');
}

function row(label: string, text: string, width: number, paint: Paint, colour: Style = 'dim'): string[] {
  const margin = ' '.repeat(LABEL + 2);
  return wrapped(text, width - margin.length).map((line, i) =>
    i === 0 ? `  ${paint(colour, label.padEnd(LABEL))}${line}` : `${margin}${line}`,
  );
}

function figures(facts: Facts, report: StatusReport, timezone: string): [string, string][] {
  const when = (at: string) => `${localTime(at, facts.now, timezone)} (${relative(at, facts.now)})`;
  const { daemon, cloud, today, capture } = report;
  const queue = [`${facts.pending_estimated ? 'about ' : ''}${facts.pending.toLocaleString('en-GB')} waiting`];
  if (facts.held > 0) queue.push(`${facts.held.toLocaleString('en-GB')} of them held back`);
  queue.push(`${facts.failed.toLocaleString('en-GB')} failed`, count(facts.conflicts, 'conflict'));
  const running =
    daemon.running && daemon.since
      ? `running since ${when(daemon.since)}, pid ${daemon.pid}, version ${daemon.version}`
      : 'not running';
  const [standby] = report.standbys ?? [];
  return [
    ['queue', queue.join(', ')],
    ['cloud', cloudLine(facts, report, when)],
    ['daemon', facts.enabled ? running : `${running}; syncing is ${facts.switched_off ? 'switched off' : 'paused'}`],
    ...(standby ? [['standby', `pid ${standby.pid} on ${standby.host} waits to take over`] as [string, string]] : []),
    ['capture', captureWords(facts, capture.expected ?? 0, capture.healthy ?? 0)],
    ...line('older rows', olderWords(facts)),
    ...line('tables', walkWords(facts)),
    ...line('compared', comparedWords(facts)),
    ...line('disk', diskWords(facts)),
    [
      'today',
      `${today.captured?.toLocaleString('en-GB')} captured, ${today.pushed?.toLocaleString('en-GB')} pushed, ${today.pulled?.toLocaleString('en-GB')} pulled`,
    ],
    ['last push', lastPush(report, when)],
    ...line('outage', outages(facts, timezone)),
    ...(cloud.online && Math.abs(report.clock_offset_ms ?? 0) > 1000
      ? [clockLine(report.clock_offset_ms as number)]
      : []),
  ];
}

function line(label: string, text: string | undefined): [string, string][] {
  return text === undefined ? [] : [[label, text]];
}

function cloudLine(facts: Facts, report: StatusReport, when: (at: string) => string): string {
  const { cloud, daemon } = report;
  if (!daemon.running)
    return cloud.offline_since
      ? `unknown; out of reach since ${when(cloud.offline_since)} when last tried`
      : 'unknown while the daemon is down';
  if (facts.daemon?.refused) return 'refuses this outlet';
  if (cloud.online === null) return 'not tried yet';
  if (cloud.online) return 'online';
  return cloud.offline_since ? `out of reach since ${when(cloud.offline_since)}` : 'out of reach';
}

function lastPush(report: StatusReport, when: (at: string) => string): string {
  if (report.last_successful_sync_at === null) return 'none so far';
  const parts = [when(report.last_successful_sync_at)];
  if (report.success_rate !== null) parts.push(`${percent(report.success_rate)} accepted in 24 h`);
  if (report.average_sync_duration_ms !== null)
    parts.push(`${Math.round(report.average_sync_duration_ms)} ms on average`);
  return parts.join(', ');
}

function clockLine(offsetMs: number): [string, string] {
  return ['clock', `this machine is ${age(Math.abs(offsetMs))} ${offsetMs > 0 ? 'behind' : 'ahead of'} the cloud`];
}

/** One line in the form of the monitoring plugins guidelines, with performance data. */
export function nagiosLine(report: StatusReport, oldestMs: number | undefined): string {
  const told = report.reasons.length > 0 ? report.reasons : [`${count(report.pending ?? 0, 'change')} waiting`];
  const text = [...told, ...(report.paused ? [`paused by ${report.paused.by}`] : [])].join('; ');
  const data: [string, number | null | undefined, string][] = [
    ['pending', report.pending, ''],
    ['oldest_pending', oldestMs === undefined ? undefined : Math.round(oldestMs / 1000), 's'],
    ['failed', report.failed, ''],
    ['conflicts', report.conflicts, ''],
    ['held', report.held, ''],
    ['success_rate', report.success_rate === null ? undefined : Math.round(report.success_rate * 10_000) / 100, '%'],
    ['duration', report.average_sync_duration_ms, 'ms'],
    ['pushed_today', report.today.pushed, ''],
  ];
  const known = data
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([label, value, unit]) => `${label}=${value}${unit}`);
  // The bar divides text from data in this format.
  const line = `SYNCD ${report.state.toUpperCase()} - ${text.replaceAll('|', '/').replaceAll('\n', ' ')}`;
  return known.length > 0 ? `${line} | ${known.join(' ')}` : line;
}
