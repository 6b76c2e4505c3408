/**
 * A walk beside tills that sell without a pause: what the queue says of a row must be, in the queue's own order, what happened to
 * the row, and no till may feel the walk.
 */
import pg from 'pg';
import { Cluster } from '../../src/demo/postgres.js';
import { walkChunk } from '../../src/walk/chunk.js';
import { placeAt } from '../../src/walk/place.js';
import { readWalkedTable } from '../../src/walk/table.js';
import { eventually } from '../support/eventually.js';
import { timed, WalkStage } from '../support/walk-stage.js';

const ROWS = 1_500;
const TILLS = 4;

/** All but one in a hundred took less. */
const slowest = (took: number[]) => took.toSorted((a, b) => a - b)[Math.floor(took.length * 0.99)] as number;

describe('a walk beside tills', () => {
  let cluster: Cluster;
  let stage: WalkStage;
  const clients: pg.Client[] = [];
  beforeAll(async () => {
    cluster = await Cluster.start();
    stage = await WalkStage.open(cluster, 'races');
  }, 60_000);
  beforeEach(() => stage.reset());
  afterAll(async () => {
    for (const client of clients) await client.end();
    await stage?.close();
    await cluster?.destroy();
  });

  const till = async () => {
    const client = new pg.Client(cluster.url('races'));
    clients.push(client);
    await client.connect();
    return client;
  };

  /** Sells until told to stop; every sale changes some rows, and some sales are rolled back. @returns how long each statement took */
  async function sell(client: pg.Client, table: string, seed: number, on: () => boolean): Promise<number[]> {
    const took: number[] = [];
    for (let n = seed + 1; on(); n += TILLS) {
      const row = 1 + ((n * 7919) % ROWS);
      await client.query('BEGIN');
      took.push(await timed(() => client.query(`UPDATE ${table} SET v = v + 1, w = $2 WHERE id = $1`, [row, n])));
      if (n % 5 === 0)
        took.push(await timed(() => client.query(`DELETE FROM ${table} WHERE id = $1`, [Math.min(row + 1, ROWS)])));
      if (n % 7 === 0)
        took.push(await timed(() => client.query(`INSERT INTO ${table} VALUES ($1, 0, $1)`, [ROWS + n])));
      // Long enough for a walk to see the row as it was, while our change has its place already.
      if (n % 3 === 0) await client.query('SELECT pg_sleep(0.04)');
      await client.query(n % 11 === 0 ? 'ROLLBACK' : 'COMMIT');
    }
    return took;
  }

  /** For every entity, its newest change in the queue is what the table holds. */
  async function disagreements(table: string): Promise<unknown[]> {
    return stage.rows(`
      SELECT coalesce(t.id::text, q.entity_id) AS id, q.operation, q.payload::text AS queued, row_to_json(t.*)::text AS row
      FROM (SELECT DISTINCT ON (entity_id) entity_id, operation, payload FROM syncd.sync_queue WHERE entity_type = '${table}'
            ORDER BY entity_id, id DESC) q
      FULL JOIN ${table} t ON t.id::text = q.entity_id
      WHERE q.entity_id IS NULL OR (t.id IS NULL) <> (q.operation = 'delete') OR row_to_json(t.*)::text <> q.payload::text`);
  }

  test.each(['backfill', 'reconcile'] as const)(
    'never puts an older image behind a newer change, and no till waits: %s',
    async (kind) => {
      const table = `sold_${kind}`;
      await stage.tables(
        `CREATE TABLE ${table} (id int PRIMARY KEY, v int, w int); INSERT INTO ${table} SELECT n, 0, 0 FROM generate_series(1, ${ROWS}) n`,
        { [table]: table },
      );
      const tills = await Promise.all(Array.from({ length: TILLS }, till));
      const sellAll = async (first: number, on: () => boolean) =>
        (await Promise.all(tills.map((client, seed) => sell(client, table, first + seed, on)))).flat();
      // What this machine takes just now, beside all else that it does, while nobody walks.
      let left = 200;
      const alone = await sellAll(40_000, () => left-- > 0);
      let selling = true;
      const sales = sellAll(0, () => selling);
      // A second time while they sell on: now everything is known, and still nothing may be wrong.
      for (const _round of kind === 'reconcile' ? [1, 2] : [1]) {
        await stage.request(kind, table);
        await stage.finish();
      }
      selling = false;
      const took = await sales;
      expect(await disagreements(table)).toEqual([]);
      expect(await stage.lastWalk()).toMatchObject({ error: null, finished: true });
      // Deadlock, lock, or a queue behind us would show as tens of milliseconds.
      expect(slowest(took)).toBeLessThan(50 + slowest(alone));
      expect(took.length).toBeGreaterThan(100);
    },
  );

  test('waits for a transaction that has its place already and is not committed, and takes back what that changed', async () => {
    await stage.tables(
      'CREATE TABLE slow (id int PRIMARY KEY, v int); INSERT INTO slow VALUES (1, 0), (2, 0), (3, 0)',
      { slow: 'slow' },
    );
    const [first, second] = [await till(), await till()];
    // One that writes when the walk is asked for: it may have written before its table was captured.
    await first.query('BEGIN');
    await first.query('UPDATE slow SET v = 1 WHERE id = 1');
    await stage.request('backfill', 'slow');
    const walks = stage.walks();
    expect(await walks.turn(AbortSignal.timeout(5_000))).toBe(false);
    expect(await stage.lastWalk()).toMatchObject({ waits_for: expect.stringContaining('has not ended'), walked: 0 });
    await first.query('ROLLBACK');
    // One that changes a row while the chunk is on its way, and is committed before the chunk is.
    await second.query('BEGIN');
    await second.query('LOCK TABLE syncd.backfills IN EXCLUSIVE MODE');
    const turn = walks.turn(AbortSignal.timeout(10_000));
    await eventually(
      () =>
        stage.rows("SELECT FROM pg_stat_activity WHERE application_name = 'syncd upkeep' AND wait_event_type = 'Lock'"),
      (rows) => rows.length > 0,
      'the walk waits to begin',
    );
    await first.query('BEGIN');
    await first.query('UPDATE slow SET v = 2 WHERE id = 2');
    await second.query('COMMIT');
    await eventually(
      () =>
        stage.rows("SELECT FROM pg_locks WHERE relation = 'syncd.sync_queue'::regclass AND mode = 'RowExclusiveLock'"),
      (rows) => rows.length > 1,
      'the chunk has its places',
    );
    await first.query('COMMIT');
    await turn;
    await stage.goOn();
    expect(await disagreements('slow')).toEqual([]);
    expect((await stage.queue()).sort()).toEqual(['slow create 1', 'slow create 3', 'slow update 2']);
  });

  test('gives up its place to a table lock at once, and goes on afterwards', async () => {
    await stage.tables('CREATE TABLE altered (id int PRIMARY KEY); INSERT INTO altered SELECT generate_series(1, 10)', {
      altered: 'altered',
    });
    const upgrade = await till();
    await upgrade.query('BEGIN');
    await upgrade.query('LOCK TABLE altered IN ACCESS EXCLUSIVE MODE');
    await stage.request('backfill', 'altered');
    expect(await stage.walks().turn(AbortSignal.timeout(5_000))).toBe(false);
    await upgrade.query('COMMIT');
    await stage.goOn();
    expect(await stage.queue()).toHaveLength(10);
  });

  test('does not wait for one who waits for it: who has written, and alters the table then', async () => {
    await stage.tables('CREATE TABLE moved (id int PRIMARY KEY); INSERT INTO moved VALUES (1), (2)', {
      moved: 'moved',
    });
    const upgrade = await till();
    await stage.request('backfill', 'moved');
    const walked = await readWalkedTable(stage.db, 'moved');
    if (typeof walked === 'string') throw new Error(walked);
    await upgrade.query("SET lock_timeout = '5s'; BEGIN; DELETE FROM moved WHERE id = 1");
    const [walk] = await stage.rows<{ id: string }>('SELECT id::text FROM syncd.backfills');
    const chunk = walkChunk(stage.db, {
      ...{
        id: walk?.id ?? '',
        kind: 'backfill',
        walked,
        position: null,
        place: placeAt(null, 'backfill', walked.parts, ''),
      },
      ...{ size: 500, givenUp: new Map(), leader_epoch: '1', patienceMs: 60_000 },
    });
    await eventually(
      () => stage.rows("SELECT FROM pg_locks WHERE relation = 'moved'::regclass AND mode = 'AccessShareLock'"),
      (rows) => rows.length > 0,
      'the chunk reads the table',
    );
    await upgrade.query('ALTER TABLE moved ADD note text; COMMIT');
    expect(await chunk).toEqual({ kind: 'busy' });
    await stage.goOn();
    expect((await stage.queue()).sort()).toEqual(['moved create 2', 'moved delete 1']);
  });

  test('goes on where it was when its connection was cut again and again, and queues every row once', async () => {
    await stage.tables('CREATE TABLE cut (id int PRIMARY KEY); INSERT INTO cut SELECT generate_series(1, 5000)', {
      cut: 'cut',
    });
    await stage.request('backfill', 'cut');
    let cuts = 0;
    for (let walks = stage.walks(); !(await stage.lastWalk()).finished; walks = stage.walks()) {
      const cutting = stage
        .rows<{ cut: boolean }>(
          "SELECT pg_sleep(0.03), pg_terminate_backend(pid) AS cut FROM pg_stat_activity WHERE application_name = 'syncd upkeep'",
        )
        .then((rows) => {
          cuts += rows.length;
        });
      await walks.turn(AbortSignal.timeout(300)).catch(() => {});
      await cutting;
      await stage.settleAll();
    }
    expect(cuts).toBeGreaterThan(2);
    expect(await stage.lastWalk()).toMatchObject({ walked: 5000, queued: 5000 });
    const [counted] = await stage.rows(
      'SELECT count(*)::int AS n, count(DISTINCT entity_id)::int AS entities FROM syncd.sync_queue',
    );
    expect(counted).toEqual({ n: 5000, entities: 5000 });
  });
});
