/** The schema comes to the program's version once, whole, and never backwards. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { type Db, openDb } from '../../src/db/connect.js';
import { migrate, pendingMigrations, readMigrations } from '../../src/db/migrate.js';
import { onEachServer, Pos } from '../support/capture.js';
import { golden } from '../support/golden.js';
import { schemaText } from '../support/schema-text.js';

const file = (name: string, text: string, checksum = name) => ({ name, text, checksum });
const FIRST = file('0001_one', 'CREATE TABLE syncd.one (id int)');
const SECOND = file('0002_two', 'CREATE TABLE syncd.two (id int)');

onEachServer('the schema', (_, server) => {
  let pos: Pos;
  let db: Db;
  let databases = 0;
  beforeEach(async () => {
    databases += 1;
    pos = await Pos.open(server.cluster(), `shop_${databases}`);
    await pos.sql.query('CREATE SCHEMA syncd');
    db = openDb(pos.url, { role: 'test' });
  });
  afterEach(async () => {
    await db.destroy();
    await pos.close();
  });
  const tables = async () =>
    (
      await sql<{
        name: string;
      }>`SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'syncd'::regnamespace AND relkind = 'r' ORDER BY 1`.execute(
        db,
      )
    ).rows.map(({ name }) => name);

  test('is brought forward file by file, each once, with its checksum beside it', async () => {
    expect(await migrate(db, [FIRST])).toEqual(['0001_one']);
    expect(await migrate(db, [FIRST, SECOND])).toEqual(['0002_two']);
    expect(await migrate(db, [FIRST, SECOND])).toEqual([]);
    expect(await tables()).toEqual(expect.arrayContaining(['one', 'two']));
    const { rows } = await sql`SELECT name, checksum FROM syncd.migrations ORDER BY name`.execute(db);
    expect(rows).toEqual([
      { name: '0001_one', checksum: '0001_one' },
      { name: '0002_two', checksum: '0002_two' },
    ]);
  });

  test('that is newer than the program, or was made from another text, is refused', async () => {
    await migrate(db, [FIRST, SECOND]);
    await expect(migrate(db, [FIRST])).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringMatching(/newer than this program: it has 0002_two/),
    });
    await expect(migrate(db, [FIRST, { ...SECOND, checksum: 'other' }])).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringMatching(/0002_two read differently/),
    });
  });

  test('stays as it was when one file fails, also the files before it', async () => {
    await migrate(db, [FIRST]);
    const broken = [FIRST, SECOND, file('0003_three', 'CREATE TABLE syncd.three (id nonsense)')];
    await expect(migrate(db, broken)).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringMatching(/migration 0003_three failed/),
    });
    expect(await tables()).not.toContain('two');
    expect(await migrate(db, [FIRST, SECOND])).toEqual(['0002_two']);
  });

  test('is made once by many that come at once', async () => {
    const dbs = Array.from({ length: 5 }, () => openDb(pos.url, { role: 'test' }));
    await Promise.all(dbs.map((one) => migrate(one, [FIRST, SECOND])));
    expect((await sql`SELECT name FROM syncd.migrations ORDER BY name`.execute(db)).rows).toHaveLength(2);
    await Promise.all(dbs.map((one) => one.destroy()));
  });

  test('is the one in the golden file, every table, column and type explained', async () => {
    await sql`DROP SCHEMA syncd`.execute(db);
    await pos.capture('CREATE TABLE sale (id int PRIMARY KEY)', { sale: 'sale' });
    const text = await schemaText(pos.sql);
    golden('schema.txt', text);
    expect(text.split('\n').filter((line) => line.endsWith('-- ?'))).toEqual([]);
  });
});

describe('the files', () => {
  test('are numbered without a gap and read with their checksums', () => {
    const names = readMigrations().map(({ name }) => name);
    expect(names.map((name) => Number(name.slice(0, 4)))).toEqual(names.map((_, place) => place + 1));
    expect(pendingMigrations(readMigrations(), [])).toHaveLength(names.length);
  });

  test('other than NNNN_name.sql are left alone', () => {
    const directory = mkdtempSync(join(tmpdir(), 'syncd-sql-'));
    for (const name of ['0002_b.sql', '0001_a.sql', 'notes.sql', '0003_c.sql.bak'])
      writeFileSync(join(directory, name), 'SELECT 1');
    expect(readMigrations(directory).map(({ name }) => name)).toEqual(['0001_a', '0002_b']);
    rmSync(directory, { recursive: true });
  });
});
