/** Rows that refer to each other in a circle and come one by one: nobody is the parent that the others could wait for. */
import { Cluster } from '../../src/demo/postgres.js';
import { ApplyStage } from '../support/apply-stage.js';

let cluster: Cluster;
let stage: ApplyStage;
beforeAll(async () => {
  cluster = await Cluster.start();
  stage = await ApplyStage.open(cluster, 'circles');
  await stage.tables(
    `CREATE TABLE people (id int PRIMARY KEY, deputy int NOT NULL REFERENCES people);
     CREATE TABLE teams (id int PRIMARY KEY, head int NOT NULL);
     CREATE TABLE heads (id int PRIMARY KEY, team int NOT NULL REFERENCES teams DEFERRABLE INITIALLY DEFERRED);
     ALTER TABLE teams ADD FOREIGN KEY (head) REFERENCES heads DEFERRABLE INITIALLY DEFERRED`,
    { person: 'people', team: 'teams', head: 'heads' },
  );
}, 60_000);
afterAll(async () => {
  await stage?.close();
  await cluster?.destroy();
});
afterEach(async () => {
  await stage.pos.sql.query('TRUNCATE people, teams, heads');
  await stage.reset();
});

const person = (id: number, deputy: number) => ({ type: 'person', id: String(id), data: { id, deputy } });

/** Tries each when its time has come, and nothing else. */
async function untilDue(): Promise<void> {
  await stage.pos.sql.query(
    `UPDATE syncd.incoming SET next_attempt_at = next_attempt_at - (SELECT min(next_attempt_at) FROM syncd.incoming) + now()
     WHERE next_attempt_at IS NOT NULL`,
  );
  await stage.round();
}

test.each([
  ['two of one table', [person(1, 2), person(2, 1)]],
  ['four of one table', [person(1, 2), person(3, 4), person(2, 3), person(4, 1)]],
  [
    'of two tables, where the constraint is deferred',
    [
      { type: 'team', id: '1', data: { id: 1, head: 7 } },
      { type: 'head', id: '7', data: { id: 7, team: 1 } },
    ],
  ],
])('are applied together as soon as the last of them is there: %s', async (_which, circle) => {
  for (const one of circle) {
    await stage.send(one);
    await stage.round();
  }
  expect(await stage.incoming()).toHaveLength(circle.length);
  await untilDue();
  expect(await stage.incoming()).toEqual([]);
  expect(await stage.queue()).toEqual([]);
});

test('six whose trigger takes its time stay together, though they hold their locks for longer than others may', async () => {
  await stage.pos.sql.query(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.012); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION slow()`);
  for (const id of [1, 2, 3, 4, 5, 6]) {
    await stage.send(person(id, (id % 6) + 1));
    await stage.round();
  }
  await untilDue();
  await stage.pos.sql.query('DROP TRIGGER slow ON people');
  expect(await stage.incoming()).toEqual([]);
});

test('what waits for a row that waits for another one keeps its time', async () => {
  await stage.send(person(1, 2));
  await stage.round();
  await stage.send(person(2, 3));
  await stage.round();
  const times = await stage.rows('SELECT count(DISTINCT next_attempt_at)::int AS times FROM syncd.incoming');
  expect(times).toEqual([{ times: 2 }]);
});

test('a circle that can be made in no order is tried less and less often', async () => {
  await stage.tables(
    `CREATE TABLE eggs (id int PRIMARY KEY, hen int NOT NULL); CREATE TABLE hens (id int PRIMARY KEY, egg int NOT NULL REFERENCES eggs);
     ALTER TABLE eggs ADD FOREIGN KEY (hen) REFERENCES hens`,
    { egg: 'eggs', hen: 'hens' },
  );
  await stage.send({ type: 'egg', id: '1', data: { id: 1, hen: 1 } });
  await stage.round();
  await stage.send({ type: 'hen', id: '1', data: { id: 1, egg: 1 } });
  await stage.round();
  for (let n = 0; n < 3; n++) await untilDue();
  const waits = await stage.rows<{ s: number }>(
    'SELECT extract(epoch FROM next_attempt_at - now())::float8 AS s FROM syncd.incoming WHERE waits_for_id IS NOT NULL',
  );
  expect(waits).toHaveLength(2);
  for (const { s } of waits) expect(s).toBeGreaterThan(5);
});
