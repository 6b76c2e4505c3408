/** Acting through the command line: what is done, what is refused, with which words and which exit code, and who did it. */
import { Cluster } from '../../src/demo/postgres.js';
import { queue } from '../../src/doctor/checks/queue.js';
import type { Patient } from '../../src/doctor/patient.js';
import { type CliRun, syncd } from '../support/cli.js';
import { eventually } from '../support/eventually.js';
import { shopFacts } from '../support/facts.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;

beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'cli_actions');
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});
beforeEach(async () => {
  await shop.sql.query('TRUNCATE syncd.sync_queue, syncd.commands, syncd.daemon');
});

const run = (...args: string[]): Promise<CliRun> => syncd([...args, '--config', shop.config], { SUDO_USER: 'budi' });
const failed = async () =>
  (
    await shop.sql.query(
      `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, status) VALUES ('order', 'a', 'create', '{}', 'failed') RETURNING id`,
    )
  ).rows[0].id as string;
const daemonRuns = ({ online }: { online: boolean }) =>
  shop.sql.query(
    "INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, online) VALUES (gen_random_uuid(), 'till', 1, 'v', 1, $1)",
    [online],
  );
const record = async () =>
  (await shop.sql.query('SELECT command, requested_by, outcome FROM syncd.commands ORDER BY id')).rows;

test('retry: done, left alone, and usage', async () => {
  const id = await failed();
  expect(await run('retry', id, '4711')).toMatchObject({
    code: 1,
    stdout: `${id}: order a goes again (was failed)\n`,
    stderr: 'syncd: 4711: there is no such change\n',
  });
  await shop.sql.query('UPDATE syncd.sync_queue SET next_attempt_at = NULL');
  expect(await run('retry', id)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('waiting for its turn already'),
  });
  expect(await run('retry', '--all-failed')).toMatchObject({
    code: 0,
    stdout: 'Nothing has failed; nothing was changed.\n',
  });
  expect(await run('retry')).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('hint: syncd queue --status failed lists them.'),
  });
  expect(await run('retry', id, '--all-failed')).toMatchObject({ code: 64 });
  expect(await run('retry', '0')).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('the number that syncd queue shows'),
  });
  expect(await record()).toEqual([
    { command: 'retry', requested_by: 'budi (postgres)', outcome: '1 change goes again' },
  ]);
});

test('discard wants a reason, and keeps the name that was given', async () => {
  const id = await failed();
  expect(await run('discard', id)).toMatchObject({
    code: 64,
    stderr: expect.stringMatching(/--reason.*\nhint: syncd discard --help tells what it takes\.\n$/),
  });
  expect(await run('discard', id, '--reason', 'typed twice', '--by', 'Ibu Sari', '--json')).toMatchObject({ code: 0 });
  expect(await record()).toEqual([
    { command: 'discard', requested_by: 'Ibu Sari (postgres)', outcome: '1 change discarded' },
  ]);
});

test('queue says of a change that waits with all of its table that it does', async () => {
  await shop.sql.query(
    `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload) VALUES ('order', 'a', 'create', '{}')`,
  );
  expect((await run('queue', '--no-color')).stdout).not.toContain('waits with its table');
  await shop.sql.query("INSERT INTO syncd.truncations (entity_type, table_name) VALUES ('order', 'public.orders')");
  expect((await run('queue', '--no-color')).stdout).toMatch(
    /order\/a +create +pending .* waits with its table \(syncd status\)/,
  );
  await shop.sql.query('TRUNCATE syncd.truncations');
});

test('pause and resume are told, idempotent and on record', async () => {
  expect((await run('pause', '--reason', 'stocktaking', '--by', '')).stdout).toMatch(
    /^Paused: nothing is sent until syncd resume/,
  );
  expect((await run('pause')).stdout).toBe('It was paused already.\n');
  expect(await record()).toEqual([expect.objectContaining({ requested_by: 'budi (postgres)' })]);
  const { stdout } = await run('status', '--no-color');
  expect(stdout).toContain('syncing is paused');
  expect(stdout).toMatch(/budi \(postgres\) paused syncing .*: stocktaking/);
  expect(JSON.parse((await run('resume', '--json')).stdout)).toEqual({ enabled: true, changed: true });
  expect((await record()).map(({ command }) => command)).toEqual(['pause', 'resume']);
  const { rows } = await shop.sql.query(`SELECT args ->> 'reason' AS reason FROM syncd.commands ORDER BY id LIMIT 1`);
  expect(rows).toEqual([{ reason: 'stocktaking' }]);
});

test('a resume says when what waits goes: not now, where no daemon runs or the cloud is away', async () => {
  const resumed = async () => {
    await run('pause');
    return (await run('resume')).stdout;
  };
  expect(await resumed()).toBe('Resumed: what waits goes when the daemon runs again: sudo systemctl start syncd\n');
  await daemonRuns({ online: false });
  expect(await resumed()).toBe('Resumed: what waits goes as soon as the cloud can be reached.\n');
  await shop.sql.query('UPDATE syncd.daemon SET online = true');
  expect(await resumed()).toBe('Resumed: what waits goes now.\n');
});

test('syncd now does not wait for a daemon that has ended meanwhile, nor call it at work', async () => {
  await daemonRuns({ online: true });
  const answer = run('now');
  await eventually(record, (commands) => commands.length === 1, 'asked for');
  await shop.sql.query('UPDATE syncd.daemon SET stopped_at = clock_timestamp()');
  expect(await answer).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /^syncd: nothing was sent now: the daemon ended before it answered\nhint: .*journalctl/,
    ),
  });
});

test('what the configuration has switched off no resume lets go on, and nobody is sent to one', async () => {
  const off = { SYNCD_SYNC_ENABLED: 'false' };
  const { stdout } = await syncd(['status', '--config', shop.config], off);
  expect(stdout).toContain('sync.enabled is false in the configuration');
  expect(stdout).not.toMatch(/resume/);
  expect(await syncd(['now', '--config', shop.config], off)).toMatchObject({
    code: 1,
    stderr:
      'syncd: nothing can be sent now: sync.enabled is false in the configuration\nhint: syncd config shows where.\n',
  });
});

test('what the doctor has typed for changes of the cloud that cannot be applied is a command', async () => {
  const facts = shopFacts({ parked: { count: 2, reason: 'product 7: too long' } });
  const [finding] = await queue.look({ facts } as Patient);
  const [, command = ''] = /then syncd (.+)$/.exec(finding?.what_to_type ?? '') ?? [];
  expect(await run(...command.split(' '))).toMatchObject({ code: 0, stderr: '' });
});

test('adopt does not call a database known that no daemon has worked on', async () => {
  const { stdout } = await run('adopt');
  expect(stdout).toContain('No daemon has worked on it yet');
  expect(stdout).not.toContain('last worked on');
});

test('now says that nobody is there to do it', async () => {
  expect(await run('now')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/the daemon is not running\nhint: sudo systemctl start syncd/),
  });
  expect(await record()).toEqual([]);
});

describe('with a daemon in its place', () => {
  beforeEach(async () => {
    await shop.sql.query(
      `INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, online) VALUES (gen_random_uuid(), 'till', 1, '0.1.0', 1, true)`,
    );
  });

  /** Plays the daemon: does `act` as soon as the table shows what it waits for. */
  async function answering(seen: string, act: string): Promise<void> {
    const deadline = performance.now() + 20_000;
    while ((await shop.sql.query(seen)).rows.length === 0) {
      if (performance.now() > deadline) throw new Error('the command never asked');
    }
    await shop.sql.query(act);
  }

  test('now tells what the daemon answered', async () => {
    const open = `SELECT FROM syncd.commands WHERE command = 'now' AND finished_at IS NULL`;
    const [good] = await Promise.all([
      run('now'),
      answering(open, `UPDATE syncd.commands SET finished_at = now(), outcome = '3 changes accepted'`),
    ]);
    expect(good).toMatchObject({ code: 0, stdout: 'Done: 3 changes accepted\n' });
    await failed();
    const [rest] = await Promise.all([
      run('now'),
      answering(open, `UPDATE syncd.commands SET finished_at = now(), outcome = 'all' WHERE finished_at IS NULL`),
    ]);
    expect(rest).toMatchObject({
      code: 0,
      stdout: 'Done: all\n1 change waits at this moment; why: syncd status\n',
    });
    const [bad] = await Promise.all([
      run('now'),
      answering(open, `UPDATE syncd.commands SET finished_at = now(), error = 'the cloud cannot be reached'`),
    ]);
    expect(bad).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('syncd: the daemon tried: the cloud cannot be reached'),
    });
    expect(await run('now', '--wait', '0s')).toMatchObject({ code: 1, stdout: expect.stringContaining('still at it') });
  });

  test('push waits for the answer and tells it', async () => {
    await shop.sql.query(`INSERT INTO lines VALUES (1, 1, 5) ON CONFLICT DO NOTHING`);
    await shop.sql.query('TRUNCATE syncd.sync_queue');
    const queued = `SELECT FROM syncd.sync_queue WHERE status = 'pending'`;
    const [good] = await Promise.all([
      run('push', 'line', '["1","1"]'),
      answering(queued, `UPDATE syncd.sync_queue SET status = 'synced', settled_as = 'accepted', synced_at = now()`),
    ]);
    expect(good).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+: line \["1","1"\] queued as new; it is in the cloud\n$/),
    });
    const [bad] = await Promise.all([
      run('push', 'line', '["1","1"]'),
      answering(
        queued,
        `UPDATE syncd.sync_queue SET status = 'failed', error_message = 'no_order: unknown' WHERE status = 'pending'`,
      ),
    ]);
    expect(bad).toMatchObject({ code: 1, stdout: expect.stringContaining('the cloud rejected it: no_order: unknown') });
    await shop.sql.query(`UPDATE syncd.daemon SET online = false, last_error = 'no route'`);
    expect(await run('push', 'line', '["1","1"]')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('it waits until the cloud can be reached: no route'),
    });
  });
});

test('what a terminal would obey is shown as blanks, in answers as in errors', async () => {
  const hostile = '\x1b]0;owned\x07\x9b2J';
  const { rows } = await shop.sql.query(
    `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, status) VALUES ('order', $1, 'delete', 'failed') RETURNING id`,
    [hostile],
  );
  const { rows: incoming } = await shop.sql.query(
    `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, status)
     VALUES (1, 'pull', 'order', $1, 'delete', 'parked') RETURNING id`,
    [hostile],
  );
  const [change, parked] = [rows[0].id, incoming[0].id];
  expect((await run('queue', '--status', 'failed', '--json')).stdout).toContain('\\u001b]0;owned\\u0007\\u009b2J');
  expect(await run('discard', change, '--reason', 'x')).toMatchObject({
    stdout: `${change}: order  ]0;owned  2J discarded (was failed)\n`,
  });
  expect(await run('inbox', '--drop', parked, '--reason', 'x')).toMatchObject({
    stdout: `${parked}: order  ]0;owned  2J dropped\n`,
  });
  const { code, stderr } = await run('push', hostile, '1');
  expect([code, stderr]).toEqual([expect.any(Number), expect.stringContaining(' ]0;owned  2J')]);
  expect(code).not.toBe(0);
});
