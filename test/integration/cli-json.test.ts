/** The JSON that others build on: golden, with every key present; only instants and uuids are masked. */
import { Command } from 'commander';
import { type FilterOptions, toFilter, withFilters } from '../../src/commands/filters.js';
import { Cluster } from '../../src/demo/postgres.js';
import { listLogs, listQueue } from '../../src/queue/read.js';
import { type CliRun, syncd } from '../support/cli.js';
import { golden } from '../support/golden.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;

beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'cli_json');
  await shop.sql.query(`
    INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, status, retry_count, next_attempt_at, error_message, settled_as, synced_at) VALUES
      ('order', '1', 'create', '{"id":1}', 'pending', 0, NULL, NULL, NULL, NULL),
      ('order', '2', 'update', '{"id":2}', 'failed', 4, NULL, 'bad_total: negative', NULL, NULL),
      ('line', '["7","2"]', 'delete', NULL, 'conflict', 0, NULL, NULL, NULL, NULL),
      ('line', '["7","3"]', 'update', '{}', 'pending', 2, now() + interval '1 hour', 'busy: later', NULL, NULL),
      ('shift', 'x', 'create', '{}', 'synced', 0, NULL, NULL, 'accepted', now())`);
  await shop.sql.query(
    `INSERT INTO syncd.sync_conflicts (entity_type, entity_id, queue_id, source, cloud_version) SELECT 'line', '["7","2"]', id, 'push', 3 FROM syncd.sync_queue WHERE status = 'conflict'`,
  );
  await shop.sql.query(`
    INSERT INTO syncd.sync_logs (direction, batch_id, outcome, http_status, changes, accepted, bytes, wire_bytes, duration_ms, error, change_ids, outcomes)
    SELECT 'push', gen_random_uuid(), 'results', 200, 2, 1, 1234, 321, 41.5, NULL, ARRAY[change_id, gen_random_uuid()], ARRAY['accepted', 'rejected']
    FROM syncd.sync_queue WHERE entity_type = 'shift'`);
  await shop.sql.query(
    `INSERT INTO syncd.sync_logs (direction, batch_id, outcome, error) VALUES ('push', gen_random_uuid(), 'offline', 'connect ECONNREFUSED')`,
  );
  await shop.sql.query(`UPDATE syncd.outlet_config SET last_sync_at = now()`);
  await shop.sql.query(
    `INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, online, offline_since, last_error, next_try_at, clock_offset_ms)
     VALUES (gen_random_uuid(), 'till-7', 812, '0.1.0', 1, false, now(), 'connect ECONNREFUSED', now() + interval '10 seconds', 12.5)`,
  );
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});

const run = (...args: string[]): Promise<CliRun> => syncd([...args, '--config', shop.config]);

function masked(run: CliRun): string {
  const text = run.stdout
    .replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"<instant>"')
    .replaceAll(/"[0-9a-f]{8}-[0-9a-f-]{27}"/g, '"<uuid>"');
  return `${JSON.stringify(JSON.parse(text), null, 2)}\n`;
}

test('status --json keeps every key that others build on', async () => {
  await shop.sql.query('UPDATE syncd.daemon SET heartbeat_at = clock_timestamp()');
  const status = await run('status', '--json');
  expect(status).toMatchObject({ code: 2, stderr: '' });
  golden('status.json', masked(status));
});

test('queue --json keeps every key that others build on', async () => {
  const queue = await run('queue', '--json');
  expect(queue).toMatchObject({ code: 0, stderr: '' });
  golden('queue.json', masked(queue));
});

test('logs --json keeps every key that others build on', async () => {
  const logs = await run('logs', '--json');
  expect(logs).toMatchObject({ code: 0, stderr: '' });
  golden('logs.json', masked(logs));
});

// Filters are tried without a process in between.
const filter = (args: string[]) => {
  const command = withFilters(new Command('list'), {
    choices: ['failed', 'synced', 'pending', 'offline'],
    describe: '',
  }).parse(args, { from: 'user' });
  return toFilter(command.opts<FilterOptions>(), 'Asia/Jakarta');
};

test.each<[string[], string[]]>([
  [['--status', 'failed'], ['2']],
  [['--status', 'synced'], ['x']],
  [
    ['--status', 'pending'],
    ['1', '["7","3"]'],
  ],
  [
    ['--entity', 'line'],
    ['["7","2"]', '["7","3"]'],
  ],
  [['--entity', 'line/["7","3"]'], ['["7","3"]']],
  [
    ['--since', '1h', '--limit', '2'],
    ['1', '2'],
  ],
  [['--since', '2099-01-01'], []],
  [
    ['--since', '2020-01-01 08:00'],
    ['1', '2', '["7","2"]', '["7","3"]'],
  ],
  [['--since', '2099-01-01T00:00:00Z'], []],
])('queue %j', async (args, ids) => {
  expect((await listQueue(shop.db, filter(args))).map((item) => item.entity_id)).toEqual(ids);
});

test.each<[string[], string[]]>([
  [[], ['offline', 'results']],
  [['--status', 'offline'], ['offline']],
  [['--entity', 'shift/x'], ['results']],
  [['--entity', 'order'], []],
  [['--limit', '1'], ['offline']],
])('logs %j', async (args, outcomes) => {
  expect((await listLogs(shop.db, filter(args))).map((item) => item.outcome)).toEqual(outcomes);
});

test('an instant without a zone is the time of the shop', async () => {
  const { rows } = await shop.sql.query(
    `SELECT to_char(now() AT TIME ZONE 'Asia/Jakarta' - interval '1 minute', 'YYYY-MM-DD HH24:MI:SS') AS before, to_char(now() AT TIME ZONE 'Asia/Jakarta' + interval '1 minute', 'YYYY-MM-DD HH24:MI:SS') AS after`,
  );
  expect(await listQueue(shop.db, filter(['--since', rows[0].before]))).toHaveLength(4);
  expect(await listQueue(shop.db, filter(['--since', rows[0].after]))).toHaveLength(0);
});

test.each(['queue', 'logs'])(
  '%s says that a name was typed wrong rather than only that nothing fits',
  async (command) => {
    const { stdout } = await run(command, '--entity', 'ordr');
    expect(stdout).toMatch(/ No entity is called ordr; syncd\.yaml names .*order/);
    expect((await run(command, '--entity', 'order/none')).stdout).not.toContain('No entity');
  },
);

test('the lists for people name every change and its reason within 80 columns', async () => {
  const { stdout } = await run('queue', '--no-color');
  const lines = stdout.trimEnd().split('\n');
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  expect(lines[0]).toMatch(/^\s*ID {2}ENTITY\s+WHAT\s+STATUS\s+SINCE\s+WHY$/);
  expect(stdout).toMatch(/2 {2}order\/2\s+update\s+failed\s+\d\d:\d\d\s+bad_total: negative/);
  expect(stdout).toMatch(/line\/\["7","3"\]\s+update\s+pending\s+\d\d:\d\d\s+tries again in/);
  expect(stdout).toContain('2 pending, 1 failed, 1 in conflict');
  const logs = await run('logs', '--no-color');
  expect(
    logs.stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^\d\S+ /, '')),
  ).toEqual([
    'Asia/Jakarta',
    expect.stringMatching(/^↑ results\s+2 changes\s+1234 B\s+42 ms {2}1 not accepted$/),
    expect.stringMatching(/^↑ offline\s+0 changes\s+0 B\s+0 ms {2}connect ECONNREFUSED$/),
  ]);
});

test('the exchanges of a whole type are found lately and long ago', async () => {
  await shop.sql.query(`
    CREATE TEMP TABLE sent AS SELECT n, gen_random_uuid() AS batch, gen_random_uuid() AS change FROM generate_series(1, 21000) n;
    INSERT INTO syncd.sync_queue (change_id, entity_type, entity_id, operation, status, settled_as, synced_at, batch_id)
      SELECT change, CASE WHEN n % 10500 = 1 THEN 'rare' ELSE 'common' END, n::text, 'update', 'synced', 'accepted',
             now() - interval '1 day' + n * interval '1 s', batch FROM sent;
    INSERT INTO syncd.sync_logs (at, direction, batch_id, outcome, changes, accepted, change_ids, outcomes)
      SELECT now() - interval '1 day' + n * interval '1 s', 'push', batch, 'results', 1, 1, ARRAY[change], ARRAY['accepted'] FROM sent ORDER BY n`);
  const of = async (type: string, limit: number) =>
    (await listLogs(shop.db, { entity: { type, id: undefined }, limit })).length;
  expect([await of('common', 20), await of('rare', 1), await of('rare', 20)]).toEqual([20, 1, 2]);
});
