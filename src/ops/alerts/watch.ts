/**
 * Looks whether people have to be told of something, and writes down what they are told: each alert once when it comes and once
 * when it is over, whoever restarts meanwhile. An alert and its messages are one transaction; who sends them is in
 * ops/alerts/messages. The journal is told here.
 */
import { sql } from 'kysely';
import type { AlertTarget, Settings } from '../../config/settings.js';
import type { Db } from '../../db/connect.js';
import type { Log } from '../../log.js';
import { iso } from '../../queue/read.js';
import { redactText } from '../../redact.js';
import { monotonicMs } from '../../time.js';
import type { Chore } from '../chores.js';
import type { Facts } from '../status/read.js';
import { statusOf } from '../status/report.js';
import { targetOf } from './messages.js';
import { type OpenAlert, type Recent, type Step, steps, troubles } from './rules.js';
import { type AlertMessage, clearedWords, raisedWords } from './words.js';

type WatchedSettings = Pick<Settings, 'outlet' | 'alerts' | 'entities' | 'sync' | 'cloud' | 'disk'>;
export type AlertsDeps = {
  db: Db;
  settings: WatchedSettings;
  log: Log;
  /** Told when there is something to be sent. */
  onMessages: () => void;
};

const LOOK_MS = 30_000;
/** With a million changes queued a look takes 40 ms; however long, it is a hundredth of the time. */
const REST = 100;

export class AlertWatch {
  readonly #deps: AlertsDeps;
  #before: ReadonlySet<string> = new Set();
  #dueMs = 0;

  constructor(deps: AlertsDeps) {
    this.#deps = deps;
  }

  get chore(): Chore {
    return {
      name: 'alerts',
      everyMs: LOOK_MS,
      run: async () => {
        const begunMs = monotonicMs();
        if (begunMs < this.#dueMs) return false;
        await this.look();
        this.#dueMs = monotonicMs() + REST * (monotonicMs() - begunMs);
        return false;
      },
    };
  }

  async look(): Promise<void> {
    const { db, settings } = this.#deps;
    const { facts, rules } = await statusOf(db, settings);
    const { open, raised, recent } = await recall(db, settings.alerts.windowMs);
    const names = new Set(open.map(({ alert }) => alert));
    const found = troubles(facts, { ...rules, failureRate: settings.alerts.failureRate }, recent, names);
    const taken = steps(found, this.#before, open, raised, facts.now);
    this.#before = new Set(found.map(({ alert }) => alert));
    if (taken.length === 0) return;
    const told = await db.transaction().execute(async (trx) => {
      const lines = [];
      for (const step of taken) lines.push(await takeStep(trx, step, facts, settings));
      return lines;
    });
    for (const line of told) this.#tell(line);
    this.#deps.onMessages();
  }

  #tell(message: AlertMessage | undefined): void {
    if (!message) return;
    const { log } = this.#deps;
    const { alert, text, event, severity } = message;
    if (event === 'cleared') log.info(text, { alert });
    else (severity === 'critical' ? log.error : log.warn)(text, { alert, trouble: `alert ${alert}` });
  }
}

type Recalled = { open: OpenAlert[]; raised: Map<string, number>; recent: Recent };

async function recall(db: Db, windowMs: number): Promise<Recalled> {
  const { rows } = await sql<{ open: string; raised: string; accepted: number; refused: number }>`
    WITH recent AS MATERIALIZED (
      SELECT * FROM syncd.sync_logs WHERE direction = 'push' AND at >= statement_timestamp() - ${windowMs} * interval '1 ms'
    )
    SELECT (SELECT coalesce(json_agg(json_build_object('id', id::text, 'alert', alert, 'well_since', ${iso('well_since')})), '[]')::text
            FROM syncd.alerts WHERE cleared_at IS NULL) AS open,
           (SELECT coalesce(json_object_agg(alert, times), '{}')::text FROM (
              SELECT alert, count(*) AS times FROM syncd.alerts WHERE raised_at >= statement_timestamp() - interval '24 hours' GROUP BY alert) r) AS raised,
           (SELECT coalesce(sum(accepted), 0)::float8 FROM recent) AS accepted,
           (SELECT count(*)::float8 FROM recent, unnest(outcomes) AS verdict (given)
            WHERE accepted < changes AND http_status = 200 AND given IN ('rejected', 'conflict', 'failed')) AS refused`.execute(
    db,
  );
  const { open, raised, accepted, refused } = rows[0] as (typeof rows)[0];
  return { open: JSON.parse(open), raised: new Map(Object.entries(JSON.parse(raised))), recent: { accepted, refused } };
}

/** @returns what there is to tell */
async function takeStep(
  trx: Db,
  step: Step,
  facts: Facts,
  settings: WatchedSettings,
): Promise<AlertMessage | undefined> {
  switch (step.kind) {
    case 'raise':
      return raise(trx, step.trouble, facts, settings);
    case 'clear':
      return clear(trx, step.id, facts, settings);
    case 'well':
    case 'unwell': {
      const well_since = step.kind === 'well' ? facts.now : null;
      await trx.updateTable('syncd.alerts').set({ well_since }).where('id', '=', step.id).execute();
      return undefined;
    }
    default:
      return step satisfies never;
  }
}

async function raise(
  trx: Db,
  { alert, severity, value, reason }: Extract<Step, { kind: 'raise' }>['trouble'],
  facts: Facts,
  settings: WatchedSettings,
): Promise<AlertMessage | undefined> {
  const words = raisedWords(alert, redactText(reason, secretsOf(settings)), facts, settings.outlet.timezone);
  const { send } = settings.alerts;
  const row = await trx
    .insertInto('syncd.alerts')
    .values({
      alert,
      severity,
      raised_at: facts.now,
      value,
      detail: words.text,
      // The journal alone is told at once.
      told_at: send.length === 0 ? facts.now : null,
      well_since: null,
      cleared_at: null,
      told_error: null,
    })
    .onConflict((clash) => clash.doNothing())
    .returning('id')
    .executeTakeFirst();
  if (!row) return undefined;
  const { id } = row;
  const { outlet, now } = facts;
  const named = { id: outlet.id, code: outlet.code };
  const message = {
    event: 'raised',
    id,
    alert,
    severity,
    outlet: named,
    value,
    since: now,
    at: now,
    ...words,
  } as const;
  await enqueue(trx, message, send);
  return message;
}

async function clear(trx: Db, id: string, facts: Facts, settings: WatchedSettings): Promise<AlertMessage | undefined> {
  const row = await trx
    .updateTable('syncd.alerts')
    .set({ cleared_at: facts.now })
    .where('id', '=', id)
    .where('cleared_at', 'is', null)
    .returning(['alert', 'severity', 'value', iso('raised_at').as('since'), iso('well_since').as('well_since')])
    .executeTakeFirst();
  if (!row) return undefined;
  const { alert, severity, value, since } = row;
  const words = clearedWords(alert, { since, until: row.well_since ?? facts.now }, facts, settings.outlet.timezone);
  const { outlet, now } = facts;
  const named = { id: outlet.id, code: outlet.code };
  const message = { event: 'cleared', id, alert, severity, outlet: named, value, since, at: now, ...words } as const;
  await enqueue(trx, message, settings.alerts.send);
  return message;
}

async function enqueue(trx: Db, message: AlertMessage, send: readonly AlertTarget[]): Promise<void> {
  const targets = [...new Set(send.map(targetOf))];
  if (targets.length === 0) return;
  await trx
    .insertInto('syncd.alert_messages')
    .values(
      targets.map((target) => ({ alert_id: message.id, event: message.event, target, body: JSON.stringify(message) })),
    )
    .onConflict((clash) => clash.doNothing())
    .execute();
}

/** What the cloud's own words might repeat. */
function secretsOf({ cloud, alerts }: WatchedSettings): string[] {
  const urls = alerts.send.flatMap((target) => ('url' in target ? [target.url] : []));
  return cloud.apiKey === undefined ? urls : [cloud.apiKey, ...urls];
}
