/**
 * A sale of a row waits while a conflict of it is resolved, from the lock to the commit. What is looked up before the lock does not
 * count; what happened in between has to be seen.
 */
import pg from 'pg';
import type { Choice } from '../../src/apply/resolve.js';
import { type CloudSide, type ConflictStage, openConflictStage } from '../support/conflict-stage.js';

let stage: ConflictStage;
beforeAll(async () => {
  stage = await openConflictStage();
}, 60_000);
afterAll(() => stage?.close());
beforeEach(() => stage.reset());

const LOCK = /FOR (NO KEY )?UPDATE OF t SKIP LOCKED/;
const real = pg.Client.prototype.query;
afterEach(() => {
  pg.Client.prototype.query = real;
});

/** Everything that the applier asks from now on; `atLock` is done just before the row is locked for the first time. */
function listen(atLock: () => Promise<void> = async () => {}): string[] {
  const asked: string[] = [];
  let locked = false;
  async function query(this: pg.Client, ...args: [string | { text: string }]): Promise<unknown> {
    const [query] = args;
    const text = typeof query === 'string' ? query : query.text;
    asked.push(text);
    if (LOCK.test(text) && !locked) {
      locked = true;
      pg.Client.prototype.query = real;
      await atLock();
      pg.Client.prototype.query = query_;
    }
    return (real as (...all: unknown[]) => Promise<unknown>).apply(this, args);
  }
  const query_ = query as unknown as typeof real;
  pg.Client.prototype.query = query_;
  return asked;
}

const underLock = (asked: string[]) => asked.length - 1 - asked.findIndex((text) => LOCK.test(text));

const MADE = `INSERT INTO products (id, name, price, qty, note, secret) VALUES (1, 'Kopi', 10, 5, 'here', 's')`;
const CLOUD = { data: { id: 1, name: 'Cloud', price: 10, qty: 5 }, version: 7 };
const GONE = { data: null, version: 7 };

async function diverged(edit: string, cloud: CloudSide): Promise<string> {
  await stage.edits(MADE);
  await stage.agreed(6);
  await stage.edits(edit);
  return stage.meets(cloud, 'manual');
}

const RENAMED = `UPDATE products SET name = 'Shop' WHERE id = 1`;

test.each<[string, string, CloudSide, Choice, number]>([
  ["takes the cloud's row", RENAMED, CLOUD, { strategy: 'cloud_wins' }, 7],
  [
    "adds up both sides' sales",
    'UPDATE products SET qty = 3',
    { ...CLOUD, data: { ...CLOUD.data, qty: 9 } },
    { strategy: 'merge' },
    7,
  ],
  ['takes what a person gives', RENAMED, CLOUD, { data: '{"name":"Budi"}' }, 7],
  ["keeps the shop's row", RENAMED, CLOUD, { strategy: 'local_wins' }, 4],
  ['deletes the row', RENAMED, GONE, { strategy: 'cloud_wins' }, 7],
])(
  'a resolution that %s asks the server a handful of times under the lock',
  async (_what, edit, cloud, choice, most) => {
    const id = await diverged(edit, cloud);
    await stage.edits(
      `UPDATE syncd.sync_conflicts SET strategy = '${'strategy' in choice ? choice.strategy : 'manual'}'`,
    );
    const asked = listen();
    if ('strategy' in choice) expect(await stage.byRule()).toMatchObject({ resolved: 1 });
    else expect(await stage.byHand(id, choice)).toMatchObject({ done: true });
    expect(asked.filter((text) => LOCK.test(text))).toHaveLength(1);
    // Who names a way himself has his command written down, and the daemon woken.
    expect(underLock(asked)).toBeLessThanOrEqual(most + ('data' in choice ? 2 : 0));
  },
);

type Meanwhile = {
  shop: string;
  edit?: string;
  cloud?: CloudSide;
  choice: Choice;
  meanwhile: string;
  /** What the shop then has to hold; undefined: nothing. */
  row: object | undefined;
  /** How many unsent changes the one that goes out stands for; 0: none goes out. */
  contains: number;
};
const COUNTED = { edit: 'UPDATE products SET qty = 3', cloud: { ...CLOUD, data: { ...CLOUD.data, qty: 9 } } };
const SOLD = 'UPDATE products SET qty = qty - 1';

test.each<Meanwhile>([
  { shop: 'sells', choice: { strategy: 'cloud_wins' }, meanwhile: SOLD, row: { name: 'Cloud', qty: 5 }, contains: 0 },
  { shop: 'sells', choice: { strategy: 'local_wins' }, meanwhile: SOLD, row: { name: 'Shop', qty: 4 }, contains: 2 },
  {
    shop: 'sells once more',
    ...COUNTED,
    choice: { strategy: 'merge' },
    meanwhile: SOLD,
    row: { name: 'Cloud', qty: 6 },
    contains: 2,
  },
  {
    shop: 'sells, and takes it back',
    choice: { strategy: 'local_wins' },
    meanwhile: `${SOLD}; UPDATE products SET qty = qty + 1`,
    row: { name: 'Shop', qty: 5 },
    contains: 3,
  },
  {
    shop: 'edits another column',
    choice: { data: '{"name":"Budi"}' },
    meanwhile: 'UPDATE products SET price = 11',
    row: { name: 'Budi', price: '11.0000000000' },
    contains: 2,
  },
  {
    shop: "makes its row the cloud's",
    choice: { strategy: 'local_wins' },
    meanwhile: `UPDATE products SET name = 'Cloud'`,
    row: { name: 'Cloud' },
    contains: 0,
  },
  {
    shop: 'deletes the row',
    choice: { strategy: 'local_wins' },
    meanwhile: 'DELETE FROM products',
    row: undefined,
    contains: 2,
  },
  {
    shop: 'makes the row anew',
    edit: 'DELETE FROM products',
    choice: { strategy: 'local_wins' },
    meanwhile: `INSERT INTO products (id, name) VALUES (1, 'Anew')`,
    row: { name: 'Anew' },
    contains: 2,
  },
])(
  'the shop $shop between the look and the lock: that is what is decided on',
  async ({ edit = RENAMED, cloud = CLOUD, choice, meanwhile, row, contains }) => {
    const id = await diverged(edit, cloud);
    listen(() => stage.edits(meanwhile));
    expect(await stage.byHand(id, choice)).toMatchObject({ done: true });
    pg.Client.prototype.query = real;
    const now = await stage.product();
    expect(now).toEqual(row && expect.objectContaining(row));
    const pending = await stage.pending();
    expect(pending.map(({ base, supersedes }) => [base, supersedes.length])).toEqual(contains ? [['7', contains]] : []);
    if (contains && now) expect(pending[0].payload).toMatchObject({ name: now.name, qty: now.qty });
  },
);

test('a rule that no longer decides once the shop has gone on leaves the conflict open, with the row as it is now', async () => {
  const id = await diverged('UPDATE products SET qty = 3', { ...CLOUD, data: { ...CLOUD.data, qty: 9 } });
  await stage.edits(`UPDATE syncd.sync_conflicts SET strategy = 'merge'`);
  listen(() => stage.edits(RENAMED));
  expect(await stage.byRule()).toMatchObject({ left: 1, resolved: 0 });
  pg.Client.prototype.query = real;
  const { status, local } = await stage.conflict(id);
  expect([status, JSON.parse(local).name]).toEqual(['open', 'Shop']);
  expect(await stage.product()).toMatchObject({ name: 'Shop', qty: 3 });
});
