/** What an entity type that waits as a whole holds up, and what it does not: with the real daemon, out and in. */
import { installCapture } from '../../src/capture/install.js';
import { Cluster } from '../../src/demo/postgres.js';
import { eventually } from '../support/eventually.js';
import { atOnce, type Outlet, openOutlet } from '../support/running-daemon.js';

let cluster: Cluster;
let outlet: Outlet;

beforeAll(async () => {
  cluster = await Cluster.start();
}, 60_000);
afterAll(async () => {
  await cluster?.destroy();
});
afterEach(async () => {
  await outlet?.close();
});

/** As a TRUNCATE leaves it; known to the daemon before it sends anything. */
async function holdExact(): Promise<void> {
  await outlet.stop();
  await outlet.shop.sql.query(`INSERT INTO syncd.truncations (entity_type, table_name) VALUES ('exact', 'exact')`);
  outlet.start();
}
async function release(): Promise<void> {
  await outlet.shop.sql.query(`UPDATE syncd.truncations SET settled_at = now(), settled_as = 'deleted'`);
  await wake();
}
const wake = () => outlet.shop.sql.query(`SELECT pg_notify('syncd_wake', '')`);
const waiting = async (entity: string) =>
  (await outlet.one(`SELECT count(*)::int AS n FROM syncd.unsettled WHERE entity_type = $1`, [entity])).n as number;
const at = (entity: string, id: string) =>
  eventually(
    () => outlet.entity(entity, id),
    (one) => one !== undefined && !one.deleted,
    `${entity} ${id} in the cloud`,
  );
const lineId = (no: number) => `["${no}","1"]`;

test('of a transaction the held entity waits, the rest goes, and the order within each entity stays', async () => {
  outlet = await openOutlet(cluster, 'holds_push');
  await holdExact();
  const { sql } = outlet.shop;
  for (let no = 1; no <= 5; no++) {
    await sql.query('BEGIN');
    await sql.query('INSERT INTO exact (id, n) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET n = excluded.n', [no]);
    await sql.query('INSERT INTO lines VALUES ($1, 1, $1)', [no]);
    await sql.query('INSERT INTO orders (id, total) VALUES (gen_random_uuid(), $1)', [no]);
    await sql.query('COMMIT');
  }
  for (let no = 1; no <= 5; no++) await at('line', lineId(no));
  await eventually(
    () => waiting('order'),
    (n) => n === 0,
    'the orders settled',
  );
  expect(outlet.entity('exact', '1')).toBeUndefined();
  expect(await waiting('exact')).toBe(5);
  await release();
  await outlet.drained();
  const versions = outlet.deliveries('exact', '1').filter(({ outcome }) => outcome === 'accepted');
  expect(versions).toHaveLength(5);
  expect(
    await outlet.one(
      `SELECT version::int, cloud_version::int FROM syncd.entity_state WHERE entity_type = 'exact' AND entity_id = '1'`,
    ),
  ).toEqual({ version: 5, cloud_version: 5 });
  expect(outlet.lines.filter(({ level }) => level === 'error')).toEqual([]);
});

test('a child whose parent waits here does not spend its attempts, and goes when the parent has gone', async () => {
  outlet = await openOutlet(cluster, 'holds_child', {
    cloud: { references: { line: [{ columns: ['order_no'], type: 'exact' }] } },
  });
  await holdExact();
  const { sql } = outlet.shop;
  await sql.query('BEGIN; INSERT INTO exact (id) VALUES (7); INSERT INTO lines VALUES (7, 1, 1); COMMIT');
  const held = async () =>
    outlet.one(
      `SELECT hold_count, retry_count, status::text, next_attempt_at > now() AS later FROM syncd.unsettled WHERE entity_type = 'line'`,
    );
  for (let holds = 1; holds <= 8; holds++) {
    await eventually(held, (row) => row?.later && row.hold_count >= Math.min(holds, 5), `hold ${holds}`);
    const sent = outlet.deliveries('line', lineId(7)).length;
    await sql.query(
      `UPDATE syncd.sync_queue SET next_attempt_at = now() WHERE entity_type = 'line' AND next_attempt_at IS NOT NULL`,
    );
    await wake();
    await eventually(
      () => outlet.deliveries('line', lineId(7)).length,
      (n) => n > sent,
      'another try',
    );
  }
  await eventually(held, (row) => row?.later, 'the last hold');
  expect(await held()).toMatchObject({ retry_count: 0, status: 'pending' });
  await release();
  await at('exact', '7');
  await sql.query(
    `UPDATE syncd.sync_queue SET next_attempt_at = now() WHERE entity_type = 'line' AND next_attempt_at IS NOT NULL`,
  );
  await wake();
  await at('line', lineId(7));
});

test('a parent that was deleted and made again goes out though its child lives again, and the cloud holds the deletion', async () => {
  outlet = await openOutlet(cluster, 'holds_deletion', {
    cloud: { references: { line: [{ columns: ['order_no'], type: 'exact' }] } },
    entities: { line: { direction: 'both', conflict: 'local_wins' } },
  });
  const { sql } = outlet.shop;
  const both = (n: number) => `INSERT INTO exact VALUES (7, ${n}); INSERT INTO lines VALUES (7, 1, ${n})`;
  await sql.query(both(1));
  await at('line', lineId(7));
  await outlet.drained();
  await atOnce(outlet, async () => {
    // Head office keeps the child alive, until the shop wins, who has made it anew by then.
    const data = '{"order_no": 7, "line_no": 1, "qty": 5}';
    outlet.cloud.edit({ outlet_id: 'outlet-7', entity_type: 'line', entity_id: lineId(7), data });
    await sql.query(`BEGIN; DELETE FROM lines; DELETE FROM exact; COMMIT; BEGIN; ${both(2)}; COMMIT`);
  });
  await outlet.arrives('exact', '7', 2);
  await outlet.drained();
  const [gone] = outlet.deliveries('exact', '7').filter(({ operation }) => operation === 'delete');
  expect(gone?.outcome).toBe('held');
  expect([outlet.entity('exact', '7')?.data, outlet.entity('line', lineId(7))?.data]).toMatchObject([
    expect.stringMatching(/"n" ?: ?2/),
    expect.stringMatching(/"qty" ?: ?2/),
  ]);
});

test('nothing is applied to a held table, the others are written, and it catches up', async () => {
  outlet = await openOutlet(cluster, 'holds_apply', {
    entities: { exact: { direction: 'both', conflict: 'manual' }, line: { direction: 'both' } },
  });
  const { sql } = outlet.shop;
  await sql.query('ALTER TABLE exact DISABLE TRIGGER ALL');
  await outlet.stop();
  outlet.start();
  await eventually(
    async () => (await sql.query('SELECT cause FROM syncd.holds')).rows,
    (rows) => rows.length === 1,
    'the drift is found before anything is applied',
  );
  // Nobody captures this one: the cloud's row must not be written over it.
  await sql.query('INSERT INTO exact (id, n) VALUES (1, 5)');
  outlet.cloud.edit({ outlet_id: 'outlet-7', entity_type: 'exact', entity_id: '1', data: '{"id": 1, "n": 9}' });
  outlet.cloud.edit({
    outlet_id: 'outlet-7',
    entity_type: 'line',
    entity_id: lineId(3),
    data: '{"order_no": 3, "line_no": 1, "qty": 4}',
  });
  await eventually(
    async () => (await sql.query('SELECT qty FROM lines')).rows,
    (rows) => rows.length === 1,
    'the line',
  );
  expect((await sql.query('SELECT n FROM exact')).rows).toEqual([{ n: '5' }]);
  expect((await sql.query('SELECT entity_type, status FROM syncd.incoming')).rows).toEqual([
    { entity_type: 'exact', status: 'waiting' },
  ]);
  await outlet.stop();
  await sql.query('ALTER TABLE exact ENABLE TRIGGER ALL');
  outlet.start();
  const conflicts = async () =>
    (await sql.query('SELECT entity_type, local::text, cloud::text FROM syncd.sync_conflicts')).rows;
  await eventually(conflicts, (rows) => rows.length === 1, 'both values are on record');
  expect((await sql.query('SELECT n FROM exact')).rows).toEqual([{ n: '5' }]);
  await eventually(
    async () => (await sql.query('SELECT * FROM syncd.holds')).rows,
    (rows) => rows.length === 0,
    'the end',
  );
});

test('a table that is dropped, renamed, recreated and altered under the running daemon ends no session and stops no other', async () => {
  outlet = await openOutlet(cluster, 'holds_ddl', {
    entities: { exact: { direction: 'both' }, line: { direction: 'both' } },
  });
  const { sql } = outlet.shop;
  await outlet.drained();
  const create = 'CREATE TABLE exact (id bigint PRIMARY KEY, n numeric, f float8, at timestamptz)';
  const ddl = [
    'ALTER TABLE exact RENAME TO gone',
    'ALTER TABLE gone RENAME TO exact',
    'ALTER TABLE exact RENAME id TO no',
    'ALTER TABLE exact DROP COLUMN f, ADD COLUMN f text',
    'ALTER TABLE exact RENAME no TO id',
    'DROP TABLE exact',
    create,
    'ALTER TABLE exact SET SCHEMA attic',
    'ALTER TABLE attic.exact SET SCHEMA public',
    'DROP TABLE exact',
    create,
  ];
  await sql.query('CREATE SCHEMA attic');
  let version = 0;
  for (let round = 0; round < 3; round++) {
    for (const statement of ddl) {
      version += 1;
      outlet.cloud.edit({
        outlet_id: 'outlet-7',
        entity_type: 'exact',
        entity_id: '1',
        data: `{"id": 1, "n": ${version}}`,
      });
      outlet.cloud.edit({
        outlet_id: 'outlet-7',
        entity_type: 'line',
        entity_id: lineId(9),
        data: `{"order_no": 9, "line_no": 1, "qty": ${version}}`,
      });
      await sql.query(statement);
      await sql.query('INSERT INTO orders (id, total) VALUES (gen_random_uuid(), 1)');
    }
  }
  const line = async () => (await sql.query('SELECT qty FROM lines WHERE order_no = 9')).rows[0]?.qty;
  await eventually(line, (qty) => qty === version, 'the other table is as the cloud has it');
  await eventually(
    () => waiting('order'),
    (n) => n === 0,
    'the orders settled',
  );
  expect(
    outlet.lines.filter(({ level, message }) => level === 'error' || /begins anew|database is away/.test(message)),
  ).toEqual([]);
  await installCapture({ adminUrl: outlet.shop.url, settings: outlet.settings });
  await outlet.stop();
  outlet.start();
  const row = async () => (await sql.query('SELECT n FROM exact WHERE id = 1')).rows[0]?.n;
  await sql.query(`UPDATE syncd.incoming SET next_attempt_at = now() WHERE entity_type = 'exact'`);
  await wake();
  await eventually(row, (n) => n === String(version), 'the table is as the cloud has it');
}, 60_000);
