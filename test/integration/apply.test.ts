/** A change of the cloud reaches the shop's table, once, by its version, and never over what the shop has not sent. */
import pg from 'pg';
import { releaseParked } from '../../src/apply/incoming.js';
import { Cluster } from '../../src/demo/postgres.js';
import { ApplyStage } from '../support/apply-stage.js';

let cluster: Cluster;
let stage: ApplyStage;
beforeAll(async () => {
  cluster = await Cluster.start();
  stage = await ApplyStage.open(cluster, 'apply');
  await stage.tables(
    `CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric);
     CREATE TABLE rates (id int PRIMARY KEY, v int); CREATE TABLE sales (id int PRIMARY KEY, v int)`,
    { item: 'items', rate: { table: 'rates', direction: 'pull' }, sale: { table: 'sales', direction: 'push' } },
  );
}, 60_000);
afterAll(async () => {
  await stage?.close();
  await cluster?.destroy();
});
afterEach(async () => {
  await stage.pos.sql.query('DELETE FROM items; DELETE FROM rates; DELETE FROM sales');
  await stage.reset();
});

const items = () => stage.rows('SELECT id, name, price::text FROM items ORDER BY id');
const kopi = (version: number, price = 10, name = 'Kopi') => ({ id: '7', version, data: { id: 7, name, price } });
/** The shop and the cloud agree on version 1 of it. */
async function agreed(price = 1): Promise<void> {
  await stage.pos.sql.query(`INSERT INTO items VALUES (7, 'Kopi', ${price})`);
  await stage.settleAll();
}
const queueStatus = (status: string, more = '') =>
  stage.pos.sql.query(`UPDATE syncd.sync_queue SET status = '${status}' ${more} WHERE status = 'pending'`);

test('is made, changed and deleted in the table, and leaves its agreement and a log entry, but nothing in the queue', async () => {
  await stage.apply({ id: '7', operation: 'create', data: { id: 7, name: 'Kopi', price: 12.5 } });
  expect(await items()).toEqual([{ id: 7, name: 'Kopi', price: '12.5' }]);
  expect(await stage.state('7')).toEqual({ version: '1', cloud_version: '1', deleted: false, sync_status: 'synced' });
  await stage.apply({ id: '7', version: 2, data: { id: 7, name: 'Teh', price: null } });
  expect(await items()).toEqual([{ id: 7, name: 'Teh', price: null }]);
  await stage.apply({ id: '7', version: 3, operation: 'delete' });
  expect(await items()).toEqual([]);
  expect(await stage.state('7')).toEqual({ version: '3', cloud_version: '3', deleted: true, sync_status: 'synced' });
  expect(await stage.queue()).toEqual([]);
  expect(await stage.rows('SELECT direction, outcome, changes, accepted, error FROM syncd.sync_logs')).toEqual(
    Array.from({ length: 3 }, () => ({ direction: 'pull', outcome: 'applied', changes: 1, accepted: 1, error: null })),
  );
});

describe('by its version', () => {
  test('the newest of several counts, in whatever order they come', async () => {
    await stage.apply(kopi(3, 30), kopi(10, 100), kopi(9, 90));
    expect(await items()).toMatchObject([{ price: '100' }]);
    await stage.apply(kopi(10, 1), kopi(4, 2));
    expect(await items()).toMatchObject([{ price: '100' }]);
    expect(await stage.state('7')).toMatchObject({ cloud_version: '10', version: '1' });
  });

  test('a late update does not bring back what was deleted, a newer one does', async () => {
    await stage.apply(kopi(1), { id: '7', version: 4, operation: 'delete' });
    await stage.apply(kopi(3));
    expect(await items()).toEqual([]);
    await stage.apply(kopi(5));
    expect(await items()).toHaveLength(1);
  });

  test('a deletion of what is not here leaves its tombstone', async () => {
    await stage.apply({ id: '9', version: 4, operation: 'delete' });
    expect(await stage.state('9')).toMatchObject({ cloud_version: '4', deleted: true });
  });

  test('a row that was lost unseen comes back when somebody fetches it, not by itself', async () => {
    await agreed();
    await stage.pos.sql.query('TRUNCATE items');
    await stage.apply(kopi(1));
    expect(await items()).toEqual([]);
    await stage.apply({ ...kopi(1), source: 'fetch' });
    expect(await items()).toHaveLength(1);
  });
});

describe('what the shop has not sent', () => {
  test('is waited for while it may be under way, and its answer decides', async () => {
    await agreed();
    await stage.pos.sql.query('UPDATE items SET price = 2');
    await stage.send(kopi(5, 50));
    await stage.round();
    expect(await stage.incoming()).toMatchObject([{ status: 'waiting', later: true }]);
    expect(await items()).toMatchObject([{ price: '2' }]);
    await stage.settleAll();
    await stage.later();
    await stage.round();
    expect(await items()).toMatchObject([{ price: '50' }]);
    expect(await stage.incoming()).toEqual([]);
  });

  test.each([
    ['failed', ''],
    ['pending', ", retry_count = 1, next_attempt_at = now() + interval '1 h'"],
  ])('and is known not to be there (%s%s) is a conflict, and stays', async (status, more) => {
    await agreed();
    await stage.pos.sql.query('UPDATE items SET price = 2');
    await queueStatus(status, more);
    await stage.apply(kopi(5, 50));
    expect(stage.conflicts).toEqual([{ how: 'open', type: 'item', id: '7', version: '5' }]);
    expect(await items()).toMatchObject([{ price: '2' }]);
    expect(await stage.state('7')).toMatchObject({ cloud_version: '1' });
  });

  const isWaitedFor = async () => {
    await stage.send(kopi(5, 50));
    await stage.round();
    expect(stage.conflicts).toEqual([]);
    expect(await stage.incoming()).toMatchObject([{ later: true }]);
  };

  test('and was put off, but is due again, may be under way', async () => {
    await agreed();
    await stage.pos.sql.query('UPDATE items SET price = 2');
    await queueStatus('pending', ', retry_count = 1, next_attempt_at = now()');
    await isWaitedFor();
  });

  test('and was held may be there: so is what a doubtful answer was about', async () => {
    await agreed();
    await stage.pos.sql.query('UPDATE items SET price = 2');
    await queueStatus('pending', ", hold_count = 2, next_attempt_at = now() + interval '1 h'");
    await isWaitedFor();
  });

  test('and is part of a correction that was put off may be there: another correction may have brought it, unheard', async () => {
    await agreed();
    await stage.pos.sql.query('UPDATE items SET price = 2; UPDATE items SET price = 3; UPDATE items SET price = 4');
    await queueStatus('pending', ", next_attempt_at = now() + interval '1 h'");
    await stage.pos.sql.query(
      "UPDATE syncd.sync_queue SET status = 'failed', next_attempt_at = NULL WHERE id = (SELECT min(id) FROM syncd.sync_queue)",
    );
    await isWaitedFor();
  });

  test('and was put off with newer states to be folded with may be there, once a state of them was sent', async () => {
    await stage.tables('', { item: { table: 'items', coalesce: true } });
    await agreed();
    await stage.pos.sql.query('UPDATE items SET price = 2; UPDATE items SET price = 3');
    await stage.pos.sql.query(
      "UPDATE syncd.sync_queue SET retry_count = 1, next_attempt_at = now() + interval '1 h' WHERE id = (SELECT min(id) FROM syncd.unsettled)",
    );
    await isWaitedFor();
    await stage.tables('', { item: 'items' });
  });

  test('and is in conflict takes the cloud’s newer side, and only a newer one', async () => {
    await agreed();
    await stage.pos.sql.query(
      "UPDATE items SET price = 2; INSERT INTO syncd.sync_conflicts (entity_type, entity_id, source, cloud_version) VALUES ('item', '7', 'push', 5)",
    );
    await queueStatus('conflict');
    await stage.apply(kopi(5), kopi(4));
    expect(stage.conflicts).toEqual([]);
    await stage.apply(kopi(6));
    expect(stage.conflicts).toMatchObject([{ how: 'refresh', version: '6' }]);
  });

  test('because it was there before capture is a conflict where it differs, and an agreement where it does not', async () => {
    await stage.pos.sql.query("INSERT INTO items VALUES (7, 'Kopi', 10), (8, 'Teh', 1); TRUNCATE syncd.sync_queue");
    await stage.apply(kopi(3, 10), { id: '8', version: 2, data: { id: 8, name: 'Teh', price: 2 } });
    expect(stage.conflicts).toMatchObject([{ how: 'open', id: '8' }]);
    expect(await stage.state('7')).toMatchObject({ cloud_version: '3', deleted: false });
  });

  test('in a table that is only pulled is nobody’s: the cloud’s row is written over it', async () => {
    await stage.pos.sql.query('INSERT INTO rates VALUES (1, 1)');
    await stage.apply({ type: 'rate', id: '1', data: { id: 1, v: 2 } });
    expect(await stage.rows('SELECT * FROM rates')).toEqual([{ id: 1, v: 2 }]);
  });
});

test('a row that a sale is writing is left for later, and the others are not', async () => {
  await stage.apply(kopi(1), { id: '8', data: { id: 8, name: 'Teh', price: 1 } });
  const sale = new pg.Client(cluster.url('apply'));
  await sale.connect();
  try {
    await sale.query('BEGIN');
    await sale.query('UPDATE items SET price = 99 WHERE id = 7');
    await stage.send(kopi(2, 20), { id: '8', version: 2, data: { id: 8, name: 'Teh', price: 2 } });
    await stage.round();
    expect(await stage.incoming()).toMatchObject([{ id: '7', status: 'waiting', later: true }]);
    expect(await items()).toMatchObject([{ price: '10' }, { price: '2' }]);
    await sale.query('COMMIT');
    await stage.later();
    await stage.round();
    expect(await items()).toMatchObject([{ price: '99' }, { price: '2' }]);
    expect(await stage.queue()).toEqual(['item update 7']);
  } finally {
    await sale.end();
  }
});

test('a row that a sale is making at this moment is not made twice, and the sale does not wait', async () => {
  const sale = new pg.Client(cluster.url('apply'));
  await sale.connect();
  try {
    await sale.query("BEGIN; INSERT INTO items VALUES (7, 'sale', 1)");
    await stage.send(kopi(1), { id: '8', data: { id: 8, name: 'Teh', price: 1 } });
    await stage.round();
    expect(await stage.incoming()).toMatchObject([{ id: '7', status: 'waiting', later: true }]);
    expect(await items()).toMatchObject([{ id: 8 }]);
    await sale.query('COMMIT');
    await stage.later();
    await stage.round();
    // The sale's row goes out first.
    expect(await items()).toMatchObject([{ name: 'sale' }, { id: 8 }]);
    expect(await stage.incoming()).toMatchObject([{ status: 'waiting', later: true }]);
  } finally {
    await sale.end();
  }
});

test('a sale that only refers to a row does not wait for its update', async () => {
  await stage.tables('CREATE TABLE lines (id int PRIMARY KEY, item int REFERENCES items)', {
    line: { table: 'lines', direction: 'push' },
  });
  await stage.apply(kopi(1));
  const sale = new pg.Client(cluster.url('apply'));
  await sale.connect();
  try {
    await sale.query('BEGIN; INSERT INTO lines VALUES (1, 7)');
    await stage.apply(kopi(2, 20));
    expect(await items()).toMatchObject([{ price: '20' }]);
    await sale.query('ROLLBACK');
  } finally {
    await sale.end();
    await stage.pos.sql.query('DROP TABLE lines');
  }
});

test('what is only sent is not applied; of what nobody knows one is parked for each type, whatever it is called, and thousands pile up nowhere', async () => {
  await stage.send({ type: 'sale', id: '1', data: { id: 1, v: 1 } });
  for (const type of ['pg_authid', 'syncd.sync_queue', 'nothing', 'items'])
    await stage.send({ type, id: '1', data: { id: 1 } });
  await stage.send({ type: 'nothing', id: '1', version: 2, data: { id: 1 } }, { type: 'nothing', id: '2' });
  expect(await stage.round()).toMatchObject({ pushOnly: 1, parked: 4 });
  await stage.send({ type: 'nothing', id: '1', version: 3, data: { id: 1 } }, kopi(1));
  await stage.pos.sql.query(
    `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, data)
     SELECT 1, 'pull', 'nothing', n::text, 'update', 1, '{}' FROM generate_series(10, 3000) n`,
  );
  for (let n = 0; n < 4; n++) await stage.round();
  const parked = await stage.rows('SELECT entity_type, cloud_version, status, reason FROM syncd.incoming ORDER BY id');
  expect(parked.map(({ entity_type, cloud_version }) => `${entity_type} ${cloud_version}`)).toEqual([
    'pg_authid 1',
    'syncd.sync_queue 1',
    'items 1',
    'nothing 2',
  ]);
  expect(parked[0]).toMatchObject({
    status: 'parked',
    reason: expect.stringMatching(/^no entity pg_authid is configured here/),
  });
  await releaseParked(stage.db);
  await stage.round();
  expect(await stage.incoming()).toHaveLength(4);
  expect(await stage.rows('SELECT * FROM sales')).toEqual([]);
  expect(await items()).toHaveLength(1);
});

test('a hint is handed on to be fetched, unless it is known', async () => {
  await agreed();
  const hint = (id: string, version: number | null) => ({ id, version, operation: 'hint' as const });
  await stage.send(hint('7', 1), hint('7', 2), hint('8', null));
  const { hints } = await stage.round();
  expect(hints.map(({ entity_id, cloud_version }) => [entity_id, cloud_version])).toEqual([
    ['7', '2'],
    ['8', null],
  ]);
  expect(await stage.incoming()).toMatchObject([
    { id: '7', later: true },
    { id: '8', later: true },
  ]);
});

test('an earlier leader writes nothing any more', async () => {
  await stage.pos.sql.query(
    "INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch) VALUES (gen_random_uuid(), 'h', 2, 'v', 2)",
  );
  await stage.send(kopi(1));
  await expect(stage.round()).rejects.toMatchObject({ code: 'anotherDaemon' });
  expect(await items()).toEqual([]);
  await stage.pos.sql.query('DELETE FROM syncd.daemon WHERE leader_epoch = 2');
  await stage.round();
  expect(await items()).toHaveLength(1);
});
