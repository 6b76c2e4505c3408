/**
 * What a scrape asks of the database: the facts of the status, and beside them what only monitoring wants. Gauges are read anew
 * every time; what counts up is counted from this process's start, so that it never falls when old rows leave.
 */
import { sql } from 'kysely';
import type { Db } from '../../db/connect.js';
import { byIndex } from '../../db/indexed.js';
import type { ChangeStatus } from '../../db/schema.js';
import { steadyMs } from '../../time.js';
import { type StatusSettings, statusOf, type Told } from '../status/report.js';
import { FRESH } from '../status/waiting.js';

export type Figures = {
  told: Told;
  depth: { entity: string; status: ChangeStatus; changes: number }[];
  drift: { entity: string; drifted: boolean }[];
  /** How full the server's queue of notifications is; a full one would fail a sale. */
  notifyQueue: number;
  /** Since this process began. */
  pulled: number;
  conflicts: { strategy: string; conflicts: number }[];
};

/** Where the counts of this process begin, and how far they were counted; one for the life of the process. */
export class Counted {
  readonly #startedMs = steadyMs();
  #pulledUpTo: string | undefined;
  #pulled = 0;
  #conflictsFrom: string | undefined;
  #gathering: Promise<Figures> | undefined;

  /** Measured: 8 ms beside an empty queue, 57 ms beside a million pending changes, 91 ms once a million were settled. */
  gather(db: Db, settings: StatusSettings): Promise<Figures> {
    this.#gathering ??= this.#gather(db, settings).finally(() => {
      this.#gathering = undefined;
    });
    return this.#gathering;
  }

  async #gather(db: Db, settings: StatusSettings): Promise<Figures> {
    const told = await statusOf(db, settings);
    const row = await byIndex(db, (trx) => this.#ask(trx, told.facts.pending));
    this.#pulledUpTo = row.pulled_up_to;
    this.#pulled += row.pulled;
    this.#conflictsFrom = row.conflicts_from;
    const { depth, drift, conflicts } = JSON.parse(row.lists) as Pick<Figures, 'depth' | 'drift' | 'conflicts'>;
    return { told, depth, drift, conflicts, notifyQueue: row.notify_queue, pulled: this.#pulled };
  }

  async #ask(trx: Db, pending: number): Promise<Asked> {
    const started = sql`clock_timestamp() - ${steadyMs() - this.#startedMs} * interval '1 ms'`;
    const { rows } = await sql<Asked>`
      WITH begun AS MATERIALIZED (
        SELECT coalesce(${this.#pulledUpTo ?? null}::bigint, (SELECT max(id) FROM syncd.sync_logs WHERE at < ${started}), 0) AS log,
               coalesce(${this.#conflictsFrom ?? null}::bigint, (SELECT max(id) FROM syncd.sync_conflicts WHERE detected_at < ${started}), 0) AS conflict
      ), pulled AS (
        -- One connection writes these, so a higher id is a later commit.
        SELECT coalesce(sum(l.accepted), 0)::float8 AS changes, coalesce(max(l.id), max(begun.log))::text AS up_to
        FROM begun LEFT JOIN syncd.sync_logs l ON l.id > begun.log AND l.direction = 'pull' AND l.outcome = 'applied'
      )
      SELECT pulled.changes AS pulled, pulled.up_to AS pulled_up_to, begun.conflict::text AS conflicts_from,
             pg_notification_queue_usage() AS notify_queue,
             json_build_object(
               'depth', (SELECT coalesce(json_agg(json_build_object('entity', entity_type, 'status', status, 'changes', changes)), '[]')
                         FROM (${pending > COUNTED_TO ? estimated(pending) : COUNTED}) d),
               'drift', (SELECT coalesce(json_agg(json_build_object('entity', entity_type, 'drifted', drift IS NOT NULL)), '[]') FROM syncd.capture),
               'conflicts', (SELECT coalesce(json_agg(json_build_object('strategy', strategy, 'conflicts', conflicts)), '[]')
                             FROM (SELECT c.strategy, count(*) AS conflicts FROM syncd.sync_conflicts c WHERE c.id > begun.conflict GROUP BY 1) s)
             )::text AS lists
      FROM begun, pulled`.execute(trx);
    return rows[0] as Asked;
  }
}

/** Beyond so many the pending changes of each entity are estimated: counting them would read every row. */
const COUNTED_TO = 100_000;
const PROBES = 4_000;

const COUNTED = sql`SELECT entity_type, status, count(*) AS changes FROM syncd.unsettled GROUP BY 1, 2`;

/** From probes at even distances in the queue; good to a few per cent of the whole. */
const estimated = (pending: number) => sql`
  SELECT entity_type, status, count(*) AS changes FROM syncd.sync_queue WHERE status IN ('failed', 'conflict') GROUP BY 1, 2
  UNION ALL
  SELECT probe.entity_type, 'pending', round(${pending}::float8 * count(*) / ${PROBES}::float8) AS changes
  FROM (SELECT min(id) AS low, max(id) AS high FROM syncd.sync_queue WHERE ${FRESH}) ends
  CROSS JOIN generate_series(0, ${PROBES - 1}::int) AS place
  CROSS JOIN LATERAL (
    SELECT entity_type FROM syncd.sync_queue
    WHERE ${FRESH} AND id >= ends.low + ((ends.high - ends.low) * place::bigint) / ${PROBES - 1}::int ORDER BY id LIMIT 1) probe
  GROUP BY 1`;

type Asked = {
  pulled: number;
  pulled_up_to: string;
  conflicts_from: string;
  notify_queue: number;
  lists: string;
};
