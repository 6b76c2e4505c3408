/** What the roles that `install` makes may do: no more than is needed, given back where it was revoked, taken back where it was left over. */
import pg from 'pg';
import { uninstallCapture } from '../../src/capture/uninstall.js';
import type { SyncError } from '../../src/errors.js';
import { onEachServer, type Pos } from '../support/capture.js';
import { installStage, refusal } from '../support/install-stage.js';

onEachServer('install', (_, server) => {
  let pos: Pos;
  const { install, uninstallEverywhere } = installStage(server, (shop) => {
    pos = shop;
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
      expect.stringMatching(
        /^entity sale: clerk may not grant SELECT .* to syncd: .*\(GRANT "boss" TO "clerk"\), or a superuser$/,
      ),
      'entity stock: clerk has no TRIGGER right on "public"."stock"',
      expect.stringMatching(
        /^entity stock: clerk may not grant SELECT .* to syncd: only its owner may, or a superuser$/,
      ),
    ]);
    // Of such a GRANT PostgreSQL makes a warning: nothing would be given, and install would call it done.
    await pos.sql.query('GRANT TRIGGER, SELECT ON sale TO clerk');
    expect((await refusal(install({ sale: 'sale' }, { adminUrl: as('clerk') }))).issues).toContainEqual(
      expect.stringMatching(/^entity sale: clerk may not grant SELECT/),
    );
    // Whether the table holds rows is told also to one who may not read them.
    await pos.sql.query('INSERT INTO sale VALUES (0); REVOKE SELECT ON sale FROM boss');
    await pos.sql.query('ALTER TABLE stock OWNER TO clerk; GRANT clerk TO boss');
    const { notices } = await install({ sale: 'sale', stock: 'stock' }, { adminUrl: as('boss') });
    expect(notices).toEqual([
      expect.stringMatching(/^a pg_dump of this database as clerk is refused from now on.*-N syncd/),
      expect.stringMatching(/^the rows that sale had before/),
    ]);
    expect(await pos.write('INSERT INTO sale VALUES (1)')).toEqual(['create 1']);
    expect(await install({ sale: 'sale', stock: 'stock' }, { adminUrl: as('boss') })).toMatchObject({
      changes: [],
      notices: [],
    });
    await uninstallCapture({ adminUrl: as('boss'), discardPending: true });
    expect((await pos.sql.query(`SELECT rolname FROM pg_roles WHERE rolname LIKE 'syncd%'`)).rows).toEqual([]);
  });

  test.each([
    ['the schema', 'REVOKE USAGE ON SCHEMA syncd FROM syncd'],
    ['a table that it reads', 'REVOKE SELECT ON syncd.capture FROM syncd'],
    ['a table that it writes', 'REVOKE DELETE ON syncd.sync_queue FROM syncd'],
    ['a view', 'REVOKE ALL ON syncd.unsettled FROM syncd'],
    ['a sequence', 'REVOKE ALL ON SEQUENCE syncd.sync_logs_id_seq FROM syncd'],
    ['a function', 'REVOKE ALL ON FUNCTION syncd.table_shape FROM syncd'],
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
  ])('gives the triggers back what somebody has revoked, and looks for what went by: %s', async (_what, revoke) => {
    await install({ sale: 'sale' });
    await pos.sql.query(revoke);
    // Without the schema or the counter a failure is not even counted: the comparison alone finds what went by.
    expect((await install({ sale: 'sale' })).changes).toEqual([
      'grants to syncd_capture in schema syncd',
      'sale: what went by uncaptured is looked for',
      'sale: written down as it is now',
    ]);
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

  test('lets the POS make partitions of a partition whose row triggers PostgreSQL clones, also under another owner', async () => {
    await pos.sql.query(`DROP ROLE IF EXISTS till, manager; CREATE ROLE till; CREATE ROLE manager; CREATE SCHEMA shop;
      GRANT ALL ON SCHEMA shop TO till, manager; GRANT manager TO till;
      CREATE TABLE shop.bill (id int, y int, m int, PRIMARY KEY (id, y, m)) PARTITION BY LIST (y);
      CREATE TABLE shop.bill_26 PARTITION OF shop.bill FOR VALUES IN (26) PARTITION BY LIST (m);
      ALTER TABLE shop.bill OWNER TO till; ALTER TABLE shop.bill_26 OWNER TO till`);
    await install({ bill: 'shop.bill_26' });
    const made = (month: number, role: string) =>
      pos.sql.query(
        `SET ROLE ${role}; CREATE TABLE shop.bill_26_${month} PARTITION OF shop.bill_26 FOR VALUES IN (${month})`,
      );
    await made(1, 'till');
    expect(await pos.write('INSERT INTO shop.bill VALUES (7, 26, 1)', 'RESET ROLE')).toEqual(['create ["7","26","1"]']);
    await pos.sql.query('ALTER TABLE shop.bill_26 OWNER TO manager');
    expect((await install({ bill: 'shop.bill_26' })).changes).toContain('bill: "shop"."bill_26"');
    await made(2, 'manager');
    await pos.sql.query('RESET ROLE');
    // What a former owner may not have by another role any more.
    expect(
      (
        await pos.sql.query(`SELECT has_function_privilege('manager', 'syncd.capture_bill_insert()', 'EXECUTE') AS now,
        (SELECT count(*)::int FROM pg_proc p, aclexplode(p.proacl) a WHERE p.proname = 'capture_bill_insert' AND a.grantee = 'till'::regrole) AS before`)
      ).rows,
    ).toEqual([{ now: true, before: 0 }]);
  });

  test('leaves nothing to PUBLIC, from which an administrator revokes: neither the schemas of tables, types and operators nor the database', async () => {
    await pos.sql.query(`CREATE SCHEMA types; CREATE EXTENSION citext SCHEMA types;
      CREATE TABLE client (code types.citext PRIMARY KEY DEFERRABLE, n int)`);
    const database = new URL(pos.url).pathname.slice(1);
    await install({ client: 'client' });
    await pos.sql.query(`REVOKE ALL ON SCHEMA public FROM PUBLIC; REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
    expect(await pos.write(`INSERT INTO client VALUES ('Ab', 1)`)).toEqual(['create Ab']);
    expect((await install({ client: 'client' })).changes).toEqual([`syncd may connect to database ${database}`]);
    expect((await install({ client: 'client' })).changes).toEqual([]);
    const daemon = new pg.Client(server.cluster().url(database, 'syncd'));
    await daemon.connect();
    expect(
      (await daemon.query(`SELECT n FROM public.client WHERE code OPERATOR(types.=) 'AB'::types.citext`)).rows,
    ).toEqual([{ n: 1 }]);
    await daemon.end();
    await uninstallEverywhere();
  });

  test('tells who may not act as the owner of an installation what to grant, and works for him then', async () => {
    await install({ sale: 'sale' });
    await pos.sql.query(
      'DROP ROLE IF EXISTS deputy; CREATE ROLE deputy LOGIN CREATEROLE; ALTER TABLE sale OWNER TO deputy',
    );
    const adminUrl = server.cluster().url(new URL(pos.url).pathname.slice(1), 'deputy');
    const refused = {
      code: 'configuration',
      message: 'nothing was changed: deputy may not act as syncd_owner, which has the schema',
    };
    const error = await install({ sale: 'sale' }, { adminUrl }).catch((thrown: SyncError) => thrown as SyncError);
    expect(error).toMatchObject(refused);
    await expect(uninstallCapture({ adminUrl })).rejects.toMatchObject(refused);
    await pos.sql.query((error as SyncError).hint.replace(/^.*: (?=GRANT)/, ''));
    expect((await install({ sale: 'sale' }, { adminUrl })).changes).toEqual([]);
    await pos.sql.query('ALTER TABLE sale OWNER TO postgres');
  });

  test('works for one whose roles give him nothing by themselves, or says what to alter', async () => {
    await uninstallEverywhere();
    const database = new URL(pos.url).pathname.slice(1);
    await pos.sql.query(`DROP ROLE IF EXISTS modest; CREATE ROLE modest LOGIN CREATEROLE NOINHERIT; ALTER TABLE sale OWNER TO modest;
      GRANT CREATE ON DATABASE ${database} TO modest`);
    const adminUrl = server.cluster().url(database, 'modest');
    if (server.version < 16) {
      expect((await refusal(install({ sale: 'sale' }, { adminUrl }))).issues).toEqual([
        'modest does not have the rights of its roles by itself: ALTER ROLE "modest" INHERIT',
      ]);
      await pos.sql.query('ALTER ROLE modest INHERIT');
    } else await pos.sql.query(`ALTER ROLE modest SET createrole_self_grant = 'inherit'`);
    await install({ sale: 'sale' }, { adminUrl });
    expect((await install({ sale: 'sale' }, { adminUrl })).changes).toEqual([]);
    expect(await pos.write('INSERT INTO sale VALUES (1)')).toEqual(['create 1']);
    await uninstallCapture({ adminUrl, discardPending: true });
  });

  test('tells of policies that came later where the triggers read rows again, and looks for what went by meanwhile', async () => {
    await pos.sql.query('ALTER TABLE stock DROP CONSTRAINT stock_pkey, ADD PRIMARY KEY (id) DEFERRABLE');
    await install({ stock: 'stock' });
    await pos.sql.query('ALTER ROLE syncd_capture NOBYPASSRLS; ALTER TABLE stock ENABLE ROW LEVEL SECURITY');
    expect(await pos.write('INSERT INTO stock VALUES (1)')).toEqual([]);
    expect((await install({ stock: 'stock' })).changes).toEqual([
      'syncd_capture bypasses row-level security',
      'stock: what went by uncaptured is looked for',
      'stock: written down as it is now',
    ]);
    expect(await pos.write('INSERT INTO stock VALUES (2)')).toEqual(['create 2']);
    expect((await pos.sql.query('SELECT cause FROM syncd.backfills')).rows).toEqual([
      {
        cause: expect.stringMatching(
          /^drift: the triggers of public.stock may not read public.stock past its policies: /,
        ),
      },
    ]);
  });
});
