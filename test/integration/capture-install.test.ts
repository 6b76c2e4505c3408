/** `install` reaches the configuration from wherever the database stands, or says everything that is in the way and does nothing. */
import pg from 'pg';
import { installCapture } from '../../src/capture/install.js';
import { uninstallCapture } from '../../src/capture/uninstall.js';
import type { SyncError } from '../../src/errors.js';
import { captureSettings, type Entities, onEachServer, Pos } from '../support/capture.js';
import { catalogue } from '../support/catalogue.js';

/** PostgreSQL takes a longer one for this one. */
const LONGEST_NAME = 'n'.repeat(63);

onEachServer('install', (_, server) => {
  let pos: Pos;
  let databases = 0;
  beforeEach(async () => {
    databases += 1;
    pos = await Pos.open(server.cluster(), `shop_${databases}`);
    await pos.sql.query(
      `CREATE TABLE sale (id int PRIMARY KEY, name text); CREATE TABLE stock (id int PRIMARY KEY, qty int)`,
    );
  });
  afterEach(() => pos.close());
  const install = (entities: Entities, more: { dryRun?: boolean; adminUrl?: string } = {}) => {
    const lines: string[] = [];
    const settings = captureSettings(entities);
    return installCapture({ adminUrl: pos.url, settings, report: (line) => lines.push(line), ...more }).then(
      (report) => ({ ...report, lines }),
    );
  };
  const refusal = (work: Promise<unknown>) =>
    work.then(
      () => {
        throw new Error('it was not refused');
      },
      (error: SyncError) => ({ code: error.code, message: error.message, issues: error.hint.split('\n') }),
    );
  const triggered = async () =>
    (
      await pos.sql.query(
        `SELECT DISTINCT tgrelid::regclass::text AS name FROM pg_trigger WHERE tgname LIKE '!syncd%' ORDER BY 1`,
      )
    ).rows.map(({ name }) => name);

  test('done twice changes nothing the second time and keeps who the outlet is', async () => {
    const first = await install({ sale: 'sale' });
    expect(first.changes).toContain('sale: triggers on "public"."sale"');
    await pos.sql.query('UPDATE syncd.outlet_config SET sync_enabled = false, epoch = 7');
    const identity = async () =>
      (
        await pos.sql.query(
          'SELECT install_id, epoch, sync_enabled, outlet_id, code, cloud_url FROM syncd.outlet_config',
        )
      ).rows;
    const before = await identity();
    expect(await install({ sale: 'sale' })).toEqual({ changes: [], notices: [], lines: [] });
    const moved = captureSettings({ sale: 'sale' });
    moved.cloud.url = 'https://new.example.com/api/v1';
    await installCapture({ adminUrl: pos.url, settings: moved });
    expect(await identity()).toEqual([{ ...before[0], cloud_url: 'https://new.example.com/api/v1' }]);
    expect(before[0]).toMatchObject({ epoch: '7', sync_enabled: false, outlet_id: 'outlet-7', code: 'JKT-014' });
  });

  test('warns of a table that a crash of the server empties', async () => {
    await pos.sql.query('CREATE UNLOGGED TABLE basket (id int PRIMARY KEY)');
    expect((await install({ basket: 'basket' })).notices).toEqual([
      expect.stringMatching(/^basket is UNLOGGED: a crash/),
    ]);
  });

  test('says which tables had rows before, once: they are not sent by themselves', async () => {
    await pos.sql.query(
      'CREATE TABLE old (id int PRIMARY KEY); CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO old VALUES (1)',
    );
    const notice = 'the rows that old had before are not sent until: sudo -u syncd syncd backfill';
    expect((await install({ old: 'old', fresh: 'fresh' }, { dryRun: true })).notices).toEqual([notice]);
    expect((await install({ old: 'old', fresh: 'fresh' })).notices).toEqual([notice]);
    await pos.sql.query('INSERT INTO fresh VALUES (1)');
    expect((await install({ old: 'old', fresh: 'fresh' })).notices).toEqual([]);
    const { rows } = await pos.sql.query(
      "SELECT entity_type FROM syncd.capture WHERE older_rows AND entity_type IN ('old', 'fresh')",
    );
    expect(rows).toEqual([{ entity_type: 'old' }]);
  });

  test('as a dry run prints the SQL and changes nothing; with nothing to do it prints nothing', async () => {
    const before = await catalogue(pos.sql);
    const { lines } = await install({ sale: 'sale', stock: { table: 'stock', direction: 'both' } }, { dryRun: true });
    expect(await catalogue(pos.sql)).toEqual(before);
    expect(
      lines.some((line) => line.startsWith('CREATE TRIGGER "!syncd insert" AFTER INSERT ON "public"."stock"')),
    ).toBe(true);
    expect(
      (await install({ sale: 'sale', stock: { table: 'stock', direction: 'both' } })).lines.length,
    ).toBeGreaterThan(0);
    expect(
      (await install({ sale: 'sale', stock: { table: 'stock', direction: 'both' } }, { dryRun: true })).lines,
    ).toEqual([]);
  });

  test('reports everything that is in the way at once, and changes nothing', async () => {
    await pos.sql.query(`CREATE TABLE keyless (id int); CREATE TABLE odd (id float8 PRIMARY KEY); CREATE VIEW seen AS SELECT * FROM sale;
      CREATE TABLE nullable (id int UNIQUE, a int, CHECK (a > 0)); CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id);
      CREATE TABLE leaf PARTITION OF root DEFAULT; CREATE TABLE blob (id bytea PRIMARY KEY);
      CREATE TABLE ${LONGEST_NAME} (id bigint PRIMARY KEY)`);
    const before = await catalogue(pos.sql);
    const refused = await refusal(
      install({
        sale: { table: 'sale', exclude: ['nmae', 'id'], date_field: 'paid' },
        missing: 'missing',
        'cut off': `${LONGEST_NAME}er`,
        'bad name': 'a.b.c',
        keyless: 'keyless',
        odd: 'odd',
        blob: 'blob',
        view: 'seen',
        nullable: { table: 'nullable', key: ['id'] },
        unknown: { table: 'stock', key: ['nr'] },
        again: 'sale',
        root: 'root',
        leaf: 'leaf',
        catalog: 'pg_catalog.pg_class',
      }),
    );
    expect(refused.code).toBe('configuration');
    expect(refused.message).toMatch(/^nothing was changed: \d+ things are in the way$/);
    expect(refused.issues).toEqual([
      expect.stringMatching(/sale: exclude: sale has no column nmae/),
      expect.stringMatching(/sale: exclude: id is part of the key/),
      expect.stringMatching(/sale: date_field: sale has no column paid/),
      'entity missing: there is no table missing',
      `entity cut off: there is no table ${LONGEST_NAME}er`,
      'entity bad name: there is no table a.b.c',
      expect.stringMatching(/keyless: keyless has no primary key; .*key:/),
      expect.stringMatching(/key column id of odd is a double precision/),
      expect.stringMatching(/key column id of blob is a bytea/),
      expect.stringMatching(/seen is not a table/),
      expect.stringMatching(/id of nullable may be null/),
      expect.stringMatching(/stock has no column nr/),
      expect.stringMatching(/again: table sale is captured as sale already/),
      'entity catalog: pg_catalog.pg_class is a table of PostgreSQL itself',
      expect.stringMatching(/leaf: its table is a partition of/),
    ]);
    expect(await catalogue(pos.sql)).toEqual(before);
  });

  test('takes capture off a table that left the configuration, but not while anything else is wrong with it', async () => {
    await install({ sale: 'sale', stock: { table: 'stock', direction: 'both' } });
    await refusal(install({}));
    await refusal(install({ sale: 'sale', other: 'nowhere' }));
    expect(await triggered()).toEqual(['sale', 'stock']);
    const { changes } = await install({ sale: 'sale' });
    expect(changes).toContain('no capture on "public"."stock" any more');
    expect(await triggered()).toEqual(['sale']);
    const { rows } = await pos.sql.query(
      `SELECT has_table_privilege('syncd', 'stock', 'SELECT') AS reads, (SELECT count(*)::int FROM syncd.capture) AS captured`,
    );
    expect(rows).toEqual([{ reads: false, captured: 1 }]);
  });

  test('repairs what was dropped, disabled or altered behind its back', async () => {
    await install({ sale: 'sale', stock: 'stock' });
    await pos.sql.query(`DROP TRIGGER "!syncd update" ON sale; ALTER TABLE stock DISABLE TRIGGER "!syncd insert";
      CREATE OR REPLACE FUNCTION syncd.capture_sale_delete() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      REVOKE SELECT ON stock FROM syncd`);
    expect((await install({ sale: 'sale', stock: 'stock' })).changes).toEqual([
      'sale: "public"."sale"',
      'sale: triggers on "public"."sale"',
      'stock: rights on "public"."stock"',
      'stock: triggers on "public"."stock"',
      'sale: what went by uncaptured is looked for',
      'stock: what went by uncaptured is looked for',
      'sale, stock: written down as they are now',
    ]);
    expect(
      await pos.write(
        `INSERT INTO sale VALUES (1)`,
        `UPDATE sale SET name = 'a'`,
        `DELETE FROM sale`,
        'INSERT INTO stock VALUES (1)',
      ),
    ).toEqual(['create 1', 'update 1', 'delete 1', 'create 1']);
  });

  test('gives the daemon no more than it needs: it reads what is captured and writes only what is pulled', async () => {
    await install({ sale: 'sale', stock: { table: 'stock', direction: 'both' } });
    const { rows } =
      await pos.sql.query(`SELECT t, p FROM unnest(ARRAY['sale', 'stock', 'syncd.sync_queue', 'syncd.capture', 'syncd.outlet_config']) t,
      unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) p WHERE has_table_privilege('syncd', t, p) ORDER BY t, p`);
    const of = (table: string) => rows.filter(({ t }) => t === table).map(({ p }) => p);
    expect(of('sale')).toEqual(['SELECT']);
    expect(of('stock')).toEqual(['DELETE', 'INSERT', 'SELECT', 'UPDATE']);
    expect(of('syncd.sync_queue')).toEqual(['DELETE', 'INSERT', 'SELECT', 'UPDATE']);
    expect(of('syncd.capture')).toEqual(['SELECT']);
    expect(of('syncd.outlet_config')).toEqual(['SELECT', 'UPDATE']);
    const foreign = await pos.sql.query(
      `SELECT count(*)::int AS n FROM pg_class WHERE relnamespace = 'syncd'::regnamespace AND relowner <> 'syncd_owner'::regrole`,
    );
    expect(foreign.rows).toEqual([{ n: 0 }]);
    await install({ sale: 'sale', stock: 'stock' });
    expect((await pos.sql.query(`SELECT has_table_privilege('syncd', 'stock', 'UPDATE') AS may`)).rows).toEqual([
      { may: false },
    ]);
  });

  test('takes rights back that nothing needs any more: of what left also_writes, of an entity that is gone, of their sequences', async () => {
    await pos.sql.query(`CREATE SCHEMA back; CREATE TABLE back.ledger (id serial PRIMARY KEY, n int);
      CREATE TABLE back.counted (id serial PRIMARY KEY)`);
    const held = async () =>
      (
        await pos.sql.query(`SELECT coalesce(string_agg(what || ' ' || right_, ', ' ORDER BY what, right_), '') AS held FROM (
            SELECT c.oid::regclass::text AS what, lower(a.privilege_type) AS right_
            FROM pg_class c CROSS JOIN aclexplode(c.relacl) a
            WHERE c.relnamespace = 'back'::regnamespace AND a.grantee = 'syncd'::regrole AND a.privilege_type IN ('INSERT', 'USAGE')
            UNION SELECT 'schema', lower(a.privilege_type) FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a
            WHERE n.nspname = 'back' AND a.grantee = 'syncd'::regrole) AS held`)
      ).rows[0].held;
    const counted = { table: 'back.counted', direction: 'both' } as const;
    await install({ sale: 'sale', counted: { ...counted, also_writes: ['back.ledger'] } });
    const own = 'back.counted insert, back.counted_id_seq usage';
    expect(await held()).toBe(`${own}, back.ledger insert, back.ledger_id_seq usage, schema usage`);
    expect((await install({ sale: 'sale', counted })).changes).toContain('rights that nothing needs any more');
    expect(await held()).toBe(`${own}, schema usage`);
    expect((await install({ sale: 'sale', counted })).changes).toEqual([]);
    await install({ sale: 'sale', counted: { ...counted, direction: 'push' } });
    expect(await held()).toBe('schema usage');
    await install({ sale: 'sale', counted: { ...counted, also_writes: ['back.ledger'] } });
    await pos.sql.query(
      'GRANT USAGE ON SEQUENCE back.ledger_id_seq TO syncd; CREATE TABLE back.private (); GRANT INSERT ON back.private TO syncd',
    );
    await install({ sale: 'sale' });
    expect(await held()).toBe('back.private insert');
    expect((await install({ sale: 'sale' })).changes).toEqual([]);
    await pos.sql.query('DROP SCHEMA back CASCADE');
  });

  test('works for a login that owns the tables and may create roles, and tells another one what it lacks', async () => {
    await uninstallEverywhere();
    await pos.sql.query(`DROP ROLE IF EXISTS boss, clerk; CREATE ROLE boss LOGIN CREATEROLE; CREATE ROLE clerk LOGIN;
      ALTER TABLE sale OWNER TO boss; GRANT CREATE ON DATABASE ${new URL(pos.url).pathname.slice(1)} TO boss`);
    const as = (user: string) => server.cluster().url(new URL(pos.url).pathname.slice(1), user);
    const refused = await refusal(install({ sale: 'sale', stock: 'stock' }, { adminUrl: as('clerk') }));
    expect(refused.issues).toEqual([
      expect.stringMatching(/clerk may not create roles/),
      expect.stringMatching(/clerk may not create a schema/),
      'entity sale: clerk has no TRIGGER right on "public"."sale"',
      'entity stock: clerk has no TRIGGER right on "public"."stock"',
    ]);
    // Whether the table holds rows is told also to one who may not read them.
    await pos.sql.query('INSERT INTO sale VALUES (0); REVOKE SELECT ON sale FROM boss');
    const { notices } = await install({ sale: 'sale' }, { adminUrl: as('boss') });
    expect(notices).toEqual([expect.stringMatching(/^the rows that sale had before/)]);
    expect(await pos.write('INSERT INTO sale VALUES (1)')).toEqual(['create 1']);
    expect((await install({ sale: 'sale' }, { adminUrl: as('boss') })).changes).toEqual([]);
    await uninstallCapture({ adminUrl: as('boss'), discardPending: true });
    expect((await pos.sql.query(`SELECT rolname FROM pg_roles WHERE rolname LIKE 'syncd%'`)).rows).toEqual([]);
  });

  test.each([
    ['the schema', 'REVOKE USAGE ON SCHEMA syncd FROM syncd'],
    ['a table that it reads', 'REVOKE SELECT ON syncd.capture FROM syncd'],
    ['a table that it writes', 'REVOKE DELETE ON syncd.sync_queue FROM syncd'],
    ['a view', 'REVOKE ALL ON syncd.unsettled FROM syncd'],
    ['a sequence', 'REVOKE ALL ON SEQUENCE syncd.sync_logs_id_seq FROM syncd'],
  ])('gives the daemon back what somebody has revoked: %s', async (_what, revoke) => {
    await install({ sale: 'sale' });
    await pos.sql.query(revoke);
    expect((await install({ sale: 'sale' })).changes).toEqual(['grants to syncd in schema syncd']);
    expect((await install({ sale: 'sale' })).changes).toEqual([]);
  });

  test.each([
    ['the schema', 'REVOKE USAGE ON SCHEMA syncd FROM syncd_capture'],
    ['the queue', 'REVOKE INSERT ON syncd.sync_queue FROM syncd_capture'],
    ['the marker of a TRUNCATE', 'REVOKE INSERT ON syncd.truncations FROM syncd_capture'],
    ['a counter', 'REVOKE USAGE ON SEQUENCE syncd.failures_sale FROM syncd_capture'],
    ['a function', 'REVOKE EXECUTE ON FUNCTION syncd.wake() FROM syncd_capture'],
  ])('gives the triggers back what somebody has revoked: %s', async (_what, revoke) => {
    await install({ sale: 'sale' });
    await pos.sql.query(revoke);
    expect((await install({ sale: 'sale' })).changes).toEqual(['grants to syncd_capture in schema syncd']);
    expect((await install({ sale: 'sale' })).changes).toEqual([]);
  });

  test("gives the trigger functions of an older install, which were the schema owner's, to a role that may do nothing else", async () => {
    await uninstallEverywhere();
    await pos.sql.query(`CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TRIGGER noop AFTER INSERT ON stock FOR EACH ROW EXECUTE FUNCTION noop(); ALTER TABLE stock ENABLE ROW LEVEL SECURITY`);
    const entities = { sale: 'sale', stock: 'stock' };
    await install(entities);
    const owners = async () =>
      (
        await pos.sql.query(`SELECT string_agg(DISTINCT pg_get_userbyid(proowner), ', ') AS owners
          FROM pg_proc WHERE pronamespace = 'syncd'::regnamespace AND prorettype = 'trigger'::regtype`)
      ).rows[0].owners;
    const reader = async () =>
      (
        await pos.sql.query(`SELECT string_agg(a.grantee::regrole::text, ', ' ORDER BY 1) AS readers
          FROM pg_class c CROSS JOIN aclexplode(c.relacl) a WHERE c.oid = 'stock'::regclass AND a.grantee::regrole::text ~ '_'`)
      ).rows[0].readers;
    expect([await owners(), await reader()]).toEqual(['syncd_capture', 'syncd_capture']);
    await pos.sql.query(`REASSIGN OWNED BY syncd_capture TO syncd_owner; DROP OWNED BY syncd_capture; DROP ROLE syncd_capture;
      GRANT SELECT ON stock TO syncd_owner; ALTER ROLE syncd_owner BYPASSRLS`);
    expect([await owners(), await reader()]).toEqual(['syncd_owner', 'syncd_owner']);
    expect((await install(entities)).changes).toEqual([
      'role syncd_capture',
      'syncd_owner may act as syncd_capture',
      'grants to syncd in schema syncd',
      'grants to syncd_capture in schema syncd',
      'syncd_capture bypasses row-level security',
      'sale: "public"."sale"',
      'stock: rights on "public"."stock"',
      'stock: "public"."stock"',
      'rights that nothing needs any more',
      'sale, stock: written down as they are now',
    ]);
    expect([await owners(), await reader()]).toEqual(['syncd_capture', 'syncd_capture']);
    expect(await pos.write('INSERT INTO sale VALUES (1)', 'INSERT INTO stock VALUES (1)')).toEqual([
      'create 1',
      'create 1',
    ]);
    expect((await install(entities)).changes).toEqual([]);
    const { rows } = await pos.sql.query(`SELECT has_schema_privilege('syncd_capture', 'syncd', 'CREATE') AS creates,
      (SELECT count(*)::int FROM pg_auth_members WHERE member = 'syncd_capture'::regrole) AS memberships,
      (SELECT count(*)::int FROM pg_class WHERE relowner = 'syncd_capture'::regrole) AS owned`);
    expect(rows).toEqual([{ creates: false, memberships: 0, owned: 0 }]);
  });

  test('takes the trigger functions from whoever restored a dump where their role was missing', async () => {
    await install({ sale: 'sale' });
    await pos.sql.query('ALTER FUNCTION syncd.capture_sale_insert() OWNER TO postgres');
    expect((await install({ sale: 'sale' })).changes).toEqual([
      'trigger functions of postgres belong to syncd_owner',
      'sale: "public"."sale"',
      'sale: written down as it is now',
    ]);
    expect((await install({ sale: 'sale' })).changes).toEqual([]);
    expect(await pos.write('INSERT INTO sale VALUES (1)')).toEqual(['create 1']);
  });

  test('by many at once ends as by one', async () => {
    await Promise.all(Array.from({ length: 6 }, () => install({ sale: 'sale', stock: 'stock' })));
    expect(await pos.write('INSERT INTO sale VALUES (1)')).toEqual(['create 1']);
    expect((await install({ sale: 'sale', stock: 'stock' })).changes).toEqual([]);
  });

  test('into two databases of one server at once shares the roles', async () => {
    await uninstallEverywhere();
    const others = await Promise.all([1, 2, 3].map((n) => Pos.open(server.cluster(), `twin_${databases}_${n}`)));
    await Promise.all(others.map((other) => other.capture('CREATE TABLE sale (id int PRIMARY KEY)', { sale: 'sale' })));
    for (const other of others) {
      expect(await other.write('INSERT INTO sale VALUES (1)')).toEqual(['create 1']);
      await other.close();
    }
  });

  /** Takes syncd out of every database of the cluster, so that its roles go too. */
  async function uninstallEverywhere(): Promise<void> {
    const { rows } = await pos.sql.query('SELECT datname FROM pg_database WHERE NOT datistemplate');
    for (const { datname } of rows)
      await uninstallCapture({ adminUrl: server.cluster().url(datname), discardPending: true });
    const left = new pg.Client(pos.url);
    await left.connect();
    expect((await left.query(`SELECT rolname FROM pg_roles WHERE rolname LIKE 'syncd%'`)).rows).toEqual([]);
    await left.end();
  }
});
