/**
 * What Prometheus is told; the one user of prom-client. Counters live as long as the process and begin at nothing, as Prometheus
 * expects it; gauges are made anew for every scrape, so that what is not known is not told. No entity's id, no word of the
 * cloud's ever becomes a label.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Standing } from '../../cloud/standing.js';
import { VERSION } from '../../version.js';
import type { Figures } from './gathered.js';

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** What the process knows by itself. */
export type Own = {
  /** Works on the database as the leader. */
  leads: boolean;
  standing: Standing;
  /** Without the cloud, since the process began. */
  awayMs: number;
};

/** What the cloud said of one change. */
export type Judged = { entity_type: string; outcome: string };

export class Metrics {
  readonly #registry = new Registry();
  readonly #pushed = new Counter({
    name: 'syncd_push_changes_total',
    help: 'Changes that the cloud gave a verdict on, since the daemon started',
    labelNames: ['entity', 'outcome'],
    registers: [this.#registry],
  });
  readonly #pushes = new Histogram({
    name: 'syncd_push_duration_seconds',
    help: 'How long an answered push took',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [this.#registry],
  });
  readonly #pulled = new Counter({
    name: 'syncd_pull_changes_total',
    help: 'Changes of the cloud that were applied, since the daemon started',
    registers: [this.#registry],
  });
  readonly #conflicts = new Counter({
    name: 'syncd_conflicts_total',
    help: 'Conflicts that were found, since the daemon started',
    labelNames: ['strategy'],
    registers: [this.#registry],
  });
  readonly #webhooks = new Counter({
    name: 'syncd_webhooks_total',
    help: 'Requests to the webhook port, since the daemon started',
    labelNames: ['kind', 'result'],
    registers: [this.#registry],
  });
  readonly #outages = new Counter({
    name: 'syncd_outage_seconds_total',
    help: 'Time in which the cloud was out of reach, since the daemon started',
    registers: [this.#registry],
  });
  readonly #told = new Map<unknown, number>();

  /** One answered push. */
  notePush(judged: readonly Judged[], durationMs: number): void {
    this.#pushes.observe(durationMs / 1_000);
    this.noteVerdicts(judged);
  }

  noteVerdicts(judged: readonly Judged[]): void {
    const counts = new Map<string, { entity: string; outcome: string; changes: number }>();
    for (const { entity_type, outcome } of judged) {
      const key = `${entity_type}\n${outcome}`;
      const count = counts.get(key);
      if (count) count.changes++;
      else counts.set(key, { entity: entity_type, outcome, changes: 1 });
    }
    for (const { changes, ...labels } of counts.values()) this.#pushed.inc(labels, changes);
  }

  /** @param answers how many requests were answered since the last time, by kind and status, `update 202` say */
  noteWebhooks(answers: ReadonlyMap<string, number>): void {
    for (const [what, requests] of answers) {
      const [kind = '', status = ''] = what.split(' ');
      this.#webhooks.inc({ kind, result: RESULTS[status] ?? 'refused' }, requests);
    }
  }

  /** The text of a scrape. @param figures undefined: the database does not answer */
  async render(figures: Figures | undefined, own: Own): Promise<string> {
    this.#follow(this.#outages, own.awayMs / 1_000);
    if (figures) {
      this.#follow(this.#pulled, figures.pulled);
      for (const { strategy, conflicts } of figures.conflicts) this.#follow(this.#conflicts, conflicts, { strategy });
    }
    const gauges = gaugesOf(figures, own);
    return `${await this.#registry.metrics()}\n${await gauges.metrics()}`;
  }

  /** Lets a counter come up to what was counted elsewhere; it never falls. */
  #follow<Label extends string>(counter: Counter<Label>, value: number, labels?: Record<Label, string>): void {
    const key = labels ? `${counterName(counter)} ${Object.values(labels).join(' ')}` : counter;
    const before = this.#told.get(key) ?? 0;
    if (value <= before) return;
    this.#told.set(key, value);
    if (labels) counter.inc(labels, value - before);
    else counter.inc(value - before);
  }
}

function counterName(counter: object): string {
  return (counter as { name: string }).name;
}

const RESULTS: Record<string, string> = {
  '202': 'accepted',
  '200': 'duplicate',
  '401': 'unauthorized',
  '403': 'unauthorized',
  '429': 'too_many',
  '503': 'later',
  turned_away: 'turned_away',
  broken: 'broken',
};

function gaugesOf(figures: Figures | undefined, own: Own): Registry {
  const registry = new Registry();
  const gauge = <Label extends string = never>(name: string, help: string, ...labelNames: Label[]) =>
    new Gauge({ name: `syncd_${name}`, help, labelNames, registers: [registry] });
  const set = (name: string, help: string, value: number | null | undefined) => {
    if (value !== null && value !== undefined) gauge(name, help).set(value);
  };
  gauge('build_info', 'Always 1; the version is in the label', 'version').set({ version: VERSION }, 1);
  set('leader', '1: this daemon works on the database', own.leads ? 1 : 0);
  set('db_up', '1: the database answers', figures ? 1 : 0);
  const { kind } = own.standing;
  if (kind !== 'unknown') set('cloud_up', '1: the cloud takes pushes', kind === 'online' || kind === 'waiting' ? 1 : 0);
  if (!figures) return registry;

  const { facts, report } = figures.told;
  const depth = gauge('queue_depth', 'Changes that are not in the cloud', 'entity', 'status');
  for (const { entity_type } of facts.capture) depth.set({ entity: entity_type, status: 'pending' }, 0);
  for (const { entity, status, changes } of figures.depth) depth.set({ entity, status }, changes);
  const drift = gauge('schema_drift', '1: the table differs from what was installed', 'entity');
  for (const { entity, drifted } of figures.drift) drift.set({ entity }, drifted ? 1 : 0);
  const age = facts.oldest_pending_at === null ? 0 : secondsOf(facts.now) - secondsOf(facts.oldest_pending_at);
  set('queue_oldest_pending_age_seconds', 'Age of the oldest pending change; 0: none waits', Math.max(0, age));
  set('sync_success_ratio', 'Of the verdicts of the last 24 hours, those that accepted', report.success_rate);
  set('sync_failure_ratio', 'Of the verdicts of the last 24 hours, those that refused', report.failure_rate);
  set('last_push_success_timestamp_seconds', 'When a push last settled something', instantOf(facts.last_sync_at));
  set('last_pull_success_timestamp_seconds', 'When a pull was last answered', instantOf(facts.last_pull_at));
  set('conflicts_open', 'Conflicts that wait for a decision', facts.conflicts);
  set('capture_triggers_expected', 'Tables whose changes are to be captured', report.capture.expected);
  set('capture_triggers_healthy', 'Tables whose changes are captured', report.capture.healthy);
  new Counter({
    name: 'syncd_capture_failures_total',
    help: 'Changes that could not be captured, since the installation',
    registers: [registry],
  }).inc((report.capture.failures ?? 0) + (report.capture.healed ?? 0));
  if (facts.daemon?.clock_offset_ms != null)
    set('clock_offset_seconds', "The cloud's clock less ours", facts.daemon.clock_offset_ms / 1_000);
  set('notify_queue_ratio', "How full the server's notification queue is", figures.notifyQueue);
  return registry;
}

function secondsOf(at: string): number {
  return Date.parse(at) / 1_000;
}

function instantOf(at: string | null): number | null {
  return at === null ? null : secondsOf(at);
}
