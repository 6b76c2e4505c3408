/**
 * A shop's database with whatever tables a test wants, and the walks over them as the daemon does them, with the rights that the
 * daemon has. The cloud is played by `settleAll`.
 */

import { installCapture } from '../../src/capture/install.js';
import { type Db, openDb } from '../../src/db/connect.js';
import type { WalkKind } from '../../src/db/schema-walks.js';
import type { Cluster } from '../../src/demo/postgres.js';
import type { Log } from '../../src/log.js';
import { monotonicMs } from '../../src/time.js';
import { lookAtFailures } from '../../src/walk/failures.js';
import { requestWalks } from '../../src/walk/request.js';
import { Walks } from '../../src/walk/walks.js';
import { captureSettings, type Entities, Pos } from './capture.js';

const SILENT: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
const LEADER =
  "INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch) VALUES (gen_random_uuid(), 'h', 1, 'v', 1)";

export type WalkRow = {
  entity_type: string;
  kind: WalkKind;
  walked: number;
  queued: number;
  deleted: number;
  error: string | null;
  finished: boolean;
  waits_for: string | null;
};

export class WalkStage {
  readonly pos: Pos;
  /** As the daemon's upkeep connection. */
  readonly db: Db;
  #entities: Entities = {};

  private constructor(pos: Pos, db: Db) {
    this.pos = pos;
    this.db = db;
  }

  static async open(cluster: Cluster, name: string): Promise<WalkStage> {
    const pos = await Pos.open(cluster, name);
    await pos.capture('CREATE TABLE syncd_first (id int PRIMARY KEY)', { first: 'syncd_first' });
    await pos.sql.query(LEADER);
    return new WalkStage(pos, openDb(cluster.url(name, 'syncd'), { role: 'upkeep' }));
  }

  /** Makes tables with rows in them, and captures them only then. An entity without a table leaves the configuration. */
  async tables(ddl: string, entities: Record<string, Entities[string] | undefined>): Promise<void> {
    const all = Object.entries({ ...this.#entities, ...entities });
    this.#entities = Object.fromEntries(
      all.flatMap(([entity, table]) => (table === undefined ? [] : [[entity, table]])),
    );
    await this.pos.sql.query(ddl);
    await this.install();
  }

  async install(): Promise<string[]> {
    return (await installCapture({ adminUrl: this.pos.url, settings: captureSettings(this.#entities) })).changes;
  }

  walks(onQueued: () => void = () => {}, db: Db = this.db): Walks {
    return new Walks({ db, leader_epoch: '1', log: SILENT, onQueued });
  }

  async request(kind: WalkKind, ...entities: string[]): Promise<void> {
    await requestWalks(this.db, kind, entities, 'a test asks', 'test');
  }

  /** Asks for a walk and does turns until nothing can be done at once; the cloud takes what is queued when more is to come. */
  async walk(kind: WalkKind, ...entities: string[]): Promise<void> {
    await this.request(kind, ...entities);
    await this.goOn();
  }

  async goOn(): Promise<void> {
    const walks = this.walks(() => void this.#makeRoom());
    const signal = AbortSignal.timeout(20_000);
    while (await walks.turn(signal)) if (signal.aborted) throw new Error('the walks do not end');
  }

  /** Does turns until every walk is finished, while the cloud takes what is queued. */
  async finish(walks = this.walks()): Promise<void> {
    for (
      const deadline = monotonicMs() + 20_000;
      (await this.log()).some(({ finished }) => !finished);
      await this.settleAll()
    ) {
      if (monotonicMs() > deadline) throw new Error(`the walks do not end: ${JSON.stringify(await this.log())}`);
      await walks.turn(AbortSignal.timeout(250));
    }
  }

  async #makeRoom(): Promise<void> {
    if ((await this.queue()).length > 500) await this.settleAll();
  }

  async reconcileFailures(): Promise<string[]> {
    const entities = await lookAtFailures(this.db);
    await this.goOn();
    return entities;
  }

  async rows<T extends object = Record<string, unknown>>(query: string, values: unknown[] = []): Promise<T[]> {
    return (await this.pos.sql.query<T>(query, values)).rows;
  }

  /** What waits, as `entity operation id` words. */
  async queue(): Promise<string[]> {
    const rows = await this.rows<{ line: string }>(
      `SELECT entity_type || ' ' || operation || ' ' || entity_id AS line FROM syncd.unsettled ORDER BY unsettled.id`,
    );
    return rows.map(({ line }) => line);
  }

  log(): Promise<WalkRow[]> {
    return this.rows<WalkRow>(`
      SELECT entity_type, kind, walked::int, queued::int, deleted::int, error, finished_at IS NOT NULL AS finished, waits_for
      FROM syncd.backfills ORDER BY backfills.id`);
  }

  async lastWalk(): Promise<WalkRow> {
    return (await this.log()).at(-1) as WalkRow;
  }

  /** As if the cloud had taken everything that waits: the states keep the hash of what it has now. */
  async settleAll(): Promise<void> {
    await this.pos.sql.query(`
      WITH done AS (UPDATE syncd.sync_queue SET status = 'synced', settled_as = 'accepted', synced_at = now(), next_attempt_at = NULL
                    WHERE status <> 'synced' RETURNING id, entity_type, entity_id, operation, payload)
      INSERT INTO syncd.entity_state AS e (entity_type, entity_id, version, cloud_version, deleted, row_hash, row_shape)
      SELECT DISTINCT ON (d.entity_type, d.entity_id) d.entity_type, d.entity_id, 1, 1, d.operation = 'delete',
             hashtextextended(d.payload::text COLLATE "C", 0), CASE WHEN d.payload IS NOT NULL THEN c.shape END
      FROM done d JOIN syncd.capture c USING (entity_type) ORDER BY d.entity_type, d.entity_id, d.id DESC
      ON CONFLICT (entity_type, entity_id) DO UPDATE
      SET cloud_version = e.cloud_version + 1, deleted = excluded.deleted, row_hash = excluded.row_hash, row_shape = excluded.row_shape`);
  }

  /** Writes that no trigger sees. */
  async unseen(...statements: string[]): Promise<void> {
    await this.pos.sql.query('SET session_replication_role = replica');
    for (const statement of statements) await this.pos.sql.query(statement);
    await this.pos.sql.query('RESET session_replication_role');
  }

  async reset(): Promise<void> {
    await this.pos.sql.query(
      'TRUNCATE syncd.sync_queue, syncd.entity_state, syncd.sync_conflicts, syncd.truncations, syncd.backfills',
    );
  }

  async close(): Promise<void> {
    await this.db.destroy();
    await this.pos.close();
  }
}

/** Milliseconds that it took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = monotonicMs();
  await work();
  return monotonicMs() - begun;
}
