/** Whatever a row holds comes back exactly: pushed, deleted in the shop, and pulled again, it is equal bit by bit. */
import fc from 'fast-check';
import { ApplyStage } from '../support/apply-stage.js';
import { onEachServer } from '../support/capture.js';
import { SOAK, seeded } from '../support/convergence/soak.js';

/** Random rows for each server; each is a row of every type. */
const RUNS = SOAK ? 2_000 : 60;

const text = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom("'", '"', '\\', '\n', '\t', 'é', '‮', '𝄞', ' ', '{', '}', ','),
      fc.string({ minLength: 1, maxLength: 1 }),
    ),
  })
  .map((value) => value.replaceAll('\u0000', ''));
const digits = (least: number, most: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: least, maxLength: most }).map((all) => all.join(''));
const numeric = fc.oneof(
  fc
    .tuple(fc.constantFrom('', '-'), digits(1, 40), digits(0, 30))
    .map(([sign, whole, part]) => `${sign}${whole}${part && `.${part}`}`),
  fc.constantFrom('NaN', '0', '0.00', '1.0', '1.00', '-0.000'),
);
const float = fc.oneof(
  fc.double({ noNaN: true }).map(String),
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '-0', '5e-324', '1.7976931348623157e308'),
);
const instant = fc.oneof(
  fc
    .date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true })
    .map((date) => date.toISOString()),
  fc.constantFrom(
    'infinity',
    '-infinity',
    '0044-03-15 12:00:00+00 BC',
    '294276-12-31 23:59:59.999999+00',
    '2026-11-22 08:00:00.123456+07',
  ),
);
const json = fc.oneof(
  fc.json(),
  fc.constantFrom(
    '"caf\\u00e9"',
    '{"b": 1.50,  "a": 2}',
    '[1e400, 123456789012345678901234567890]',
    '{"a":1,"a":2}',
    '""',
  ),
);
const date = fc.oneof(
  instant.filter((one) => !/infinity|BC|294276/.test(one)).map((one) => one.slice(0, 10)),
  fc.constantFrom('infinity', '-infinity', '4713-01-01 BC'),
);

/** Column, type, values as Postgres reads them. */
const COLUMNS: [name: string, type: string, values: fc.Arbitrary<string>][] = [
  ['t', 'text', text],
  ['v', 'varchar(40)', text.map((value) => value.slice(0, 20))],
  ['c', 'char(12)', fc.string({ maxLength: 5 }).map((value) => value.replaceAll('\u0000', ''))],
  ['na', 'name', fc.constantFrom('a', 'Kopi Susu')],
  ['n', 'numeric', numeric],
  ['n2', 'numeric(30,10)', fc.tuple(digits(1, 20), digits(0, 10)).map(([a, b]) => `${a}.${b}0`)],
  ['f4', 'real', fc.float({ noNaN: true }).map(String)],
  ['f8', 'float8', float],
  ['i2', 'smallint', fc.integer({ min: -32768, max: 32767 }).map(String)],
  ['i4', 'integer', fc.integer().map(String)],
  ['i8', 'bigint', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)],
  ['b', 'boolean', fc.constantFrom('t', 'f')],
  ['by', 'bytea', fc.uint8Array({ maxLength: 20 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`)],
  ['d', 'date', date],
  ['ts', 'timestamp', instant],
  ['tz', 'timestamptz', instant],
  ['ti', 'time', fc.constantFrom('00:00', '24:00', '08:00:00.123456')],
  ['tt', 'timetz', fc.constantFrom('08:00:00.5+07', '23:59:59-03:30')],
  [
    'iv',
    'interval',
    fc
      .tuple(
        fc.integer({ min: -9999, max: 9999 }),
        fc.integer({ min: -99999, max: 99999 }),
        fc.integer({ min: -1e9, max: 1e9 }),
      )
      .map(([months, days, ms]) => `${months} months ${days} days ${ms} milliseconds`),
  ],
  ['u', 'uuid', fc.uuid()],
  ['j', 'json', json.filter((value) => value.trim() !== 'null')],
  [
    'jb',
    'jsonb',
    json.filter((value) => value.trim() !== 'null' && !value.includes('\\u0000') && !value.includes('1e400')),
  ],
  ['m', 'money', fc.integer().map((cents) => `${(cents / 100).toFixed(2)}`)],
  ['p', 'point', fc.tuple(float, float).map(([x, y]) => `(${x},${y})`)],
  ['ne', 'inet', fc.constantFrom('10.0.0.1', '10.0.0.1/8', '::1', '2001:db8::/32')],
  ['bi', 'varbit', fc.constantFrom('101', '', '1')],
  ['xm', 'xml', fc.constantFrom('<a b="c">&amp;</a>', 'x')],
  ['mo', 'apply_mood', fc.constantFrom('sweet', 'bitter')],
  ['do', 'apply_code', fc.constantFrom('A-1', "it's")],
  ['ar', 'text[]', fc.array(fc.oneof(text, fc.constant(null)), { maxLength: 4 }).map(arrayOf)],
  ['a2', 'int[]', fc.constantFrom('{{1,2},{3,4}}', '{}', '{NULL,7}')],
  ['af', 'float8[]', fc.array(float, { maxLength: 4 }).map(arrayOf)],
  ['r', 'daterange', fc.constantFrom('[2026-01-01,2026-02-01)', 'empty', '(,)', '[2026-01-01,infinity)')],
  ['rn', 'numrange', fc.constantFrom('[1.0,2.50)', '(,5]')],
  ['rt', 'tstzrange', fc.constantFrom('["2026-11-22 08:00+07",)', 'empty')],
  ['s', 'apply_spot', fc.constantFrom('(0.1,"2026-11-22 08:00+07",x)', '(NaN,infinity,"a ""b"" (c)")', '(,,)')],
  ['sa', 'apply_spot[]', fc.constantFrom('{"(1,infinity,x)"}', '{}')],
  ['ci', 'citext', text],
  ['ts2', 'tsvector', fc.constantFrom("'kopi':1A 'susu':2", '')],
];

function arrayOf(values: (string | null)[]): string {
  const element = (value: string | null) => (value === null ? 'NULL' : `"${value.replaceAll(/["\\]/g, '\\$&')}"`);
  return `{${values.map(element).join(',')}}`;
}

onEachServer('a row of every type', (_pos, server) => {
  let stage: ApplyStage;
  let columns = COLUMNS;

  beforeAll(async () => {
    stage = await ApplyStage.open(server.cluster(), 'values');
    const extensions = await stage.rows<{ name: string }>(
      "SELECT name FROM pg_available_extensions WHERE name = 'citext'",
    );
    for (const { name } of extensions) await stage.pos.sql.query(`CREATE EXTENSION ${name}`);
    columns = COLUMNS.filter(([, type]) => type !== 'citext' || extensions.some(({ name }) => name === type));
    await stage.tables(
      `CREATE TYPE apply_mood AS ENUM ('sweet', 'bitter'); CREATE DOMAIN apply_code AS varchar(10) NOT NULL CHECK (VALUE <> '');
       CREATE TYPE apply_spot AS (x float8, seen timestamptz, note text); CREATE SCHEMA "Back Office";
       CREATE TABLE "Back Office"."Every ""Type""" ("Kode 1" text, no numeric(10,2), ident int GENERATED ALWAYS AS IDENTITY,
         g int GENERATED ALWAYS AS (i4 % 7) STORED, dflt text DEFAULT 'x', ${columns.map(([name, type]) => `"${name}" ${type}`).join(', ')},
         PRIMARY KEY (no, "Kode 1"))`,
      { every: { table: '"Back Office"."Every ""Type"""' } },
    );
  }, 60_000);
  afterAll(async () => {
    await stage?.close();
  });

  const image = async () =>
    stage.rows<{ image: string }>(
      `SELECT encode(record_send(e.*), 'hex') AS image FROM "Back Office"."Every ""Type""" e`,
    );

  async function makeRow(key: string, values: (string | null)[]): Promise<void> {
    const names = columns.map(([name]) => `"${name}"`).join(', ');
    const given = columns.map(([, type], place) => `$${place + 3}::text::${type}`).join(', ');
    await stage.pos.sql.query(
      `INSERT INTO "Back Office"."Every ""Type""" ("Kode 1", no, ${names}) VALUES ($1, $2, ${given})`,
      [key, '7.5', ...values],
    );
  }

  /** Pushes what is there, deletes it in the shop, and lets the cloud bring it again. */
  async function thereAndBack(): Promise<void> {
    const before = await image();
    const [captured] = await stage.rows<{ id: string; data: string }>(
      "SELECT entity_id AS id, payload::text AS data FROM syncd.sync_queue WHERE status = 'pending'",
    );
    await stage.pos.sql.query('DELETE FROM "Back Office"."Every ""Type"""');
    await stage.reset();
    await stage.apply({ type: 'every', id: captured?.id ?? '', operation: 'create', data: captured?.data ?? null });
    expect(await image()).toEqual(before);
    expect(await stage.queue()).toEqual([]);
    // Once more over the row that is there: nothing of it is news.
    await stage.apply({ type: 'every', id: captured?.id ?? '', version: 2, data: captured?.data ?? null });
    expect(await image()).toEqual(before);
    expect(await stage.queue()).toEqual([]);
  }

  async function clear(): Promise<void> {
    await stage.pos.sql.query('DELETE FROM "Back Office"."Every ""Type"""');
    await stage.reset();
  }

  test('comes back bit by bit, whatever it holds', async () => {
    const values = fc.tuple(
      ...columns.map(([name, , arbitrary]) => (name === 'do' ? arbitrary : fc.option(arbitrary, { freq: 6 }))),
    );
    const property = fc.asyncProperty(text, values, async (key, row) => {
      await clear();
      await makeRow(key, row as (string | null)[]);
      await thereAndBack();
    });
    await seeded((seed) => fc.assert(property, { numRuns: RUNS, seed }));
  }, 120_000);

  test('comes with the POS in whatever session it likes', async () => {
    await clear();
    await stage.pos.sql.query(
      "SET extra_float_digits = -15; SET bytea_output = 'escape'; SET IntervalStyle = 'sql_standard'; SET DateStyle = 'German'; SET TimeZone = 'Asia/Jakarta'",
    );
    await makeRow(
      'x',
      columns.map(([, type]) =>
        type === 'float8'
          ? '0.30000000000000004'
          : type === 'apply_code'
            ? 'A'
            : type === 'timestamptz'
              ? '22.11.2026 08:00'
              : null,
      ),
    );
    await stage.pos.sql.query('RESET ALL');
    await thereAndBack();
  });
});
