/**
 * Statements at random, under cascades and triggers that come back to the rows that they are about: what is in the queue after each
 * of them must tell what is in the tables. `SYNCD_SEED=n` plays other statements.
 */
import { type Random, seededRandom } from '../../src/demo/shop/random.js';
import { onEachServer, type Pos } from '../support/capture.js';

const SEEDS = process.env.SYNCD_SEED ? [Number(process.env.SYNCD_SEED)] : [1, 2];
const ROUNDS = 100;

/** Of each pair of references one deletes what the other one empties; what names a tab is changed by a cascade, too. */
const TABLES = `
  CREATE TABLE person (id int PRIMARY KEY, n int);
  CREATE TABLE bill (id int PRIMARY KEY, n int, payer int REFERENCES person ON DELETE CASCADE ON UPDATE CASCADE,
                     seller int REFERENCES person ON DELETE SET NULL ON UPDATE CASCADE);
  CREATE TABLE line (id int PRIMARY KEY, n int, seller int REFERENCES person ON DELETE SET NULL ON UPDATE CASCADE,
                     bill int REFERENCES bill ON DELETE CASCADE ON UPDATE CASCADE);
  CREATE TABLE tab (person int REFERENCES person ON DELETE CASCADE ON UPDATE CASCADE, id int, n int,
                    bill int REFERENCES bill ON DELETE SET NULL ON UPDATE SET NULL, line int REFERENCES line ON DELETE SET DEFAULT ON UPDATE CASCADE,
                    other int REFERENCES person ON DELETE SET NULL ON UPDATE CASCADE, PRIMARY KEY (person, id));
  CREATE TABLE part (id int PRIMARY KEY, n int, whole int REFERENCES part ON DELETE CASCADE ON UPDATE CASCADE,
                     beside int REFERENCES part ON DELETE SET NULL ON UPDATE CASCADE)`;

const trigger = (name: string, when: string, body: string, each = 'ROW') =>
  `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF pg_trigger_depth() < 3 THEN ${body} END IF; RETURN coalesce(NEW, OLD); END $$;
   CREATE TRIGGER ${name} ${when} FOR EACH ${each} EXECUTE FUNCTION ${name}()`;
const TRIGGERS = [
  trigger('adds_up', 'AFTER INSERT OR UPDATE ON line', 'UPDATE bill SET n = n + NEW.n WHERE id = NEW.bill;'),
  trigger('counts', 'BEFORE INSERT OR UPDATE ON part', 'UPDATE part SET n = n + 1 WHERE id = NEW.id + 1;'),
  trigger(
    'clears',
    'AFTER UPDATE ON tab',
    `IF NEW.n % 5 = 4 THEN DELETE FROM tab WHERE person = NEW.person AND id = NEW.id;
     ELSIF NEW.n % 5 = 3 THEN UPDATE tab SET id = id + 1000, n = 0 WHERE person = NEW.person AND id = NEW.id; END IF;`,
  ),
  trigger('returns', 'AFTER DELETE ON part', 'IF OLD.n % 3 = 1 THEN INSERT INTO part VALUES (OLD.id, 0); END IF;'),
  trigger('visits', 'AFTER DELETE ON bill', 'UPDATE person SET n = n + 1 WHERE id % 3 = 0;', 'STATEMENT'),
];
const NAMES = ['person', 'bill', 'line', 'tab', 'part'] as const;
type Name = (typeof NAMES)[number];
const REFERENCES: Record<Name, Record<string, Name>> = {
  person: {},
  bill: { payer: 'person', seller: 'person' },
  line: { seller: 'person', bill: 'bill' },
  tab: { bill: 'bill', line: 'line', other: 'person' },
  part: { whole: 'part', beside: 'part' },
};

type Written = { table: Name; text: string; inserts?: boolean };

function write({ between, pick }: Random): Written {
  const table = pick(NAMES);
  const some = `WHERE ${pick([`id % ${between(1, 4)} = ${between(0, 2)}`, `id = ${between(0, 8)}`, `n % ${between(1, 3)} = 0`, 'random() < 0.5'])}`;
  const references = Object.entries(REFERENCES[table]);
  const any = (to: Name) => `(SELECT id FROM ${to} x WHERE x.id <> ${table}.id ORDER BY random() LIMIT 1)`;
  switch (between(1, 7)) {
    case 1:
      return { table, text: `DELETE FROM ${table} ${some}` };
    case 2:
      return { table, text: `UPDATE ${table} SET id = ${pick(['-id', 'id + 100', 'id + 1', '50 - id'])} ${some}` };
    case 3:
      return { table, text: `UPDATE ${table} SET n = n + ${between(0, 4)} ${some}` };
    case 4: {
      const set = ['n = 1', ...references.map(([column, to]) => `${column} = ${any(to)}`)];
      return { table, text: `UPDATE ${table} SET ${set.join(', ')} ${some}` };
    }
    default: {
      const first = between(0, 9);
      const ids = `generate_series(${first}, ${first + between(0, 4)}) AS ${table}(id)`;
      const person = table === 'tab' ? [['person', 'person'] as const] : [];
      const columns = [...references, ...person];
      const values = columns.map(([, to]) => any(to));
      const into = `${table} (${['id', 'n', ...columns.map(([column]) => column)].join(', ')})`;
      const text = `INSERT INTO ${into} SELECT ${['id', 'id % 6', ...values].join(', ')} FROM ${ids} ON CONFLICT DO NOTHING`;
      return { table, text, inserts: true };
    }
  }
}

/** One alone, or some that are one statement: of these none makes a row under a name that another one gives up. */
function statement(random: Random): string {
  const first = write(random);
  const others = random.between(1, 4) === 1 ? [write(random), write(random)] : [];
  const apart = others.filter(({ table, inserts }) => table !== first.table || !(inserts || first.inserts));
  const [second, third] = apart;
  if (!second) return first.text;
  const alone = !third || (third.table === second.table && (third.inserts || second.inserts));
  return `WITH a AS (${first.text})${alone ? '' : `, b AS (${third.text})`} ${second.text}`;
}

async function tablesOf({ sql }: Pos): Promise<Map<string, string>> {
  const key = (name: Name) => (name === 'tab' ? 'array_to_json(ARRAY[person::text, id::text])' : 'id');
  const rows = NAMES.map(
    (name) => `SELECT '${name} ' || ${key(name)}::text AS id, row_to_json(r)::text AS data FROM ${name} r`,
  );
  const found = await sql.query<{ id: string; data: string }>(rows.join(' UNION ALL '));
  return new Map(found.rows.map(({ id, data }) => [id, data]));
}

onEachServer('the queue', (pos) => {
  test.each(SEEDS)('tells what is in the tables, seed %i', async (seed) => {
    const random = seededRandom(seed);
    const triggers = TRIGGERS.filter(() => random.between(0, 1) === 0);
    await pos().sql.query(`DROP TABLE IF EXISTS ${NAMES} CASCADE; SELECT setseed(0.5)`);
    await pos().sql.query('DROP FUNCTION IF EXISTS adds_up, counts, clears, returns, visits CASCADE');
    await pos().capture([TABLES, ...triggers].join(';\n'), Object.fromEntries(NAMES.map((name) => [name, name])));
    await pos().changes();
    const told = new Map<string, string>();
    let done = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const text = statement(random);
      await pos()
        .sql.query(text)
        .then(
          () => done++,
          () => {},
        );
      for (const { entity, id, data } of await pos().changes()) {
        if (data === null) told.delete(`${entity} ${id}`);
        else told.set(`${entity} ${id}`, data);
      }
      expect({ text, rows: new Map([...told].sort()) }).toEqual({
        text,
        rows: new Map([...(await tablesOf(pos()))].sort()),
      });
    }
    expect(done).toBeGreaterThan(ROUNDS / 3);
    expect(pos().warnings.filter((warning) => warning.startsWith('syncd'))).toEqual([]);
  });
});
