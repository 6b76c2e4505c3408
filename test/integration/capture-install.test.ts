/** `install` reaches the configuration from wherever the database stands, or says everything that is in the way and does nothing. */
import { installCapture } from '../../src/capture/install.js';
import { uninstallCapture } from '../../src/capture/uninstall.js';
import { captureSettings, onEachServer, Pos } from '../support/capture.js';
import { catalogue } from '../support/catalogue.js';
import { installStage, refusal } from '../support/install-stage.js';

/** PostgreSQL takes a longer one for this one. */
const LONGEST_NAME = 'n'.repeat(63);

onEachServer('install', (_, server) => {
  let pos: Pos;
  const { install, uninstallEverywhere } = installStage(server, (shop) => {
    pos = shop;
  });
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

  test('warns of what the cloud sends in vain: into a column that JSON cannot be read back into, and through a rule', async () => {
    await pos.sql.query(`CREATE EXTENSION hstore; CREATE TABLE shelf (id int PRIMARY KEY, tags hstore[], note json);
      CREATE RULE kept AS ON DELETE TO shelf DO INSTEAD NOTHING`);
    const notices = async (direction: 'both' | 'push', exclude: string[] = []) =>
      (await install({ shelf: { table: 'shelf', direction, exclude } }, { dryRun: true })).notices;
    const rule = expect.stringMatching(/^shelf has the rule kept: .* is parked/);
    expect(await notices('both')).toEqual([
      expect.stringMatching(/^column tags of shelf is a .*hstore\[\], .*parked/),
      rule,
    ]);
    expect(await notices('both', ['tags'])).toEqual([rule]);
    expect(await notices('push')).toEqual([]);
  });

  test('warns of a date_field that dates nothing, and of none that does, whatever its precision', async () => {
    await pos.sql.query(
      'CREATE TABLE receipt (id int PRIMARY KEY, tanggal text, "Jam" time, hari date, paid timestamptz(3), made timestamp(0))',
    );
    const noticesWith = async (date_field: string) =>
      (await install({ receipt: { table: 'receipt', date_field } }, { dryRun: true })).notices;
    expect(await noticesWith('tanggal')).toEqual([
      expect.stringMatching(
        /^receipt: date_field tanggal of .*receipt is of type text, neither a date nor a timestamp: /,
      ),
    ]);
    expect(await noticesWith('"Jam"')).toHaveLength(1);
    for (const dated of ['hari', 'paid', 'made']) expect(await noticesWith(dated)).toEqual([]);
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
      CREATE TABLE leaf PARTITION OF root DEFAULT; CREATE TABLE blob (id bytea PRIMARY KEY); CREATE TABLE "Cash" ("Nr" int PRIMARY KEY);
      CREATE TABLE ${LONGEST_NAME} (id bigint PRIMARY KEY)`);
    const before = await catalogue(pos.sql);
    const refused = await refusal(
      install({
        sale: { table: 'sale', exclude: ['nmae', 'id'], date_field: 'paid' },
        missing: 'missing',
        'cut off': `${LONGEST_NAME}er`,
        'bad name': 'a.b.c',
        unquoted: 'public.Cash',
        cash: { table: '"Cash"', key: ['Nr'], exclude: ['Nr'] },
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
      `entity unquoted: there is no table public.Cash; if its name has capitals, write it in SQL's double quotes: 'public."Cash"'`,
      `entity cash: key: "Cash" has no column Nr; if its name has capitals, write it in SQL's double quotes: '"Nr"'`,
      expect.stringMatching(/cash: exclude: "Cash" has no column Nr; if its name/),
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

  test('by many at once ends as by one', async () => {
    await Promise.all(Array.from({ length: 6 }, () => install({ sale: 'sale', stock: 'stock' })));
    expect(await pos.write('INSERT INTO sale VALUES (1)')).toEqual(['create 1']);
    expect((await install({ sale: 'sale', stock: 'stock' })).changes).toEqual([]);
  });

  test('into two databases of one server at once shares the roles', async () => {
    await uninstallEverywhere();
    const others = await Promise.all([1, 2, 3].map((n) => Pos.open(server.cluster(), `twin_${n}`)));
    await Promise.all(others.map((other) => other.capture('CREATE TABLE sale (id int PRIMARY KEY)', { sale: 'sale' })));
    for (const other of others) {
      expect(await other.write('INSERT INTO sale VALUES (1)')).toEqual(['create 1']);
      await other.close();
    }
  });

  test('lets the triggers pass policies where whoever installs may, and else says what a superuser has to make', async () => {
    await uninstallEverywhere();
    await pos.sql.query(`DROP ROLE IF EXISTS chief; CREATE ROLE chief LOGIN CREATEROLE BYPASSRLS; ALTER TABLE stock OWNER TO chief;
      GRANT CREATE ON DATABASE ${new URL(pos.url).pathname.slice(1)} TO chief; ALTER TABLE stock ENABLE ROW LEVEL SECURITY;
      CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TRIGGER noop AFTER INSERT ON stock FOR EACH ROW EXECUTE FUNCTION noop()`);
    const adminUrl = server.cluster().url(new URL(pos.url).pathname.slice(1), 'chief');
    if (server.version < 16) {
      const [issue = ''] = (await refusal(install({ stock: 'stock' }, { adminUrl }))).issues;
      await pos.sql.query(issue.replace(/^.*a superuser must run /, ''));
    }
    await install({ stock: 'stock' }, { adminUrl });
    expect(await pos.write('INSERT INTO stock VALUES (1)')).toEqual(['create 1']);
    await uninstallCapture({ adminUrl: pos.url, discardPending: true });
    await pos.sql.query('DROP ROLE IF EXISTS syncd_capture');
  });
});
