/** What the POS's own triggers, keys and constraints do when a row of the cloud is written: theirs is sent, ours is not. */
import { ApplyStage } from '../support/apply-stage.js';
import { onEachServer } from '../support/capture.js';

onEachServer('a row of the cloud', (_pos, server) => {
  let stage: ApplyStage;
  beforeAll(async () => {
    stage = await ApplyStage.open(server.cluster(), 'triggers');
  }, 60_000);
  afterAll(async () => {
    await stage?.close();
  });
  afterEach(async () => {
    await stage.reset();
  });

  const trigger = (name: string, when: string, table: string, body: string) => `
    CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$;
    CREATE TRIGGER ${name} ${when} ON ${table} FOR EACH ROW EXECUTE FUNCTION ${name}()`;

  test('that a BEFORE trigger changes is sent back as it became, unless the column is local', async () => {
    const ddl = (table: string) => `
      CREATE TABLE ${table} (id int PRIMARY KEY, name text, updated_at timestamptz);
      ${trigger(`stamp_${table}`, 'BEFORE INSERT OR UPDATE', table, 'NEW.updated_at = clock_timestamp(); RETURN NEW;')}`;
    await stage.tables(ddl('stamped') + ddl('tended').replace(/^/, ';'), {
      stamped: 'stamped',
      tended: { table: 'tended', local: ['updated_at'] },
    });
    const data = { id: 1, name: 'Kopi', updated_at: '2020-01-01T00:00:00Z' };
    await stage.apply({ type: 'stamped', id: '1', data }, { type: 'tended', id: '1', data });
    // It builds on the cloud's row, which is there already, and nobody has edited it.
    const left = () => stage.rows('SELECT previous, undated FROM syncd.unsettled');
    const onCloudsRow = [{ previous: { updated_at: '2020-01-01T00:00:00+00:00' }, undated: true }];
    expect(await stage.queue()).toEqual(['stamped update 1']);
    expect(await left()).toEqual(onCloudsRow);
    await stage.settleAll();
    const renamed = { ...data, name: 'Teh' };
    await stage.apply(
      { type: 'stamped', id: '1', version: 5, data: renamed },
      { type: 'tended', id: '1', version: 5, data: renamed },
    );
    expect(await stage.queue()).toEqual(['stamped update 1']);
    expect(await left()).toEqual(onCloudsRow);
  });

  test('that a BEFORE and an AFTER trigger change builds on what was sent, whichever changed it first', async () => {
    await stage.tables(
      `CREATE TABLE both_ways (id int PRIMARY KEY, name text, n int, twice int);
       ${trigger('shout', 'BEFORE INSERT OR UPDATE', 'both_ways', 'NEW.name = upper(NEW.name); RETURN NEW;')};
       ${trigger('double_it', 'AFTER INSERT OR UPDATE OF n', 'both_ways', 'UPDATE both_ways SET twice = NEW.n * 2 WHERE id = NEW.id; RETURN NULL;')}`,
      { both_ways: 'both_ways' },
    );
    await stage.apply({ type: 'both_ways', id: '1', data: { id: 1, name: 'kopi', n: 4, twice: 0 } });
    expect(await stage.rows('SELECT operation, previous, undated FROM syncd.unsettled ORDER BY id')).toEqual([
      { operation: 'update', previous: { name: 'kopi', twice: 0 }, undated: true },
      { operation: 'update', previous: null, undated: true },
    ]);
  });

  test('that makes an AFTER trigger write elsewhere sends that, and nothing of itself', async () => {
    await stage.tables(
      `CREATE TABLE bills (id int PRIMARY KEY, total int);
       CREATE TABLE ledger (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, bill int, total int);
       ${trigger('post_bill', 'AFTER INSERT OR UPDATE OR DELETE', 'bills', 'INSERT INTO ledger (bill, total) VALUES (coalesce(NEW.id, OLD.id), NEW.total); RETURN NULL;')}`,
      { bill: { table: 'bills', also_writes: ['ledger'] }, entry: { table: 'ledger', direction: 'push' } },
    );
    await stage.apply(
      { type: 'bill', id: '1', data: { id: 1, total: 5 } },
      { type: 'bill', id: '2', data: { id: 2, total: 6 } },
    );
    await stage.apply({ type: 'bill', id: '1', version: 2, data: { id: 1, total: 7 } });
    await stage.apply({ type: 'bill', id: '1', version: 3, operation: 'delete' });
    expect(await stage.queue()).toEqual(['entry create 1', 'entry create 2', 'entry create 3', 'entry create 4']);
  });

  test('that makes a trigger of its partition alone write elsewhere sends that', async () => {
    await stage.tables(
      `CREATE TABLE visits (id int, till int, PRIMARY KEY (id, till)) PARTITION BY LIST (till);
       CREATE TABLE visits_1 PARTITION OF visits FOR VALUES IN (1);
       CREATE TABLE counted (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, visit int);
       ${trigger('count_visit', 'AFTER INSERT', 'visits_1', 'INSERT INTO counted (visit) VALUES (NEW.id); RETURN NULL;')}`,
      { visit: { table: 'visits', also_writes: ['counted'] }, counted: { table: 'counted', direction: 'push' } },
    );
    await stage.apply({ type: 'visit', id: '["7","1"]', data: { id: 7, till: 1 } });
    expect(await stage.queue()).toEqual(['counted create 1']);
  });

  test('that an AFTER trigger changes once more sends what it became; one that changes it back sends nothing', async () => {
    await stage.tables(
      `CREATE TABLE doubled (id int PRIMARY KEY, n int, twice int);
       ${trigger('double', 'AFTER INSERT OR UPDATE OF n', 'doubled', 'UPDATE doubled SET twice = NEW.n * 2 WHERE id = NEW.id; RETURN NULL;')};
       CREATE TABLE wavering (id int PRIMARY KEY, n int);
       ${trigger('waver', 'AFTER INSERT', 'wavering', 'UPDATE wavering SET n = n + 1 WHERE id = NEW.id; UPDATE wavering SET n = n - 1 WHERE id = NEW.id; RETURN NULL;')}`,
      { doubled: 'doubled', wavering: 'wavering' },
    );
    await stage.apply(
      { type: 'doubled', id: '1', data: { id: 1, n: 4, twice: 0 } },
      { type: 'wavering', id: '1', data: { id: 1, n: 4 } },
    );
    const left = await stage.rows<{ entity_type: string; payload: string }>(
      'SELECT entity_type, payload::text FROM syncd.sync_queue ORDER BY id DESC LIMIT 1',
    );
    expect(left.map(({ entity_type, payload }) => [entity_type, JSON.parse(payload)])).toEqual([
      ['doubled', { id: 1, n: 4, twice: 8 }],
    ]);
    await stage.settleAll();
    await stage.apply({ type: 'doubled', id: '1', version: 9, data: { id: 1, n: 4, twice: 8 } });
    expect(await stage.queue()).toEqual([]);
  });

  test('that takes others along when it goes sends their deletion, not its own', async () => {
    await stage.tables(
      `CREATE TABLE parents (id int PRIMARY KEY, boss int REFERENCES parents ON DELETE SET NULL);
       CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE CASCADE)`,
      { parent: 'parents', child: 'children' },
    );
    await stage.pos.sql.query(
      'INSERT INTO parents VALUES (1), (2); UPDATE parents SET boss = 1 WHERE id = 2; INSERT INTO children VALUES (7, 1), (8, 1), (9, 2)',
    );
    await stage.settleAll();
    await stage.apply(
      { type: 'parent', id: '1', version: 5, operation: 'delete' },
      { type: 'child', id: '8', version: 5, operation: 'delete' },
    );
    expect((await stage.queue()).sort()).toEqual(['child delete 7', 'parent update 2']);
  });

  test('comes with its parent, whatever their order, and goes before it', async () => {
    await stage.tables(
      `CREATE TABLE heads (id int PRIMARY KEY, name text); CREATE TABLE tails (id int PRIMARY KEY, head int NOT NULL REFERENCES heads, next int REFERENCES tails)`,
      { a_tail: 'tails', z_head: 'heads' },
    );
    const tail = (id: number, version: number, next: number | null) => ({
      type: 'a_tail',
      id: String(id),
      version,
      data: { id, head: 1, next },
    });
    await stage.apply(tail(1, 1, 2), tail(2, 1, 3), tail(3, 1, null), {
      type: 'z_head',
      id: '1',
      data: { id: 1, name: 'x' },
    });
    await stage.apply(
      { type: 'z_head', id: '1', version: 2, operation: 'delete' },
      ...[1, 2, 3].map((id) => ({ type: 'a_tail', id: String(id), version: 2, operation: 'delete' as const })),
    );
    expect(await stage.rows('SELECT FROM tails UNION ALL SELECT FROM heads')).toEqual([]);
    expect(await stage.queue()).toEqual([]);
  });

  test('moves to another parent before its old one goes, so that no cascade takes it along', async () => {
    await stage.tables(
      `CREATE TABLE shelves (id int PRIMARY KEY); CREATE TABLE goods (id int PRIMARY KEY, shelf int REFERENCES shelves ON DELETE CASCADE)`,
      { shelf: 'shelves', good: 'goods' },
    );
    await stage.pos.sql.query('INSERT INTO shelves VALUES (1), (2); INSERT INTO goods VALUES (5, 1)');
    await stage.settleAll();
    await stage.apply(
      { type: 'shelf', id: '1', version: 2, operation: 'delete' },
      { type: 'good', id: '5', version: 2, data: { id: 5, shelf: 2 } },
    );
    expect(await stage.rows('SELECT * FROM goods')).toEqual([{ id: 5, shelf: 2 }]);
    expect(await stage.queue()).toEqual([]);
  });

  test('may refer in a circle where the constraint is deferrable, and a broken deferred one parks it alone', async () => {
    await stage.tables(
      `CREATE TABLE eggs (id int PRIMARY KEY, hen int NOT NULL); CREATE TABLE hens (id int PRIMARY KEY, egg int NOT NULL REFERENCES eggs DEFERRABLE INITIALLY DEFERRED);
       ALTER TABLE eggs ADD FOREIGN KEY (hen) REFERENCES hens DEFERRABLE INITIALLY DEFERRED;
       CREATE TABLE seats (id int PRIMARY KEY, guest int, UNIQUE (guest) DEFERRABLE INITIALLY DEFERRED)`,
      { egg: 'eggs', hen: 'hens', seat: 'seats' },
    );
    await stage.apply(
      { type: 'egg', id: '1', data: { id: 1, hen: 1 } },
      { type: 'hen', id: '1', data: { id: 1, egg: 1 } },
    );
    await stage.pos.sql.query('INSERT INTO seats VALUES (1, 10), (2, 20)');
    await stage.settleAll();
    const swap = [
      { type: 'seat', id: '1', version: 2, data: { id: 1, guest: 20 } },
      { type: 'seat', id: '2', version: 2, data: { id: 2, guest: 10 } },
    ];
    await stage.apply(...swap);
    await stage.send(
      { type: 'seat', id: '3', data: { id: 3, guest: 20 } },
      { type: 'seat', id: '4', data: { id: 4, guest: 40 } },
    );
    await stage.round();
    expect(await stage.incoming()).toMatchObject([{ id: '3', status: 'parked' }]);
    expect(await stage.rows('SELECT * FROM seats ORDER BY id')).toEqual([
      { id: 1, guest: 20 },
      { id: 2, guest: 10 },
      { id: 4, guest: 40 },
    ]);
    expect(await stage.queue()).toEqual([]);
  });

  test('finds its partition, and another one when it changes', async () => {
    await stage.tables(
      `CREATE TABLE moves (id int, day date, v int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
       CREATE TABLE moves_1 PARTITION OF moves FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
       CREATE TABLE moves_2 PARTITION OF moves FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
       CREATE TABLE spread (id int PRIMARY KEY, v int) PARTITION BY HASH (id);
       CREATE TABLE spread_0 PARTITION OF spread FOR VALUES WITH (MODULUS 2, REMAINDER 0);
       CREATE TABLE spread_1 PARTITION OF spread FOR VALUES WITH (MODULUS 2, REMAINDER 1)`,
      { move: 'moves', spread: 'spread' },
    );
    const id = '["1","2026-01-15"]';
    await stage.apply({ type: 'move', id, data: { id: 1, day: '2026-01-15', v: 1 } });
    await stage.apply({ type: 'move', id, version: 2, data: { id: 1, day: '2026-01-15', v: 2 } });
    expect(await stage.rows('SELECT v FROM ONLY moves_1')).toEqual([{ v: 2 }]);
    await stage.apply(
      ...Array.from({ length: 8 }, (_, n) => ({ type: 'spread', id: String(n), data: { id: n, v: n } })),
    );
    await stage.apply({ type: 'move', id, version: 3, operation: 'delete' });
    // No partition takes it.
    await stage.send({ type: 'move', id: '["1","2027-01-15"]', data: { id: 1, day: '2027-01-15', v: 1 } });
    await stage.round();
    expect(await stage.incoming()).toMatchObject([{ status: 'parked' }]);
    expect(await stage.queue()).toEqual([]);
  });

  test('brings only its columns: others keep their default or their value; excluded, generated and unknown ones are nobody’s business', async () => {
    await stage.tables(
      `CREATE TABLE partial_rows (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text DEFAULT 'd', cost int NOT NULL DEFAULT 3, n int, g int GENERATED ALWAYS AS (n + 1) STORED)`,
      { thing: { table: 'partial_rows', exclude: ['cost'] } },
    );
    await stage.apply({ type: 'thing', id: '5', data: { id: 5, n: 1, g: 99, cost: 77, colour: 'red' } });
    expect(await stage.rows('SELECT * FROM partial_rows')).toEqual([{ id: 5, a: 'd', cost: 3, n: 1, g: 2 }]);
    await stage.apply({ type: 'thing', id: '5', version: 2, data: { id: 5, a: 'x' } });
    expect(await stage.rows('SELECT * FROM partial_rows')).toEqual([{ id: 5, a: 'x', cost: 3, n: 1, g: 2 }]);
    expect(await stage.queue()).toEqual([]);
  });

  test('may draw from the sequences of its table and of those that its triggers write; what is installed twice changes nothing', async () => {
    const entities = { numbered: { table: 'numbered', also_writes: ['numbered_log'] } };
    await stage.tables(
      `CREATE TABLE numbered (id int PRIMARY KEY, no serial); CREATE TABLE numbered_log (n bigserial PRIMARY KEY, id int);
       ${trigger('log_numbered', 'AFTER INSERT', 'numbered', 'INSERT INTO numbered_log (id) VALUES (NEW.id); RETURN NULL;')}`,
      entities,
    );
    await stage.apply({ type: 'numbered', id: '5', data: { id: 5 } });
    expect(await stage.rows('SELECT * FROM numbered')).toEqual([{ id: 5, no: 1 }]);
    expect(await stage.rows('SELECT * FROM numbered_log')).toEqual([{ n: '1', id: 5 }]);
    expect(await stage.tables('SELECT 1', entities)).toEqual([]);
    await expect(
      stage.tables('SELECT 1', { numbered: { table: 'numbered', also_writes: ['nowhere'] } }),
    ).rejects.toMatchObject({
      hint: 'entity numbered: also_writes: there is no table nowhere',
    });
    await stage.tables('SELECT 1', entities);
  });

  test('leaves the sequences of its table ahead of the numbers that it brings: the next sale draws a free one', async () => {
    await stage.tables(
      `CREATE TABLE identified (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int);
       CREATE TABLE "Serial No" (id smallserial PRIMARY KEY, n int); CREATE TABLE by_ten (id serial PRIMARY KEY, n int);
       ALTER SEQUENCE by_ten_id_seq INCREMENT 10`,
      { identified: 'identified', serial: '"Serial No"', ten: 'by_ten' },
    );
    const next = async (table: string) =>
      (await stage.rows(`INSERT INTO ${table} (n) VALUES (0) RETURNING id::int`))[0]?.id;
    expect(await next('identified')).toBe(1);
    for (const id of ['2', '3', '7', '900000', '5'])
      await stage.apply({ type: 'identified', id, data: { id: Number(id), n: 1 } });
    expect(await next('identified')).toBe(900001);
    await stage.apply({ type: 'serial', id: '1', data: { id: 1, n: 1 } });
    expect(await next('"Serial No"')).toBe(2);
    await stage.apply(
      { type: 'serial', id: '32767', data: { id: 32767, n: 1 } },
      { type: 'ten', id: '25', data: { id: 25, n: 1 } },
    );
    expect(await next('by_ten')).toBe(31);
    await stage.apply({ type: 'ten', id: '8', data: { id: 8, n: 1 } });
    expect(await next('by_ten')).toBe(41);
  });

  test('is written by the POS’s own names for its tables, not by ours', async () => {
    // A bare name in a trigger must not find schema syncd, which the daemon's role is named after.
    await stage.tables(
      `CREATE TABLE sync_logs (n int); CREATE TABLE noted (id int PRIMARY KEY);
       GRANT INSERT ON sync_logs TO syncd;
       ${trigger('note', 'AFTER INSERT', 'noted', 'INSERT INTO sync_logs VALUES (NEW.id); RETURN NULL;')}`,
      { noted: 'noted' },
    );
    await stage.apply({ type: 'noted', id: '4', data: { id: 4 } });
    expect(await stage.rows('SELECT * FROM public.sync_logs')).toEqual([{ n: 4 }]);
  });
});
