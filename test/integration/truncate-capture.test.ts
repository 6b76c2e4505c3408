/**
 * The daemon at work beside the commands: rows from before capture reach the cloud, an upgrade of the POS leaves no gap, and a
 * TRUNCATE is settled either way.
 */
import { Cluster } from '../../src/demo/postgres.js';
import { syncd } from '../support/cli.js';
import { eventually } from '../support/eventually.js';
import { type Outlet, openOutlet } from '../support/running-daemon.js';

const MONEY = '00000000-0000-0000-0000-0000000000';
const order = (n: number) => `${MONEY}${String(n).padStart(2, '0')}`;

describe('with the daemon running', () => {
  let cluster: Cluster;
  let outlet: Outlet;
  beforeAll(async () => {
    cluster = await Cluster.start();
    outlet = await openOutlet(cluster, 'outlet');
  }, 60_000);
  afterAll(async () => {
    await outlet?.close();
    await cluster?.destroy();
  });

  const { stringify } = JSON;
  const sql = (text: string) => outlet.shop.sql.query(text);
  const cloudHas = (type: string) =>
    outlet.cloud
      .entities()
      .filter((entity) => entity.entity_type === type && !entity.deleted)
      .map((entity) => entity.entity_id)
      .sort();
  const agree = (type: string, ids: string[]) =>
    eventually(
      () => cloudHas(type),
      (has) => stringify(has) === stringify(ids),
      `the cloud has ${type} ${ids}`,
    );
  const command = async (...args: string[]) => {
    const run = await syncd([...args, '--config', outlet.shop.config], { SYNCD_CLOUD_URL: outlet.cloud.url });
    if (run.code !== 0) throw new Error(`syncd ${args.join(' ')} ended with ${run.code}: ${run.stderr}`);
    return run.stdout;
  };
  const lines = [1, 2, 3].map((n) => stringify(['1', String(n)]));

  test('a backfill sends what was there before, and is told as it goes', async () => {
    await sql('SET session_replication_role = replica');
    await sql(`INSERT INTO lines SELECT 1, n, n FROM generate_series(1, 3) n`);
    await sql(
      `INSERT INTO orders (id, total, secret_note) SELECT ('${MONEY}0' || n)::uuid, n, 'planted' FROM generate_series(1, 3) n`,
    );
    await sql('RESET session_replication_role');
    const told = await command('backfill');
    expect(told).toContain('order: 3 rows looked at, 3 queued');
    expect(told).toContain('line: 3 rows looked at, 3 queued');
    await agree('line', lines);
    await agree('order', [1, 2, 3].map(order));
    expect(await command('backfill', 'order')).toContain('order: 3 rows looked at, 0 queued: everything was known');
  });

  test('an upgrade that rewrites a table unseen leaves no gap', async () => {
    expect(await command('capture', 'line', '--suspend', '--reason', 'POS 4.2', '--by', 'Budi')).toContain(
      'Suspended: line.',
    );
    await sql(
      'UPDATE lines SET qty = qty + 10; DELETE FROM lines WHERE line_no = 3; INSERT INTO lines VALUES (1, 4, 4)',
    );
    const { rows } = await sql("SELECT count(*)::int AS n FROM syncd.unsettled WHERE entity_type = 'line'");
    expect(rows).toEqual([{ n: 0 }]);
    const [held] = (await sql("SELECT suspended_by, suspended_reason FROM syncd.capture WHERE entity_type = 'line'"))
      .rows;
    expect(held).toEqual({ suspended_by: 'Budi', suspended_reason: 'POS 4.2' });
    expect(await command('capture', '--resume')).toContain('Captured again: line.');
    await agree(
      'line',
      [1, 2, 4].map((n) => stringify(['1', String(n)])),
    );
    await eventually(
      () => outlet.entity('line', lines[0] as string)?.data,
      (data) => data?.includes('11') === true,
      'the new quantity is in the cloud',
    );
    // The triggers are as they were: nothing is left for install to do.
    await sql('UPDATE lines SET qty = 99 WHERE line_no = 4');
    await outlet.drained();
    expect(await command('install', '--dry-run', '--admin-url', outlet.shop.url)).not.toContain('capture_line');
  });

  test('install captures again what was suspended, and has it compared', async () => {
    await command('capture', 'line', '--suspend');
    await sql('INSERT INTO lines VALUES (1, 5, 5)');
    await command('install', '--admin-url', outlet.shop.url);
    await agree(
      'line',
      [1, 2, 4, 5].map((n) => stringify(['1', String(n)])),
    );
    const [after] = (await sql("SELECT suspended_at FROM syncd.capture WHERE entity_type = 'line'")).rows;
    expect(after).toEqual({ suspended_at: null });
  });

  test('a TRUNCATE that is settled by deleting deletes in the cloud, also what was on its way', async () => {
    await outlet.stop();
    await sql('INSERT INTO lines VALUES (2, 1, 1)');
    await sql('TRUNCATE lines');
    await sql('INSERT INTO lines VALUES (1, 1, 77)');
    outlet.start();
    await eventually(
      async () => (await sql('SELECT cause FROM syncd.holds')).rows,
      (rows) => rows.length === 1,
      'the entity is held',
    );
    expect(cloudHas('line')).toHaveLength(4);
    expect(await command('truncate', 'line', '--delete')).toContain('Settled');
    await agree('line', [lines[0] as string]);
  });

  test('a TRUNCATE that is settled by restoring brings every row back, of a table that is only sent', async () => {
    await sql("UPDATE orders SET status = 'paid' WHERE total = 2");
    await agree('order', [1, 2, 3].map(order));
    await outlet.drained();
    const before = (await sql('SELECT id, status, total FROM orders ORDER BY id')).rows;
    await sql('TRUNCATE orders');
    const refused = await syncd(['truncate', 'order', '--restore', '--config', outlet.shop.config], {
      SYNCD_CLOUD_URL: outlet.cloud.url,
      DATABASE_URL: cluster.url('outlet', 'syncd'),
    });
    expect(refused).toMatchObject({ code: 78, stderr: expect.stringMatching(/--admin-url.*--uid=postgres/s) });
    expect(await command('truncate', 'order', '--restore', '--admin-url', outlet.shop.url)).toContain(
      'order: 3 rows restored.',
    );
    expect((await sql('SELECT id, status, total FROM orders ORDER BY id')).rows).toEqual(before);
    const seen = outlet.deliveries('order', order(2)).length;
    // What capture made of it was taken back: nothing is sent, and the next change builds on what the cloud has.
    await sql("UPDATE orders SET status = 'shipped' WHERE total = 2");
    await outlet.drained();
    expect(outlet.deliveries('order', order(2))).toHaveLength(seen + 1);
    expect(await sql('SELECT FROM syncd.sync_conflicts')).toMatchObject({ rows: [] });
  });

  test('what cannot be meant is refused in words', async () => {
    for (const [args, words] of [
      [['truncate', 'order', '--delete'], 'No TRUNCATE waits for a decision'],
      [['backfill', 'ordre'], 'not captured: ordre'],
    ] as const) {
      const run = await syncd([...args, '--config', outlet.shop.config]);
      expect({ args, ...run }).toMatchObject({ code: 64, stderr: expect.stringContaining(words) });
    }
  });
});
