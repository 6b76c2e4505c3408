/** Tables of every shape: partitions, inheritance, triggers of the POS that write again, columns that come and go. */
import { installCapture } from '../../src/capture/install.js';
import { captureSettings, onEachServer } from '../support/capture.js';

onEachServer('a table', (pos, server) => {
  test('that is partitioned is captured once, through its root and directly in a leaf', async () => {
    await pos().capture(
      `CREATE TABLE sale (id int, day date, total numeric, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
       CREATE TABLE sale_a PARTITION OF sale FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
       CREATE TABLE sale_rest PARTITION OF sale FOR VALUES FROM ('2026-02-01') TO ('2027-01-01') PARTITION BY LIST (id);
       CREATE TABLE sale_b (day date NOT NULL, total numeric, id int NOT NULL);
       ALTER TABLE sale_rest ATTACH PARTITION sale_b DEFAULT`,
      { sale: 'sale' },
    );
    await pos().sql.query(`INSERT INTO sale VALUES (1, '2026-01-05', 10), (2, '2026-02-05', 20)`);
    await pos().sql.query(`INSERT INTO sale_a VALUES (3, '2026-01-06', 30)`);
    await pos().sql.query(`INSERT INTO sale_b (id, day, total) VALUES (4, '2026-03-06', 40)`);
    await pos().sql.query(`INSERT INTO sale_rest VALUES (5, '2026-03-06', 50)`);
    const changes = await pos().changes();
    expect(changes.map(({ id, operation }) => `${operation} ${id}`)).toEqual([
      'create ["1","2026-01-05"]',
      'create ["2","2026-02-05"]',
      'create ["3","2026-01-06"]',
      'create ["4","2026-03-06"]',
      'create ["5","2026-03-06"]',
    ]);
    expect(changes[1]?.data).toBe('{"id":2,"day":"2026-02-05","total":20}');
    expect(changes.every(({ entity }) => entity === 'sale')).toBe(true);
    expect(
      await pos().write('UPDATE sale SET total = 11 WHERE id = 1', 'UPDATE sale_b SET total = 41 WHERE id = 4'),
    ).toEqual(['update ["1","2026-01-05"]', 'update ["4","2026-03-06"]']);
    expect((await pos().write('DELETE FROM sale WHERE id IN (2, 3)')).sort()).toEqual([
      'delete ["2","2026-02-05"]',
      'delete ["3","2026-01-06"]',
    ]);
  });

  test('whose row moves to another partition gives a delete and a create', async () => {
    expect(await pos().write(`UPDATE sale SET day = '2026-04-01' WHERE id = 1`)).toEqual([
      'delete ["1","2026-01-05"]',
      'create ["1","2026-04-01"]',
    ]);
  });

  test('that gets a new partition is captured through its root meanwhile, and wholly after an install', async () => {
    await pos().sql.query(`CREATE TABLE sale_new PARTITION OF sale FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')`);
    expect(await pos().write(`INSERT INTO sale VALUES (7, '2027-01-05', 1)`)).toEqual(['create ["7","2027-01-05"]']);
    await pos().capture('', {});
    expect(
      await pos().write(`INSERT INTO sale_new VALUES (8, '2027-01-05', 1)`, 'DELETE FROM sale WHERE id = 8'),
    ).toEqual(['create ["8","2027-01-05"]', 'delete ["8","2027-01-05"]']);
  });

  test('that is a single captured partition is captured also through its root', async () => {
    await pos().capture(
      `CREATE TABLE visit (id int, till int, PRIMARY KEY (id, till)) PARTITION BY LIST (till);
       CREATE TABLE visit_1 PARTITION OF visit FOR VALUES IN (1); CREATE TABLE visit_2 PARTITION OF visit FOR VALUES IN (2)`,
      { visit: 'visit_1' },
    );
    expect(await pos().write('INSERT INTO visit VALUES (1, 1), (2, 2)', 'INSERT INTO visit_1 VALUES (3, 1)')).toEqual([
      'create ["1","1"]',
      'create ["3","1"]',
    ]);
  });

  test('with inheritance children carries their whole rows, however they are written', async () => {
    await pos().capture(
      `CREATE TABLE item (id int PRIMARY KEY, name text); CREATE TABLE drink (volume int) INHERITS (item);
       CREATE TABLE tea (leaf text, PRIMARY KEY (id)) INHERITS (drink)`,
      { item: 'item', tea: 'tea' },
    );
    await pos().sql.query(`INSERT INTO item VALUES (1, 'tray')`);
    await pos().sql.query(`INSERT INTO drink VALUES (2, 'kopi', 200)`);
    await pos().sql.query(`INSERT INTO tea VALUES (3, 'teh', 250, 'green')`);
    await pos().sql.query(`UPDATE item SET name = upper(name)`);
    await pos().sql.query(`UPDATE item SET name = name`);
    await pos().sql.query('DELETE FROM item WHERE id = 2');
    expect(
      (await pos().changes()).map(({ entity, id, operation, data }) => `${operation} ${entity} ${id} ${data}`),
    ).toEqual([
      'create item 1 {"id":1,"name":"tray"}',
      'create item 2 {"id":2,"name":"kopi","volume":200}',
      'create tea 3 {"id":3,"name":"teh","volume":250,"leaf":"green"}',
      'update item 1 {"id":1,"name":"TRAY"}',
      'update item 2 {"id":2,"name":"KOPI","volume":200}',
      'update tea 3 {"id":3,"name":"TEH","volume":250,"leaf":"green"}',
      'delete item 2 null',
    ]);
    expect(await pos().write('UPDATE item SET id = 9 WHERE id = 1')).toEqual(['delete 1', 'create 9']);
  });

  test('with inheritance children follows its columns in a session that wrote before they changed', async () => {
    await pos().capture(
      `CREATE TABLE snack (id int PRIMARY KEY, name text, cost int);
       CREATE TABLE cake (PRIMARY KEY (id), slices int) INHERITS (snack)`,
      { snack: { table: 'snack', direction: 'both', exclude: ['cost'] } },
    );
    await pos().write(
      `INSERT INTO cake VALUES (1, 'LAPIS', 9, 8)`,
      'UPDATE cake SET slices = 7',
      'UPDATE cake SET id = 2',
    );
    await pos().sql.query('ALTER TABLE cake ADD halal boolean; ALTER TABLE cake ALTER slices TYPE bigint');
    await pos().sql.query('UPDATE cake SET halal = true');
    const added = '{ "id" : 2, "name" : "LAPIS", "slices" : 7, "halal" : true }';
    expect(await pos().changes()).toMatchObject([{ data: added, previous: '{ "halal" : null }' }]);
    await pos().sql.query('ALTER TABLE snack RENAME name TO title; ALTER TABLE cake DROP slices');
    expect(await pos().write('UPDATE cake SET cost = 1')).toEqual([]);
    await pos().write(`UPDATE cake SET title = 'LEGIT'`, `INSERT INTO cake VALUES (3, 'BIKA', 9, true)`);
    const { rows } = await pos().sql.query('SELECT payload FROM syncd.sync_queue ORDER BY id DESC LIMIT 2');
    expect(rows.map(({ payload }) => payload)).toEqual([
      { id: 3, title: 'BIKA', halal: true },
      { id: 2, title: 'LEGIT', halal: true },
    ]);
  });

  test('whose own AFTER trigger writes the row again ends with the row as it is, never with an older one', async () => {
    await pos().capture(
      `CREATE TABLE bill (id int PRIMARY KEY, net int, gross int);
       CREATE FUNCTION add_tax() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF pg_trigger_depth() = 1 THEN UPDATE bill SET gross = net * 2 WHERE id = NEW.id; END IF;
         IF NEW.net < 0 THEN DELETE FROM bill WHERE id = NEW.id; END IF; RETURN NULL; END $$;
       CREATE TRIGGER a_tax AFTER INSERT OR UPDATE ON bill FOR EACH ROW EXECUTE FUNCTION add_tax()`,
      { bill: 'bill' },
    );
    await pos().sql.query('INSERT INTO bill VALUES (1, 10)');
    expect((await pos().changes()).at(-1)?.data).toBe('{"id":1,"net":10,"gross":20}');
    await pos().sql.query('UPDATE bill SET net = 15');
    expect((await pos().changes()).at(-1)?.data).toBe('{"id":1,"net":15,"gross":30}');
    await pos().sql.query('INSERT INTO bill VALUES (2, -1)');
    expect((await pos().changes()).filter(({ id }) => id === '2').at(-1)?.operation).toBe('delete');
  });

  test('that another trigger changes in the same statement ends with the row as it is, too', async () => {
    await pos().capture(
      `CREATE TABLE bills (id int PRIMARY KEY, total int DEFAULT 0, paid boolean DEFAULT false); CREATE VIEW unpaid AS SELECT * FROM bills;
       CREATE TABLE lines (id int PRIMARY KEY, bill int, price int);
       CREATE FUNCTION add_to(which int, price int) RETURNS void LANGUAGE sql AS 'UPDATE unpaid SET total = total + price WHERE id = which';
       CREATE FUNCTION add_line() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM add_to(NEW.bill, NEW.price); RETURN NULL; END';
       CREATE TRIGGER add_line AFTER INSERT ON lines FOR EACH ROW EXECUTE FUNCTION add_line();
       CREATE TABLE prices (id int PRIMARY KEY, current boolean DEFAULT true);
       CREATE FUNCTION retire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE prices SET current = false WHERE current; RETURN NEW; END';
       CREATE TRIGGER retire BEFORE INSERT ON prices FOR EACH ROW EXECUTE FUNCTION retire()`,
      { bill: 'bills', line: 'lines', price: 'prices' },
    );
    const ends = async (statement: string) => {
      await pos().sql.query(statement);
      return Object.fromEntries((await pos().changes()).map(({ entity, id, data }) => [`${entity} ${id}`, data]));
    };
    expect(
      await ends('WITH b AS (INSERT INTO bills VALUES (1) RETURNING id) INSERT INTO lines SELECT 10, id, 5 FROM b'),
    ).toMatchObject({ 'bill 1': '{"id":1,"total":5,"paid":false}' });
    expect(
      await ends('WITH l AS (INSERT INTO lines VALUES (11, 1, 7) RETURNING bill) UPDATE bills SET paid = true FROM l'),
    ).toMatchObject({ 'bill 1': '{"id":1,"total":12,"paid":true}' });
    expect(await ends('INSERT INTO prices VALUES (1), (2)')).toEqual({
      'price 1': '{"id":1,"current":false}',
      'price 2': '{"id":2,"current":true}',
    });
  });

  test('that a trigger changes by a statement which it puts together ends with the row as it is, too', async () => {
    await pos().capture(
      `CREATE TABLE rates (id int PRIMARY KEY, current boolean DEFAULT true);
       CREATE FUNCTION retire_old() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN EXECUTE 'UPDATE ra' || 'tes SET current = false WHERE current'; RETURN NEW; END $$;
       CREATE TRIGGER retire_old BEFORE INSERT ON rates FOR EACH ROW EXECUTE FUNCTION retire_old()`,
      { rate: 'rates' },
    );
    await pos().sql.query('INSERT INTO rates VALUES (1), (2)');
    expect((await pos().changes()).filter(({ id }) => id === '1').at(-1)?.data).toBe('{"id":1,"current":false}');
    // It casts doubt on every table, and so would hide what other tests are about.
    await pos().sql.query('DROP FUNCTION retire_old CASCADE');
  });

  test('with inheritance children and such a trigger is read again row by row', async () => {
    const again = (table: string) => `CREATE FUNCTION tax_${table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF pg_trigger_depth() = 1 THEN UPDATE ONLY ${table} SET gross = net * 2 WHERE id = NEW.id; END IF; RETURN NULL; END $$;
       CREATE TRIGGER "! before ours" AFTER INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION tax_${table}();`;
    await pos().capture(
      `CREATE TABLE dish (id int PRIMARY KEY, net int, gross int);
       CREATE TABLE soup (spicy boolean, PRIMARY KEY (id)) INHERITS (dish); ${again('dish')} ${again('soup')}`,
      { dish: { table: 'dish', direction: 'both' } },
    );
    const written = async (statement: string) => {
      await pos().sql.query(statement);
      return (await pos().changes()).map(({ operation, id, data }) => `${operation} ${id} ${data}`);
    };
    const soup = (id: number, net: number) => `${id} {"id":${id},"net":${net},"gross":${net * 2},"spicy":true}`;
    const inserted = await written('INSERT INTO soup VALUES (1, 10, NULL, true)');
    expect(inserted).toEqual([`update ${soup(1, 10)}`, `create ${soup(1, 10)}`]);
    const updated = `update ${soup(1, 15)}`;
    expect(await written('UPDATE dish SET net = 15')).toEqual([updated, updated]);
    expect(await written('UPDATE dish SET net = net')).toEqual([]);
    expect(await written('UPDATE dish SET id = 2')).toEqual(['delete 1 null', `create ${soup(2, 15)}`]);
    expect(await written('DELETE FROM dish')).toEqual(['delete 2 null']);
  });

  test('whose BEFORE trigger changes the row is captured as it was stored', async () => {
    await pos().capture(
      `CREATE TABLE stamped (id int PRIMARY KEY, name text);
       CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$;
       CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON stamped FOR EACH ROW EXECUTE FUNCTION shout()`,
      { stamped: 'stamped' },
    );
    await pos().sql.query(`INSERT INTO stamped VALUES (1, 'a')`);
    expect((await pos().changes())[0]?.data).toBe('{"id":1,"name":"A"}');
  });

  test('with columns added, renamed and dropped is followed at once, an excluded column never', async () => {
    await pos().capture(
      `CREATE TABLE moving (id int PRIMARY KEY, a text, b text, secret text);
       CREATE TABLE stilled (id int PRIMARY KEY, a text, b text)`,
      { moving: { table: 'moving', exclude: ['secret'] }, stilled: 'stilled' },
    );
    for (const table of ['moving', 'stilled']) {
      await pos().sql.query(`INSERT INTO ${table} (id, a, b) VALUES (1, 'a', 'b')`);
      await pos().sql.query(`ALTER TABLE ${table} ADD c int DEFAULT 5`);
      await pos().sql.query(`ALTER TABLE ${table} RENAME a TO z`);
      await pos().sql.query(`ALTER TABLE ${table} DROP b`);
      await pos().sql.query(`UPDATE ${table} SET z = 'zz' WHERE id = 1`);
      const data = (await pos().changes()).at(-1)?.data as string;
      expect(JSON.parse(data)).toEqual({ id: 1, z: 'zz', c: 5 });
    }
    expect(await pos().write(`UPDATE moving SET secret = 's3cret'`)).toEqual([]);
    await pos().sql.query('ALTER TABLE moving RENAME secret TO hidden');
    await pos().sql.query(`UPDATE moving SET z = 'y'`);
    expect((await pos().changes())[0]?.data).not.toContain('s3cret');
    await pos().sql.query('ALTER TABLE moving RENAME hidden TO secret');
    // In a restored copy the number may be another table's.
    const elsewhere = `SELECT syncd.excluded_columns('stilled'::regclass, 'moving', '{secret}', '{1}') AS names`;
    expect((await pos().sql.query(elsewhere)).rows).toEqual([{ names: ['secret'] }]);
  });

  test('with bookkeeping columns of the POS itself is captured without them', async () => {
    await pos().capture(
      `CREATE TABLE sync_queue (id int PRIMARY KEY, n int); CREATE TABLE kept (id int PRIMARY KEY, name text, version int, cloud_id text, sync_status text)`,
      { kept: 'kept', own_queue: 'sync_queue' },
    );
    await pos().sql.query(
      `INSERT INTO kept VALUES (1, 'a', 1, 'c', 'pending'); INSERT INTO public.sync_queue VALUES (1, 2)`,
    );
    const [kept, own] = await pos().changes();
    expect(JSON.parse(kept?.data ?? '')).toEqual({ id: 1, name: 'a' });
    expect(own).toMatchObject({ entity: 'own_queue', data: '{"id":1,"n":2}' });
    expect(await pos().write(`UPDATE kept SET version = 2, sync_status = 'synced'`)).toEqual([]);
  });

  test('of an entity that is also pulled keeps the old values of what changed', async () => {
    await pos().capture(`CREATE TABLE price (id int PRIMARY KEY, amount numeric, name text, note json, secret int)`, {
      price: { table: 'price', direction: 'both', exclude: ['secret'] },
    });
    await pos().sql.query(`INSERT INTO price VALUES (1, 1.10, 'a', '{"x": 1}', 5)`);
    await pos().sql.query(`UPDATE price SET amount = 2, note = NULL, secret = 6`);
    await pos().sql.query(`INSERT INTO price VALUES (2, 3, 'b')`);
    await pos().sql.query(`UPDATE price SET amount = amount + 1`);
    const previous = (await pos().changes()).map((change) => change.previous && JSON.parse(change.previous));
    expect(previous).toEqual([null, { amount: 1.1, note: { x: 1 } }, null, expect.anything(), expect.anything()]);
    expect(previous.slice(3)).toEqual(expect.arrayContaining([{ amount: 2 }, { amount: 3 }]));
  });

  const fromVersion18 = server.version >= 18 ? test : () => {};
  fromVersion18('with virtual generated columns carries their values', async () => {
    await pos().capture(
      'CREATE TABLE virtual (id int PRIMARY KEY, qty int, twice int GENERATED ALWAYS AS (qty * 2) VIRTUAL)',
      {
        virtual: 'virtual',
      },
    );
    await pos().sql.query('INSERT INTO virtual (id, qty) VALUES (1, 4)');
    await pos().sql.query('UPDATE virtual SET qty = qty');
    await pos().sql.query('UPDATE virtual SET qty = 5');
    expect((await pos().changes()).map(({ data }) => data)).toEqual([
      '{"id":1,"qty":4,"twice":8}',
      '{"id":1,"qty":5,"twice":10}',
    ]);
  });

  fromVersion18(
    'whose key is only to be non-null from now on is refused: the rows from before have no name',
    async () => {
      await pos().sql.query(
        'CREATE TABLE loose (k int UNIQUE); INSERT INTO loose VALUES (NULL); ALTER TABLE loose ADD CONSTRAINT named NOT NULL k NOT VALID',
      );
      const settings = captureSettings({ loose: { table: 'loose', key: ['k'] } });
      await expect(installCapture({ adminUrl: pos().url, settings })).rejects.toMatchObject({
        hint: 'entity loose: key: k of loose may be null',
      });
    },
  );
});
