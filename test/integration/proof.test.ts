/** The comparison with the cloud by digest: what both sides add up, what is found to differ, and how it is mended. */
import pg from 'pg';
import { type Db, openDb } from '../../src/db/connect.js';
import { mustBeSameHistory } from '../../src/proof/history.js';
import { repair } from '../../src/proof/repair.js';
import { installedTypes, type Proof, type VerifyDeps, verifyTypes } from '../../src/proof/verify.js';
import { captureSettings, type Entities, onEachServer } from '../support/capture.js';
import { eventually } from '../support/eventually.js';
import { PretendDigest } from '../support/pretend-digest.js';
import { WalkStage } from '../support/walk-stage.js';

const ENTITIES: Entities = {
  sale: { table: 'sales', date_field: 'sold_at' },
  visit: { table: 'visits', date_field: '"On Day"' },
  note: { table: 'notes', date_field: 'written' },
  menu: { table: 'menus', direction: 'both' },
  tax: { table: 'taxes', direction: 'pull' },
};
const TABLES = `
  CREATE TABLE sales (id bigint PRIMARY KEY, sold_at timestamptz, total numeric);
  CREATE TABLE visits (a int, b text, "On Day" date, PRIMARY KEY (a, b));
  CREATE TABLE late_visits () INHERITS (visits);
  ALTER TABLE late_visits ADD PRIMARY KEY (a, b);
  CREATE TABLE notes (id text PRIMARY KEY, written text);
  CREATE TABLE menus (id int PRIMARY KEY, name text);
  CREATE TABLE taxes (id int PRIMARY KEY, name text)`;

onEachServer('the comparison with the cloud', (_, server) => {
  let stage: WalkStage;
  let beside: Db;
  let cloud: PretendDigest;
  let deps: VerifyDeps;

  beforeAll(async () => {
    stage = await WalkStage.open(server.cluster(), 'proven');
    await stage.tables(TABLES, ENTITIES);
    beside = openDb(server.cluster().url('proven', 'syncd'), { role: 'beside' });
  });
  beforeEach(async () => {
    await stage.reset();
    await stage.unseen('TRUNCATE sales, visits, notes, menus, taxes');
    await stage.reset();
    cloud = new PretendDigest();
    deps = { db: stage.db, beside, client: cloud, settings: captureSettings(ENTITIES), pauseMs: 1 };
  });
  afterAll(async () => {
    await beside.destroy();
    await stage.close();
  });

  /** The table's entities as both sides agreed on them, version 1 each. */
  const agreed = async (type: string, days: Record<string, string>) => {
    await stage.settleAll();
    for (const [id, bucket] of Object.entries(days)) cloud.put(type, id, 1, bucket);
  };
  const proofOf = async (type: string): Promise<Proof> => {
    const [found] = await installedTypes(stage.db, [type]);
    const [proof] = await verifyTypes(deps, found ? [found] : []);
    return proof as Proof;
  };
  const mend = async (proof: Proof) => repair(stage.db, { ...proof, who: 'siti', cause: 'a test' });
  const states = (type: string) =>
    stage.rows<{ id: string; version: string | null; deleted: boolean }>(
      'SELECT entity_id AS id, cloud_version AS version, deleted FROM syncd.entity_state WHERE entity_type = $1 ORDER BY entity_id',
      [type],
    );
  const threeSales = async () => {
    await stage.pos.sql.query("INSERT INTO sales SELECT n, '2026-11-22 03:00+00', n FROM generate_series(1, 3) n");
    await agreed('sale', { 1: '2026-11-22', 2: '2026-11-22', 3: '2026-11-22' });
  };

  test('both sides reckon the same days, whatever the kind of the column', async () => {
    await stage.pos.sql.query(`
      INSERT INTO sales VALUES (1, '2026-11-21 16:59:59.999999+00', 1), (2, '2026-11-21 17:00+00', 1), (3, NULL, 1),
        (4, 'infinity', 1), (5, '0044-03-15 BC', 1), (6, '12026-01-01', 1), (7, '0999-07-01', 1);
      INSERT INTO visits VALUES (1, 'x "y"', '2026-11-22'), (2, 'é', '-infinity');
      INSERT INTO late_visits VALUES (3, 'z', '2026-11-22');
      INSERT INTO notes VALUES ('n 1', '2026-11-22'), ('n 2', NULL); DELETE FROM notes WHERE id = 'n 2'`);
    const days = { 1: '2026-11-21', 2: '2026-11-22', 3: '*', 4: '*', 5: '*', 6: '*', 7: '0999-07-01' };
    await agreed('sale', days);
    await agreed('visit', { '["1","x \\"y\\""]': '2026-11-22', '["2","é"]': '*', '["3","z"]': '2026-11-22' });
    await agreed('note', { 'n 1': '*' });
    for (const [type, entities, buckets] of [
      ['sale', 7, 4],
      ['visit', 3, 2],
      ['note', 1, 1],
    ] as const) {
      expect(await proofOf(type)).toMatchObject({ entities, buckets, on_the_way: 0, differences: [], skipped: null });
    }
    expect(cloud.listings).toBe(0);
    // A text is no date that both sides would read alike.
    expect(cloud.requests.map(({ entity_type, date_field, timezone }) => [entity_type, date_field, timezone])).toEqual([
      ['sale', 'sold_at', 'Asia/Jakarta'],
      ['visit', 'On Day', 'Asia/Jakarta'],
      ['note', null, 'Asia/Jakarta'],
    ]);
  });

  test('a sum of thousands of fingerprints runs over 2^64 as the contract wants it', async () => {
    await stage.pos.sql.query("INSERT INTO sales SELECT n, '2026-11-22 03:00+00', n FROM generate_series(1, 2000) n");
    await agreed('sale', Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [n + 1, '2026-11-22'])));
    expect(await proofOf('sale')).toMatchObject({ entities: 2_000, differences: [] });
    cloud.put('sale', '77', 2, '2026-11-22');
    expect((await proofOf('sale')).differences).toMatchObject([{ entity_id: '77', kind: 'newer_there' }]);
  });

  test('each kind of difference is found and named, on its day alone', async () => {
    await stage.pos.sql.query("INSERT INTO sales SELECT n, '2026-11-22 03:00+00', n FROM generate_series(1, 7) n");
    await stage.pos.sql.query(
      "INSERT INTO sales VALUES (100, '2026-11-20 03:00+00', 1), (101, '2026-11-20 03:00+00', 1)",
    );
    await agreed('sale', Object.fromEntries([1, 2, 3, 4, 5, 6, 7].map((n) => [n, '2026-11-22'])));
    for (const id of ['100', '101']) cloud.put('sale', id, 1, '2026-11-20');
    await stage.pos.sql.query("UPDATE syncd.entity_state SET cloud_version = 3 WHERE entity_id = '2'");
    await stage.pos.sql.query("UPDATE syncd.entity_state SET deleted = true WHERE entity_id = '5'");
    cloud.lose('sale', '1');
    cloud.lose('sale', '6');
    cloud.put('sale', '2', 2, '2026-11-22');
    cloud.put('sale', '3', 9, '2026-11-22');
    cloud.put('sale', '99', 1, '2026-11-22');
    await stage.unseen(
      "UPDATE sales SET sold_at = '2026-11-23 03:00+00' WHERE id = 4",
      'DELETE FROM sales WHERE id IN (5, 6)',
    );
    const { differences } = await proofOf('sale');
    expect([...differences].sort((a, b) => Number(a.entity_id) - Number(b.entity_id))).toEqual([
      { entity_id: '1', kind: 'missing_there', here: 1, there: null, row: true, departed: false },
      { entity_id: '2', kind: 'older_there', here: 3, there: 2, row: true, departed: false },
      { entity_id: '3', kind: 'newer_there', here: 1, there: 9, row: true, departed: false },
      { entity_id: '4', kind: 'other_day', here: 1, there: 1, row: true, departed: false },
      { entity_id: '5', kind: 'older_there', here: null, there: 1, row: false, departed: false },
      { entity_id: '6', kind: 'missing_there', here: 1, there: null, row: false, departed: false },
      { entity_id: '99', kind: 'unknown_here', here: null, there: 1, row: false, departed: false },
    ]);
  });

  test('what is on its way is no difference, and neither is what arrives between two looks', async () => {
    await threeSales();
    await stage.pos.sql.query("INSERT INTO sales VALUES (4, '2026-11-22 03:00+00', 4)");
    await stage.pos.sql.query('UPDATE sales SET total = 9 WHERE id = 1');
    cloud.put('sale', '1', 2, '2026-11-22');
    cloud.put('sale', '4', 1, '2026-11-22');
    expect(await proofOf('sale')).toMatchObject({ on_the_way: 2, differences: [] });

    cloud.put('sale', '2', 2, '2026-11-22');
    cloud.onListing = async (call) => {
      if (call % 2 !== 0) return;
      await stage.pos.sql.query("UPDATE syncd.entity_state SET cloud_version = 2 WHERE entity_id = '2'");
      cloud.put('sale', '3', 2, '2026-11-22');
    };
    cloud.listings = 0;
    expect(await proofOf('sale')).toMatchObject({ differences: [] });
    expect(cloud.listings).toBe(2);
  });

  test('what waits for a person is no difference, and is counted beside it, each in its type', async () => {
    await threeSales();
    await stage.pos.sql.query('UPDATE sales SET total = 9 WHERE id IN (1, 2)');
    await stage.pos.sql.query(`
      UPDATE syncd.sync_queue SET status = 'failed', error_message = 'no' WHERE entity_id = '1' AND status = 'pending';
      UPDATE syncd.sync_queue SET status = 'conflict' WHERE entity_id = '2' AND status = 'pending';
      INSERT INTO syncd.sync_conflicts (entity_type, entity_id, source, cloud_version) VALUES ('sale', '2', 'push', 2), ('menu', '9', 'pull', 2);
      INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, status, reason)
      VALUES (1, 'pull', 'menu', '7', 'delete', 2, 'parked', 'no'), (1, 'pull', 'menu', '8', 'delete', 2, 'waiting', NULL)`);
    cloud.put('sale', '2', 2, '2026-11-22');
    for (const id of ['7', '8', '9']) cloud.put('menu', id, 2);
    // A correction of what had failed is on its way.
    await stage.pos.sql.query('UPDATE sales SET total = 8 WHERE id = 1');
    cloud.put('sale', '1', 2, '2026-11-22');
    const proofs = await verifyTypes(deps, await installedTypes(stage.db, ['menu', 'sale', 'tax']));
    expect(proofs).toMatchObject([
      { entity_type: 'menu', differences: [], on_the_way: 1, open_conflicts: 1, failed: 0, parked: 1 },
      { entity_type: 'sale', differences: [], on_the_way: 1, open_conflicts: 1, failed: 1, parked: 0 },
      { entity_type: 'tax', differences: [], open_conflicts: 0, failed: 0, parked: 0 },
    ]);
    await stage.pos.sql.query('TRUNCATE syncd.incoming, syncd.sync_conflicts');
  });

  test('what the cloud has lost is queued again as the shop has it, and then both sides are the same', async () => {
    await threeSales();
    cloud.lose('sale', '1');
    await stage.pos.sql.query("UPDATE syncd.entity_state SET cloud_version = 4, row_hash = NULL WHERE entity_id = '2'");
    cloud.put('sale', '2', 3, '2026-11-22');
    await stage.pos.sql.query('DELETE FROM sales WHERE id = 3');
    await stage.settleAll();
    const proof = await proofOf('sale');
    expect(proof.differences).toHaveLength(3);
    expect(await mend(proof)).toEqual({ to_push: 3, to_pull: 0, left: 0 });
    expect(await states('sale')).toEqual([
      { id: '1', version: null, deleted: false },
      { id: '2', version: '3', deleted: false },
      { id: '3', version: '1', deleted: false },
    ]);
    // Until the walk has been there it is found again.
    expect((await proofOf('sale')).differences.map(({ entity_id }) => entity_id)).toContain('1');
    await stage.goOn();
    expect(await stage.queue()).toEqual(['sale update 1', 'sale update 2', 'sale delete 3']);
    expect(await proofOf('sale')).toMatchObject({ differences: [] });
  });

  test('an agreement that has changed since it was compared is left as it is', async () => {
    await threeSales();
    cloud.lose('sale', '1');
    const proof = await proofOf('sale');
    await stage.pos.sql.query("UPDATE syncd.entity_state SET cloud_version = 8 WHERE entity_id = '1'");
    await mend(proof);
    expect((await states('sale'))[0]).toEqual({ id: '1', version: '8', deleted: false });
  });

  test('what the cloud has and the shop does not is asked for where it is pulled', async () => {
    await stage.pos.sql.query("INSERT INTO menus VALUES (1, 'Kopi')");
    await agreed('menu', { 1: '*' });
    cloud.put('menu', '1', 2);
    cloud.put('menu', '2', 5);
    const proof = await proofOf('menu');
    expect(await mend(proof)).toEqual({ to_push: 0, to_pull: 2, left: 0 });
    const asked = await stage.rows('SELECT entity_id, operation FROM syncd.incoming ORDER BY entity_id');
    expect(asked).toEqual([
      { entity_id: '1', operation: 'hint' },
      { entity_id: '2', operation: 'hint' },
    ]);
    await stage.pos.sql.query('TRUNCATE syncd.incoming');
  });

  test('what is only pulled comes again at an older version, and whatever the cloud makes of a lost row counts as new', async () => {
    await stage.pos.sql.query(`
      INSERT INTO taxes VALUES (1, 'PPN'), (2, 'PB1');
      INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version) VALUES ('tax', '1', 0, 5), ('tax', '2', 0, 6)`);
    cloud.put('tax', '1', 4);
    const proof = await proofOf('tax');
    expect(await mend(proof)).toEqual({ to_push: 0, to_pull: 1, left: 1 });
    expect((await states('tax')).map(({ version }) => version)).toEqual([null, null]);
    expect(await stage.queue()).toEqual([]);
    expect(await stage.log()).toEqual([]);
    await stage.pos.sql.query('TRUNCATE syncd.incoming');
  });

  test('a cloud that is away, refuses or answers nonsense ends it with the reason', async () => {
    await threeSales();
    const answers = (status: number, body: string) => async () =>
      ({ kind: 'answer', status, body, retryAfter: undefined, date: undefined, durationMs: 1 }) as const;
    for (const [digest, words] of [
      [answers(401, '{"error":{"code":"api_key"}}'), /HTTP 401: api_key/],
      [answers(404, ''), /HTTP 404/],
      [answers(200, '<html>'), /\/sync\/digest cannot be read/],
      [answers(200, '{"differ":[{"bucket":7}]}'), /\/sync\/digest cannot be read/],
      [answers(200, '{"differ":[{"bucket":"\\u0000"}]}'), /\/sync\/digest cannot be read/],
      [answers(200, '{"differ":"none"}'), /\/sync\/digest cannot be read/],
    ] as const) {
      deps = { ...deps, client: Object.assign(new PretendDigest(), { digest }) };
      await expect(proofOf('sale')).rejects.toThrow(words);
    }
    for (const entities of ['[["1"]]', '[[1,1]]', '[["1",0]]', '[["1",1.5]]', '[["\\u0000",1]]', '{}', 'null']) {
      const digestEntities = answers(200, `{"entities":${entities}}`);
      deps = { ...deps, client: Object.assign(new PretendDigest(), { digestEntities }) };
      (deps.client as PretendDigest).put('sale', '1', 2, '2026-11-22');
      await expect(proofOf('sale')).rejects.toThrow(/\/sync\/digest\/entities cannot be read/);
    }
  });

  test('a cloud with another history is not compared with, and a type that is not installed is named', async () => {
    await stage.pos.sql.query("UPDATE syncd.outlet_config SET cloud_epoch = 'first'");
    await mustBeSameHistory(stage.db, 'first');
    await mustBeSameHistory(stage.db, undefined);
    await expect(mustBeSameHistory(stage.db, 'second')).rejects.toThrow(/calls itself second, not first/);
    await expect(installedTypes(stage.db, ['sale', 'ghost'])).rejects.toThrow('not installed: ghost');
  });

  test('a table that is gone, or may not be read, is skipped with the reason, and keeps no other from being compared', async () => {
    await threeSales();
    cloud.put('menu', '9', 1);
    await stage.pos.sql.query('ALTER TABLE notes RENAME TO moved_notes; REVOKE SELECT ON sales FROM syncd');
    expect(await verifyTypes(deps, await installedTypes(stage.db, ['menu', 'note', 'sale']))).toMatchObject([
      { skipped: null, differences: [{ entity_id: '9' }] },
      { skipped: expect.stringContaining('notes is gone'), differences: [] },
      { skipped: 'permission denied for table sales', differences: [] },
    ]);
    await stage.pos.sql.query('ALTER TABLE moved_notes RENAME TO notes; GRANT SELECT ON sales TO syncd');
  });

  test('whoever needs a table for himself does not wait until all of it was read', async () => {
    await stage.pos.sql.query(
      "INSERT INTO visits VALUES (1, 'a', '2026-11-22'); INSERT INTO late_visits VALUES (2, 'b', NULL)",
    );
    await agreed('visit', { '["1","a"]': '2026-11-22', '["2","b"]': '*' });
    const migration = new pg.Client(stage.pos.url);
    await migration.connect();
    await stage.pos.sql.query('BEGIN; LOCK TABLE late_visits');
    const proof = proofOf('visit');
    await eventually(
      () => stage.rows("SELECT FROM pg_locks WHERE relation = 'late_visits'::regclass AND NOT granted"),
      (waiting) => waiting.length > 0,
      'it reads the first part and waits for the second',
    );
    await migration.query("SET lock_timeout = '5s'; BEGIN; LOCK TABLE ONLY visits; COMMIT");
    await stage.pos.sql.query('COMMIT');
    expect(await proof).toMatchObject({ entities: 2, buckets: 2, differences: [], skipped: null });
    await migration.end();
  });
});
