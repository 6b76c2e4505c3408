/** A table is compared with what shop and cloud last agreed on: whatever went by uncaptured is found, and nothing else is sent. */
import { onEachServer } from '../support/capture.js';
import { WalkStage } from '../support/walk-stage.js';

onEachServer('a reconcile', (_, server) => {
  let stage: WalkStage;
  let tables = 0;
  beforeAll(async () => {
    stage = await WalkStage.open(server.cluster(), 'compared');
  });
  beforeEach(() => stage.reset());
  afterAll(() => stage.close());

  /** A captured table with six agreed rows. */
  async function agreed(more = ''): Promise<string> {
    tables += 1;
    const table = `t${tables}`;
    await stage.tables(`CREATE TABLE ${table} (id int PRIMARY KEY, v text${more})`, { [table]: table });
    await stage.rows(`INSERT INTO ${table} SELECT n, 'v' || n FROM generate_series(1, 6) n`);
    await stage.settleAll();
    return table;
  }

  test('finds rows that were made, changed and deleted unseen, and sends nothing that is agreed', async () => {
    const table = await agreed();
    await stage.unseen(
      `INSERT INTO ${table} VALUES (7, 'new')`,
      `UPDATE ${table} SET v = 'changed' WHERE id = 2`,
      `DELETE FROM ${table} WHERE id = 3`,
    );
    await stage.walk('reconcile', table);
    expect(await stage.queue()).toEqual([`${table} update 2`, `${table} create 7`, `${table} delete 3`]);
    expect(await stage.lastWalk()).toMatchObject({ walked: 6, queued: 2, deleted: 1, error: null, finished: true });
    await stage.settleAll();
    await stage.walk('reconcile', table);
    expect(await stage.queue()).toEqual([]);
  });

  test('sees what went by behind a change that still waits, and leaves alone what the queue says already', async () => {
    const table = await agreed();
    await stage.rows(
      `UPDATE ${table} SET v = 'told' WHERE id IN (1, 2, 3, 5); UPDATE ${table} SET v = 'anew' WHERE id = 5`,
    );
    await stage.rows(`DELETE FROM ${table} WHERE id = 4`);
    await stage.rows("UPDATE syncd.sync_queue SET status = 'failed' WHERE entity_id = '3'");
    await stage.unseen(
      `UPDATE ${table} SET v = 'and once more' WHERE id IN (2, 3)`,
      `INSERT INTO ${table} VALUES (4, 'back')`,
      `DELETE FROM ${table} WHERE id = 1`,
    );
    const before = (await stage.queue()).length;
    await stage.walk('reconcile', table);
    expect((await stage.queue()).slice(before)).toEqual([
      `${table} update 2`,
      `${table} update 3`,
      `${table} create 4`,
      `${table} delete 1`,
    ]);
  });

  test('a row that came back after its deletion was agreed is a new one', async () => {
    const table = await agreed();
    await stage.rows(`DELETE FROM ${table} WHERE id = 5`);
    await stage.settleAll();
    await stage.unseen(`INSERT INTO ${table} VALUES (5, 'back')`);
    await stage.walk('reconcile', table);
    expect(await stage.queue()).toEqual([`${table} create 5`]);
  });

  test('a failed capture has its table compared, once, and the counter is accounted for', async () => {
    const table = await agreed();
    await stage.rows(`ALTER TABLE syncd.sync_queue ADD CONSTRAINT broken CHECK (entity_type <> '${table}') NOT VALID`);
    await stage.rows(`UPDATE ${table} SET v = 'unseen' WHERE id = 6`);
    await stage.rows('ALTER TABLE syncd.sync_queue DROP CONSTRAINT broken');
    await stage.walk('backfill', table);
    expect(await stage.queue()).toEqual([]);
    expect(await stage.reconcileFailures()).toEqual([table]);
    expect(await stage.queue()).toEqual([`${table} update 6`]);
    expect(await stage.reconcileFailures()).toEqual([]);
    expect(
      await stage.rows(`SELECT failures_seen::int AS seen FROM syncd.capture WHERE entity_type = '${table}'`),
    ).toEqual([{ seen: 1 }]);
    // Somebody sets the counter back by hand; the next failure counts again.
    await stage.rows(`ALTER SEQUENCE syncd.failures_${table} RESTART`);
    expect(await stage.reconcileFailures()).toEqual([]);
    expect(
      await stage.rows(`SELECT failures_seen::int AS seen FROM syncd.capture WHERE entity_type = '${table}'`),
    ).toEqual([{ seen: 0 }]);
  });

  test('a state without a hash learns it from the last accepted change; where that is gone too, the row is sent', async () => {
    const table = await agreed();
    await stage.rows('UPDATE syncd.entity_state SET row_hash = NULL, row_shape = NULL');
    await stage.rows("DELETE FROM syncd.sync_queue WHERE entity_id = '2'");
    await stage.walk('reconcile', table);
    expect(await stage.queue()).toEqual([`${table} update 2`]);
  });

  test('what a person gave up stays given up until it changes', async () => {
    const table = await agreed();
    await stage.rows(`UPDATE ${table} SET v = 'poison' WHERE id IN (1, 2, 3);
      UPDATE syncd.sync_queue SET status = 'synced', settled_as = 'discarded', synced_at = now() WHERE status = 'pending'`);
    await stage.unseen(`UPDATE ${table} SET v = 'mended' WHERE id = 2`);
    // A person has it sent again: the cloud lost it.
    await stage.rows("UPDATE syncd.entity_state SET row_shape = NULL WHERE entity_id = '3'");
    await stage.walk('reconcile', table);
    expect(await stage.queue()).toEqual([`${table} update 2`, `${table} update 3`]);
  });

  test('a conflict that waits for a person is left to the person', async () => {
    const table = await agreed();
    await stage.rows(`
      INSERT INTO syncd.sync_conflicts (entity_type, entity_id, source, cloud_version) SELECT '${table}', n, 'pull', 3 FROM generate_series(1, 4) n;
      UPDATE syncd.sync_conflicts SET status = 'resolved', resolved_at = now(), resolved_by = 'siti' WHERE entity_id IN ('3', '4')`);
    await stage.unseen(`UPDATE ${table} SET v = 'x' WHERE id IN (1, 3)`, `DELETE FROM ${table} WHERE id IN (2, 4)`);
    await stage.walk('reconcile', table);
    expect(await stage.queue()).toEqual([`${table} update 3`, `${table} delete 4`]);
  });

  test('a table that was found without a row is a TRUNCATE: nothing is deleted before a person has decided', async () => {
    const table = await agreed();
    await stage.unseen(`DELETE FROM ${table}`);
    await stage.walk('reconcile', table);
    expect(await stage.queue()).toEqual([]);
    expect(await stage.rows('SELECT entity_type, settled_at FROM syncd.truncations')).toEqual([
      { entity_type: table, settled_at: null },
    ]);
    // The next comparison waits for the decision.
    await stage.walk('reconcile', table);
    expect(await stage.lastWalk()).toMatchObject({ finished: false, waits_for: expect.stringContaining('TRUNCATE') });
  });

  test('a table that is gone ends the walk with its reason', async () => {
    const table = await agreed();
    await stage.request('reconcile', table);
    await stage.rows(`DROP TABLE ${table}`);
    await stage.goOn();
    expect(await stage.lastWalk()).toMatchObject({ finished: true, error: `the table public.${table} is gone` });
    await stage.rows(`CREATE TABLE ${table} (id int PRIMARY KEY)`);
  });

  test('a request that has not begun serves everybody who asks meanwhile', async () => {
    const table = await agreed();
    await stage.request('reconcile', table, table.toUpperCase());
    await stage.request('reconcile', table);
    await stage.request('backfill', table);
    expect((await stage.log()).map(({ kind }) => kind)).toEqual(['reconcile', 'backfill']);
    await stage.goOn();
  });

  test('what was written while the table was only pulled is found once it is sent again', async () => {
    const table = await agreed();
    await stage.tables('', { [table]: { table, direction: 'pull' } });
    await stage.rows(`INSERT INTO ${table} VALUES (7, 'sold meanwhile')`);
    await stage.rows(`UPDATE ${table} SET v = 'changed' WHERE id = 2`);
    await stage.tables('', { [table]: table });
    await stage.goOn();
    expect(await stage.queue()).toEqual([`${table} update 2`, `${table} create 7`]);
    await stage.settleAll();
    await stage.install();
    expect((await stage.log()).filter(({ finished }) => !finished)).toEqual([]);
  });

  test('an entity that left the configuration and is back is compared: what was written meanwhile, and what was deleted, is found', async () => {
    const table = await agreed();
    await stage.tables('', { [table]: undefined });
    await stage.rows(`UPDATE ${table} SET v = 'changed' WHERE id = 2`);
    await stage.rows(`INSERT INTO ${table} VALUES (7, 'sold meanwhile')`);
    await stage.rows(`DELETE FROM ${table} WHERE id = 3`);
    await stage.tables('', { [table]: table });
    await stage.goOn();
    expect(await stage.queue()).toEqual([`${table} update 2`, `${table} create 7`, `${table} delete 3`]);
    await stage.settleAll();
    expect(await stage.install()).toEqual([]);
    // With another table: what stands in the first one alone stays in the cloud.
    await stage.tables('', { [table]: undefined });
    await stage.tables(`CREATE TABLE ${table}_new (LIKE ${table} INCLUDING ALL)`, { [table]: `${table}_new` });
    await stage.goOn();
    expect(await stage.queue()).toEqual([]);
    expect(await stage.install()).toEqual([]);
  });

  test('a month that left before its entity left the configuration, or meanwhile, stays in the cloud', async () => {
    const table = `t${++tables}`;
    const month = (n: number) => `CREATE TABLE ${table}_${n} PARTITION OF ${table} FOR VALUES FROM (${n}0) TO (${n}9)`;
    await stage.tables(
      `CREATE TABLE ${table} (id int PRIMARY KEY) PARTITION BY RANGE (id); ${[1, 2, 3].map(month).join(';')}`,
      { [table]: table },
    );
    await stage.rows(`INSERT INTO ${table} VALUES (11), (21), (31), (32)`);
    await stage.settleAll();
    await stage.rows(`DROP TABLE ${table}_1`);
    await stage.install();
    await stage.tables('', { [table]: undefined });
    await stage.rows(`ALTER TABLE ${table} DETACH PARTITION ${table}_2`);
    await stage.rows(`DELETE FROM ${table} WHERE id = 32`);
    await stage.tables('', { [table]: table });
    await stage.goOn();
    expect(await stage.queue()).toEqual([`${table} delete 32`]);
  });

  test.each<[string, string, string[]]>([
    ['ADD code text NOT NULL UNIQUE DEFAULT gen_random_uuid()', '', ['code']],
    ["ALTER id TYPE text USING 'T-' || id", 'ADD area int NOT NULL DEFAULT 1, ADD UNIQUE (id, area)', ['id', 'area']],
    ['ADD UNIQUE (id)', 'ALTER id TYPE uuid USING md5(id::text)::uuid', ['id']],
  ])('another key (%s, %s) gives every row another name: no row is in the cloud twice', async (before, after, key) => {
    const table = await agreed();
    await stage.rows(`ALTER TABLE ${table} ${before}`);
    await stage.install();
    await stage.goOn();
    await stage.settleAll();
    await stage.tables(after && `ALTER TABLE ${table} ${after}`, { [table]: { table, key } });
    await stage.goOn();
    const words = (await stage.queue()).map((line) => line.split(' ')[1]);
    expect(words).toEqual([...Array(6).fill('create'), ...Array(6).fill('delete')]);
  });

  test('rows that nobody writes to after their columns were changed are told of, and a backfill sends them as they are', async () => {
    const table = await agreed(', secret text');
    const older = async () =>
      (await stage.rows('SELECT older_rows FROM syncd.capture WHERE entity_type = $1', [table]))[0];
    // A value that PostgreSQL would write the same, and one that is nowhere yet.
    await stage.rows(`ALTER TABLE ${table} ALTER id TYPE bigint, ADD note text`);
    await stage.install();
    expect(await older()).toEqual({ older_rows: false });
    await stage.walk('backfill', table);
    expect(await stage.queue()).toEqual([]);
    await stage.rows(`ALTER TABLE ${table} ALTER v TYPE int USING length(v)`);
    expect(await stage.install()).toContain(`${table}: what was sent before is in the cloud as it was then`);
    await stage.goOn();
    expect(await stage.queue()).toEqual([]);
    expect(await older()).toEqual({ older_rows: true });
    await stage.walk('backfill', table);
    expect(await stage.queue()).toHaveLength(6);
    await stage.settleAll();
    // A column stays at home from now on: so it shall in what was sent.
    await stage.tables('', { [table]: { table, exclude: ['secret'] } });
    await stage.walk('backfill', table);
    expect(await stage.queue()).toHaveLength(6);
    expect(await older()).toEqual({ older_rows: false });
  });

  test('a table that was only sent and comes in from now on has the cloud asked from the beginning', async () => {
    const table = await agreed();
    const cursor = async () => (await stage.rows('SELECT pull_cursor FROM syncd.outlet_config'))[0];
    await stage.rows("UPDATE syncd.outlet_config SET pull_cursor = 'far'");
    await stage.install();
    expect(await cursor()).toEqual({ pull_cursor: 'far' });
    await stage.tables('', { [table]: { table, direction: 'both' } });
    expect(await cursor()).toEqual({ pull_cursor: null });
    await stage.rows("UPDATE syncd.outlet_config SET pull_cursor = 'far'");
    await stage.tables('', { [table]: table });
    expect(await cursor()).toEqual({ pull_cursor: 'far' });
  });

  test('a walk that is half done when the columns are changed begins again', async () => {
    const table = await agreed();
    await stage.request('backfill', table);
    await stage.rows(
      'UPDATE syncd.backfills SET started_at = now(), position = $2 WHERE entity_type = $1 AND finished_at IS NULL',
      [table, JSON.stringify({ part: `ONLY public.${table}`, by: 'id integer ', after: ['4'] })],
    );
    await stage.rows(`ALTER TABLE ${table} ALTER v TYPE int USING length(v)`);
    await stage.install();
    await stage.goOn();
    expect(await stage.queue()).toHaveLength(6);
  });

  test('the rows of another table count as older than capture, and what stands in the first one alone stays in the cloud', async () => {
    const table = await agreed();
    const [other, empty] = [`${table}_other`, `${table}_empty`];
    const older = async () =>
      (await stage.rows('SELECT older_rows FROM syncd.capture WHERE entity_type = $1', [table]))[0];
    await stage.tables(
      `CREATE TABLE ${other} (LIKE ${table} INCLUDING ALL); INSERT INTO ${other} VALUES (9, 'there')`,
      {
        [table]: other,
      },
    );
    expect(await older()).toEqual({ older_rows: true });
    // One that the cloud knows by the same name, but as it was in the first table.
    await stage.rows(`INSERT INTO ${other} VALUES (1, 'v1'), (2, 'another')`);
    await stage.settleAll();
    await stage.unseen(`UPDATE ${other} SET v = 'as it came' WHERE id = 2`);
    await stage.walk('backfill', table);
    expect(await stage.queue()).toEqual([`${table} update 2`, `${table} create 9`]);
    await stage.settleAll();
    await stage.rows(`DROP TABLE ${table}`);
    await stage.tables(`CREATE TABLE ${empty} (LIKE ${other} INCLUDING ALL); ALTER TABLE ${other} RENAME TO ${table}`, {
      [table]: table,
    });
    await stage.goOn();
    expect(await stage.queue()).toEqual([]);
    await stage.rows(`DROP TABLE ${table}`);
    await stage.tables('', { [table]: empty });
    await stage.goOn();
    expect(await stage.queue()).toEqual([]);
    expect(await older()).toEqual({ older_rows: false });
  });
});
