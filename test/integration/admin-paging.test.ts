/** Long lists are read page by page while the shop goes on selling; and a question about one entity stays cheap in a long history. */
import { Cluster } from '../../src/demo/postgres.js';
import { openAdmin } from '../support/admin.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
let admin: Awaited<ReturnType<typeof openAdmin>>;

beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'admin_paging');
  admin = await openAdmin(shop.settings);
});
afterAll(async () => {
  await admin?.close();
  await shop?.close();
  await cluster?.destroy();
});

const API = '/api/v1/sync';

/** Ids in the order of the pages; `between` happens after each page. */
async function pages(path: string, between: () => Promise<unknown>): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { json } = await admin.ask(
      `${API}/${path}${path.includes('?') ? '&' : '?'}limit=37${cursor && `&cursor=${cursor}`}`,
    );
    expect(json.items.length).toBeLessThanOrEqual(37);
    ids.push(...json.items.map((item: { id: string }) => item.id));
    expect(json.next_cursor === null || json.items.length === 37).toBe(true);
    cursor = json.next_cursor;
    await between();
  }
  return ids;
}

const idsOf = async (text: string) => (await shop.sql.query<{ id: string }>(text)).rows.map((row) => row.id);

test('what waits, what is settled and the log are shown whole and once, whatever comes in between', async () => {
  // A third each: fresh, failed, settled; hundreds of settled ones share an instant.
  await shop.sql.query(`
    INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, status, settled_as, synced_at)
    SELECT 'order', n::text, 'create', (ARRAY['pending', 'failed', 'synced']::syncd.change_status[])[n % 3 + 1],
           CASE n % 3 WHEN 2 THEN 'accepted' END, CASE n % 3 WHEN 2 THEN now() - (n / 300) * interval '1 s' END
    FROM generate_series(1, 1200) n`);
  await shop.sql.query(
    `INSERT INTO syncd.sync_logs (direction, outcome) SELECT 'push', 'results' FROM generate_series(1, 400)`,
  );
  const [waiting, settled, log] = [
    await idsOf("SELECT id FROM syncd.sync_queue WHERE status <> 'synced' ORDER BY id"),
    await idsOf("SELECT id FROM syncd.sync_queue WHERE status = 'synced' ORDER BY synced_at DESC, id DESC"),
    await idsOf('SELECT id FROM syncd.sync_logs ORDER BY id DESC'),
  ];
  const more = () =>
    shop.sql.query(`
      WITH log AS (INSERT INTO syncd.sync_logs (direction, outcome) SELECT 'push', 'results' FROM generate_series(1, 5))
      INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, status, settled_as, synced_at)
      SELECT 'order', 'new', 'create', (ARRAY['pending', 'synced']::syncd.change_status[])[n % 2 + 1], CASE n % 2 WHEN 1 THEN 'accepted' END, CASE n % 2 WHEN 1 THEN now() END
      FROM generate_series(1, 10) n`);
  const known = (ids: string[], of: string[]) => ids.filter((id) => of.includes(id));
  const seen = await pages('queue?since=1d', more);
  expect(known(seen, waiting)).toEqual(waiting);
  expect(new Set(seen).size).toBe(seen.length);
  expect(await pages('queue?status=synced&entity=order', more)).toEqual(expect.arrayContaining(settled));
  expect(known(await pages('queue?status=synced', more), settled)).toEqual(settled);
  expect(known(await pages('logs', more), log)).toEqual(log);
});

test('one entity among half a million settled changes is found in less than a moment', async () => {
  await shop.sql.query('TRUNCATE syncd.sync_queue, syncd.sync_logs');
  await shop.sql.query(`
    INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, status, settled_as, created_at, synced_at, batch_id)
    SELECT 'order', n::text, 'create', 'synced', 'accepted', now() - (500002 - n) * interval '1 s', now() - (500000 - n) * interval '1 s', gen_random_uuid() FROM generate_series(1, 500000) n`);
  await shop.sql.query(`
    INSERT INTO syncd.sync_logs (at, direction, batch_id, outcome, changes, accepted, change_ids, outcomes)
    SELECT synced_at, 'push', batch_id, 'results', 1, 1, ARRAY[change_id], ARRAY['accepted'] FROM syncd.sync_queue WHERE entity_id IN ('1000', '499999')`);
  await shop.sql.query(`
    INSERT INTO syncd.entity_state (entity_type, entity_id, last_synced_at)
    SELECT 'order', entity_id, synced_at FROM syncd.sync_queue WHERE entity_id IN ('1000', '499999', '250000')`);
  await shop.sql.query('ANALYZE');
  for (const [id, log] of [
    ['1000', 1],
    ['499999', 1],
    ['250000', 0],
  ] as const) {
    const startedAt = performance.now();
    const { json } = await admin.ask(`${API}/entities/order/${id}`);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(json.queue).toEqual([expect.objectContaining({ entity_id: id, status: 'synced' })]);
    expect(json.log).toHaveLength(log);
    // The earliest is found by the walk that reaches the beginning; of the others older changes might exist.
    expect(json.history_since === null).toBe(id === '1000');
  }
  expect((await admin.ask(`${API}/entities/order/never`)).status).toBe(404);
});
