/** Drift as the daemon's role finds it in real catalogues, what install makes of it, and what is compared afterwards. */

import { loadTables } from '../../src/apply/tables.js';
import { installCapture } from '../../src/capture/install.js';
import type { EntitySettings } from '../../src/config/settings.js';
import { type Db, openDb } from '../../src/db/connect.js';
import { watchOnce } from '../../src/drift/watch.js';
import { writersNow } from '../../src/queue/writers.js';
import { captureSettings, type Entities, onEachServer, Pos } from '../support/capture.js';
import { ALTERED } from '../support/drift-altered.js';

const TABLES = `CREATE TABLE sale (id int PRIMARY KEY, name text, secret text);
  CREATE TABLE stock (id int PRIMARY KEY, qty numeric(12,2) NOT NULL DEFAULT 0);
  CREATE TABLE item (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE item_1 PARTITION OF item FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')`;
const ENTITIES: Entities = {
  sale: { table: 'sale', exclude: ['secret'] },
  stock: { table: 'stock', direction: 'both' },
  item: 'item',
};

onEachServer('drift', (_, server) => {
  let pos: Pos;
  let db: Db;
  let databases = 0;
  let told: string[] = [];
  let holdsChanged = 0;
  const settings = (entities: Entities = ENTITIES) => captureSettings(entities);
  const log = {
    error: () => {},
    warn: (message: string) => void told.push(message),
    info: (message: string) => void told.push(message),
    debug: () => {},
  };
  const look = (entities?: Entities) =>
    watchOnce({ db, settings: settings(entities), log, onHolds: () => void holdsChanged++ });
  const install = (entities?: Entities) => installCapture({ adminUrl: pos.url, settings: settings(entities) });

  beforeEach(async () => {
    databases += 1;
    told = [];
    holdsChanged = 0;
    pos = await Pos.open(server.cluster(), `drift_${databases}`);
    await pos.sql.query(TABLES);
    await install();
    db = openDb(server.cluster().url(`drift_${databases}`, 'syncd'), { role: 'test' });
    await look();
  });
  afterEach(async () => {
    await db?.destroy();
    await pos?.close();
  });

  async function drifts(): Promise<Record<string, string>> {
    const { rows } = await pos.sql.query(`SELECT entity_type, drift_kind FROM syncd.capture WHERE drift IS NOT NULL`);
    return Object.fromEntries(rows.map(({ entity_type, drift_kind }) => [entity_type, drift_kind]));
  }
  const asked = async () =>
    (await pos.sql.query('SELECT entity_type, kind, cause, requested_by FROM syncd.backfills ORDER BY id')).rows;

  test('there is none after an install, and nothing is written or told', async () => {
    expect(await drifts()).toEqual({});
    const before = (await pos.sql.query('SELECT xmin, * FROM syncd.capture ORDER BY entity_type')).rows;
    await look();
    expect((await pos.sql.query('SELECT xmin, * FROM syncd.capture ORDER BY entity_type')).rows).toEqual(before);
    expect({ told, holdsChanged, asked: await asked() }).toEqual({ told: [], holdsChanged: 0, asked: [] });
    expect((await install()).changes).toEqual([]);
  });

  test('of every kind is found in one look, told once, repaired by install, and gone then', async () => {
    const ddl = 'ALTER TABLE computed ADD twice int GENERATED ALWAYS AS (qty * 2)';
    const computed: [string, string] = [ddl, 'triggers'];
    const all = { ...ALTERED, ...(server.version >= 18 && { computed }) };
    const tables = Object.keys(all).map(
      (name) => `CREATE TABLE ${name} (id int PRIMARY KEY, name text, qty int NOT NULL DEFAULT 0)`,
    );
    const names = Object.keys(all).map((name) => [name, name]);
    // What a new row must have matters where rows come in.
    const plain: Entities = { ...Object.fromEntries(names), demanding: { table: 'demanding', direction: 'both' } };
    await pos.sql.query(`${tables.join(';')}; CREATE SCHEMA attic`);
    await install(plain);
    await look(plain);
    for (const [ddl] of Object.values(all)) await pos.sql.query(ddl);
    await look(plain);
    expect(await drifts()).toEqual(Object.fromEntries(Object.entries(all).map(([name, [, kind]]) => [name, kind])));
    expect(told).toHaveLength(Object.keys(all).length);
    await look(plain);
    expect(told).toHaveLength(Object.keys(all).length);
    const moved = { ...plain, moved: 'attic.moved' };
    await install(moved);
    await look(moved);
    expect(await drifts()).toEqual({});
    expect((await install(moved)).changes).toEqual([]);
  });

  test('of a new partition is found; what is written through the root is captured meanwhile', async () => {
    await pos.sql.query(`CREATE TABLE item_2 PARTITION OF item DEFAULT`);
    await look();
    expect(await drifts()).toEqual({ item: 'partition' });
    expect((await pos.sql.query('SELECT * FROM syncd.holds')).rows).toEqual([]);
    expect(await pos.write(`INSERT INTO item VALUES (1, '2026-03-01')`)).toHaveLength(1);
    expect(await pos.write(`INSERT INTO item_2 VALUES (2, '2026-03-01')`)).toEqual([]);
    await install();
    expect(await asked()).toEqual([expect.objectContaining({ entity_type: 'item' })]);
    expect(await pos.write(`INSERT INTO item_2 VALUES (3, '2026-03-01')`)).toHaveLength(1);
  });

  test('is looked for without a lock on any table of the POS: a migration may hold one of them, and sales stand behind the next', async () => {
    const hasty = openDb(server.cluster().url(`drift_${databases}`, 'syncd'), {
      role: 'test',
      settings: ['lock_timeout=1s'],
    });
    await pos.sql.query('CREATE TABLE item_0 PARTITION OF item DEFAULT');
    await pos.sql.query('BEGIN; LOCK TABLE item_1, sale, stock');
    try {
      await watchOnce({ db: hasty, settings: settings(), log, onHolds: () => {} });
      expect(told).toEqual([expect.stringContaining('partition public.item_0 is new')]);
      expect(await writersNow(hasty, 'public.item')).toHaveLength(1);
      expect([...(await loadTables(hasty, settings())).keys()].sort()).toEqual(['item', 'sale', 'stock']);
    } finally {
      await pos.sql.query('ROLLBACK');
      await hasty.destroy();
    }
  });

  test('by another name of a table whose rows are read again is not told to be captured, and an excluded one stays at home', async () => {
    await pos.sql.query('ALTER TABLE stock DROP CONSTRAINT stock_pkey, ADD PRIMARY KEY (id) DEFERRABLE');
    await install();
    await look();
    await pos.sql.query('ALTER TABLE stock RENAME TO goods; ALTER TABLE sale RENAME secret TO hidden');
    await look();
    expect(told).toContainEqual(
      expect.stringMatching(/called public\.goods now: .*what is changed there may not be captured/),
    );
    expect(told).toContainEqual(
      expect.stringMatching(/^the excluded column secret of public\.sale is called hidden now: it stays/),
    );
    expect(await pos.write('INSERT INTO goods VALUES (1)')).toEqual([]);
  });

  test('is none by a deferrable primary key beside the key by which rows are known, nor by what a session makes for itself', async () => {
    const entities = { sale: { table: 'sale', key: ['no'] } };
    await pos.sql.query(`ALTER TABLE sale ADD no int NOT NULL UNIQUE, DROP CONSTRAINT sale_pkey, ADD PRIMARY KEY (id) DEFERRABLE;
      CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER noted BEFORE INSERT ON stock FOR EACH ROW EXECUTE FUNCTION noted()`);
    await install(entities);
    await pos.sql.query(
      `CREATE FUNCTION pg_temp.report() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE ''; END $$`,
    );
    await look(entities);
    expect(await drifts()).toEqual({});
  });

  test('in the key, the rights or the name holds the entity, and only it', async () => {
    await pos.sql.query(
      `ALTER TABLE sale RENAME id TO no; ALTER TABLE stock ENABLE ROW LEVEL SECURITY; DROP TABLE item`,
    );
    await look();
    const { rows } = await pos.sql.query(
      'SELECT entity_type, cause, holds_push AS push, holds_apply AS apply FROM syncd.holds ORDER BY 1',
    );
    expect(await drifts()).toEqual({ sale: 'key', stock: 'policies', item: 'gone' });
    expect(rows).toEqual([
      { entity_type: 'sale', cause: 'key', push: true, apply: false },
      { entity_type: 'stock', cause: 'policies', push: false, apply: true },
    ]);
    expect(holdsChanged).toBe(1);
    await pos.sql.query('ALTER TABLE sale RENAME no TO id; ALTER TABLE stock DISABLE ROW LEVEL SECURITY');
    await look();
    expect((await pos.sql.query('SELECT entity_type FROM syncd.holds')).rows).toEqual([]);
    expect(await asked()).toEqual([expect.objectContaining({ entity_type: 'sale', kind: 'reconcile' })]);
  });

  test('of a role that writes as a replica is found by the daemon, which is no superuser', async () => {
    await pos.sql.query(
      `CREATE ROLE loader_${databases}; ALTER ROLE loader_${databases} SET session_replication_role = replica`,
    );
    await look();
    expect(await drifts()).toEqual({ sale: 'replica_role', stock: 'replica_role', item: 'replica_role' });
    await pos.sql.query(`ALTER ROLE loader_${databases} RESET session_replication_role`);
    await look();
    expect(await drifts()).toEqual({});
    expect(await asked()).toHaveLength(3);
    await pos.sql.query(`DROP ROLE loader_${databases}`);
  });

  test('that lets changes go by has the table compared once it is over: by install, by hand, and between two looks', async () => {
    await pos.sql.query('ALTER TABLE stock DISABLE TRIGGER "!syncd insert"');
    await look();
    expect(await asked()).toEqual([]);
    await pos.sql.query('ALTER TABLE stock ENABLE TRIGGER "!syncd insert"');
    await look();
    expect(await asked()).toEqual([
      {
        entity_type: 'stock',
        kind: 'reconcile',
        cause: expect.stringMatching(/^drift: on public\.stock .* disabled/),
        requested_by: 'syncd',
      },
    ]);
    await pos.sql.query(
      'TRUNCATE syncd.backfills; ALTER TABLE sale DISABLE TRIGGER ALL; ALTER TABLE sale ENABLE TRIGGER ALL',
    );
    await look();
    expect(await asked()).toEqual([
      expect.objectContaining({ entity_type: 'sale', cause: 'drift: triggers of public.sale were altered meanwhile' }),
    ]);
    await pos.sql.query("INSERT INTO sale VALUES (1, ' x'); TRUNCATE syncd.backfills");
    await pos.sql.query('VACUUM FULL sale');
    await look();
    expect(await asked()).toEqual([]);
    await pos.sql.query('ALTER TABLE sale ALTER name TYPE text USING trim(name)');
    await look();
    expect(await asked()).toEqual([
      expect.objectContaining({ entity_type: 'sale', cause: 'drift: rows of public.sale were altered meanwhile' }),
    ]);
    await pos.sql.query('TRUNCATE syncd.backfills; DROP TRIGGER "!syncd insert" ON stock');
    await install();
    await look();
    expect(await asked()).toEqual([
      expect.objectContaining({
        entity_type: 'stock',
        requested_by: 'postgres',
        cause: expect.stringMatching(/INSERT is dropped/),
      }),
    ]);
    expect((await pos.sql.query(`SELECT entity_type, cause FROM syncd.holds`)).rows).toEqual([
      { entity_type: 'stock', cause: 'reconcile' },
    ]);
  });

  (server.version >= 18 ? test : () => {})(
    'of a virtual column whose expression is another one has the table compared',
    async () => {
      await pos.sql.query('ALTER TABLE stock ADD twice numeric GENERATED ALWAYS AS (qty * 2)');
      await install();
      await look();
      await pos.sql.query(
        'UPDATE syncd.backfills SET finished_at = now(); ALTER TABLE stock ALTER twice SET EXPRESSION AS (qty * 3)',
      );
      await look();
      const cause = 'drift: rows of public.stock were altered meanwhile';
      expect((await asked()).filter((one) => one.cause === cause)).toHaveLength(1);
    },
  );

  test('of tables that the restore of a dump made anew is told without saying that they are not captured', async () => {
    const { rows } = await pos.sql.query<{ text: string }>(`
      SELECT pg_get_triggerdef(oid) AS text FROM pg_trigger
      WHERE tgname LIKE '!syncd %' AND tgparentid = 0 AND tgrelid IN ('sale'::regclass, 'stock'::regclass, 'item'::regclass, 'item_1'::regclass)`);
    await pos.sql.query(`DROP TABLE sale, stock, item; ${TABLES}; ${rows.map(({ text }) => text).join(';')}`);
    await look();
    expect(await drifts()).toEqual({ sale: 'recreated', stock: 'recreated', item: 'recreated' });
    const captured =
      'is another table than the one that was installed .* so what is written to it is captured; what went by';
    for (const [table, rest] of [
      ['item', ' before is looked for after the install$'],
      ['sale', '.*excluded column that gets another name is sent$'],
      ['stock', '.*after the install, what the cloud sends for it waits$'],
    ])
      expect(told).toContainEqual(expect.stringMatching(`^public.${table} ${captured}${rest}`));
    expect(
      await pos.write(
        'INSERT INTO sale VALUES (1)',
        'INSERT INTO stock VALUES (1)',
        "INSERT INTO item VALUES (1, '2026-01-02')",
      ),
    ).toEqual(['create 1', 'create 1', 'create ["1","2026-01-02"]']);
    await install();
    await look();
    expect(await drifts()).toEqual({});
    expect(await asked()).toHaveLength(3);
  });

  test('of a table that came back empty asks a person, and of one that came back full asks for a comparison', async () => {
    await pos.sql.query(`INSERT INTO syncd.entity_state (entity_type, entity_id) VALUES ('sale', '1'), ('stock', '1');
      DROP TABLE sale, stock; CREATE TABLE sale (id int PRIMARY KEY, name text, secret text);
      CREATE TABLE stock (id int PRIMARY KEY, qty numeric(12,2) NOT NULL DEFAULT 0); INSERT INTO stock VALUES (1)`);
    await install();
    expect(await asked()).toEqual([expect.objectContaining({ entity_type: 'stock', kind: 'reconcile' })]);
    expect((await pos.sql.query('SELECT entity_type FROM syncd.truncations')).rows).toEqual([{ entity_type: 'sale' }]);
    expect(await pos.write('INSERT INTO sale VALUES (1)', 'UPDATE stock SET qty = 1')).toEqual([
      'create 1',
      'update 1',
    ]);
  });

  test('between the configuration and the installation is told, a secret that is still sent above all', async () => {
    const sale: Partial<EntitySettings> & { table: string } = { table: 'sale', exclude: ['secret', 'name'] };
    await look({ ...ENTITIES, sale, stock: 'stock', item: { table: 'item', key: ['day', 'id'] } });
    expect(await drifts()).toEqual({ sale: 'configuration', stock: 'configuration', item: 'configuration' });
    expect(told.sort()).toEqual(
      [
        expect.stringMatching(/something else of direction than what was installed for public\.stock/),
        expect.stringMatching(/something else of exclude than what was installed for public\.sale/),
        expect.stringMatching(/something else of key than what was installed for public\.item/),
      ].sort(),
    );
  });
});
