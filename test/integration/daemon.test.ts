/** The daemon at work on a good day and an ordinary bad one: real capture, real HTTP, the reference cloud, all in this process. */
import { Cluster } from '../../src/demo/postgres.js';
import { requestNow, setEnabled } from '../../src/ops/control.js';
import { eventually } from '../support/eventually.js';
import { type Outlet, openOutlet } from '../support/running-daemon.js';

let cluster: Cluster;
let outlet: Outlet;

beforeAll(async () => {
  cluster = await Cluster.start();
  outlet = await openOutlet(cluster, 'daemon', {
    cloud: { references: { line: [{ columns: ['order_no'], type: 'exact' }] } },
  });
});
afterAll(async () => {
  await outlet?.close();
  await cluster?.destroy();
});
afterEach(async () => {
  outlet.cloud.faults.clear();
  expect(outlet.cloud.ledger.violations).toEqual([]);
});

const sell = async (values = ''): Promise<string> =>
  (await outlet.one(`INSERT INTO orders (status, total) VALUES ('open', ${values || '1'}) RETURNING id`)).id;
const rowsOf = async (entity: string) =>
  (
    await outlet.shop.sql.query(
      'SELECT id, status, settled_as, retry_count, hold_count, error_message FROM syncd.sync_queue WHERE entity_id = $1 ORDER BY id',
      [entity],
    )
  ).rows;

describe('a sale', () => {
  test('arrives with its row, without what is excluded, and both sides remember', async () => {
    const id = await sell('125000.50');
    await outlet.arrives('order', id);
    await outlet.drained();
    const entity = outlet.entity('order', id);
    expect(JSON.parse(entity?.data ?? '')).toEqual({ id, status: 'open', total: 125000.5 });
    expect(await outlet.one('SELECT * FROM syncd.entity_state WHERE entity_id = $1', [id])).toMatchObject({
      version: '1',
      cloud_version: '1',
      cloud_id: entity?.cloud_id,
      sync_status: 'synced',
    });
    const log = await outlet.one("SELECT * FROM syncd.sync_logs WHERE outcome = 'results' ORDER BY id DESC LIMIT 1");
    expect(log).toMatchObject({
      direction: 'push',
      http_status: 200,
      accepted: log.changes,
      outcomes: Array(log.changes).fill('accepted'),
    });
  });

  test('of one transaction arrives in one request and in order, each later change naming the one before', async () => {
    await outlet.shop.sql.query('BEGIN');
    const id = await sell();
    await outlet.shop.sql.query("UPDATE orders SET status = 'paid' WHERE id = $1", [id]);
    await outlet.shop.sql.query('INSERT INTO exact (id) VALUES (7); INSERT INTO lines VALUES (7, 1, 2), (7, 2, 1)');
    await outlet.shop.sql.query('DELETE FROM orders WHERE id = $1', [id]);
    await outlet.shop.sql.query('COMMIT');
    await outlet.drained();
    const tx = outlet.deliveries('order', id)[0]?.tx;
    const together = outlet.cloud.ledger.deliveries.filter((delivery) => delivery.tx === tx);
    expect(together.map((delivery) => [delivery.entity_type, delivery.operation, delivery.outcome])).toEqual([
      ['order', 'create', 'accepted'],
      ['order', 'update', 'accepted'],
      ['exact', 'create', 'accepted'],
      ['line', 'create', 'accepted'],
      ['line', 'create', 'accepted'],
      ['order', 'delete', 'accepted'],
    ]);
    expect(new Set(together.map((delivery) => delivery.request)).size).toBe(1);
    const [create, update, remove] = outlet.deliveries('order', id);
    expect([create?.after, update?.after, remove?.after]).toEqual([null, create?.change_id, update?.change_id]);
    expect(outlet.entity('order', id)).toMatchObject({ deleted: true, cloud_version: 3 });
    expect(outlet.entity('line', '["7", "2"]') ?? outlet.entity('line', '["7","2"]')).toBeDefined();
  });

  test('keeps every digit on its way', async () => {
    await outlet.shop.sql.query(
      `INSERT INTO exact VALUES (9223372036854775807, 123456789012345678901234567890.123456789012345678901234567890, 0.1, '2026-11-22 15:00:00.123456+07'),
       (-9223372036854775808, 'NaN', 'Infinity', 'infinity')`,
    );
    await outlet.arrives('exact', '-9223372036854775808');
    const text = outlet.entity('exact', '9223372036854775807')?.data ?? '';
    expect(text.replaceAll(/\s/g, '')).toBe(
      '{"id":9223372036854775807,"n":123456789012345678901234567890.123456789012345678901234567890,"f":0.1,"at":"2026-11-22T08:00:00.123456+00:00"}',
    );
    const odd = JSON.parse(outlet.entity('exact', '-9223372036854775808')?.data ?? '');
    expect([odd.n, odd.f, odd.at]).toEqual(['NaN', 'Infinity', 'infinity']);
  });

  test('that comes with hundreds of rows is compressed as the cloud lists it', async () => {
    await outlet.shop.sql.query('INSERT INTO exact SELECT n, n FROM generate_series(1000, 1400) n');
    await outlet.arrives('exact', '1400');
    await outlet.drained();
    const request = outlet.cloud.ledger.requests.findLast((one) => one.changes > 300);
    expect(request).toMatchObject({ content_encoding: 'br', status: 200 });
    expect(request?.wire_bytes).toBeLessThan((request?.raw_bytes ?? 0) / 4);
  });
});

describe('rejected and held', () => {
  test('a change is sent four times, then failed; its correction supersedes it', async () => {
    outlet.cloud.faults.add({
      kind: 'reject',
      retryable: true,
      code: 'busy',
      times: 4,
      match: { entity_type: 'order' },
    });
    const id = await sell();
    await eventually(
      () => rowsOf(id),
      (rows) => rows[0]?.status === 'failed',
      'failed',
    );
    expect(outlet.deliveries('order', id).map(({ outcome }) => outcome)).toEqual(Array(4).fill('rejected'));
    expect((await rowsOf(id))[0]).toMatchObject({ retry_count: 4, error_message: expect.stringContaining('busy') });
    const other = await sell();
    await outlet.arrives('order', other);
    await outlet.shop.sql.query("UPDATE orders SET status = 'corrected' WHERE id = $1", [id]);
    await outlet.arrives('order', id);
    await outlet.drained();
    const [failed, correction] = outlet.deliveries('order', id).slice(-2);
    expect(correction).toMatchObject({ outcome: 'accepted', supersedes: [failed?.change_id] });
    expect((await rowsOf(id)).map((row) => [row.status, row.settled_as])).toEqual([
      ['synced', 'superseded'],
      ['synced', 'accepted'],
    ]);
  });

  test('what follows a retry waits for it and keeps its order', async () => {
    outlet.cloud.faults.add({ kind: 'reject', retryable: true, times: 1, match: { entity_type: 'order' } });
    const id = await sell();
    for (const status of ['a', 'b', 'c'])
      await outlet.shop.sql.query('UPDATE orders SET status = $2 WHERE id = $1', [id, status]);
    await outlet.arrives('order', id, 4);
    const seqs = outlet.cloud.ledger
      .accepted()
      .filter((one) => one.entity_id === id)
      .map(({ seq }) => Number(seq));
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect(JSON.parse(outlet.entity('order', id)?.data ?? '').status).toBe('c');
  });

  test('a child whose parent is missing is held, spends no attempt, and goes when the parent has come', async () => {
    await outlet.shop.sql.query('INSERT INTO lines VALUES (555, 1, 1)');
    const child = (
      await outlet.one("SELECT entity_id FROM syncd.sync_queue WHERE entity_type = 'line' ORDER BY id DESC LIMIT 1")
    ).entity_id;
    await eventually(
      () => rowsOf(child),
      (rows) => Number(rows[0]?.hold_count) >= 1,
      'held',
    );
    expect((await rowsOf(child))[0]).toMatchObject({
      status: 'pending',
      retry_count: 0,
      error_message: 'waits for exact 555',
    });
    await outlet.shop.sql.query('INSERT INTO exact (id) VALUES (555)');
    await outlet.arrives('line', child);
    await outlet.drained();
  });

  test.each(['missing', 'doubled'] as const)(
    'a result that is %s settles nothing; the change goes again and takes effect once',
    async (how) => {
      outlet.cloud.faults.add({ kind: 'results', how, times: 1 });
      const id = await sell();
      await eventually(
        () => rowsOf(id),
        (rows) => rows[0]?.status === 'synced',
        'settled',
      );
      expect(outlet.deliveries('order', id).map(({ outcome }) => outcome)).toEqual(['accepted', 'duplicate']);
    },
  );

  test('a conflict is recorded with the cloud’s values and holds its entity alone', async () => {
    const id = await sell();
    await outlet.arrives('order', id);
    await outlet.drained();
    const data = `{"id": "${id}", "status": "theirs", "total": 1.00000000000000000001}`;
    outlet.cloud.edit({ outlet_id: 'outlet-7', entity_type: 'order', entity_id: id, data });
    await outlet.shop.sql.query("UPDATE orders SET status = 'ours' WHERE id = $1", [id]);
    await eventually(
      () => rowsOf(id),
      (rows) => rows[1]?.status === 'conflict',
      'in conflict',
    );
    await outlet.shop.sql.query("UPDATE orders SET status = 'later' WHERE id = $1", [id]);
    await outlet.arrives('order', await sell());
    const conflict = await outlet.one(
      'SELECT cloud::text AS cloud, cloud_version, fields FROM syncd.sync_conflicts WHERE entity_id = $1',
      [id],
    );
    expect(conflict).toEqual({ cloud: data, cloud_version: '2', fields: ['status', 'total'] });
    expect((await rowsOf(id)).map(({ status }) => status)).toEqual(['synced', 'conflict', 'pending']);
    await outlet.shop.sql.query("DELETE FROM syncd.sync_queue WHERE entity_id = $1 AND status <> 'synced'", [id]);
  });
});

describe('control', () => {
  test('paused, nothing leaves and capture goes on; resumed, the newest of a coalesced entity goes alone', async () => {
    await setEnabled(outlet.shop.db, false, 'budi', undefined);
    await eventually(
      () => outlet.lines.some((line) => line.message.startsWith('paused')),
      (told) => told,
      'paused',
    );
    const pushes = outlet.cloud.ledger.statistics().pushes;
    const at = '2026-11-22 08:00:00+00';
    await outlet.shop.sql.query('INSERT INTO "Shifts" VALUES ($1, $2)', [at, 'a']);
    for (const till of ['b', 'c', 'd'])
      await outlet.shop.sql.query('UPDATE "Shifts" SET till = $2 WHERE started = $1', [at, till]);
    expect(await requestNow(outlet.shop.db, 'budi', 5_000)).toMatchObject({
      finished: true,
      error: expect.stringContaining('paused'),
    });
    expect(outlet.cloud.ledger.statistics().pushes).toBe(pushes);
    await setEnabled(outlet.shop.db, true, 'budi', undefined);
    await outlet.drained();
    const [shift, ...others] = outlet.cloud.ledger.deliveries.filter((delivery) => delivery.entity_type === 'shift');
    expect(others).toEqual([]);
    expect([shift?.supersedes.length, JSON.parse(shift?.data ?? '').till]).toEqual([3, 'd']);
  });

  test('syncd now is answered when everything is in the cloud', async () => {
    const id = await sell();
    expect(await requestNow(outlet.shop.db, 'budi', 8_000)).toMatchObject({ finished: true, error: null });
    expect(outlet.entity('order', id)).toBeDefined();
  });

  test('while the cloud is away nothing spends an attempt; now reports a new try, and brings everything once it is back', async () => {
    await outlet.cloud.down();
    const id = await sell();
    await eventually(
      () => outlet.lines.some(({ message }) => message.includes('the cloud is away')),
      (told) => told,
      'told',
    );
    expect(await requestNow(outlet.shop.db, 'budi', 8_000)).toMatchObject({
      finished: true,
      error: expect.stringMatching(/ECONNREFUSED/),
    });
    await sell();
    await outlet.cloud.up();
    expect(await requestNow(outlet.shop.db, 'budi', 8_000)).toMatchObject({ finished: true, error: null });
    await outlet.drained();
    expect((await rowsOf(id))[0]).toMatchObject({ status: 'synced', retry_count: 0, hold_count: 0 });
    expect(await outlet.one("SELECT count(*)::int AS n FROM syncd.sync_logs WHERE outcome = 'offline'")).not.toEqual({
      n: 0,
    });
  });
});
