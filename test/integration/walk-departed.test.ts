/** A part of a table that was put away takes its rows along: no walk may delete them in the cloud, whatever else it finds. */

import { readWalkedTable } from '../../src/walk/table.js';
import { lostRows } from '../../src/walk/truncations.js';
import { onEachServer } from '../support/capture.js';
import { WalkStage } from '../support/walk-stage.js';

const MONTHS = (table: string, key: string) => `
  CREATE TABLE ${table} (id int, day timestamptz, v text, PRIMARY KEY ${key}) PARTITION BY RANGE (day);
  CREATE TABLE ${table}_1 PARTITION OF ${table} FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE ${table}_2 PARTITION OF ${table} FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
  CREATE TABLE ${table}_3 PARTITION OF ${table} DEFAULT PARTITION BY LIST (id);
  CREATE TABLE ${table}_4 PARTITION OF ${table}_3 FOR VALUES IN (4, 5, 6)`;
const ROWS = (table: string) =>
  `INSERT INTO ${table} SELECT n, timestamptz '2026-01-10' + n * interval '15 days', 'v' FROM generate_series(0, 6) n`;

onEachServer('a part that has left its table', (_, server) => {
  let stage: WalkStage;
  beforeAll(async () => {
    stage = await WalkStage.open(server.cluster(), 'archive');
    // The one who archives writes dates as his region does.
    await stage.rows(`ALTER DATABASE archive SET datestyle = 'German'`);
  });
  beforeEach(() => stage.reset());
  afterAll(() => stage.close());

  const deleted = async () => (await stage.queue()).map((line) => line.replace(/T.*/, ''));

  test.each<[string, string, string]>([
    ['detached', 'ALTER TABLE detached DETACH PARTITION detached_1', '(id, day)'],
    ['dropped', 'DROP TABLE dropped_1', '(day, id)'],
  ])(
    'is kept in the cloud when it was %s, before an install and after, and others are deleted',
    async (table, ddl, key) => {
      await stage.tables(MONTHS(table, key), { [table]: table });
      await stage.rows(ROWS(table));
      await stage.settleAll();
      await stage.rows(ddl);
      await stage.unseen(`DELETE FROM ${table} WHERE id = 2`);
      await stage.walk('reconcile', table);
      const id = key === '(id, day)' ? '["2","2026-02-09' : '["2026-02-09';
      expect(await deleted()).toEqual([`${table} delete ${id}`]);
      await stage.settleAll();
      // What install writes down anew has not the part any more.
      expect((await stage.install()).join()).toMatch(/written down/);
      await stage.unseen(`DELETE FROM ${table} WHERE id = 3`);
      await stage.walk('reconcile', table);
      await stage.walk('delete', table);
      expect(await stage.queue()).toHaveLength(1);
      const walked = await readWalkedTable(stage.db, table);
      if (typeof walked === 'string') throw new Error(walked);
      await stage.settleAll();
      expect((await lostRows(stage.db, walked, null, 100)).rows).toEqual([]);
    },
  );

  test('with parts of its own, or bounds of a list, is kept as well; one that is back counts again', async () => {
    await stage.tables(MONTHS('deep', '(id, day)'), { deep: 'deep' });
    await stage.rows(ROWS('deep'));
    await stage.settleAll();
    await stage.rows('ALTER TABLE deep DETACH PARTITION deep_3; ALTER TABLE deep DETACH PARTITION deep_1');
    await stage.walk('reconcile', 'deep');
    expect(await stage.queue()).toEqual([]);
    await stage.install();
    await stage.rows(
      `DELETE FROM deep_1; ALTER TABLE deep ATTACH PARTITION deep_1 FOR VALUES FROM ('01.01.2026') TO ('01.02.2026')`,
    );
    await stage.install();
    await stage.walk('reconcile', 'deep');
    expect(await stage.queue()).toHaveLength(2);
  });

  test('and tells nothing of its rows, an inheritance child, keeps every missing row from being deleted', async () => {
    await stage.tables(
      `CREATE TABLE mother (id int PRIMARY KEY); CREATE TABLE child () INHERITS (mother);
       INSERT INTO mother VALUES (1), (2); INSERT INTO child VALUES (3)`,
      { mother: 'mother' },
    );
    await stage.walk('backfill', 'mother');
    await stage.settleAll();
    await stage.unseen(
      'ALTER TABLE child NO INHERIT mother',
      'DELETE FROM mother WHERE id = 1',
      'INSERT INTO mother VALUES (4)',
    );
    await stage.walk('reconcile', 'mother');
    expect(await stage.queue()).toEqual(['mother create 4']);
    await stage.unseen('ALTER TABLE child INHERIT mother');
    await stage.walk('reconcile', 'mother');
    expect((await stage.queue()).slice(1)).toEqual(['mother delete 1']);
  });
});
