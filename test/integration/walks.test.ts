/** Rows that are older than capture are queued as capture would have written them, each once, whatever their key. */
import { watchOnce } from '../../src/drift/watch.js';
import { captureSettings, onEachServer } from '../support/capture.js';
import { eventually } from '../support/eventually.js';
import { WalkStage } from '../support/walk-stage.js';

type Written = { id: string; data: string };

onEachServer('a backfill', (_, server) => {
  let stage: WalkStage;
  beforeAll(async () => {
    stage = await WalkStage.open(server.cluster(), 'walked');
  });
  beforeEach(() => stage.reset());
  afterAll(() => stage.close());

  const written = (entity: string) =>
    stage.rows<Written>(
      'SELECT entity_id AS id, payload::text AS data FROM syncd.sync_queue WHERE entity_type = $1 ORDER BY entity_id COLLATE "C"',
      [entity],
    );

  /** Whether `syncd status` still has to say that the table had rows before. */
  const olderRows = async (entity: string) =>
    (
      await stage.rows<{ older_rows: boolean }>('SELECT older_rows FROM syncd.capture WHERE entity_type = $1', [entity])
    )[0]?.older_rows;

  test.each<[what: string, table: string, keys: string, rows: string, primary: string]>([
    ['bigint', 'by_bigint', 'id bigint', 'n - 600', 'id'],
    [
      'text in an order of its own',
      'by_text',
      'id text',
      `(ARRAY['b', 'A', 'ä', 'a b', 'Z', '"'])[1 + n % 6] || n`,
      'id',
    ],
    [
      'instants',
      'by_instant',
      'id timestamptz',
      `'2026-11-22 08:00:00.000001+07'::timestamptz + n * interval '1.5 h'`,
      'id',
    ],
    [
      'an enum beside a number',
      'by_enum',
      'id int, kind mood',
      `n / 3, (ARRAY['sad', 'ok', 'happy'])[1 + n % 3]::mood`,
      'kind, id',
    ],
    [
      'several columns',
      'by_many',
      'a int, b text, c date',
      `n % 3, 'x' || n % 50, date '2026-01-01' + n / 5`,
      'c, a, b',
    ],
  ])(
    'reads every row once by a key of %s, and writes what capture writes',
    async (_what, table, keys, rows, primary) => {
      await stage.rows(
        `DO $$ BEGIN CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
      );
      await stage.tables(
        `CREATE TABLE ${table} (${keys}, money money DEFAULT 12.5, f float8 DEFAULT 0.1, at timestamptz DEFAULT now(),
                              secret text DEFAULT 'planted', PRIMARY KEY (${primary}));
       INSERT INTO ${table} SELECT ${rows} FROM generate_series(1, 1203) n`,
        { [table]: { table, exclude: ['secret'] } },
      );
      expect(await stage.queue()).toEqual([]);
      expect(await olderRows(table)).toBe(true);
      await stage.walk('backfill', table);
      expect(await olderRows(table)).toBe(false);
      expect(await stage.lastWalk()).toMatchObject({ walked: 1203, queued: 1203, error: null, finished: true });
      const queued = await written(table);
      expect(new Set(queued.map(({ id }) => id)).size).toBe(1203);
      expect(JSON.stringify(queued)).not.toContain('planted');
      // The triggers' own text of the same rows: a column is changed and changed back.
      await stage.rows(`UPDATE ${table} SET f = 0.2`);
      await stage.rows('DELETE FROM syncd.sync_queue');
      await stage.rows(`UPDATE ${table} SET f = 0.1`);
      expect(await written(table)).toEqual(queued);
    },
  );

  test('queues each row as a new one, in chunks that travel whole, and nothing that anybody knows of', async () => {
    await stage.tables(
      'CREATE TABLE item (id int PRIMARY KEY, v text); INSERT INTO item SELECT n, n FROM generate_series(1, 700) n',
      {
        item: 'item',
      },
    );
    await stage.rows("UPDATE item SET v = 'pending' WHERE id = 3");
    await stage.rows("UPDATE item SET v = 'settled' WHERE id = 5");
    await stage.settleAll();
    await stage.rows("UPDATE item SET v = 'failed' WHERE id = 7");
    await stage.rows("UPDATE syncd.sync_queue SET status = 'failed' WHERE entity_id = '7'");
    await stage.walk('backfill', 'item');
    const chunks = await stage.rows(
      `SELECT count(*)::int AS n, min(operation) AS least, max(operation) AS most FROM syncd.sync_queue
       WHERE operation = 'create' GROUP BY txid ORDER BY 1`,
    );
    expect(chunks.map(({ n }) => n).every((n) => (n as number) <= 500)).toBe(true);
    expect(chunks.reduce((sum, { n }) => sum + (n as number), 0)).toBe(697);
    expect(await stage.rows(`SELECT entity_id FROM syncd.sync_queue WHERE operation <> 'create' ORDER BY 1`)).toEqual([
      { entity_id: '3' },
      { entity_id: '5' },
      { entity_id: '7' },
    ]);
    // A second one finds nothing to do, what waits since included.
    await stage.rows("INSERT INTO item VALUES (701, 'new')");
    await stage.walk('backfill', 'item');
    expect(await stage.lastWalk()).toMatchObject({ walked: 701, queued: 0 });
    // The last of more agreements than one page has.
    await stage.settleAll();
    await stage.unseen('DELETE FROM item WHERE id IN (99, 500)');
    await stage.walk('delete', 'item');
    expect(await stage.queue()).toEqual(['item delete 500', 'item delete 99']);
  });

  test('knows how many rows there are, whatever was loaded since the last ANALYZE', async () => {
    await stage.tables('CREATE TABLE loaded (id int PRIMARY KEY, v text)', { loaded: 'loaded' });
    await stage.rows('INSERT INTO loaded VALUES (1); ANALYZE loaded');
    await stage.unseen(`INSERT INTO loaded SELECT n, 'v' FROM generate_series(2, 5000) n`);
    await stage.request('backfill', 'loaded');
    await stage.walks().turn(AbortSignal.timeout(100));
    expect(await stage.rows("SELECT estimate::int FROM syncd.backfills WHERE entity_type = 'loaded'")).toEqual([
      { estimate: 5_000 },
    ]);
    await stage.reset();
  });

  test('reads partitions through their root, and inheritance children with their own columns', async () => {
    await stage.tables(
      `CREATE TABLE part (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
       CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
       CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
       INSERT INTO part SELECT n, date '2026-01-01' + n FROM generate_series(0, 57) n;
       CREATE TABLE mother (id int PRIMARY KEY, v text);
       CREATE TABLE child (extra text DEFAULT 'more') INHERITS (mother);
       CREATE TABLE strange (PRIMARY KEY (id)) INHERITS (mother);
       INSERT INTO mother VALUES (1, 'a'); INSERT INTO child VALUES (2, 'b'); INSERT INTO strange VALUES (3, 'c')`,
      { part: 'part', mother: 'mother', strange: 'strange' },
    );
    await stage.walk('backfill', 'part', 'mother', 'strange');
    expect(await stage.log()).toEqual([
      expect.objectContaining({ walked: 58, queued: 58, error: null }),
      expect.objectContaining({ walked: 2, queued: 2, error: null }),
      expect.objectContaining({ walked: 1, queued: 1, error: null }),
    ]);
    expect(await written('mother')).toEqual([
      { id: '1', data: '{"id":1,"v":"a"}' },
      { id: '2', data: '{"id":2,"v":"b","extra":"more"}' },
    ]);
    expect((await written('strange')).map(({ id }) => id)).toEqual(['3']);
  });

  test('ends a chunk where its bytes are enough for one request', async () => {
    await stage.tables(
      "CREATE TABLE large (id int PRIMARY KEY, v text); INSERT INTO large SELECT n, repeat('x', CASE n WHEN 8 THEN 2500000 ELSE 900000 END) FROM generate_series(1, 8) n",
      { large: 'large' },
    );
    await stage.walk('backfill', 'large');
    const chunks = await stage.rows(`SELECT count(*)::int AS n FROM syncd.sync_queue GROUP BY txid ORDER BY min(id)`);
    expect(chunks.map(({ n }) => n)).toEqual([2, 2, 2, 1, 1]);
  });

  test('queues little ahead: more only when what waits has gone', async () => {
    await stage.tables('CREATE TABLE ahead (id int PRIMARY KEY); INSERT INTO ahead SELECT generate_series(1, 5000)', {
      ahead: 'ahead',
    });
    await stage.request('backfill', 'ahead');
    const untilItWaits = async () => {
      const ending = new AbortController();
      const turn = stage.walks().turn(ending.signal);
      await eventually(
        () => stage.lastWalk(),
        ({ waits_for }) => waits_for?.includes('in the queue') === true,
        'it waits for room',
      );
      ending.abort();
      expect(await turn).toBe(true);
    };
    await untilItWaits();
    expect(await stage.queue()).toHaveLength(1_000);
    // Changes that cannot go anyway are no reason to wait.
    await stage.rows("UPDATE syncd.sync_queue SET status = 'failed'");
    await stage.rows('UPDATE syncd.backfills SET waits_for = NULL');
    await untilItWaits();
    expect(await stage.queue()).toHaveLength(2_000);
  });

  test.each<[string, string, string, string]>([
    [
      'a column got another collation',
      'sorted',
      'k text COLLATE "C" PRIMARY KEY, n int',
      'ALTER TABLE sorted ALTER k TYPE text COLLATE "en-x-icu"',
    ],
    [
      'the first of two indexes was made anew',
      'linked',
      'k text, n int, CONSTRAINT linked_k PRIMARY KEY (k, n), UNIQUE (n, k)',
      'REINDEX INDEX CONCURRENTLY linked_k',
    ],
  ])('leaves out no row where %s while it was half done', async (_what, table, columns, ddl) => {
    await stage.tables(
      `CREATE TABLE ${table} (${columns});
       INSERT INTO ${table} SELECT CASE n % 2 WHEN 0 THEN 'B' ELSE 'a' END || n, 1201 - n FROM generate_series(1, 1200) n`,
      { [table]: table },
    );
    await stage.request('backfill', table);
    const half = new AbortController();
    await stage.walks(() => half.abort()).turn(half.signal);
    expect(await stage.queue()).toHaveLength(500);
    expect(await olderRows(table)).toBe(true);
    await stage.settleAll();
    await stage.rows(ddl);
    await stage.goOn();
    await stage.settleAll();
    expect(await stage.rows('SELECT entity_id FROM syncd.entity_state WHERE entity_type = $1', [table])).toHaveLength(
      1_200,
    );
  });

  test('sends what stands in rows by another name, since a value of an enum got one, and asks for nothing where its type got one', async () => {
    await stage.tables(
      `CREATE SCHEMA words; CREATE TYPE words.state AS ENUM ('open', 'paid');
       CREATE TABLE bill (id int PRIMARY KEY, state words.state, past words.state[]);
       CREATE TABLE step (state words.state PRIMARY KEY);
       INSERT INTO bill VALUES (1, 'paid', NULL), (2, 'open', '{paid}'), (3, 'open', NULL); INSERT INTO step VALUES ('paid')`,
      { bill: 'bill', step: 'step' },
    );
    await stage.walk('backfill', 'bill', 'step');
    await stage.settleAll();
    const drifts = async (...ddl: string[]) => {
      for (const statement of ddl) await stage.rows(statement);
      const settings = captureSettings({ bill: 'bill', step: 'step' });
      const log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
      await watchOnce({ db: stage.db, settings, log, onHolds: () => {} });
      return stage.rows(
        "SELECT entity_type AS type, drift_kind AS kind FROM syncd.capture WHERE drift_kind IN ('key', 'columns') ORDER BY 1",
      );
    };
    expect(await drifts("ALTER TYPE words.state ADD VALUE 'void'")).toEqual([]);
    const known = [
      { type: 'bill', kind: 'columns' },
      { type: 'step', kind: 'key' },
    ];
    expect(await drifts("ALTER TYPE words.state RENAME VALUE 'paid' TO 'settled'")).toEqual(known);
    expect(await stage.install()).toContain('bill: what was sent before is in the cloud as it was then');
    await stage.walk('backfill', 'bill');
    expect(await stage.queue()).toEqual(['step create settled', 'step delete paid', 'bill update 1', 'bill update 2']);
    expect(await drifts('ALTER TYPE words.state SET SCHEMA public')).toEqual([]);
  });

  test('goes on with the other tables where one fails, and tells what that one waits for', async () => {
    await stage.tables(
      'CREATE TABLE bad (id int PRIMARY KEY); INSERT INTO bad VALUES (1); CREATE TABLE good (id int PRIMARY KEY); INSERT INTO good VALUES (1)',
      { bad: 'bad', good: 'good' },
    );
    await stage.rows(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'out of order'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON syncd.sync_queue FOR EACH ROW WHEN (NEW.entity_type = 'bad') EXECUTE FUNCTION refuse()`);
    await expect(stage.walk('backfill', 'bad', 'good')).rejects.toThrow('out of order');
    expect(await stage.queue()).toEqual(['good create 1']);
    expect(await stage.log()).toMatchObject([
      { finished: false, waits_for: 'out of order' },
      { finished: true, error: null },
    ]);
    await stage.rows('DROP TRIGGER refuse ON syncd.sync_queue');
    await stage.goOn();
    expect(await stage.queue()).toEqual(['good create 1', 'bad create 1']);
  });

  test('leaves a column at home whose new name nobody has excluded', async () => {
    await stage.tables(
      "CREATE TABLE renamed (id int PRIMARY KEY, pin text); INSERT INTO renamed VALUES (1, 'planted')",
      {
        renamed: { table: 'renamed', exclude: ['pin'] },
      },
    );
    await stage.rows('ALTER TABLE renamed RENAME pin TO code');
    await stage.walk('backfill', 'renamed');
    expect(await stage.queue()).toEqual([]);
    expect(await stage.lastWalk()).toMatchObject({
      error: expect.stringContaining('no column pin any more'),
      finished: true,
    });
  });
});
