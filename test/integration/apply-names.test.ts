/** Which rows a statement wrote is told by their names, not by their number: another row in place of one that was meant is none. */
import { sql } from 'kysely';
import pg from 'pg';
import { agree, oneAgreement } from '../../src/apply/state.js';
import { type AppliedTable, loadTables } from '../../src/apply/tables.js';
import { deleteRows } from '../../src/apply/write.js';
import { askForEntity } from '../../src/inbox/ask.js';
import { ApplyStage } from '../support/apply-stage.js';
import { captureSettings, onEachServer } from '../support/capture.js';

onEachServer('what is said to be applied', (_pos, server) => {
  let stage: ApplyStage;
  let till: pg.Client;
  beforeAll(async () => {
    stage = await ApplyStage.open(server.cluster(), 'names');
    till = new pg.Client(stage.pos.url);
    await till.connect();
  }, 60_000);
  afterAll(async () => {
    await till?.end();
    await stage?.close();
  });
  afterEach(async () => {
    await till.query('ROLLBACK');
    await stage.reset();
  });

  const onRows = (name: string, when: string, table: string, body: string) => `
    CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$;
    CREATE TRIGGER ${name} ${when} ON ${table} FOR EACH ROW EXECUTE FUNCTION ${name}()`;

  test('keeps the id that the cloud gave it, and the newest agreement, whatever is agreed upon later', async () => {
    await stage.tables('CREATE TABLE given (id int PRIMARY KEY, n int)', { given: 'given' });
    const known = async () => {
      const [row] = await stage.rows<{ hash: string | null }>(
        "SELECT cloud_id, cloud_version, deleted, row_hash AS hash FROM syncd.entity_state WHERE entity_type = 'given'",
      );
      return row;
    };
    await stage.send({ type: 'given', id: '1', data: { id: 1, n: 1 } });
    await stage.pos.sql.query("UPDATE syncd.incoming SET cloud_id = 'c-1'");
    await stage.round();
    expect(await known()).toMatchObject({ cloud_id: 'c-1', cloud_version: '1' });
    await stage.apply({ type: 'given', id: '1', version: 5, data: { id: 1, n: 5 } });
    const newest = await known();
    expect(newest).toMatchObject({ cloud_id: 'c-1', cloud_version: '5', deleted: false, hash: expect.any(String) });
    const older = { cloud_version: '4', cloud_id: null, deleted: true, row: undefined };
    await agree(stage.db, oneAgreement({ entity_type: 'given', entity_id: '1', ...older }));
    expect(await known()).toEqual(newest);
    await agree(stage.db, oneAgreement({ entity_type: 'given', entity_id: '1', ...older, cloud_version: '6' }));
    expect(await known()).toMatchObject({ cloud_id: 'c-1', cloud_version: '6', deleted: true, hash: null });
  });

  test("leaves the columns that are the shop's own as they are, but in a row that is new here", async () => {
    await stage.tables('CREATE TABLE shelved (id int PRIMARY KEY, n int, shelf text)', {
      shelved: { table: 'shelved', local: ['shelf'] },
    });
    const sent = (version: number) => ({
      type: 'shelved',
      id: '1',
      version,
      data: { id: 1, n: version, shelf: 'cloud' },
    });
    await stage.apply(sent(1));
    expect(await stage.rows('SELECT n, shelf FROM shelved')).toEqual([{ n: 1, shelf: 'cloud' }]);
    await stage.pos.sql.query("UPDATE shelved SET shelf = 'shop'");
    await stage.settleAll();
    await stage.apply(sent(5));
    expect(await stage.rows('SELECT n, shelf FROM shelved')).toEqual([{ n: 5, shelf: 'shop' }]);
  });

  test('is no row to which a trigger gives another key, and none is left of it, however often it is tried', async () => {
    await stage.tables(
      `CREATE TABLE coded (code text PRIMARY KEY, n int); CREATE TABLE numbered (id serial PRIMARY KEY, n int);
       ${onRows('upper_code', 'BEFORE INSERT', 'coded', 'NEW.code = upper(NEW.code); RETURN NEW;')};
       ${onRows('own_number', 'BEFORE INSERT', 'numbered', "IF NEW.n = 1 THEN NEW.id = nextval('numbered_id_seq'); END IF; RETURN NEW;")}`,
      { coded: 'coded', numbered: 'numbered' },
    );
    await stage.send(
      { type: 'coded', id: 'kopi', data: { code: 'kopi', n: 1 } },
      { type: 'coded', id: 'TEH', data: { code: 'TEH', n: 2 } },
      { type: 'numbered', id: '70', data: { id: 70, n: 1 } },
      { type: 'numbered', id: '71', data: { id: 71, n: 2 } },
    );
    // What no URL can name is not asked for: the hint would stay parked.
    for (const id of ['', '.', '..'])
      await expect(askForEntity(stage.db, 'coded', id, 'budi')).rejects.toMatchObject({ code: 'usage' });
    for (let round = 0; round < 3; round++) {
      await stage.round();
      await stage.pos.sql.query('UPDATE syncd.incoming SET next_attempt_at = now()');
    }
    expect(await stage.incoming()).toMatchObject([
      { id: 'kopi', status: 'parked', reason: 'a trigger of "public"."coded" gives the row another key' },
      { id: '70', status: 'parked', reason: 'a trigger of "public"."numbered" gives the row another key' },
    ]);
    expect(await stage.state('kopi', 'coded')).toBeUndefined();
    expect(await stage.rows('SELECT * FROM coded')).toEqual([{ code: 'TEH', n: 2 }]);
    expect(await stage.rows('SELECT * FROM numbered')).toEqual([{ id: 71, n: 2 }]);
    expect(await stage.queue()).toEqual([]);
  });

  test('is no row that a sale writes, where another name stands for two rows', async () => {
    await stage.tables(
      `CREATE TABLE wares (id int PRIMARY KEY, n int); CREATE TABLE old_wares (PRIMARY KEY (id)) INHERITS (wares)`,
      { ware: 'wares' },
    );
    await stage.pos.sql.query('INSERT INTO wares VALUES (1, 0), (2, 0); INSERT INTO old_wares VALUES (1, 0)');
    await stage.settleAll();
    await till.query('BEGIN; UPDATE wares SET n = 7 WHERE id = 2');
    await stage.send(
      { type: 'ware', id: '1', version: 9, data: { id: 1, n: 5 } },
      { type: 'ware', id: '2', version: 9, data: { id: 2, n: 5 } },
    );
    const { counts } = await stage.round();
    expect(counts).toMatchObject({ write: 1, wait: 1 });
    // It was not even tried.
    expect(await stage.incoming()).toMatchObject([{ id: '2', reason: null }]);
    expect(await stage.rows('SELECT n FROM wares WHERE id = 1')).toEqual([{ n: 5 }, { n: 5 }]);
  });

  test('is found by its key’s own index, whatever the collation of its text', async () => {
    const types = {
      plain: 'text',
      turkish: 'text COLLATE "tr-x-icu"',
      short: 'varchar(9)',
      padded: 'char(6)',
      named: 'name',
      domain: 'code_of',
    };
    const ddl = Object.entries(types).map(
      ([name, type]) => `CREATE TABLE by_${name} (code ${type} PRIMARY KEY, n int)`,
    );
    const entities = Object.fromEntries(Object.keys(types).map((name) => [name, `by_${name}`]));
    await stage.tables(`CREATE DOMAIN code_of AS text COLLATE "tr-x-icu"; ${ddl.join(';')}`, entities);
    for (const [name, table] of Object.entries(entities)) {
      await stage.pos.sql.query(
        `INSERT INTO ${table} SELECT 'f' || g, 0 FROM generate_series(1, 3000) g; ANALYZE ${table}`,
      );
      await stage.settleAll();
      await stage.apply({ type: name, id: 'code1a', data: { code: 'code1a', n: 1 } });
      await stage.apply({ type: name, id: 'code1a', version: 2, data: { code: 'code1a', n: 2 } });
      expect(await stage.rows(`SELECT n FROM ${table} WHERE n > 0`)).toEqual([{ n: 2 }]);
      await stage.apply({ type: name, id: 'code1a', version: 3, operation: 'delete' });
      expect(await stage.rows(`SELECT n FROM ${table} WHERE n > 0`)).toEqual([]);
      await stage.send({ type: name, id: 'f7', version: 3, operation: 'delete' });
      expect([name, await readToDelete(name, 'f7')]).toEqual([name, 1]);
    }
  });

  /** How many rows of its table were read to delete an entity that `syncd.incoming` names. */
  async function readToDelete(entity: string, id: string): Promise<number> {
    const settings = captureSettings({ [entity]: { table: `by_${entity}`, direction: 'both' } });
    const table = (await loadTables(stage.db, settings)).get(entity) as AppliedTable;
    return stage.db.transaction().execute(async (trx) => {
      const read = async () => {
        const { rows } = await sql<{ read: number }>`
          SELECT (seq_tup_read + idx_tup_fetch)::int AS read FROM pg_stat_xact_user_tables
          WHERE relname = ${`by_${entity}`}`.execute(trx);
        return (rows[0] as { read: number }).read;
      };
      const before = await read();
      const source = sql`SELECT entity_id, data FROM syncd.incoming WHERE entity_type = ${entity}`;
      expect(await deleteRows(trx, table, source, [id])).toEqual([id]);
      return (await read()) - before;
    });
  }
});
