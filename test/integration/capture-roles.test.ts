/** What the roles that `install` makes may do: no more than is needed, given back where it was revoked, taken back where it was left over. */
import { uninstallCapture } from '../../src/capture/uninstall.js';
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
});
