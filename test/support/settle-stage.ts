/** A database with an empty queue, the daemon's own connection to it, and ways to look at what a settle has made of it. */
import { type Db, openDb, PLANNED_ONCE } from '../../src/db/connect.js';
import { Cluster } from '../../src/demo/postgres.js';
import { addRows, emptyQueue, type GivenRow } from './queue-rows.js';
import { makeSettlement } from './settlement.js';
import { openShop } from './shop.js';

export type SettleStage = Awaited<ReturnType<typeof openSettleStage>>;

export async function openSettleStage(package_: string) {
  const cluster = await Cluster.start({ package: package_ });
  const shop = await openShop(cluster, 'settle');
  const db: Db = openDb(cluster.url('settle', 'syncd'), { role: 'test', prepared: true, settings: PLANNED_ONCE });
  const one = async (text: string, values: unknown[] = []) => (await shop.sql.query(text, values)).rows[0];
  const lead = (epoch: number) =>
    shop.sql.query(
      "INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch) VALUES (gen_random_uuid(), 'h', 1, 'v', $1)",
      [epoch],
    );
  return {
    shop,
    db,
    one,
    /** From now on only this epoch may settle. */
    lead,
    add: (...given: GivenRow[]) => addRows(shop, given),
    row: (id: string | undefined) =>
      one(
        `SELECT status, settled_as, superseded_by, retry_count, hold_count, error_message, batch_id, synced_at IS NOT NULL AS settled,
                round(extract(epoch FROM next_attempt_at - clock_timestamp()))::int AS next_s
         FROM syncd.sync_queue WHERE id = $1`,
        [id],
      ),
    state: (entity: string) => one('SELECT * FROM syncd.entity_state WHERE entity_id = $1', [entity]),
    count: async (table: string): Promise<number> => (await one(`SELECT count(*)::int AS n FROM syncd.${table}`)).n,
    async reset() {
      await emptyQueue(shop);
      await lead(1);
    },
    async close() {
      await db.destroy();
      await shop.close();
      await cluster.destroy();
    },
  };
}

/** What is written where the first result of `raw` is a conflict about this change. */
export const conflictOn = (id: string | undefined, raw: string, more: object = {}) =>
  makeSettlement({
    others: {
      ids: [id as string],
      statuses: ['conflict'],
      retry_counts: [0],
      hold_counts: [0],
      delays_ms: [null],
      errors: ['diverged'],
    },
    conflicts: {
      ids: [id as string],
      indexes: [0],
      cloud_versions: [4],
      updated_ats: ['2026-11-22T08:00:00.123456Z'],
      deleted: [false],
      strategies: ['cloud_wins'],
      ...more,
    },
    raw,
    log: { accepted: 0 },
  });
