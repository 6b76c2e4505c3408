/** Keys and values of every type arrive exactly, whatever the POS's session is set to and whatever its columns are called. */
import { onEachServer } from '../support/capture.js';

/** What a POS might have set; each would write some value differently. */
const HOSTILE = `SET extra_float_digits = -15; SET bytea_output = 'escape'; SET IntervalStyle = 'sql_standard'; SET DateStyle = 'German';
  SET TimeZone = 'Asia/Jakarta'; SET search_path = trap, public, pg_catalog; SET standard_conforming_strings = on;
  SET quote_all_identifiers = on`;

onEachServer('a value', (pos, server) => {
  beforeAll(async () => {
    // Whoever resolves an operator or a function by its bare name falls into these.
    await pos().sql.query(`CREATE SCHEMA trap; GRANT USAGE ON SCHEMA trap TO PUBLIC;
      CREATE FUNCTION trap.never(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'trapped'; END $$;
      CREATE FUNCTION trap.row_to_json(record) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
      CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
      CREATE OPERATOR trap.= (FUNCTION = trap.never, LEFTARG = text, RIGHTARG = text);
      CREATE OPERATOR trap.<> (FUNCTION = trap.never, LEFTARG = text, RIGHTARG = text);
      CREATE TYPE mood AS ENUM ('sweet', 'bitter'); CREATE DOMAIN code AS varchar(10) CHECK (VALUE <> '');
      CREATE TYPE spot AS (x float8, seen timestamptz)`);
  });
  afterEach(async () => {
    await pos().sql.query('RESET ALL');
    expect(pos().warnings).toEqual([]);
  });

  test('of a column that an inheritance child alone has is exact too', async () => {
    const twice = server.version >= 18 ? ', twice numeric GENERATED ALWAYS AS (n * 2) VIRTUAL' : '';
    await pos().capture(
      `CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (f float8, b bytea, n numeric${twice}) INHERITS (parent)`,
      { parent: 'parent' },
    );
    await pos().sql.query(HOSTILE);
    await pos().sql.query(`INSERT INTO public.child (id, f, b, n) VALUES (1, 1/3::float8, '\\x0001', 1.5)`);
    await pos().sql.query('UPDATE public.parent SET id = 2');
    const row = `"f":0.3333333333333333,"b":"\\\\x0001","n":1.5${twice && ',"twice":3.0'}}`;
    expect((await pos().changes()).map(({ id, data }) => [id, data])).toEqual([
      ['1', `{"id":1,${row}`],
      ['1', null],
      ['2', `{"id":2,${row}`],
    ]);
  });

  test('of every type is exact under settings that would change its text', async () => {
    await pos().capture(
      `CREATE TABLE exact (id bigint PRIMARY KEY, f4 real, f8 float8, n numeric, b bytea, i interval, d date, ts timestamp, tz timestamptz,
         r daterange, tr tstzrange, fs float8[], s spot, p point, m money, j json, jb jsonb, big bigint, e mood, u uuid,
         g numeric GENERATED ALWAYS AS (n * 2) STORED, ident int GENERATED ALWAYS AS IDENTITY, fn regproc)`,
      { exact: 'exact' },
    );
    await pos().sql.query(HOSTILE);
    await pos().sql.query(`INSERT INTO public.exact (id, f4, f8, n, b, i, d, ts, tz, r, tr, fs, s, p, m, j, jb, big, e, u, fn) VALUES
      (9223372036854775807, 0.1, 0.1 + 0.2::float8, 123456789012345678901234567890.123456789, '\\xdeadbeef', '1 year 2 days 03:04:05.678',
       '1999-12-31', '2026-11-22 08:00:00.123456', '2026-11-22 08:00:00.123456+07', '[2026-01-01,2026-02-01)',
       '[2026-11-22 08:00+07,)', '{0.1,NaN,infinity}', ROW(1/3::float8, '2026-11-22 08:00+07'), '(0.1,0.30000000000000004)', '12.34',
       '{"b": 1.50,  "a": 2}', '{"b": 1.50, "a": 2}', 9007199254740993, 'bitter', '6F1C0000-0000-4000-8000-000000000000', 'trap.never')`);
    const [change] = await pos().changes();
    expect(change?.id).toBe('9223372036854775807');
    for (const exact of [
      '"f4":0.1',
      '"f8":0.30000000000000004',
      '"n":123456789012345678901234567890.123456789',
      '"b":"\\\\xdeadbeef"',
      '"i":"P1Y2DT3H4M5.678S"',
      '"d":"1999-12-31"',
      '"ts":"2026-11-22T08:00:00.123456"',
      '"tz":"2026-11-22T01:00:00.123456+00:00"',
      '"r":"[2026-01-01,2026-02-01)"',
      '"tr":"[\\"2026-11-22 01:00:00+00\\",)"',
      '"fs":[0.1,"NaN","Infinity"]',
      '"s":{"x":0.3333333333333333,"seen":"2026-11-22T01:00:00+00:00"}',
      '"p":"(0.1,0.30000000000000004)"',
      '"m":"$12.34"',
      '"j":{"b": 1.50,  "a": 2}',
      '"jb":{"a": 2, "b": 1.50}',
      '"big":9007199254740993',
      '"e":"bitter"',
      '"u":"6f1c0000-0000-4000-8000-000000000000"',
      '"g":246913578024691357802469135780.246913578',
      '"ident":1',
      '"fn":"trap.never"',
    ]) {
      expect(change?.data).toContain(exact);
    }
    await pos().sql.query(`UPDATE public.exact SET n = 'NaN', tz = 'infinity', d = '-infinity', f8 = '-0'`);
    const [updated] = await pos().changes();
    // Two rows take the other way through the update function.
    await pos().sql.query('INSERT INTO public.exact (id) VALUES (1), (2)');
    expect(await pos().write('UPDATE public.exact SET n = 5')).toHaveLength(5);
    for (const exact of ['"n":"NaN"', '"tz":"infinity"', '"d":"-infinity"', '"f8":-0'])
      expect(updated?.data).toContain(exact);
  });

  test('without an equality operator, or equal and yet different, is neither a fault nor taken for the same', async () => {
    await pos().capture('CREATE TABLE odd (id int PRIMARY KEY, j json, p point, n numeric, x xid, t text)', {
      odd: 'odd',
    });
    await pos().sql.query(
      `INSERT INTO odd VALUES (1, '{"a":1}', '(1,2)', 1.0, '5', 'a'), (2, '{"a":1}', '(1,2)', 1.0, '5', 'a')`,
    );
    await pos().changes();
    expect(await pos().write(`UPDATE odd SET n = 1.00 WHERE id = 1`)).toEqual(['update 1']);
    expect(await pos().write(`UPDATE odd SET j = '{"a": 1}' WHERE id = 1`)).toEqual(['update 1']);
    expect(await pos().write(`UPDATE odd SET j = '{"a": 1}', n = 1.00`)).toEqual(['update 2']);
    expect(await pos().write(`UPDATE odd SET p = p, j = j`, `UPDATE odd SET p = '(1,2)' WHERE id = 1`)).toEqual([]);
  });

  const naming: [type: string, value: string, id: string][] = [
    ['text', `'Kopi "Tubruk"'`, 'Kopi "Tubruk"'],
    ['varchar(20)', `'é'`, 'é'],
    ['char(8)', `'ab'`, 'ab'],
    ['uuid', `'6F1C0000-0000-4000-8000-000000000000'`, '6f1c0000-0000-4000-8000-000000000000'],
    ['bigint', '-9223372036854775808', '-9223372036854775808'],
    ['numeric(20,2)', '1.5', '1.50'],
    ['mood', `'sweet'`, 'sweet'],
    ['code', `'A-1'`, 'A-1'],
    ['date', `'22.11.2026'`, '2026-11-22'],
    ['timestamp', `'22.11.2026 08:00:00.5'`, '2026-11-22T08:00:00.5'],
    ['timestamptz', `'22.11.2026 08:00'`, '2026-11-22T01:00:00+00:00'],
    ['boolean', 'true', 'true'],
    ['inet', `'10.0.0.1'`, '10.0.0.1/32'],
  ];
  test('of every type that may be a key names its entity the same in every session', async () => {
    const tables = naming.map(([type, value, id], n) => ({ type, value, id, table: `named_${n}` }));
    const ddl = tables.map(({ table, type }) => `CREATE TABLE ${table} (k ${type} PRIMARY KEY, v int)`);
    await pos().capture(ddl.join(';'), Object.fromEntries(tables.map(({ table }) => [table, table])));
    await pos().sql.query(HOSTILE);
    for (const { table, value, id } of tables) {
      const writes = [
        `INSERT INTO public.${table} VALUES (${value}, 1)`,
        `UPDATE public.${table} SET v = 2`,
        `DELETE FROM public.${table}`,
      ];
      expect(await pos().write(...writes)).toEqual([`create ${id}`, `update ${id}`, `delete ${id}`]);
    }
  });

  test('of type citext keeps its case, and a changed case is a new name', async () => {
    await pos().sql.query('CREATE EXTENSION citext');
    await pos().capture('CREATE TABLE tag (name citext PRIMARY KEY, n citext)', { tag: 'tag' });
    await pos().sql.query(`INSERT INTO tag VALUES ('Kopi', 'a')`);
    expect(await pos().write(`UPDATE tag SET n = 'A'`)).toEqual(['create Kopi', 'update Kopi']);
    expect(await pos().write(`UPDATE tag SET name = 'KOPI'`)).toEqual(['delete Kopi', 'create KOPI']);
  });

  test('of type numeric is another name once it is written differently, beside whatever pairs up by value', async () => {
    await pos().sql.query('CREATE DOMAIN till AS bigint');
    await pos().capture('CREATE TABLE rate (till till, share numeric, v int, PRIMARY KEY (till, share))', {
      rate: 'rate',
    });
    await pos().write('INSERT INTO rate VALUES (1, 0.7, 1), (2, 0.5, 1), (3, 0.5, 1)');
    expect(await pos().write('UPDATE rate SET v = 2 WHERE till = 1')).toEqual(['update ["1","0.7"]']);
    expect(await pos().write('UPDATE rate SET share = 0.70 WHERE till = 1')).toEqual([
      'delete ["1","0.7"]',
      'create ["1","0.70"]',
    ]);
    expect(await pos().write('UPDATE rate SET till = till - 1, v = 3 WHERE till > 1')).toEqual([
      'delete ["3","0.5"]',
      'update ["2","0.5"]',
      'create ["1","0.5"]',
    ]);
  });

  test('of a key that is written differently is another name also where rows are read again', async () => {
    await pos().capture('CREATE TABLE tier (share numeric PRIMARY KEY DEFERRABLE, v int)', { tier: 'tier' });
    await pos().write('INSERT INTO tier VALUES (0.7, 1), (0.5, 1)');
    expect(await pos().write('UPDATE tier SET share = 0.70 WHERE share = 0.7')).toEqual(['delete 0.7', 'create 0.70']);
    expect(await pos().write('UPDATE tier SET v = 2 WHERE share = 0.7')).toEqual(['update 0.70']);
  });

  test('in a composite key is one text in a JSON array, in key order', async () => {
    await pos().capture('CREATE TABLE line (no int, bill text, v int, PRIMARY KEY (bill, no))', { line: 'line' });
    expect(
      await pos().write(`INSERT INTO line VALUES (2, 'a"b', 1)`, `UPDATE line SET v = 2`, 'UPDATE line SET no = 3'),
    ).toEqual(['create ["a\\"b","2"]', 'update ["a\\"b","2"]', 'delete ["a\\"b","2"]', 'create ["a\\"b","3"]']);
  });

  test('in a table with names that need quotes, in another schema, under a key of its own choice', async () => {
    await pos()
      .capture(
        `CREATE SCHEMA "Back Office"; CREATE TABLE "Back Office"."Tax ""Rates""-2" ("Kode % 'x'" text NOT NULL UNIQUE, "select" int, "$syncd$" text)`,
        {
          'Steuer-Satz "1"': { table: `"Back Office"."Tax ""Rates""-2"`, key: [`"Kode % 'x'"`] },
          'steuer-satz "1"': 'line2',
        },
      )
      .catch(() => {});
    await pos().capture('CREATE TABLE line2 (id int PRIMARY KEY)', {});
    await pos().sql.query(`INSERT INTO "Back Office"."Tax ""Rates""-2" VALUES ('a', 1, '$syncd$')`);
    await pos().sql.query(`UPDATE "Back Office"."Tax ""Rates""-2" SET "select" = 2`);
    await pos().sql.query('INSERT INTO line2 VALUES (1)');
    const changes = await pos().changes();
    expect(changes.map(({ entity, id, operation }) => `${entity}: ${operation} ${id}`)).toEqual([
      'Steuer-Satz "1": create a',
      'Steuer-Satz "1": update a',
      'steuer-satz "1": create 1',
    ]);
    expect(JSON.parse(changes[1]?.data ?? '')).toEqual({ "Kode % 'x'": 'a', select: 2, $syncd$: '$syncd$' });
  });

  test('in a column called like anything inside the generated functions', async () => {
    const names = [
      'n',
      'o',
      't',
      'k',
      'e',
      'd',
      'new',
      'old',
      'syncd_new',
      'syncd_old',
      'found',
      'entity_id',
      'place',
      'previous',
      'key0',
      'name',
      'value',
      'key',
      'before',
      'after',
      'status',
      'payload',
      'operation',
      'tg_op',
      'sqlerrm',
      'id2',
    ];
    const columns = names.map((name) => `"${name}" int DEFAULT 1`).join(', ');
    await pos().capture(
      `CREATE TABLE "new" (id int PRIMARY KEY, ${columns}); CREATE TABLE syncd_new ("n" int PRIMARY KEY, ${columns.replace('"n" int DEFAULT 1, ', '')})`,
      {
        trap: { table: '"new"', direction: 'both', exclude: ['value'] },
        shadow: 'syncd_new',
      },
    );
    await pos().sql.query(
      'INSERT INTO "new" (id) VALUES (1), (2); UPDATE "new" SET n = 5; UPDATE "new" SET o = 6 WHERE id = 1; UPDATE "new" SET id = 9 WHERE id = 2',
    );
    const changes = await pos().changes();
    expect(changes.map(({ operation }) => operation)).toEqual([
      'create',
      'create',
      'update',
      'update',
      'update',
      'delete',
      'create',
    ]);
    expect(changes[4]).toMatchObject({ id: '1', previous: '{ "o" : 1 }' });
    expect(JSON.parse(changes[6]?.data ?? '')).toEqual({
      id: 9,
      ...Object.fromEntries(names.filter((name) => name !== 'value').map((name) => [name, name === 'n' ? 5 : 1])),
    });
    expect(
      await pos().write('INSERT INTO syncd_new (n) VALUES (7)', 'UPDATE syncd_new SET o = 2', 'DELETE FROM syncd_new'),
    ).toEqual(['create 7', 'update 7', 'delete 7']);
  });

  const fromVersion14 = server.version >= 14 ? test : () => {};
  fromVersion14('of a multirange is exact', async () => {
    await pos().capture('CREATE TABLE ranges (id int PRIMARY KEY, m tstzmultirange)', { ranges: 'ranges' });
    await pos().sql.query(HOSTILE);
    await pos().sql.query(`INSERT INTO public.ranges VALUES (1, '{[2026-11-22 08:00+07,2026-11-23 08:00+07)}')`);
    expect((await pos().changes())[0]?.data).toContain('2026-11-22 01:00:00+00');
  });
});
