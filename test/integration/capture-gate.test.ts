/** When a sale notifies: the sale's side of the wake gate, step by step, and what it leaves alone. */
import pg from 'pg';
import { installCapture } from '../../src/capture/install.js';
import { LOCK_CLASS, LOCKS, WAKE_CHANNEL } from '../../src/db/schema.js';
import { announce } from '../../src/db/wake.js';
import { captureSettings, onEachServer } from '../support/capture.js';

onEachServer("the sale's side of the wake gate", (pos) => {
  let daemon: pg.Client;
  let heard = 0;
  beforeAll(async () => {
    await pos().capture('CREATE TABLE sale (id serial PRIMARY KEY, name text)', { sale: 'sale' });
    daemon = new pg.Client(pos().url);
    daemon.on('notification', ({ payload }) => {
      if (payload === '') heard += 1;
    });
    await daemon.connect();
    await daemon.query(`LISTEN ${WAKE_CHANNEL}`);
    await lock(LOCKS.present);
  });
  afterAll(() => daemon.end());
  const lock = (id: number) => daemon.query('SELECT pg_advisory_lock($1, $2)', [LOCK_CLASS, id]);
  const unlock = (id: number) => daemon.query('SELECT pg_advisory_unlock($1, $2)', [LOCK_CLASS, id]);
  /** A notification reaches its listener at the latest with the answer to the next query. */
  const notifiedBy = async (...statements: string[]) => {
    heard = 0;
    for (const statement of statements) await pos().sql.query(statement);
    await daemon.query('SELECT 1');
    return heard;
  };
  const SELL = `INSERT INTO sale (name) VALUES ('a')`;

  test('notifies once a transaction while nobody is awake', async () => {
    expect(await notifiedBy(SELL)).toBe(1);
    expect(await notifiedBy('BEGIN', SELL, SELL, `UPDATE sale SET name = 'b'`, 'COMMIT')).toBe(1);
    expect(await notifiedBy('UPDATE sale SET name = name', 'DELETE FROM sale WHERE false')).toBe(0);
  });

  test('does not notify where no daemon runs, and leaves no lock behind', async () => {
    await unlock(LOCKS.present);
    expect(await notifiedBy(SELL)).toBe(0);
    const left = 'SELECT FROM pg_locks WHERE locktype = $1 AND objid = $2';
    expect((await pos().sql.query(left, ['advisory', LOCKS.present])).rowCount).toBe(0);
    await lock(LOCKS.present);
    expect(await notifiedBy(SELL)).toBe(1);
  });

  test('does not notify while the daemon is awake, and does again when it sleeps', async () => {
    await lock(LOCKS.gateAwake);
    expect(await notifiedBy(SELL)).toBe(0);
    await unlock(LOCKS.gateAwake);
    expect(await notifiedBy(SELL)).toBe(1);
  });

  test('takes a daemon that waits for the awake lock as awake already', async () => {
    const sale = new pg.Client(pos().url);
    await sale.connect();
    await sale.query(`BEGIN; ${SELL}`);
    const waking = lock(LOCKS.gateAwake);
    const waits = `SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted`;
    while ((await pos().sql.query(waits, [LOCKS.gateAwake])).rows[0].n === 0);
    heard = 0;
    await pos().sql.query(SELL);
    await sale.query('COMMIT');
    await waking;
    await daemon.query('SELECT 1');
    expect(heard).toBe(1);
    await unlock(LOCKS.gateAwake);
    await sale.end();
  });

  test.each([
    ['a row', SELL, 'syncd.sync_queue'],
    ['a TRUNCATE', 'TRUNCATE sale', 'syncd.truncations'],
  ])(
    'leaves, for %s, a lock by which a daemon that falls asleep knows of it until its commit',
    async (_, write, table) => {
      const holders = `SELECT count(*)::int AS n FROM pg_locks WHERE relation = '${table}'::regclass AND mode = 'RowExclusiveLock'`;
      await lock(LOCKS.gateAwake);
      await pos().sql.query(`BEGIN; ${write}`);
      expect((await daemon.query(holders)).rows).toEqual([{ n: 1 }]);
      await pos().sql.query('COMMIT');
      expect((await daemon.query(holders)).rows).toEqual([{ n: 0 }]);
      await unlock(LOCKS.gateAwake);
    },
  );

  test('is passed anew when the savepoint in which it was passed is rolled back', async () => {
    expect(await notifiedBy('BEGIN', 'SAVEPOINT s', SELL, 'ROLLBACK TO s', SELL, 'COMMIT')).toBe(1);
    expect(await notifiedBy('BEGIN', 'SAVEPOINT s', SELL, 'RELEASE s', SELL, 'ROLLBACK')).toBe(0);
    expect(await notifiedBy(SELL)).toBe(1);
  });

  test.each([
    ['always', 1],
    ['never', 0],
  ] as const)('with notify: %s does not ask', async (notify, expected) => {
    await installCapture({ adminUrl: pos().url, settings: captureSettings({ sale: 'sale' }, { notify }) });
    await lock(LOCKS.gateAwake);
    expect(await notifiedBy(SELL)).toBe(expected);
    await unlock(LOCKS.gateAwake);
    await installCapture({ adminUrl: pos().url, settings: captureSettings({ sale: 'sale' }) });
  });
});

onEachServer(
  'a server that lets transactions be prepared',
  (pos) => {
    test('is never notified, so that a sale can be', async () => {
      await pos().capture('CREATE TABLE sale (id serial PRIMARY KEY, name text)', { sale: 'sale' });
      const sell = `INSERT INTO sale (name) VALUES ('a')`;
      const daemon = new pg.Client(pos().url);
      await daemon.connect();
      announce(daemon, () => {});
      await daemon.query('SELECT 1');
      expect(await pos().write('BEGIN', sell, `PREPARE TRANSACTION 'x'`)).toEqual([]);
      expect(await pos().write(`COMMIT PREPARED 'x'`)).toEqual(['create 1']);
      await daemon.end();
    });
  },
  { settings: { max_prepared_transactions: '5' } },
);
