/** How long a till may wait for what is applied: each table by itself, and nothing is done for the first time under locks. */
import { sql } from 'kysely';
import pg from 'pg';
import { rehearse } from '../../src/apply/rehearse.js';
import { loadTables } from '../../src/apply/tables.js';
import { openApplier } from '../../src/db/applier.js';
import type { Db } from '../../src/db/connect.js';
import { type Hurry, holdingRows } from '../../src/db/holding.js';
import { Cluster } from '../../src/demo/postgres.js';
import { ApplyStage } from '../support/apply-stage.js';
import { captureSettings, type Entities } from '../support/capture.js';
import { eventually } from '../support/eventually.js';

const DDL = `
  CREATE TABLE parents (id int PRIMARY KEY, v int);
  CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents, v int);
  CREATE TABLE "Odd ""names" ("a b" int, "C" text, "sum of" int GENERATED ALWAYS AS ("a b" + 1) STORED, j json, PRIMARY KEY ("a b", "C"));
  CREATE TABLE only_keys (id int PRIMARY KEY);
  CREATE TABLE months (id int, day date, parent int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE month_1 PARTITION OF months FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  ALTER TABLE month_1 ADD FOREIGN KEY (parent) REFERENCES parents;
  CREATE TABLE wide (id int PRIMARY KEY, a int, b int, c int, d int, e int);
  CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF 100 IN (NEW.a, NEW.b, NEW.c, NEW.d, NEW.e) THEN PERFORM pg_sleep(0.004); END IF; RETURN NEW; END $$;
  CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON wide FOR EACH ROW EXECUTE FUNCTION slow();
  CREATE TABLE fired (what text);
  CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    PERFORM pg_advisory_xact_lock(77); INSERT INTO public.fired VALUES (TG_OP || ' ' || TG_TABLE_NAME); RETURN NULL; END $$;
  CREATE TRIGGER fires AFTER INSERT OR UPDATE OR DELETE ON children FOR EACH STATEMENT EXECUTE FUNCTION fire()`;
const both = (table: string) => ({ table, direction: 'both' as const });
const ENTITIES: Entities = {
  parent: both('parents'),
  child: both('children'),
  odd: both('"Odd ""names"'),
  key: both('only_keys'),
  wide: both('wide'),
  month: 'months',
};

let cluster: Cluster;
let stage: ApplyStage;
let till: pg.Client;
beforeAll(async () => {
  cluster = await Cluster.start();
  stage = await ApplyStage.open(cluster, 'locks');
  await stage.tables(DDL, ENTITIES);
  till = new pg.Client(cluster.url('locks'));
  await till.connect();
}, 60_000);
afterAll(async () => {
  await till?.end();
  await stage?.close();
  await cluster?.destroy();
});
afterEach(async () => {
  await till.query('ROLLBACK');
  await stage.pos.sql.query('DELETE FROM children; DELETE FROM parents; DELETE FROM fired; DELETE FROM wide');
  await stage.reset();
});

test('no row of one table stays locked while another is written', async () => {
  await stage.apply(
    { type: 'parent', id: '1', data: { id: 1, v: 1 } },
    { type: 'child', id: '1', data: { id: 1, parent: 1, v: 1 } },
  );
  await stage.send(
    { type: 'child', id: '1', version: 2, data: { id: 1, parent: 1, v: 2 } },
    { type: 'parent', id: '1', version: 2, data: { id: 1, v: 2 } },
  );
  await till.query('BEGIN; SELECT pg_advisory_xact_lock(77)');
  const applying = stage.round();
  const waiting = () => stage.rows("SELECT FROM pg_stat_activity WHERE wait_event = 'advisory'");
  await eventually(waiting, ({ length }) => length === 1, 'the trigger of the children waits');
  expect((await till.query('SELECT v FROM parents WHERE id = 1 FOR UPDATE NOWAIT')).rows).toEqual([{ v: 2 }]);
  await till.query('COMMIT');
  expect(await applying).toMatchObject({ counts: { write: 2 }, taken: 2 });
  expect(await stage.rows('SELECT v FROM children')).toEqual([{ v: 2 }]);
});

/** How many rows of each transaction stand in the table of many columns. */
const together = () =>
  stage
    .rows<{ rows: number }>('SELECT count(*)::int AS rows FROM wide GROUP BY xmin::text')
    .then((chunks) => chunks.map(({ rows }) => rows));
/** With a value of 100 or more a row takes 4 ms. */
const wide = (id: number, data: object) => ({ type: 'wide', id: String(id), data: { id, ...data } });

test('rows that bring other columns each are not locked together for longer than others', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const ids = Array.from({ length: 31 }, (_, n) => n + 1);
  const some = (id: number) => Object.fromEntries(names.filter((_, bit) => (id >> bit) & 1).map((name) => [name, 100]));
  await stage.apply(...ids.map((id) => wide(id, some(id))));
  const chunks = await together();
  expect(chunks.reduce((sum, rows) => sum + rows)).toBe(31);
  expect(Math.max(...chunks)).toBeLessThan(31);
});

test('rows that take long are not locked together', async () => {
  await stage.pos.sql.query(`CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.06); RETURN NEW; END $$;
    CREATE TRIGGER takes_long BEFORE INSERT ON parents FOR EACH ROW EXECUTE FUNCTION take_long()`);
  const ids = Array.from({ length: 12 }, (_, n) => n + 1);
  await stage.apply(...ids.map((id) => ({ type: 'parent', id: String(id), data: { id, v: 1 } })));
  await stage.pos.sql.query('DROP TRIGGER takes_long ON parents');
  const [row] = await stage.rows<{ rows: number; chunks: number }>(
    'SELECT count(*)::int AS rows, count(DISTINCT xmin::text)::int AS chunks FROM parents',
  );
  expect(row?.rows).toBe(12);
  expect(row?.chunks).toBeGreaterThan(1);
});

test('a statement gets what is left for the writing, the last one what is left of all', async () => {
  // A connection that has not had to be patient yet.
  const db = await openApplier(cluster.url('locks', 'syncd'), 'applier');
  try {
    const shown = sql<{ ms: string }>`SELECT rtrim(current_setting('statement_timeout'), 'ms') AS ms`;
    const given = async (trx: Db) => Number((await shown.execute(trx)).rows[0]?.ms);
    const work = async (trx: Db, hurry: Hurry) => {
      const begunAt = performance.now();
      const all = await given(trx);
      await sql`SELECT pg_sleep(0.01)`.execute(trx);
      const before = performance.now() - begunAt;
      await hurry(0.75);
      const writing = await given(trx);
      await hurry(1);
      return { all, before, writing, last: await given(trx), after: performance.now() - begunAt };
    };
    const undivided = await holdingRows(db, work);
    expect([undivided.writing, undivided.last]).toEqual([undivided.all, undivided.all]);
    // A machine that stalls may use up all of it.
    const tried = () => holdingRows(db, work, true).catch(() => undefined);
    const divided = await eventually(tried, (times) => times !== undefined, 'in time');
    const { all, before, writing, last, after } = divided as NonNullable<typeof divided>;
    expect(writing).toBeLessThanOrEqual(all * 0.75 - before + 1);
    expect(last).toBeGreaterThanOrEqual(all - after - 1);
    expect(last).toBeLessThan(all);
    const late = async (trx: Db, hurry: Hurry) => {
      await sql`SELECT pg_sleep(${((await given(trx)) * 0.8) / 1_000}::float8)`.execute(trx);
      await hurry(0.75);
    };
    await expect(holdingRows(db, late, true)).rejects.toMatchObject({ code: '57014' });
    // Whoever was frozen learns from the ROLLBACK that the server has ended the session; the next try is on another one.
    let freezes = 1;
    const frozen = async (trx: Db, hurry: Hurry) => {
      await sql`SELECT 1`.execute(trx);
      if (freezes-- > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      await hurry(0.75);
      return 'done';
    };
    expect(await holdingRows(db, frozen, true)).toBe('done');
  } finally {
    await db.destroy();
  }
});

/** Changes the row once the applier has locked it. */
const SALE = `DO $$ BEGIN
  FOR n IN 1..1000 LOOP
    EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE relation = 'parents'::regclass AND mode = 'RowShareLock');
    PERFORM pg_sleep(0.002);
  END LOOP;
  PERFORM pg_sleep(0.02);
  UPDATE parents SET v = v + 100 WHERE id = 1; END $$`;

test.each(['chunk judged', 'chunk recorded'] as const)(
  'a daemon that freezes with rows locked keeps no sale waiting: %s',
  async (at) => {
    await stage.apply({ type: 'parent', id: '1', data: { id: 1, v: 1 } });
    await stage.send({ type: 'parent', id: '1', version: 2, data: { id: 1, v: 2 } });
    const sale = till.query(SALE);
    const frozen = new Int32Array(new SharedArrayBuffer(4));
    let freezes = 1;
    const report = await stage.round(10, (step) => {
      if (step === at && freezes-- > 0) Atomics.wait(frozen, 0, 0, 1_000);
    });
    await sale;
    // It came first: nothing of ours was committed before, and the second try, on a new connection, met its change.
    expect(await stage.rows('SELECT v FROM parents')).toEqual([{ v: 101 }]);
    expect(await stage.queue()).toEqual(['parent update 1']);
    expect(report).toMatchObject({ counts: { wait: 1, write: 0 }, taken: 1 });
  },
);

test('what is deleted on one side goes before what it refers to, table by table', async () => {
  const parent = { type: 'parent', id: '1' };
  const child = { type: 'child', id: '1' };
  await stage.apply({ ...parent, data: { id: 1, v: 1 } }, { ...child, data: { id: 1, parent: 1, v: 1 } });
  const gone = { version: 2, operation: 'delete' as const };
  await stage.apply({ ...parent, ...gone }, { ...child, ...gone }, { type: 'parent', id: '2', data: { id: 2, v: 1 } });
  expect(await stage.rows('SELECT id FROM parents')).toEqual([{ id: 2 }]);
});

test('a table stands behind those that its partitions alone refer to', async () => {
  const tables = await loadTables(stage.db, captureSettings(ENTITIES));
  expect(tables.get('month')?.rank).toBeGreaterThan(tables.get('parent')?.rank as number);
});

test('a rehearsal knows every table, and leaves nothing behind, not even a trigger that ran', async () => {
  const tables = await loadTables(stage.db, captureSettings(ENTITIES));
  const figures = () =>
    stage.rows(`SELECT (SELECT count(*) FROM fired) AS fired, (SELECT count(*) FROM syncd.sync_logs) AS logs,
                       (SELECT count(*) FROM syncd.entity_state) AS states, (SELECT count(*) FROM syncd.sync_queue) AS queue`);
  const before = await figures();
  await rehearse(stage.db, tables, '1');
  expect(await figures()).toEqual(before);
  await stage.apply(
    { type: 'odd', id: '["1","x"]', data: { 'a b': 1, C: 'x', j: { k: 1 } } },
    { type: 'key', id: '5', data: { id: 5 } },
  );
});
