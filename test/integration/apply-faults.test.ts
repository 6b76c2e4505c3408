/** A row that cannot be applied parks alone, with its reason; a missing parent is waited for, and fetched if it stays away. */
import { releaseParked, whatWaits } from '../../src/apply/incoming.js';
import { Cluster } from '../../src/demo/postgres.js';
import { ApplyStage, type Sent } from '../support/apply-stage.js';

let cluster: Cluster;
let stage: ApplyStage;
beforeAll(async () => {
  cluster = await Cluster.start();
  stage = await ApplyStage.open(cluster, 'faults');
  await stage.tables(
    `CREATE DOMAIN code AS varchar(5) CHECK (VALUE <> 'bad'); CREATE TYPE mood AS ENUM ('sweet');
     CREATE TABLE items (id int PRIMARY KEY, sku text UNIQUE, n smallint, p numeric(5,2), c code, m mood, day date, v varchar(3),
                         CONSTRAINT "a price is above zero" CHECK (p > 0));
     CREATE TABLE parents (id int, part text, PRIMARY KEY (id, part));
     CREATE TABLE children (id int PRIMARY KEY, parent int, part text, item int REFERENCES items (id), FOREIGN KEY (parent, part) REFERENCES parents);
     CREATE TABLE guarded (id int PRIMARY KEY); CREATE TABLE elsewhere (id int);
     CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF NEW.id = 13 THEN RAISE 'thirteen is unlucky'; END IF;
       IF NEW.id = 14 THEN RETURN NULL; END IF;
       IF NEW.id = 15 THEN INSERT INTO elsewhere VALUES (15); END IF;
       RETURN NEW; END $$;
     CREATE TRIGGER refuse BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION refuse()`,
    { item: 'items', parent: 'parents', child: 'children', guarded: 'guarded' },
  );
}, 60_000);
afterAll(async () => {
  await stage?.close();
  await cluster?.destroy();
});
afterEach(async () => {
  await stage.pos.sql.query('TRUNCATE items, parents, children, guarded, elsewhere');
  await stage.reset();
});

const good = (from: number, count: number): Sent[] =>
  Array.from({ length: count }, (_, n) => ({ id: String(from + n), data: { id: from + n, sku: `s${from + n}` } }));

test.each<[what: string, data: string | object]>([
  ['a value that is not of the type', { id: 7, n: 'many' }],
  ['a value out of range', { id: 7, n: 40_000 }],
  ['a number too large for its column', { id: 7, p: 12_345 }],
  ['a date that does not exist', { id: 7, day: '2026-02-30' }],
  ['a text too long for its column', { id: 7, v: 'toolong' }],
  ['a value that its domain refuses', { id: 7, c: 'bad' }],
  ['a word that its enum does not have', { id: 7, m: 'salty' }],
  ['a broken check', { id: 7, p: -1 }],
  ['an object where a number belongs', { id: 7, n: { a: [1] } }],
  ['U+0000 in a text', '{"id": 7, "sku": "a\\u0000b"}'],
  ['half of a surrogate pair', '{"id": 7, "sku": "\\ud800"}'],
  ['no object', '[1, 2]'],
  ['a scalar', '"x"'],
  ['the row of another entity', { id: 8, sku: 'x' }],
  ['no key', { sku: 'x' }],
  ['a key that is null', { id: null }],
])('%s parks its row alone, and nothing else waits', async (_what, data) => {
  await stage.send(...good(1, 5), { id: '7', data }, ...good(20, 5));
  // What cannot even be looked at is found in several.
  while ((await stage.round()).taken > 0);
  const parked = await stage.incoming();
  expect(parked).toMatchObject([{ id: '7', status: 'parked', attempts: 1, later: false }]);
  expect(parked[0]?.reason).toMatch(/./);
  expect(await stage.rows('SELECT id FROM items ORDER BY id')).toEqual(
    [1, 2, 3, 4, 5, 20, 21, 22, 23, 24].map((id) => ({ id })),
  );
  expect(await stage.queue()).toEqual([]);
});

test('a value that another row still has parks its row until that one gives it up, however often it comes', async () => {
  await stage.apply(...good(1, 3));
  const clash: Sent = { id: '7', data: { id: 7, sku: 's3' } };
  const never: Sent = { id: '8', data: { id: 8, sku: 's2' } };
  await stage.send(never, clash, { id: '3', operation: 'delete', version: 2 });
  await stage.round();
  await stage.notYet();
  await stage.send(never);
  await stage.round();
  expect(await stage.incoming()).toMatchObject([
    { id: '7', status: 'parked', later: true },
    { id: '8', status: 'parked', later: true },
  ]);
  await stage.later();
  while ((await stage.round()).taken > 0);
  expect(await stage.rows('SELECT id, sku FROM items ORDER BY id')).toEqual([
    { id: 1, sku: 's1' },
    { id: 2, sku: 's2' },
    { id: 7, sku: 's3' },
  ]);
  const because = expect.stringContaining('it waits until the row that stands there makes room');
  expect(await stage.incoming()).toMatchObject([{ id: '8', status: 'parked', later: true, reason: because }]);
});

test('an id that cannot be a key of the table parks its row alone', async () => {
  await stage.send(...good(1, 2), { id: 'seven', data: { id: 7 } }, { id: '99999999999', operation: 'delete' });
  await stage.send(
    { type: 'parent', id: 'no array', data: { id: 1, part: 'a' } },
    { type: 'parent', id: '["1"]', data: { id: 1, part: 'a' } },
  );
  await stage.round();
  expect((await stage.incoming()).map(({ id, status }) => `${id} ${status}`).sort()).toEqual([
    '99999999999 parked',
    '["1"] parked',
    'no array parked',
    'seven parked',
  ]);
  expect(await stage.rows('SELECT FROM items')).toHaveLength(2);
});

test('ten bad rows among a thousand are found in one round, and a newer version takes a parked one’s place', async () => {
  const bad = Array.from({ length: 10 }, (_, n): Sent => ({ id: String(5_000 + n), data: { id: 5_000 + n, p: -1 } }));
  await stage.send(...good(1, 300), ...bad.slice(0, 5), ...good(400, 300), ...bad.slice(5));
  await stage.round();
  expect(await stage.incoming()).toHaveLength(10);
  expect(await stage.rows('SELECT FROM items')).toHaveLength(600);
  await stage.send(
    { id: '5000', version: 2, data: { id: 5_000, p: 1 } },
    { id: '5001', version: 2, data: { id: 5_001, p: -2 } },
  );
  await stage.round();
  const left = await stage.rows(
    "SELECT entity_id AS id, cloud_version AS v FROM syncd.incoming WHERE entity_id IN ('5000', '5001')",
  );
  expect(left).toEqual([{ id: '5001', v: '2' }]);
  expect(await stage.state('5000')).toMatchObject({ cloud_version: '2' });
});

test('what was parked is tried again when somebody asks, but not what came in unfit', async () => {
  await stage.send({ id: '7', data: { id: 7, sku: 's1' } });
  await stage.pos.sql.query("INSERT INTO items (id, sku) VALUES (1, 's1'); TRUNCATE syncd.sync_queue");
  await stage.round();
  await stage.pos.sql.query(`INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, data, status, reason)
    VALUES (1, 'pull', 'item', '9', 'update', 1, '{"id":9}', 'parked', 'a key stands twice'); UPDATE items SET sku = 'other'`);
  await releaseParked(stage.db);
  await stage.round();
  expect(await stage.incoming()).toMatchObject([{ id: '9', reason: 'a key stands twice' }]);
  expect(await stage.rows('SELECT id FROM items ORDER BY id')).toEqual([{ id: 1 }, { id: 7 }]);
});

test('what was parked is released in portions, the oldest first', async () => {
  await stage.pos.sql.query(`INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, data, status, attempts, reason)
    SELECT 1, 'pull', 'item', n::text, 'update', 1, '{}', 'parked', 1, 'no' FROM generate_series(1, 5) n`);
  const released = async () =>
    (await stage.rows('SELECT next_attempt_at IS NOT NULL AS released FROM syncd.incoming ORDER BY id')).map(
      (row) => row.released,
    );
  expect(await whatWaits(stage.db)).toMatchObject({ due: false, dueMs: null });
  const first = await releaseParked(stage.db, '0', 3);
  expect([typeof first, await released()]).toEqual(['string', [true, true, true, false, false]]);
  expect(await whatWaits(stage.db)).toMatchObject({ due: true });
  expect([await releaseParked(stage.db, first, 3), await released()]).toEqual([undefined, Array(5).fill(true)]);
});

describe('a missing parent', () => {
  const child = (id: number, parent: number): Sent => ({
    type: 'child',
    id: String(id),
    data: { id, parent, part: 'a', item: null },
  });
  const parent = (id: number): Sent => ({ type: 'parent', id: `["${id}","a"]`, data: { id, part: 'a' } });
  const children = () => stage.rows('SELECT id FROM children ORDER BY id');

  test('parks its children alone, and they are applied as soon as it is', async () => {
    await stage.pos.sql.query("INSERT INTO parents VALUES (1, 'a'); TRUNCATE syncd.sync_queue");
    await stage.send(...Array.from({ length: 40 }, (_, n) => child(n + 1, 1 + (n % 4))));
    await stage.round();
    expect(await children()).toHaveLength(10);
    const waiting = await stage.rows(
      'SELECT DISTINCT status, waits_for_type AS type, waits_for_id AS id FROM syncd.incoming ORDER BY 3',
    );
    expect(waiting).toEqual([2, 3, 4].map((id) => ({ status: 'parked', type: 'parent', id: `["${id}","a"]` })));
    await stage.send(parent(3));
    await stage.round();
    await stage.round();
    expect(await children()).toHaveLength(20);
    expect(await stage.queue()).toEqual([]);
  });

  test('that stays away is asked for once, however many wait for it', async () => {
    await stage.send(child(1, 9), child(2, 9), child(3, 8));
    for (let n = 0; n < 3; n++) {
      await stage.round();
      await stage.later();
    }
    const hints = await stage.rows(
      "SELECT entity_type AS type, entity_id AS id FROM syncd.incoming WHERE operation = 'hint' ORDER BY 2",
    );
    expect(hints).toEqual([
      { type: 'parent', id: '["8","a"]' },
      { type: 'parent', id: '["9","a"]' },
    ]);
  });

  test('keeps its deletion waiting while a child is here, and lets it go afterwards', async () => {
    await stage.apply(parent(1), child(1, 1));
    await stage.send({ ...parent(1), version: 2, operation: 'delete', data: null });
    await stage.round();
    expect(await stage.incoming()).toMatchObject([{ status: 'parked', later: true }]);
    await stage.send({ type: 'child', id: '1', version: 2, operation: 'delete' });
    await stage.later();
    await stage.round();
    expect(await stage.incoming()).toEqual([]);
    expect(await stage.rows('SELECT FROM parents')).toEqual([]);
  });
});

test('what a trigger refuses, drops, or may not write parks alone, and says what to do', async () => {
  const row = (id: number): Sent => ({ type: 'guarded', id: String(id), data: { id } });
  await stage.send(row(12), row(13), row(14), row(15), row(16));
  for (let n = 0; n < 8; n++) {
    await stage.round();
    await stage.later();
  }
  const reasons = Object.fromEntries(
    (await stage.incoming()).map(({ id, status, reason }) => [id, `${status}: ${reason}`]),
  );
  expect(reasons).toEqual({
    13: 'parked: thirteen is unlucky',
    14: 'parked: another row of "public"."guarded" has its key, or a trigger of the table drops it',
    15: 'parked: permission denied for table elsewhere; if a trigger of "public"."guarded" writes there, list that under entities.guarded.also_writes; then: sudo -u postgres syncd install',
  });
  expect(await stage.rows('SELECT id FROM guarded ORDER BY id')).toEqual([{ id: 12 }, { id: 16 }]);
});

test('a table that has changed since it was read is read again; one that cannot be written parks what is for it alone', async () => {
  await stage.tables('CREATE TABLE shifting (id int PRIMARY KEY, a int, b int)', { shifting: 'shifting' });
  const row = (id: number, version: number): Sent => ({
    type: 'shifting',
    id: String(id),
    version,
    data: { id, a: 1, b: 2 },
  });
  await stage.apply(row(1, 1), row(2, 1));
  await stage.pos.sql.query('ALTER TABLE shifting DROP COLUMN b');
  await stage.apply(row(1, 2));
  await stage.pos.sql.query('REVOKE UPDATE ON shifting FROM syncd');
  await stage.send(row(1, 3), row(2, 3), ...good(1, 2));
  await stage.round();
  expect(await stage.incoming()).toMatchObject([
    { id: '1', status: 'parked' },
    { id: '2', status: 'parked' },
  ]);
  expect(await stage.rows('SELECT FROM items')).toHaveLength(2);
});
