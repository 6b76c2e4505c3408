/** Installing while the tills sell: nobody waits for long, and nothing that commits afterwards is missed. */
import pg from 'pg';
import { installCapture } from '../../src/capture/install.js';
import { runStep } from '../../src/capture/run-step.js';
import { uninstallCapture } from '../../src/capture/uninstall.js';
import { captureSettings, onEachServer } from '../support/capture.js';

const MOST_MS = 2_000;

onEachServer('under write load', (pos) => {
  test('no writer waits more than 2 s for install and uninstall, though a long transaction is in the way', async () => {
    await pos().sql.query(
      'CREATE TABLE sale (id serial PRIMARY KEY, name text); CREATE TABLE stock (id int PRIMARY KEY, qty int); INSERT INTO stock VALUES (1, 0)',
    );
    const settings = captureSettings({ sale: 'sale', stock: 'stock' });
    const slow = new pg.Client(pos().url);
    await slow.connect();
    await slow.query(`BEGIN; INSERT INTO sale (name) VALUES ('a long evening')`);
    const load = await tills(pos().url, 4);
    const installing = installCapture({ adminUrl: pos().url, settings });
    const waits = `SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock'`;
    // Held until install has been seen to wait, and to give way, more than once.
    for (let seen = 0, before = false; seen < 2; ) {
      const now = (await pos().sql.query(waits)).rows[0].n > 0;
      if (before && !now) seen += 1;
      before = now;
    }
    await slow.query('COMMIT');
    await installing;
    const from = (await pos().sql.query('SELECT max(id) AS id FROM sale')).rows[0].id;
    await load.afterMore(50);
    const { writes, longestMs } = await load.stop();
    expect(writes).toBeGreaterThan(100);
    expect(longestMs).toBeLessThan(MOST_MS);
    const { rows } = await pos().sql.query(
      `SELECT (SELECT count(*)::int FROM sale WHERE id > $1) AS sold, (SELECT count(*)::int FROM syncd.sync_queue WHERE entity_type = 'sale' AND entity_id::int > $1) AS captured`,
      [from],
    );
    expect(rows[0].captured).toBe(rows[0].sold);
    const again = await tills(pos().url, 4);
    await uninstallCapture({ adminUrl: pos().url, discardPending: true });
    await again.afterMore(20);
    expect((await again.stop()).longestMs).toBeLessThan(MOST_MS);
    await slow.end();
  }, 60_000);

  test('no writer waits for what lies between two statements of install, be it a slow line or a process that is stopped', async () => {
    await pos().sql.query('CREATE TABLE far (id int)');
    const till = new pg.Client({ connectionString: pos().url, options: '-c lock_timeout=2s' });
    await till.connect();
    const query = async (text: string) => {
      const answer = await pos().sql.query(text);
      await till.query('INSERT INTO far VALUES (1)');
      return answer;
    };
    const trigger = (event: string) =>
      `CREATE TRIGGER ${event} BEFORE ${event} ON far FOR EACH STATEMENT EXECUTE FUNCTION suppress_redundant_updates_trigger()`;
    const step = { about: 'two triggers', statements: [trigger('DELETE'), trigger('TRUNCATE')], locks: 'far' };
    await runStep({ query } as unknown as pg.Client, step, () => {});
    const { rows } = await pos().sql.query("SELECT tgname FROM pg_trigger WHERE tgrelid = 'far'::regclass");
    expect(rows).toHaveLength(2);
    await till.end();
  });
});

/** Tills that sell without a pause; every statement's time is taken. */
async function tills(url: string, count: number) {
  let selling = true;
  let writes = 0;
  let longestMs = 0;
  const waiters: { at: number; resolve: () => void }[] = [];
  const clients = await Promise.all(
    Array.from({ length: count }, async () => {
      const client = new pg.Client(url);
      await client.connect();
      return client;
    }),
  );
  const work = clients.map(async (client, till) => {
    while (selling) {
      for (const statement of [`INSERT INTO sale (name) VALUES ('till ${till}')`, 'UPDATE stock SET qty = qty - 1']) {
        const started = performance.now();
        await client.query(statement);
        longestMs = Math.max(longestMs, performance.now() - started);
        writes += 1;
      }
      for (const waiter of waiters) if (writes >= waiter.at) waiter.resolve();
    }
    await client.end();
  });
  return {
    afterMore: (more: number) => new Promise<void>((resolve) => waiters.push({ at: writes + more, resolve })),
    stop: async () => {
      selling = false;
      await Promise.all(work);
      return { writes, longestMs };
    },
  };
}
