/** The parts of `syncd init` that decide without a database: what triggers do, what a person answers, how the file is written. */
import { parse } from 'yaml';
import { converse } from '../../src/init/dialogue.js';
import { daemonLogin } from '../../src/init/login.js';
import { named, sqlTable } from '../../src/init/naming.js';
import type { Proposal, Proposed } from '../../src/init/propose.js';
import type { ReadTable, ReadTrigger } from '../../src/init/read.js';
import { effectsOf } from '../../src/init/trigger-effects.js';
import { type Answers, scalar, writeYaml } from '../../src/init/yaml.js';

const table = (name: string, change: Partial<ReadTable> = {}): ReadTable => ({
  oid: name,
  schema: 'public',
  name,
  below: null,
  partition: false,
  extension: null,
  rows: null,
  columns: ['id', 'updated_at', 'Total', 'search', 'code'].map((column) => ({
    name: column,
    type: 'text',
    notNull: false,
    given: false,
  })),
  parents: [],
  links: [],
  triggers: [],
  policies: false,
  ...change,
});
const trigger = (body: string, change: Partial<ReadTrigger> = {}): ReadTrigger => ({
  name: 't',
  before: false,
  body,
  plpgsql: true,
  definer: false,
  definition: '',
  ...change,
});

describe('what the triggers of a table do', () => {
  const others = [table('ledger'), table('stock', { schema: 'shop' }), table('Odd Name')];
  const effects = (...triggers: ReadTrigger[]) => {
    const { sets, writes, unreadable } = effectsOf(table('product', { triggers }), others);
    return { sets, writes: writes.map(({ name }) => name), unreadable };
  };

  test.each<[string, ReadTrigger, Partial<ReturnType<typeof effects>>]>([
    [
      'sets a column',
      trigger('BEGIN NEW.updated_at := now(); RETURN NEW; END', { before: true }),
      { sets: ['updated_at'] },
    ],
    ['sets one with =', trigger('BEGIN new.UPDATED_AT = now(); END', { before: true }), { sets: ['updated_at'] }],
    ['sets a quoted one', trigger('NEW."Total" := 1;', { before: true }), { sets: ['Total'] }],
    ['only compares', trigger('IF NEW.code == OLD.code THEN END IF', { before: true }), {}],
    ['fills in what is missing', trigger('IF NEW.code IS NULL THEN NEW.code := gen(); END IF;', { before: true }), {}],
    ['sets what is no column', trigger('NEW.nothing := 1;', { before: true }), {}],
    ['says so in a comment', trigger('-- NEW.code := 1;\n/* NEW.code := 2; */', { before: true }), {}],
    [
      'keeps a search column',
      trigger('tsvector_update_trigger', {
        before: true,
        plpgsql: false,
        definition: `… EXECUTE FUNCTION tsvector_update_trigger('search', 'pg_catalog.english', 'code')`,
      }),
      { sets: ['search'] },
    ],
    ['writes elsewhere', trigger('INSERT INTO ledger (id) VALUES (1);'), { writes: ['ledger'] }],
    ['writes another schema', trigger('update shop . stock set qty = 1;'), { writes: ['stock'] }],
    ['writes a quoted name', trigger('DELETE FROM ONLY "Odd Name" WHERE true;'), { writes: ['Odd Name'] }],
    ['writes itself', trigger('UPDATE product SET code = 1;'), {}],
    ['writes with its owner’s rights', trigger('INSERT INTO ledger VALUES (1);', { definer: true }), {}],
    ['puts its SQL together', trigger(`EXECUTE format('INSERT INTO %I', x);`), { unreadable: ['t'] }],
  ])('%s', (_, one, found) => {
    expect(effects(one)).toEqual({ sets: [], writes: [], unreadable: [], ...found });
  });
});

test.each([
  ['orders', 'public', [], 'order', 'public.orders'],
  ['Tax Rates', 'public', [], 'tax_rate', 'public."Tax Rates"'],
  ['orders', 'archive', ['order'], 'archive_order', 'archive.orders'],
  ['2024', 'public', [], 't_2024', 'public."2024"'],
  ['店', 'public', ['t_'], 'public_t_', 'public."店"'],
])('table %s of %s is an entity of its own', (name, schema, taken, entity, sql) => {
  expect(named({ schema, name }, new Set(taken))).toBe(entity);
  expect(sqlTable({ schema, name })).toBe(sql);
});

test.each([
  ['postgres:///pos?host=/var/run/postgresql&user=root', 'postgres:///pos?host=/var/run/postgresql'],
  ['postgres://boss:planted-pw@db:5432/pos', 'postgres://syncd@db:5432/pos'],
  ['postgres://db/pos?password=planted-pw', 'postgres://syncd@db/pos'],
])('the daemon logs in as itself and no password gets into the file: %s', (url, its) => {
  const login = daemonLogin(url);
  expect(decodeURIComponent(login.url)).toBe(its);
  expect(JSON.stringify(login)).not.toContain('planted-pw');
});

const one = (entity: string, change: Partial<Proposed['settings']> = {}): Proposed => ({
  entity,
  notes: ['master data: yes', 'a name with\na line end'],
  incoming: { local: ['updated_at'], also_writes: ['public.log'], notes: ['it comes in'] },
  rows: 1_204,
  columns: ['name', 'pin', '"Odd, one"'],
  settings: {
    table: `public.${entity}`,
    key: undefined,
    direction: 'both',
    conflict: 'merge',
    merge_fallback: 'manual',
    exclude: ['pin'],
    coalesce: false,
    delta: [],
    local: ['updated_at'],
    also_writes: ['public.log'],
    date_field: undefined,
    money_field: undefined,
    ...change,
  },
});
const PROPOSAL: Proposal = {
  entities: [one('product'), one('tax', { table: 'public."Tax: #1"', key: ['"On"', 'code'] }), one('order')],
  leftOut: [{ table: 'public.jobs', reason: 'a queue' }],
};
const ANSWERS: Answers = {
  outlet: { id: '0042', code: undefined, timezone: 'Asia/Jakarta' },
  databaseUrl: 'postgres:///pos',
  cloudUrl: 'https://cloud.example.com/api/v1',
};

test('the file reads back as it was meant, with its reasons as comments', () => {
  const text = writeYaml(PROPOSAL, ANSWERS, { outlet: ['why'], database: [], cloud: [] });
  const read = parse(text);
  expect(read.outlet).toEqual({ id: '0042', timezone: 'Asia/Jakarta' });
  expect(read.entities.tax).toMatchObject({ table: 'public."Tax: #1"', key: ['"On"', 'code'], exclude: ['pin'] });
  expect(text).toContain('# - public.jobs: a queue\n');
  expect(text).toContain('  # a name with a line end\n');
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(130);
});

test.each([
  'plain',
  'a.b',
  'yes',
  'NO',
  'null',
  '007',
  '1e3',
  '-',
  ' x',
  "it's",
  'a: b',
  'a #b',
  '*x',
  '&x',
  '!x',
  '{a',
  '[a',
  '@a',
  '`a',
  '%a',
  '"a"',
  '',
])('the text %j reads back from YAML as itself', (text) => {
  expect(parse(`a: ${scalar(text)}`).a).toBe(text);
  expect(parse(`a: [${scalar(text)}, b]`).a[0]).toBe(text);
});

describe('the conversation', () => {
  /** Answers in order; an empty one at the end. */
  async function talk(...answers: string[]) {
    const said: string[] = [];
    const ends = {
      ask: async (question: string) => {
        said.push(question);
        return answers.shift() ?? '';
      },
      say: (text: string) => void said.push(text),
    };
    return { result: await converse(ends, PROPOSAL, ANSWERS), said: said.join('\n'), left: answers };
  }

  test('takes everything as proposed from empty answers', async () => {
    const { result, said } = await talk();
    expect(result).toEqual({ proposal: PROPOSAL, answers: ANSWERS });
    expect(said).toMatch(/product {2}public\.product: both; without pin; about 1,204 rows\n {2}master data/);
  });

  test('asks again for what cannot be read', async () => {
    const { result, said } = await talk(
      'two words',
      'outlet-7',
      'JKT-014',
      'Mars',
      'Asia/Tokyo',
      'http://evil',
      'https://hq.example.com/',
    );
    expect(result?.answers).toEqual({
      outlet: { id: 'outlet-7', code: 'JKT-014', timezone: 'Asia/Tokyo' },
      databaseUrl: 'postgres:///pos',
      cloudUrl: 'https://hq.example.com',
    });
    expect(said.match(/It takes/g)).toHaveLength(3);
  });

  test('leaves a table out, changes one, and takes the rest at once', async () => {
    const { result } = await talk('', '', '', '', 'n', 'e', 'order', 'vat', 'sideways', 'push', 'nothing', '-', 'a');
    expect(result?.proposal.entities.map(({ entity }) => entity)).toEqual(['vat', 'order']);
    expect(result?.proposal.leftOut.at(-1)).toEqual({ table: 'public.product', reason: 'left out by choice' });
  });

  test('changes name, direction and columns, and what follows from them', async () => {
    const { result, said } = await talk('', '', '', '', 'e', 'goods', 'push', 'pin, cost', 'pin, name', '?', 'y', 'y');
    const [goods] = result?.proposal.entities ?? [];
    expect(goods).toMatchObject({ entity: 'goods', notes: ['a name with\na line end'] });
    expect(goods?.settings).toMatchObject({
      direction: 'push',
      conflict: undefined,
      exclude: ['pin', 'name'],
      local: [],
    });
    expect(goods?.settings.also_writes).toEqual([]);
    expect(said).toMatch(/Not there, or part of the key: cost/);
    expect(said).toMatch(/y takes it, n leaves it out/);
  });

  test('ends without a file where q is answered', async () => {
    expect((await talk('', '', '', '', 'q')).result).toBeUndefined();
  });
});
