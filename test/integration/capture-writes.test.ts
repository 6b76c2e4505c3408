/** Every way to write a row becomes one change a row, whatever its shape. */
import pg from 'pg';
import { onEachServer } from '../support/capture.js';

onEachServer('a write', (pos, server) => {
  beforeAll(async () => {
    await pos().capture(
      `CREATE TABLE plain (id int PRIMARY KEY, name text, note text);
       CREATE TABLE parent (id int PRIMARY KEY);
       CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE,
                           other int REFERENCES parent ON DELETE SET NULL ON UPDATE CASCADE)`,
      { plain: 'plain', parent: 'parent', child: 'child' },
    );
  });
  beforeEach(async () => {
    await pos().sql.query('DELETE FROM plain; DELETE FROM child; DELETE FROM parent');
    await pos().changes();
  });

  test('INSERT gives one create a row, with the whole row', async () => {
    await pos().sql.query(`INSERT INTO plain VALUES (1, 'kopi', NULL), (2, 'teh', 'manis')`);
    expect(await pos().changes()).toEqual([
      {
        entity: 'plain',
        id: '1',
        operation: 'create',
        data: '{"id":1,"name":"kopi","note":null}',
        previous: null,
        tx: expect.any(String),
      },
      {
        entity: 'plain',
        id: '2',
        operation: 'create',
        data: '{"id":2,"name":"teh","note":"manis"}',
        previous: null,
        tx: expect.any(String),
      },
    ]);
  });

  test('UPDATE of one row, of many and of none', async () => {
    await pos().write(`INSERT INTO plain SELECT n, 'x' FROM generate_series(1, 3) n`);
    expect(await pos().write(`UPDATE plain SET name = 'y' WHERE id = 2`)).toEqual(['update 2']);
    expect((await pos().write(`UPDATE plain SET name = 'z'`)).sort()).toEqual(['update 1', 'update 2', 'update 3']);
    expect(await pos().write(`UPDATE plain SET name = 'z' WHERE false`, `DELETE FROM plain WHERE false`)).toEqual([]);
  });

  test('an update that changes nothing is no change, alone or among others', async () => {
    await pos().write(`INSERT INTO plain VALUES (1, 'a'), (2, 'b')`);
    expect(await pos().write(`UPDATE plain SET name = name WHERE id = 1`, `UPDATE plain SET name = name`)).toEqual([]);
    expect(await pos().write(`UPDATE plain SET name = 'b'`)).toEqual(['update 1']);
  });

  test('DELETE gives one delete a row, without data', async () => {
    await pos().write(`INSERT INTO plain VALUES (1), (2)`);
    await pos().sql.query('DELETE FROM plain WHERE id = 1');
    expect(await pos().changes()).toMatchObject([{ id: '1', operation: 'delete', data: null }]);
    expect(await pos().write('DELETE FROM plain')).toEqual(['delete 2']);
  });

  test('COPY gives one create a row', async () => {
    expect(await pos().write(`COPY plain (id, name) FROM PROGRAM 'printf "1\\ta\\n2\\tb\\n"'`)).toEqual([
      'create 1',
      'create 2',
    ]);
  });

  test('ON CONFLICT gives a create for what was new and an update for what was there', async () => {
    await pos().write(`INSERT INTO plain VALUES (1, 'a'), (3, 'c')`);
    const upsert = `INSERT INTO plain VALUES (1, 'b'), (2, 'b'), (3, 'c') ON CONFLICT (id) DO UPDATE SET name = excluded.name`;
    expect((await pos().write(upsert)).sort()).toEqual(['create 2', 'update 1']);
    expect(await pos().write(`INSERT INTO plain VALUES (1), (4) ON CONFLICT DO NOTHING`)).toEqual(['create 4']);
  });

  const fromVersion15 = server.version >= 15 ? test : () => {};
  fromVersion15('MERGE gives each of its actions', async () => {
    await pos().write(`INSERT INTO plain VALUES (1, 'a'), (2, 'b')`);
    const merge = `MERGE INTO plain t USING (VALUES (1, 'new'), (2, NULL), (3, 'c')) AS s(id, name) ON t.id = s.id
      WHEN MATCHED AND s.name IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET name = s.name
      WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.name)`;
    expect((await pos().write(merge)).sort()).toEqual(['create 3', 'delete 2', 'update 1']);
  });

  test('data-modifying CTEs give one change for each row that they wrote', async () => {
    await pos().write(`INSERT INTO plain VALUES (1, 'a'), (2, 'b')`);
    const both = `WITH a AS (UPDATE plain SET name = 'A' WHERE id = 1), b AS (UPDATE plain SET name = 'B' WHERE id = 2),
      c AS (INSERT INTO plain VALUES (3)) DELETE FROM plain WHERE false`;
    expect((await pos().write(both)).sort()).toEqual(['create 3', 'update 1', 'update 2']);
  });

  test('a cascade gives one change for each row that it reached', async () => {
    await pos().write(
      'INSERT INTO parent VALUES (1), (2)',
      'INSERT INTO child VALUES (10, 1, 1), (11, 1, 2), (12, 2, 1)',
    );
    expect((await pos().write('DELETE FROM parent WHERE id = 1')).sort()).toEqual([
      'delete 1',
      'delete 10',
      'delete 11',
      'update 12',
    ]);
  });

  test('two cascades that change one row leave one change with the row as it ended', async () => {
    await pos().write('INSERT INTO parent VALUES (1)', 'INSERT INTO child VALUES (10, 1, 1)');
    await pos().sql.query('UPDATE parent SET id = 5');
    const changes = await pos().changes();
    expect(changes.map((change) => `${change.operation} ${change.id}`).sort()).toEqual([
      'create 5',
      'delete 1',
      'update 10',
    ]);
    expect(changes.find((change) => change.entity === 'child')?.data).toBe('{"id":10,"parent":5,"other":5}');
  });

  test('two cascades that empty a column each leave one change with the row as it ended', async () => {
    await pos().capture(
      `CREATE TABLE cashier (id int PRIMARY KEY);
       CREATE TABLE drawer (id int PRIMARY KEY, opened int REFERENCES cashier ON DELETE SET NULL, closed int REFERENCES cashier ON DELETE SET NULL)`,
      { drawer: 'drawer' },
    );
    await pos().write('INSERT INTO cashier VALUES (1)', 'INSERT INTO drawer VALUES (10, 1, 1)');
    await pos().sql.query('DELETE FROM cashier');
    expect((await pos().changes()).map(({ data }) => data)).toEqual(['{"id":10,"opened":null,"closed":null}']);
  });

  test('a row that one cascade deletes after another one has updated it stays deleted', async () => {
    await pos().write('INSERT INTO parent VALUES (1), (2)', 'INSERT INTO child VALUES (10, 2, 1)');
    const changes = await pos().write('DELETE FROM parent');
    expect(changes.filter((change) => change.endsWith(' 10')).at(-1)).toBe('delete 10');
  });

  test('a row whose key one cascade changes after another one has changed a column of it is gone under its old name', async () => {
    await pos().capture(
      `CREATE TABLE store (code text PRIMARY KEY);
       CREATE TABLE transfer (origin text REFERENCES store ON UPDATE CASCADE, no int, target text REFERENCES store ON UPDATE CASCADE,
                              PRIMARY KEY (origin, no))`,
      { transfer: 'transfer' },
    );
    await pos().write(`INSERT INTO store VALUES ('b'), ('a')`, `INSERT INTO transfer VALUES ('a', 1, 'b')`);
    expect(await pos().write('UPDATE store SET code = upper(code)')).toEqual(['delete ["a","1"]', 'create ["A","1"]']);
    const same = 'WITH same AS (UPDATE transfer SET no = no)';
    expect(await pos().write(`${same} UPDATE store SET code = 'x' WHERE code = 'A'`)).toEqual([
      'delete ["A","1"]',
      'create ["x","1"]',
    ]);
    expect(await pos().write('DELETE FROM transfer; UPDATE store SET code = lower(code)')).toEqual([
      'delete ["x","1"]',
    ]);
  });

  test('a changed key is a delete and a create in one transaction, the delete first', async () => {
    await pos().write(`INSERT INTO plain VALUES (1, 'a')`);
    await pos().sql.query('UPDATE plain SET id = 9');
    const [gone, come] = await pos().changes();
    expect(gone).toMatchObject({ operation: 'delete', id: '1', data: null });
    expect(come).toMatchObject({ operation: 'create', id: '9', data: '{"id":9,"name":"a","note":null}', tx: gone?.tx });
  });

  test('a swap of keys is two updates, a shift is delete, updates, create', async () => {
    await pos().write(`INSERT INTO plain VALUES (1, 'a'), (2, 'b')`);
    await pos().sql.query(
      `ALTER TABLE plain DROP CONSTRAINT plain_pkey, ADD PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED`,
    );
    await pos().sql.query('UPDATE plain SET id = 3 - id');
    const swapped = await pos().changes();
    expect(swapped.map((change) => `${change.operation} ${change.data}`).sort()).toEqual([
      'update {"id":1,"name":"b","note":null}',
      'update {"id":2,"name":"a","note":null}',
    ]);
    expect(await pos().write('UPDATE plain SET id = id + 1')).toEqual(['delete 1', 'update 2', 'create 3']);
    await pos().sql.query(`ALTER TABLE plain DROP CONSTRAINT plain_pkey, ADD PRIMARY KEY (id)`);
  });

  test('keys that two rows have until the transaction ends leave each row under the name that it keeps', async () => {
    await pos().capture(
      `CREATE TABLE places (id int, guest text, PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED); INSERT INTO places VALUES (1, 'a'), (2, 'b')`,
      { place: 'places' },
    );
    const ends = async (statements: string) => {
      await pos().sql.query(`BEGIN; ${statements}; COMMIT`);
      const last = new Map((await pos().changes()).map(({ id, data }) => [id, data]));
      return [...last].sort().map(([, data]) => data && JSON.parse(data).guest);
    };
    expect(
      await ends(`UPDATE places SET id = 2 WHERE guest = 'a'; UPDATE places SET id = 1 WHERE guest = 'b'`),
    ).toEqual(['b', 'a']);
    expect(await ends(`INSERT INTO places VALUES (1, 'c'); DELETE FROM places WHERE guest = 'b'`)).toEqual(['c']);
    expect(await ends(`UPDATE places SET id = 3 - id; DELETE FROM places WHERE id = 1`)).toEqual([null, 'c']);
  });

  test('neighbours of two serializable sales fail neither of them, whatever triggers and cascades the table has', async () => {
    await pos().capture(
      `CREATE TABLE tills (id int PRIMARY KEY); INSERT INTO tills VALUES (1);
       CREATE TABLE receipts (id int PRIMARY KEY, till int REFERENCES tills ON UPDATE CASCADE ON DELETE SET NULL);
       CREATE TABLE audit (note text); CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO audit VALUES (TG_OP); IF TG_OP = 'VACUUM' THEN UPDATE receipts SET till = 1; END IF; RETURN NULL; END $$;
       CREATE TRIGGER audit AFTER INSERT OR UPDATE ON receipts FOR EACH ROW EXECUTE FUNCTION audit()`,
      { receipt: 'receipts' },
    );
    const other = new pg.Client(pos().url);
    await other.connect();
    try {
      for (const till of [pos().sql, other]) await till.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
      for (const id of [1, 2, 3, 4]) await (id % 2 ? pos().sql : other).query('INSERT INTO receipts VALUES ($1)', [id]);
      for (const till of [pos().sql, other]) await till.query('COMMIT');
    } finally {
      await other.end();
    }
    expect((await pos().changes()).map(({ id }) => id).sort()).toEqual(['1', '2', '3', '4']);
  });

  test('a small update before a bulk update leaves no plan that would take for ever', async () => {
    await pos().write(`INSERT INTO plain SELECT n, 'x' FROM generate_series(1, 20000) n`);
    await pos().write(`UPDATE plain SET name = 'y' WHERE id IN (1, 2)`, `UPDATE plain SET name = 'y' WHERE id = 3`);
    await pos().sql.query(`SET statement_timeout = '10s'`);
    expect(await pos().write(`UPDATE plain SET name = 'z'`)).toHaveLength(20000);
    await pos().sql.query('RESET statement_timeout');
  }, 30_000);

  test('a savepoint that is rolled back takes its changes along, the rest commits as one transaction', async () => {
    const written = pos().write(
      'BEGIN',
      'INSERT INTO plain VALUES (1)',
      'SAVEPOINT s',
      'INSERT INTO plain VALUES (2)',
      'ROLLBACK TO s',
      'INSERT INTO plain VALUES (3)',
      'COMMIT',
      'BEGIN',
      'INSERT INTO plain VALUES (4)',
      'ROLLBACK',
    );
    expect(await written).toEqual(['create 1', 'create 3']);
  });

  test('changes of one transaction share its number, another has its own', async () => {
    for (const statement of [
      'BEGIN',
      'INSERT INTO plain VALUES (1)',
      'UPDATE plain SET name = $$n$$',
      'COMMIT',
      'DELETE FROM plain',
    ]) {
      await pos().sql.query(statement);
    }
    const [a, b, c] = (await pos().changes()).map((change) => change.tx);
    expect(a).toBe(b);
    expect(Number(c)).toBeGreaterThan(Number(b));
  });
});
