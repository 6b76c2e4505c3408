/** `uninstall` leaves the database as it was, and nothing while changes wait. */
import pg from 'pg';
import { suspendCapture } from '../../src/capture/suspend.js';
import { uninstallCapture } from '../../src/capture/uninstall.js';
import { openDb } from '../../src/db/connect.js';
import { LOCK_CLASS, LOCKS } from '../../src/db/schema.js';
import { onEachServer } from '../support/capture.js';
import { catalogue } from '../support/catalogue.js';

const SHOP = `CREATE TABLE sale (id int PRIMARY KEY, name text); CREATE SCHEMA back; CREATE TABLE back.stock (id int PRIMARY KEY, qty int);
  CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE leaf PARTITION OF root DEFAULT;
  CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child () INHERITS (parent);
  CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
  CREATE TRIGGER noop AFTER INSERT ON sale FOR EACH ROW EXECUTE FUNCTION noop()`;
const ENTITIES = {
  sale: 'sale',
  stock: { table: 'back.stock', direction: 'both' as const },
  root: 'root',
  parent: 'parent',
};

onEachServer('uninstall', (pos, server) => {
  test('leaves no object behind', async () => {
    await pos().sql.query(SHOP);
    const before = await catalogue(pos().sql);
    await pos().capture('', ENTITIES);
    expect(await catalogue(pos().sql)).not.toEqual(before);
    const report = await uninstallCapture({ adminUrl: pos().url });
    expect(report.notices).toEqual([]);
    expect(await catalogue(pos().sql)).toEqual(before);
    expect((await uninstallCapture({ adminUrl: pos().url })).changes).toEqual([]);
  });

  test('is refused while changes wait, unless told to lose them', async () => {
    await pos().capture('', ENTITIES);
    await pos().sql.query('INSERT INTO sale VALUES (1)');
    const installed = await catalogue(pos().sql);
    const refused = uninstallCapture({ adminUrl: pos().url });
    await expect(refused).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('one change has not reached the cloud'),
      hint: expect.stringContaining('--discard-pending'),
    });
    expect(await catalogue(pos().sql)).toEqual(installed);
  });

  test('as a dry run prints the SQL and changes nothing', async () => {
    const installed = await catalogue(pos().sql);
    const lines: string[] = [];
    await uninstallCapture({
      adminUrl: pos().url,
      discardPending: true,
      dryRun: true,
      report: (line) => lines.push(line),
    });
    expect(lines).toEqual(
      expect.arrayContaining(['DROP TRIGGER "!syncd insert" ON "public"."sale";', 'DROP SCHEMA syncd CASCADE;']),
    );
    expect(await catalogue(pos().sql)).toEqual(installed);
  });

  test('is refused while a daemon runs', async () => {
    const daemon = new pg.Client(pos().url);
    await daemon.connect();
    await daemon.query('SELECT pg_advisory_lock($1, $2)', [LOCK_CLASS, LOCKS.leader]);
    const refused = uninstallCapture({ adminUrl: pos().url, discardPending: true });
    await expect(refused).rejects.toMatchObject({ message: expect.stringContaining('a daemon is running') });
    await daemon.end();
  });

  test("is refused while something of the POS's leans on the schema: it would go with it", async () => {
    await pos().capture('', ENTITIES);
    await pos().sql.query(`CREATE VIEW back.lamp AS SELECT safe FROM syncd.sync_light;
      CREATE FUNCTION back.waits(syncd.sync_light) RETURNS bigint LANGUAGE sql AS 'SELECT $1.waiting';
      CREATE POLICY mine ON back.stock USING (EXISTS (SELECT FROM syncd.sync_light)); CREATE DOMAIN back.standing AS syncd.change_status`);
    await expect(uninstallCapture({ adminUrl: pos().url, discardPending: true })).rejects.toMatchObject({
      code: 'failed',
      message:
        'nothing was changed: function back.waits(syncd.sync_light), table back.stock, type back.standing, view back.lamp would be dropped with the schema syncd',
    });
    expect((await pos().sql.query('SELECT count(*)::int AS n FROM back.lamp')).rows).toEqual([{ n: 1 }]);
    await pos().sql.query(
      'DROP VIEW back.lamp; DROP FUNCTION back.waits; DROP POLICY mine ON back.stock; DROP DOMAIN back.standing',
    );
  });

  test("names an event trigger of the POS's that cannot work as the owner of the schema, as install and a suspension do", async () => {
    await pos().capture('', ENTITIES);
    await pos().sql.query(`CREATE TABLE ddl (tag text); CREATE FUNCTION log_ddl() RETURNS event_trigger LANGUAGE plpgsql
      AS 'BEGIN INSERT INTO public.ddl VALUES (tg_tag); END'; CREATE EVENT TRIGGER audit ON ddl_command_end EXECUTE FUNCTION log_ddl()`);
    const db = openDb(server.cluster().url('pos', 'syncd'), { role: 'test' });
    const blamed = {
      code: 'failed',
      message: expect.stringContaining(
        'public.log_ddl() failed, which an event trigger of this database calls: permission denied',
      ),
      hint: expect.stringContaining('ALTER FUNCTION public.log_ddl() SECURITY DEFINER'),
    };
    await expect(suspendCapture(db, ['sale'], 'test', 'an upgrade')).rejects.toMatchObject(blamed);
    await expect(pos().capture('', { sale: { table: 'sale', exclude: ['name'] } })).rejects.toMatchObject(blamed);
    await pos().sql.query('ALTER FUNCTION public.log_ddl() SECURITY DEFINER');
    expect(await suspendCapture(db, ['sale'], 'test', 'an upgrade')).toEqual(['sale']);
    await db.destroy();
    await pos().sql.query('DROP EVENT TRIGGER audit; DROP FUNCTION log_ddl; DROP TABLE ddl');
    await pos().capture('', ENTITIES);
  });

  test('keeps roles that another database uses or that were there before, and says so', async () => {
    const url = await server.cluster().createDatabase('other');
    const other = new pg.Client(url);
    await other.connect();
    await other.query('CREATE TABLE thing (id int); GRANT SELECT ON thing TO syncd');
    const { notices } = await uninstallCapture({ adminUrl: pos().url, discardPending: true });
    expect(notices).toEqual(['role syncd stays: something else uses it: 1 object in database other']);
    await other.query('REVOKE ALL ON thing FROM syncd; COMMENT ON ROLE syncd IS NULL');
    await pos().capture('', ENTITIES);
    expect((await uninstallCapture({ adminUrl: pos().url })).notices).toEqual([
      'role syncd stays: it was there before syncd',
    ]);
    await other.end();
  });
});
