/** A capture that fails costs a change and never the sale; what it may not do, it does not. */
import pg from 'pg';
import { installCapture } from '../../src/capture/install.js';
import { captureSettings, onEachServer } from '../support/capture.js';

/** Makes every capture of a row named `bad` fail, as a full disk would. */
const SABOTAGE = `ALTER TABLE syncd.sync_queue ADD CONSTRAINT sabotage CHECK (payload IS NULL OR payload::text NOT LIKE '%bad%')`;
const REPAIR = 'ALTER TABLE syncd.sync_queue DROP CONSTRAINT IF EXISTS sabotage';

onEachServer('a capture', (pos, server) => {
  beforeAll(async () => {
    await pos().sql.query(`CREATE ROLE till LOGIN; CREATE TABLE sale (id int PRIMARY KEY, name text)`);
    await pos().capture('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON sale TO till', { sale: 'sale' });
  });
  beforeEach(async () => {
    await pos().sql.query(REPAIR);
    await pos().sql.query('DELETE FROM sale');
    await pos().changes();
    pos().warnings.length = 0;
  });
  const asTill = async (act: (till: pg.Client) => Promise<void>) => {
    const till = new pg.Client(server.cluster().url('pos', 'till'));
    await till.connect();
    await act(till).finally(() => till.end());
  };
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: { code: string }) => error.code,
    );

  test('that fails lets the sale commit, is counted and warned of, and the next one works', async () => {
    await pos().sql.query(SABOTAGE);
    const before = await pos().failures('sale');
    expect(await pos().write(`INSERT INTO sale VALUES (1, 'bad')`, `INSERT INTO sale VALUES (2, 'good')`)).toEqual([
      'create 2',
    ]);
    expect((await pos().sql.query('SELECT count(*)::int AS n FROM sale')).rows).toEqual([{ n: 2 }]);
    expect(await pos().failures('sale')).toBe(before + 1);
    expect(pos().warnings).toEqual([expect.stringMatching(/^syncd: a change of sale was not captured: .*23514/)]);
  });

  test('that fails is counted even when the sale rolls back', async () => {
    await pos().sql.query(SABOTAGE);
    const before = await pos().failures('sale');
    for (const statement of ['BEGIN', `INSERT INTO sale VALUES (1, 'bad')`, 'ROLLBACK'])
      await pos().sql.query(statement);
    expect(await pos().failures('sale')).toBe(before + 1);
  });

  test('lets the sale commit when the queue and even the counter are gone', async () => {
    await pos().sql.query(
      'ALTER TABLE syncd.sync_queue RENAME TO elsewhere; ALTER SEQUENCE syncd.failures_sale RENAME TO nowhere',
    );
    expect(await codeOf(pos().sql.query(`INSERT INTO sale VALUES (1, 'a')`))).toBe('done');
    await pos().sql.query(
      'ALTER TABLE syncd.elsewhere RENAME TO sync_queue; ALTER SEQUENCE syncd.nowhere RENAME TO failures_sale',
    );
    expect(await pos().write(`UPDATE sale SET name = 'b'`)).toEqual(['update 1']);
  });

  test('whose reason the client cannot be told lets the sale commit too', async () => {
    await pos().sql.query(`CREATE OR REPLACE FUNCTION public.forbid() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'нельзя'; END $$;
      CREATE TRIGGER forbid BEFORE INSERT ON syncd.sync_queue FOR EACH ROW EXECUTE FUNCTION public.forbid()`);
    const before = await pos().failures('sale');
    await asTill(async (till) => {
      await till.query(`SET client_encoding = 'LATIN1'`);
      expect(await codeOf(till.query(`INSERT INTO sale VALUES (1, 'a')`))).toBe('done');
      expect((await till.query('SELECT id FROM sale')).rows).toEqual([{ id: 1 }]);
    });
    await pos().sql.query('DROP TRIGGER forbid ON syncd.sync_queue');
    expect(await pos().failures('sale')).toBe(before + 1);
  });

  test('waits 200 ms for a locked queue and no longer', async () => {
    const blocker = new pg.Client(pos().url);
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE syncd.sync_queue');
    const started = performance.now();
    await pos().sql.query(`INSERT INTO sale VALUES (1, 'a')`);
    expect(performance.now() - started).toBeLessThan(1_500);
    await blocker.end();
    expect(pos().warnings).toEqual([expect.stringContaining('55P03')]);
  });

  test('that fails stops the sale under on_error: block', async () => {
    await installCapture({ adminUrl: pos().url, settings: captureSettings({ sale: 'sale' }, { on_error: 'block' }) });
    await pos().sql.query(SABOTAGE);
    expect(await codeOf(pos().sql.query(`INSERT INTO sale VALUES (1, 'bad')`))).toBe('23514');
    expect(await pos().write(`INSERT INTO sale VALUES (1, 'good')`)).toEqual(['create 1']);
    await installCapture({ adminUrl: pos().url, settings: captureSettings({ sale: 'sale' }) });
  });

  test.each(['40001', '40P01'])("passes on %s, which is the sale's to repeat", async (code) => {
    await pos().sql.query(`CREATE OR REPLACE FUNCTION public.collide() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '${code}'; END $$;
      CREATE TRIGGER collide BEFORE INSERT ON syncd.sync_queue FOR EACH ROW EXECUTE FUNCTION public.collide()`);
    expect(await codeOf(pos().sql.query(`INSERT INTO sale VALUES (1, 'a')`))).toBe(code);
    await pos().sql.query('DROP TRIGGER collide ON syncd.sync_queue');
    expect(await pos().failures('sale')).toBeLessThan(100);
    expect(pos().warnings).toEqual([]);
  });

  test('works for a role that has no right on anything of syncd', async () => {
    await asTill(async (till) => {
      await till.query(`INSERT INTO sale VALUES (1, 'a')`);
      await till.query(`UPDATE sale SET name = 'b'`);
      const forbidden = [
        'SELECT * FROM syncd.sync_queue',
        'DELETE FROM syncd.sync_queue',
        `INSERT INTO syncd.sync_queue (entity_type, entity_id, operation) VALUES ('sale', '1', 'delete')`,
        'TABLE syncd.sync_light',
        'SELECT syncd.capture_sale_insert()',
        'SELECT syncd.wake()',
        `SELECT nextval('syncd.failures_sale')`,
        'SET ROLE syncd_owner',
        'SET ROLE syncd_capture',
      ];
      for (const statement of forbidden) expect(await codeOf(till.query(statement))).toBe('42501');
      await pos().sql.query('GRANT USAGE ON SCHEMA syncd TO till');
      // Also for one who gets into the schema.
      for (const statement of forbidden) expect(await codeOf(till.query(statement))).toBe('42501');
      // With a table of one's own and our trigger on it, one could write whatever one wants into the queue.
      await pos().sql.query('CREATE SCHEMA IF NOT EXISTS AUTHORIZATION till');
      await till.query('CREATE TABLE till.fake (id int PRIMARY KEY, name text)');
      const forge = `CREATE TRIGGER forge AFTER INSERT ON till.fake REFERENCING NEW TABLE AS syncd_new FOR EACH STATEMENT EXECUTE FUNCTION syncd.capture_sale_insert()`;
      expect(await codeOf(till.query(forge))).toBe('42501');
      await pos().sql.query('REVOKE USAGE ON SCHEMA syncd FROM till');
    });
    expect((await pos().changes()).map(({ operation, id }) => `${operation} ${id}`)).toEqual(['create 1', 'update 1']);
  });

  test('sees every row of a table with row-level security, whoever sells', async () => {
    await pos().sql.query(`CREATE TABLE secret_sale (id int PRIMARY KEY, who text DEFAULT current_user);
      ALTER TABLE secret_sale ENABLE ROW LEVEL SECURITY; ALTER TABLE secret_sale FORCE ROW LEVEL SECURITY;
      CREATE POLICY mine ON secret_sale FOR INSERT TO till WITH CHECK (true); GRANT INSERT ON secret_sale TO till`);
    await pos().capture('', { secret: 'secret_sale' });
    await asTill(async (till) => {
      await till.query('INSERT INTO secret_sale VALUES (1)');
    });
    expect((await pos().changes()).map(({ data }) => data)).toEqual(['{"id":1,"who":"till"}']);
  });

  test('reads a row again past the policies of the table, and a policy it cannot pass is a fault, never a lost row', async () => {
    await pos().sql.query(`CREATE TABLE guarded (id int PRIMARY KEY DEFERRABLE, who text DEFAULT current_user);
      ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; GRANT INSERT ON guarded TO till;
      CREATE POLICY mine ON guarded FOR INSERT TO till WITH CHECK (true)`);
    await pos().capture('', { guarded: 'guarded' });
    await asTill(async (till) => {
      await till.query('INSERT INTO guarded VALUES (1)');
    });
    await pos().sql.query('ALTER ROLE syncd_capture NOBYPASSRLS');
    await asTill(async (till) => {
      await till.query('INSERT INTO guarded VALUES (2)');
    });
    expect((await pos().changes()).map(({ id }) => id)).toEqual(['1']);
    expect(await pos().failures('guarded')).toBe(1);
  });

  test('runs what the owner of a type has written for it with rights that are good for nothing else', async () => {
    await pos().sql.query('CREATE ROLE keeper LOGIN; CREATE SCHEMA keeper AUTHORIZATION keeper');
    const attempts = [
      'SELECT FROM syncd.sync_queue',
      'SELECT FROM syncd.outlet_config',
      'DELETE FROM syncd.sync_queue',
      `UPDATE syncd.sync_queue SET status = 'synced'`,
      'TRUNCATE syncd.sync_queue',
      'ALTER TABLE syncd.outlet_config DISABLE TRIGGER ALL',
      'CREATE TRIGGER lurk BEFORE UPDATE ON syncd.outlet_config FOR EACH ROW EXECUTE FUNCTION keeper.lurk()',
      `CREATE FUNCTION syncd.more() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
      `CREATE OR REPLACE FUNCTION syncd.capture_cup_insert() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NULL; END'`,
      `SELECT syncd.suspend_capture('cup', 'keeper', 'no reason')`,
      `SELECT setval('syncd.failures_cup', 1)`,
      'SELECT FROM sale',
      'SET ROLE syncd_owner',
      'RESET ROLE',
      'GRANT syncd_capture TO keeper',
    ];
    const keeper = new pg.Client(server.cluster().url('pos', 'keeper'));
    await keeper.connect();
    try {
      await keeper.query(`CREATE TYPE keeper.mood AS ENUM ('sweet'); CREATE TABLE keeper.cup (id int PRIMARY KEY, mood keeper.mood);
        CREATE FUNCTION keeper.lurk() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RESET ROLE; RETURN NEW; END';
        CREATE FUNCTION keeper.evil(keeper.mood) RETURNS json LANGUAGE plpgsql AS $$
        DECLARE
          seen jsonb := jsonb_build_object('as', current_user);
          attempt text;
        BEGIN
          FOREACH attempt IN ARRAY ARRAY[${attempts.map((one) => pg.escapeLiteral(one)).join(', ')}] LOOP
            BEGIN
              EXECUTE attempt;
              seen := seen || jsonb_build_object(attempt, 'done');
            EXCEPTION WHEN OTHERS THEN
              seen := seen || jsonb_build_object(attempt, SQLSTATE);
            END;
          END LOOP;
          RETURN seen;
        END $$;
        CREATE CAST (keeper.mood AS json) WITH FUNCTION keeper.evil(keeper.mood)`);
      await pos().capture('', { cup: 'keeper.cup' });
      await pos().changes();
      const all = Object.fromEntries(attempts.map((attempt) => [attempt, '42501']));
      const sold = async (id: number) => {
        await keeper.query('INSERT INTO keeper.cup VALUES ($1, $2)', [id, 'sweet']);
        return (await pos().changes()).map(({ data }) => JSON.parse(data ?? '').mood);
      };
      expect(await sold(1)).toEqual([{ as: 'syncd_capture', ...all }]);
      // The bodies are exchanged by the schema's owner, and the functions stay whose they are.
      await pos().sql.query(`SET ROLE syncd; SELECT syncd.suspend_capture('cup', 'a person', 'a reason')`);
      expect(await sold(2)).toEqual([]);
      await pos().sql.query(`SELECT syncd.resume_capture('cup', 'a person'); RESET ROLE`);
      expect(await sold(3)).toEqual([{ as: 'syncd_capture', ...all }]);
    } finally {
      await keeper.end();
    }
  });

  test('of a TRUNCATE is a marker with its place among the changes', async () => {
    await asTill(async (till) => {
      await till.query(`INSERT INTO sale VALUES (1, 'a')`);
      await till.query('TRUNCATE sale');
      await till.query(`INSERT INTO sale VALUES (1, 'b')`);
    });
    const { rows } = await pos().sql.query(
      'SELECT entity_type, table_name, position, settled_at FROM syncd.truncations',
    );
    expect(rows).toEqual([
      { entity_type: 'sale', table_name: 'public.sale', position: expect.any(String), settled_at: null },
    ]);
    const ids = (await pos().sql.query('SELECT id FROM syncd.sync_queue ORDER BY id DESC LIMIT 2')).rows.map(({ id }) =>
      Number(id),
    );
    expect(Number(rows[0].position)).toBeGreaterThan(ids[1] as number);
    expect(Number(rows[0].position)).toBeLessThan(ids[0] as number);
  });

  test('stays out of the way of replication: session_replication_role = replica captures nothing', async () => {
    await pos().sql.query('SET session_replication_role = replica');
    await pos().sql.query(`INSERT INTO sale VALUES (1, 'a')`);
    await pos().sql.query('RESET session_replication_role');
    expect(await pos().changes()).toEqual([]);
  });
});
