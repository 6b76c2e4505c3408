/**
 * What the states remember of a row is the hash of its text as capture writes it: it equals the live row's, whatever types and
 * columns the table has and whichever way the row was agreed on, and differs as soon as anything was changed uncaptured.
 */
import { sql } from 'kysely';
import { pinTexts, rowHash } from '../../src/capture/row-hash.js';
import { type Db, openDb, PLANNED_ONCE } from '../../src/db/connect.js';
import { settle } from '../../src/queue/settle.js';
import { ApplyStage } from '../support/apply-stage.js';
import { onEachServer, type Pos } from '../support/capture.js';
import { type ConflictStage, openConflictStage } from '../support/conflict-stage.js';
import { makeSettlement } from '../support/settlement.js';

const TYPES: Record<string, [value: string, other: string]> = {
  real: ['0.1', '0.2'],
  'double precision': ['0.1::float8 + 0.2', '0.3'],
  numeric: ["'NaN'", '1.0'],
  'numeric(20,2)': ['123456789012345678.5', '1'],
  bytea: ["'\\xdeadbeef'", "'\\xdeadbeee'"],
  interval: ["'1 year 2 days 03:04:05.678'", "'1 year'"],
  date: ["'1999-12-31'", "'infinity'"],
  timestamp: ["'2026-11-22 08:00:00.123456'", "'2026-11-22 08:00:00.123457'"],
  timestamptz: ["'2026-11-22 08:00:00.123456+07'", "'-infinity'"],
  daterange: ["'[2026-01-01,2026-02-01)'", "'empty'"],
  tstzrange: ["'[2026-11-22 08:00+07,)'", "'(,)'"],
  'float8[]': ["'{0.1,NaN,infinity}'", "'{0.1,NaN}'"],
  spot: ["ROW(1/3::float8, '2026-11-22 08:00+07')::spot", 'NULL'],
  point: ["'(0.1,0.30000000000000004)'", "'(0.1,0.3)'"],
  money: ['12.34', '12.35'],
  json: [`'{"b": 1.50,  "a": 2}'`, `'{"b": 1.50, "a": 2}'`],
  jsonb: [`'{"b": 1.50, "a": 2}'`, `'{"b": 1.5, "a": 2}'`],
  bigint: ['9007199254740993', '9007199254740992'],
  mood: ["'bitter'", "'sweet'"],
  uuid: ["'6F1C0000-0000-4000-8000-000000000000'", "'6F1C0000-0000-4000-8000-000000000001'"],
  regproc: ["'pg_catalog.now'", "'pg_catalog.clock_timestamp'"],
  text: [`'é "quoted" \\ and long ' || repeat('kopi susu ', 2000)`, `'é'`],
  'text COLLATE "C"': ["'x'", "''"],
};
const columns = Object.entries(TYPES).map(([type, [value, other]], n) => ({ name: `c${n}`, type, value, other }));

/** The same session for every write: it would write most values differently. */
const HOSTILE = `SET extra_float_digits = -15; SET bytea_output = 'escape'; SET IntervalStyle = 'sql_standard';
  SET DateStyle = 'German, DMY'; SET TimeZone = 'Asia/Jakarta'`;

/** Writes down that the cloud has accepted everything that waits. */
async function settleAll(pos: Pos, db: Db, version = 1): Promise<void> {
  const { rows } = await pos.sql.query(
    `SELECT DISTINCT ON (entity_type, entity_id) id::text, entity_type, entity_id, operation = 'delete' AS deleted
     FROM syncd.unsettled ORDER BY entity_type, entity_id, unsettled.id DESC`,
  );
  const all = await pos.sql.query('SELECT id::text FROM syncd.unsettled');
  const states = {
    ids: rows.map(({ id }) => id),
    entity_types: rows.map(({ entity_type }) => entity_type),
    entity_ids: rows.map(({ entity_id }) => entity_id),
    versions: rows.map(() => version),
    cloud_versions: rows.map(() => version),
    cloud_ids: rows.map(() => null),
    deleted: rows.map(({ deleted }) => deleted),
  };
  const accepted = { fresh: all.rows.map(({ id }) => id), retried: [] };
  const given = version === 1 ? { first: states } : { states };
  expect(await settle(db, makeSettlement({ accepted, ...given }))).toBe(true);
}

/** Of every row of the table: whether the state's hash is the row's own; null where there is no hash. */
async function compare(
  db: Db,
  table: string,
  entity = table,
  excluded: string[] = [],
): Promise<Record<string, boolean | null>> {
  const { rows } = await db.transaction().execute(async (trx) => {
    await pinTexts.execute(trx);
    return sql<{ id: string; same: boolean | null; shaped: boolean | null }>`
      SELECT e.entity_id AS id, e.row_hash = ${rowHash({ excluded }, 't')} AS same, e.row_shape = c.shape AS shaped
      FROM public.${sql.ref(table)} t JOIN syncd.entity_state e ON e.entity_id = t.id::text AND e.entity_type = ${entity}
      JOIN syncd.capture c ON c.entity_type = e.entity_type ORDER BY t.id`.execute(trx);
  });
  for (const { same, shaped } of rows) expect(shaped).toBe(same === null ? null : true);
  return Object.fromEntries(rows.map(({ id, same }) => [id, same]));
}

onEachServer("a row's hash", (pos, server) => {
  let db: Db;
  let stage: ApplyStage;
  beforeAll(async () => {
    await pos().sql.query(
      "CREATE TYPE mood AS ENUM ('sweet', 'bitter'); CREATE TYPE spot AS (x float8, seen timestamptz)",
    );
    await pos().capture(
      `CREATE TABLE exact (id bigint PRIMARY KEY, ${columns.map(({ name, type }) => `${name} ${type}`).join(', ')},
         made numeric GENERATED ALWAYS AS (id * 2) STORED);
       CREATE TABLE secret (id int PRIMARY KEY, pin text, v int, j json)`,
      { exact: 'exact', secret: { table: 'secret', exclude: ['pin'] } },
    );
    await pos().sql.query(
      "INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch) VALUES (gen_random_uuid(), 'h', 1, 'v', 1)",
    );
    db = openDb(server.cluster().url('pos', 'syncd'), { role: 'test', prepared: true, settings: PLANNED_ONCE });
    stage = await ApplyStage.open(server.cluster(), 'apply');
  });
  afterAll(async () => {
    await db?.destroy();
    await stage?.close();
  });

  test('is the live row’s once it is settled, and no more after a change of any column that was not captured', async () => {
    const { sql: client } = pos();
    await client.query(HOSTILE);
    const names = columns.map(({ name }) => name).join(', ');
    const values = columns.map(({ value }) => value).join(', ');
    await client.query(
      `INSERT INTO exact (id, ${names}) SELECT n, ${values} FROM generate_series(0, ${columns.length}) n`,
    );
    await client.query('INSERT INTO exact (id) VALUES (1000)');
    await settleAll(pos(), db);
    expect(Object.values(await compare(db, 'exact'))).toEqual(Array(columns.length + 2).fill(true));
    await client.query('ALTER TABLE exact DISABLE TRIGGER USER');
    for (const [n, { name, other }] of columns.entries())
      await client.query(`UPDATE exact SET ${name} = ${other} WHERE id = ${n}`);
    await client.query('ALTER TABLE exact ENABLE TRIGGER USER');
    const after = await compare(db, 'exact');
    const same = Object.entries(after).filter(([, equal]) => equal);
    expect(same.map(([id]) => id)).toEqual([String(columns.length), '1000']);
    // Captured and settled, they are the same again.
    await client.query('UPDATE exact SET c0 = 7');
    await settleAll(pos(), db, 2);
    expect(new Set(Object.values(await compare(db, 'exact')))).toEqual(new Set([true]));
    await client.query('RESET ALL; DELETE FROM exact WHERE id < 3');
    await settleAll(pos(), db, 3);
    const { rows } = await client.query(
      "SELECT row_hash, row_shape FROM syncd.entity_state WHERE entity_type = 'exact' AND entity_id = '2'",
    );
    expect(rows).toEqual([{ row_hash: null, row_shape: null }]);
  });

  test('does not hear of an excluded column', async () => {
    await pos().sql.query(`INSERT INTO secret VALUES (1, 'a', 1, '{"x":  1}'), (2, 'a', 1, NULL)`);
    await settleAll(pos(), db);
    await pos().sql.query(
      "ALTER TABLE secret DISABLE TRIGGER USER; UPDATE secret SET pin = 'b'; UPDATE secret SET v = 2 WHERE id = 2",
    );
    expect(await compare(db, 'secret', 'secret', ['pin'])).toEqual({ 1: true, 2: false });
  });

  test('is not known of a change that somebody else has settled meanwhile, and an older answer does not undo it', async () => {
    await pos().capture('CREATE TABLE late (id int PRIMARY KEY, v int)', { late: 'late' });
    await pos().sql.query('INSERT INTO late VALUES (1, 1), (2, 1)');
    const { rows } = await pos().sql.query<{ id: string }>(
      "SELECT id::text FROM syncd.unsettled WHERE entity_type = 'late'",
    );
    await pos().sql.query(
      `UPDATE syncd.sync_queue SET status = 'synced', settled_as = 'discarded', synced_at = now() WHERE id = $1`,
      [rows[0]?.id],
    );
    const ids = rows.map(({ id }) => id);
    const states = {
      ids,
      entity_types: ['late', 'late'],
      entity_ids: ['1', '2'],
      versions: [1, 1],
      cloud_versions: [5, 5],
      cloud_ids: [null, null],
      deleted: [false, false],
    };
    await settle(db, makeSettlement({ accepted: { fresh: ids, retried: [] }, states }));
    expect(await compare(db, 'late')).toEqual({ 1: null, 2: true });
    await settle(db, makeSettlement({ states: { ...states, cloud_versions: [4, 4] } }));
    expect(await compare(db, 'late')).toEqual({ 1: null, 2: true });
  });

  describe('of what the cloud sent', () => {
    const same = (entity: string) => compare(stage.db, entity, entity);

    test('is the live row’s where it was written, made or found as it is, and none where it was deleted', async () => {
      await stage.tables('CREATE TABLE item (id int PRIMARY KEY, n numeric(10,2), at timestamptz, note text)', {
        item: 'item',
      });
      await stage.pos.sql.query("INSERT INTO item VALUES (1, 1, now(), 'a'), (2, 1, NULL, NULL), (3, 3, NULL, 'c')");
      await stage.settleAll();
      await stage.pos.sql.query(
        "ALTER TABLE item DISABLE TRIGGER USER; INSERT INTO item VALUES (5, 5, NULL, 'old'); ALTER TABLE item ENABLE TRIGGER USER",
      );
      await stage.apply(
        { id: '1', version: 2, data: '{"id":1,"n":1.5,"at":"2026-11-22T08:00:00Z"}' },
        { id: '2', version: 2, data: { id: 2, n: 1 } },
        { id: '3', version: 2 },
        { id: '4', version: 1, data: { id: 4, n: 4, note: 'new' } },
        { id: '5', version: 1, data: { id: 5, n: 5, at: null, note: 'old' } },
      );
      expect(await same('item')).toEqual({ 1: true, 2: true, 4: true, 5: true });
      expect(await stage.queue()).toEqual([]);
    });

    test('is the live row’s beside triggers of the POS, and not known where they made another row of it', async () => {
      await stage.tables(
        `CREATE TABLE dish (id int PRIMARY KEY, name text, n int, seen int DEFAULT 0);
         CREATE FUNCTION upper_name() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$;
         CREATE TRIGGER upper_name BEFORE INSERT OR UPDATE ON dish FOR EACH ROW EXECUTE FUNCTION upper_name()`,
        { dish: 'dish' },
      );
      await stage.pos.sql.query("INSERT INTO dish VALUES (1, 'SOTO', 1)");
      await stage.settleAll();
      await stage.apply(
        { type: 'dish', id: '1', version: 2, data: { id: 1, name: 'SOTO', n: 2 } },
        { type: 'dish', id: '2', data: { id: 2, name: 'rawon', n: 1 } },
        { type: 'dish', id: '3', data: { id: 3, name: 'BAKSO', n: 1 } },
      );
      expect(await stage.queue()).toEqual(['dish update 2']);
      expect(await same('dish')).toEqual({ 1: true, 2: null, 3: true });
    });
  });
});

describe('of a resolved conflict', () => {
  let stage: ConflictStage;
  beforeAll(async () => {
    stage = await openConflictStage();
  }, 60_000);
  afterAll(() => stage?.close());
  beforeEach(() => stage.reset());

  const diverge = async () => {
    await stage.edits("INSERT INTO products (id, name, price, note, secret) VALUES (1, 'Kopi', 1.50, 'ours', 's')");
    await stage.agreed();
    await stage.edits("UPDATE products SET name = 'Shop' WHERE id = 1");
    return stage.meets({ data: { id: 1, name: 'Cloud', price: 2, qty: 3, note: 'theirs' } }, 'manual');
  };
  const same = () => compare(stage.db, 'products', 'product', ['secret']);

  test('the hash is the live row’s where the cloud’s side was kept', async () => {
    expect(await stage.byHand(await diverge(), { strategy: 'cloud_wins' })).toMatchObject({ done: true });
    expect((await stage.product()).name).toBe('Cloud');
    expect(await same()).toEqual({ 1: true });
  });

  test('no hash is known where the shop’s side was kept, until the cloud has taken it', async () => {
    await stage.byHand(await diverge(), { strategy: 'local_wins' });
    expect(await same()).toEqual({ 1: null });
    await settleAll(stage.pos, stage.db, 3);
    expect(await same()).toEqual({ 1: true });
  });
});
