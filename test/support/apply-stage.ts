/**
 * A shop's database with whatever tables a test wants, the applying connection as the daemon has it, and ways to let changes come
 * in. What the capture triggers leave in the queue is seen as `queue()`; conflicts are only noted here, not resolved.
 */
import type { ConflictBook } from '../../src/apply/chunk.js';
import { Horizon } from '../../src/apply/horizon.js';
import type { Incoming } from '../../src/apply/incoming.js';
import { applyRound, lookAhead, type RoundReport } from '../../src/apply/round.js';
import { loadTables } from '../../src/apply/tables.js';
import { installCapture } from '../../src/capture/install.js';
import { openApplier } from '../../src/db/applier.js';
import type { Db } from '../../src/db/connect.js';
import type { Cluster } from '../../src/demo/postgres.js';
import type { Log } from '../../src/log.js';
import type { OnStep } from '../../src/step.js';
import { captureSettings, type Entities, Pos } from './capture.js';

export type Sent = {
  type?: string;
  id: string;
  operation?: Incoming['operation'];
  version?: number | string | null;
  data?: string | object | null;
  source?: Incoming['source'];
};

type Noted = Parameters<ConflictBook['open']>;

const SILENT: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

export class ApplyStage {
  readonly pos: Pos;
  readonly db: Db;
  /** What was handed over as a conflict. */
  readonly conflicts: { how: 'open' | 'refresh'; type: string; id: string; version: string | null }[] = [];
  readonly #horizon = new Horizon();
  #entities: Entities = {};

  private constructor(pos: Pos, db: Db) {
    this.pos = pos;
    this.db = db;
  }

  static async open(cluster: Cluster, name: string): Promise<ApplyStage> {
    const pos = await Pos.open(cluster, name);
    // The roles are the server's: a first install makes them, and lets the daemon in.
    await pos.capture('CREATE TABLE syncd_first (id int PRIMARY KEY)', { first: 'syncd_first' });
    await pos.sql.query(
      "INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch) VALUES (gen_random_uuid(), 'h', 1, 'v', 1)",
    );
    return new ApplyStage(pos, await openApplier(cluster.url(name, 'syncd'), 'applier'));
  }

  /** Makes tables and lets these entities go both ways, beside the ones before. @returns what the install changed */
  async tables(ddl: string, entities: Entities): Promise<string[]> {
    const both = Object.entries(entities).map(([entity, given]) => [
      entity,
      { direction: 'both' as const, ...(typeof given === 'string' ? { table: given } : given) },
    ]);
    this.#entities = { ...this.#entities, ...Object.fromEntries(both) };
    await this.pos.sql.query(ddl);
    const { changes } = await installCapture({ adminUrl: this.pos.url, settings: captureSettings(this.#entities) });
    return changes;
  }

  /** Lets changes come in, in this order. */
  async send(...sent: Sent[]): Promise<void> {
    for (const one of sent) {
      const data = one.data === undefined || one.data === null ? null : one.data;
      await this.pos.sql.query(
        `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, data)
         VALUES (1, $1, $2, $3, $4, $5::bigint, $6::json)`,
        [
          one.source ?? 'pull',
          one.type ?? 'item',
          one.id,
          one.operation ?? (data === null ? 'delete' : 'update'),
          one.version === undefined ? 1 : one.version,
          typeof data === 'string' || data === null ? data : JSON.stringify(data),
        ],
      );
    }
  }

  async round(limit = 1_000, onStep?: OnStep): Promise<RoundReport> {
    const settings = captureSettings(this.#entities);
    const noted = new Map<string, (typeof this.conflicts)[number]>();
    const note =
      (how: 'open' | 'refresh') =>
      async (...[, , all]: Noted) => {
        // A transaction that took too long is begun anew, and notes what it noted before.
        for (const one of all)
          noted.set(one.id, { how, type: one.entity_type, id: one.entity_id, version: one.cloud_version });
      };
    const deps = {
      db: this.db,
      leader_epoch: '1',
      conflicts: {
        open: note('open'),
        refresh: (...given: Noted) => note('refresh')(...given).then(() => new Set(given[2].map(({ id }) => id))),
      },
      configured: new Set(settings.entities.keys()),
      horizon: this.#horizon,
      log: SILENT,
      onStep,
    };
    const report = await applyRound(deps, await loadTables(this.db, settings), await lookAhead(this.db, limit));
    this.conflicts.push(...noted.values());
    return report;
  }

  /** Sends and applies; every change must find its end at once. */
  async apply(...sent: Sent[]): Promise<RoundReport> {
    await this.send(...sent);
    const report = await this.round();
    expect(await this.incoming()).toEqual([]);
    return report;
  }

  async rows<T extends object = Record<string, unknown>>(query: string, values: unknown[] = []): Promise<T[]> {
    return (await this.pos.sql.query<T>(query, values)).rows;
  }

  incoming() {
    return this.rows<{ id: string; status: string; reason: string | null; attempts: number; later: boolean }>(
      `SELECT entity_id AS id, status, reason, attempts, next_attempt_at IS NOT NULL AS later
       FROM syncd.incoming ORDER BY incoming.id`,
    );
  }

  state(id: string, type = 'item') {
    return this.rows(
      'SELECT version, cloud_version, deleted, sync_status FROM syncd.entity_state WHERE entity_type = $1 AND entity_id = $2',
      [type, id],
    ).then(([row]) => row);
  }

  /** What waits in the queue, as `entity operation id` words. */
  async queue(): Promise<string[]> {
    const rows = await this.rows<{ line: string }>(
      `SELECT entity_type || ' ' || operation || ' ' || entity_id AS line FROM syncd.unsettled ORDER BY unsettled.id`,
    );
    return rows.map(({ line }) => line);
  }

  /** As if the cloud had taken everything that waits: version 1, or one more. */
  async settleAll(): Promise<void> {
    await this.pos.sql.query(`
      WITH done AS (UPDATE syncd.sync_queue SET status = 'synced', settled_as = 'accepted', synced_at = now(), next_attempt_at = NULL
                    WHERE status <> 'synced' RETURNING id, entity_type, entity_id, operation)
      INSERT INTO syncd.entity_state AS e (entity_type, entity_id, version, cloud_version, deleted)
      SELECT DISTINCT ON (entity_type, entity_id) entity_type, entity_id, 1, 1, operation = 'delete' FROM done
      ORDER BY entity_type, entity_id, id DESC
      ON CONFLICT (entity_type, entity_id) DO UPDATE SET cloud_version = e.cloud_version + 1, deleted = excluded.deleted`);
  }

  /** Lets everything that was put off be due. */
  async later(): Promise<void> {
    await this.pos.sql.query('UPDATE syncd.incoming SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL');
  }

  /** Lets nothing that was put off be due, however long the test takes. */
  async notYet(): Promise<void> {
    await this.pos.sql.query(
      "UPDATE syncd.incoming SET next_attempt_at = now() + interval '1 hour' WHERE next_attempt_at IS NOT NULL",
    );
  }

  async reset(): Promise<void> {
    this.conflicts.length = 0;
    await this.pos.sql.query(
      'TRUNCATE syncd.sync_queue, syncd.entity_state, syncd.sync_conflicts, syncd.sync_logs, syncd.incoming, syncd.truncations',
    );
  }

  async close(): Promise<void> {
    await this.db.destroy();
    await this.pos.close();
  }
}
