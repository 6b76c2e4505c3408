/** The daemon in a shop whose database takes any bytes: what is no UTF-8 text holds up nobody. */
import { Cluster } from '../../src/demo/postgres.js';
import { atOnce, type Outlet, openOutlet, statuses } from '../support/running-daemon.js';

let cluster: Cluster;
const open: Outlet[] = [];
let opened = 0;

beforeAll(async () => {
  cluster = await Cluster.start();
});
afterEach(async () => {
  for (const outlet of open.splice(0)) await outlet.close();
});
afterAll(() => cluster?.destroy());

async function start(): Promise<Outlet> {
  const outlet = await openOutlet(cluster, `encoding${opened++}`);
  open.push(outlet);
  return outlet;
}

/** @param encoding by PostgreSQL's number */
async function startIn(encoding: number): Promise<Outlet> {
  const { shop } = await start();
  const encode = (one: number) =>
    shop.sql.query('UPDATE pg_database SET encoding = $1 WHERE datname = $2', [one, 'template1']);
  await encode(encoding);
  return start().finally(() => encode(6));
}

test('in a database that takes any bytes a row that is no UTF-8 text fails alone, and its correction goes', async () => {
  const outlet = await startIn(0);
  expect(await outlet.one('SHOW server_encoding')).toEqual({ server_encoding: 'SQL_ASCII' });
  const sell = async (status: string): Promise<string> =>
    (await outlet.one(`INSERT INTO orders (status) VALUES (${status}) RETURNING id`)).id;
  const ids: string[] = [];
  await atOnce(outlet, async () => {
    for (const status of ["'open'", "E'caf\\351'", "E'caf\\303\\251'"]) ids.push(await sell(status));
    await outlet.shop.sql.query(
      "INSERT INTO syncd.sync_queue (entity_type, entity_id, operation) VALUES ('order', E'caf\\351', 'delete')",
    );
  });
  await outlet.drained();
  const [plain, spoilt, accented] = ids as [string, string, string];
  expect(JSON.parse(outlet.entity('order', accented)?.data ?? '')).toMatchObject({ status: 'café' });
  const why = expect.stringMatching(/^its row holds bytes that are not UTF-8 text/);
  expect(await statuses(outlet)).toEqual([
    { entity_id: plain, status: 'synced', error_message: null },
    { entity_id: spoilt, status: 'failed', error_message: why },
    { entity_id: accented, status: 'synced', error_message: null },
    { entity_id: 'caf\\351', status: 'failed', error_message: why },
  ]);
  expect(outlet.lines.filter(({ message }) => /^changes whose text is not UTF-8/.test(message))).toHaveLength(1);
  await outlet.shop.sql.query("UPDATE orders SET status = 'paid' WHERE id = $1", [spoilt]);
  await outlet.arrives('order', spoilt);
  await outlet.drained();
  expect((await statuses(outlet)).filter(({ entity_id }) => entity_id === spoilt)).toEqual([
    { entity_id: spoilt, status: 'synced', error_message: null },
    { entity_id: spoilt, status: 'synced', error_message: null },
  ]);
});

test('in a database of few characters no word of the cloud keeps a change from going on', async () => {
  const outlet = await startIn(8);
  expect(await outlet.one('SHOW server_encoding')).toEqual({ server_encoding: 'LATIN1' });
  const message = 'sibuk \u2013 coba lagi';
  const sell = async (): Promise<string> => (await outlet.one('INSERT INTO orders DEFAULT VALUES RETURNING id')).id;
  outlet.cloud.faults.add({ kind: 'status', status: 400, message, times: 1, match: { path: '/sync/push' } });
  const refused = await sell();
  await outlet.drained();
  outlet.cloud.faults.add({ kind: 'reject', retryable: false, message, times: 1, match: { entity_type: 'order' } });
  const rejected = await sell();
  await outlet.drained();
  outlet.cloud.faults.add({ kind: 'epoch', cloud_epoch: message });
  const taken = await sell();
  await outlet.drained();
  expect(await statuses(outlet)).toEqual([
    { entity_id: refused, status: 'failed', error_message: 'HTTP 400: fault_400: sibuk ? coba lagi' },
    { entity_id: rejected, status: 'failed', error_message: 'refused_by_rule: sibuk ? coba lagi' },
    { entity_id: taken, status: 'synced', error_message: null },
  ]);
});
