/**
 * A sale of a row waits while a conflict of it is noted or resolved, from the lock to the commit. What is looked up before the lock
 * does not count; what happened in between has to be seen.
 */
import { sql } from 'kysely';
import pg from 'pg';
import { Horizon } from '../../src/apply/horizon.js';
import { applyRound, lookAhead } from '../../src/apply/round.js';
import { conflictBook } from '../../src/resolve/conflicts.js';
import type { PersonsChoice } from '../../src/resolve/resolve.js';
import { Asked, LOCK, type Moments } from '../support/asked.js';
import { type CloudSide, type ConflictStage, openConflictStage } from '../support/conflict-stage.js';

let stage: ConflictStage;
beforeAll(async () => {
  stage = await openConflictStage();
}, 60_000);
afterAll(() => stage?.close());
beforeEach(() => stage.reset());

let asked: Asked | undefined;
afterEach(() => asked?.stop());

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

test.each<[string, string, CloudSide, PersonsChoice, number]>([
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
    asked = Asked.listen();
    if ('strategy' in choice) expect(await stage.byRule()).toMatchObject({ resolved: 1 });
    else expect(await stage.byHand(id, choice)).toMatchObject({ done: true });
    expect(asked.locks).toBe(1);
    // Who names a way himself has his command written down, and the daemon woken.
    expect(asked.underLock).toBeLessThanOrEqual(most + ('data' in choice ? 2 : 0));
  },
);

type Meanwhile = {
  shop: string;
  edit?: string;
  cloud?: CloudSide;
  choice: PersonsChoice;
  meanwhile: string;
  /** What the shop then has to hold; undefined: nothing. */
  row: object | undefined;
  /** How many unsent changes the one that goes out stands for; 0: none goes out. */
  contains: number;
};
const COUNTED = { edit: 'UPDATE products SET qty = 3', cloud: { ...CLOUD, data: { ...CLOUD.data, qty: 9 } } };
const SOLD = 'UPDATE products SET qty = qty - 1';
const uncaptured = (edit: string) => `SET session_replication_role = replica; ${edit}; RESET session_replication_role`;

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
    shop: 'sells with its triggers off',
    ...COUNTED,
    choice: { strategy: 'merge' },
    meanwhile: uncaptured(SOLD),
    row: { name: 'Cloud', qty: 6 },
    contains: 1,
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
    asked = Asked.listen(() => stage.edits(meanwhile));
    expect(await stage.byHand(id, choice)).toMatchObject({ done: true });
    asked.stop();
    const now = await stage.product();
    expect(now).toEqual(row && expect.objectContaining(row));
    const pending = await stage.pending();
    expect(pending.map(({ base, supersedes }) => [base, supersedes.length])).toEqual(contains ? [['7', contains]] : []);
    if (contains && now) expect(pending[0].payload).toMatchObject({ name: now.name, qty: now.qty });
    // What the shop did meanwhile stays on record like the rest.
    expect(await stage.all(`SELECT FROM syncd.sync_queue WHERE status = 'synced'`)).toHaveLength(contains || 2);
  },
);

test('a rule that no longer decides once the shop has gone on leaves the conflict open, with the row as it is now', async () => {
  const id = await diverged('UPDATE products SET qty = 3', { ...CLOUD, data: { ...CLOUD.data, qty: 9 } });
  await stage.edits(`UPDATE syncd.sync_conflicts SET strategy = 'merge'`);
  asked = Asked.listen(() => stage.edits(RENAMED));
  expect(await stage.byRule()).toMatchObject({ left: 1, resolved: 0 });
  asked.stop();
  const { status, local } = await stage.conflict(id);
  expect([status, JSON.parse(local).name]).toEqual(['open', 'Shop']);
  expect(await stage.product()).toMatchObject({ name: 'Shop', qty: 3 });
});

test('a change that somebody puts off while its lock is waited for is part of what is decided', async () => {
  const id = await diverged(RENAMED, CLOUD);
  await stage.edits(SOLD);
  const putOff = `UPDATE syncd.sync_queue SET next_attempt_at = clock_timestamp() WHERE status = 'pending'`;
  await meanwhile(LOCK, putOff, async (moments) => {
    asked = Asked.before(moments);
    expect(await stage.byHand(id, { strategy: 'cloud_wins' })).toMatchObject({ done: true });
  });
  expect(await stage.product()).toMatchObject({ name: 'Cloud', qty: 5 });
  expect(await stage.all('SELECT status, next_attempt_at, error_message FROM syncd.sync_queue')).toEqual(
    Array(2).fill({ status: 'synced', next_attempt_at: null, error_message: null }),
  );
});

/** Somebody else makes this edit just before the first text like that, and commits it when it is waited for. */
async function meanwhile(text: RegExp, edit: string, work: (moments: Moments) => Promise<unknown>): Promise<void> {
  const other = new pg.Client({ connectionString: stage.pos.url });
  await other.connect();
  let over: Promise<unknown> | undefined;
  const waits = 'SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))';
  const commit = async () => {
    while ((await other.query(waits)).rowCount === 0);
    await other.query('COMMIT');
  };
  const begin = async () => {
    await other.query(`BEGIN; ${edit}`);
    over = commit();
  };
  // A slow machine may take longer to look than we wait for a lock.
  await sql`SET lock_timeout = '10s'`.execute(stage.applier);
  try {
    await work([[text, begin]]);
    await over;
  } finally {
    await sql`RESET lock_timeout`.execute(stage.applier);
    await other.end();
  }
}

test('a row of the cloud without a single column that is to be taken deletes nothing', async () => {
  const id = await diverged('UPDATE products SET qty = 3', { data: {}, version: 7 });
  const named = (name: string) => () => stage.edits(uncaptured(`UPDATE products SET name = '${name}'`));
  // Between the look and the comparison the row is another one.
  asked = Asked.before([
    [/brought AS/, named('Teh')],
    [LOCK, named('Kopi')],
  ]);
  expect(await stage.byHand(id, { strategy: 'cloud_wins' })).toMatchObject({ done: false });
  expect(await stage.product()).toMatchObject({ name: 'Kopi', qty: 3 });
});

describe('conflicts that a pull finds', () => {
  const log = { error() {}, warn() {}, info() {}, debug() {} };
  /** Versions of so many products come in; returns how many statements their rows were locked for. */
  async function comeIn(products: number, version: number, moments: Moments = []): Promise<number> {
    await stage.edits(
      `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, data)
       SELECT 1, 'pull', 'product', n::text, 'update', ${version}, json_build_object('id', n, 'name', 'Cloud ${version} ' || n)
       FROM generate_series(1, ${products}) n`,
    );
    asked = Asked.before(moments);
    await applyRound(
      {
        db: stage.applier,
        leader_epoch: '1',
        conflicts: conflictBook,
        configured: new Set(['product']),
        horizon: new Horizon(),
        log,
      },
      stage.tables,
      await lookAhead(stage.applier, 1_000),
    );
    asked.stop();
    return asked.underLock;
  }

  const NOTED = `
    SELECT k.entity_id::int AS id, k.local ->> 'name' AS shop, k.cloud ->> 'name' AS cloud, k.base, q.operation, q.id = k.queue_id AS own,
           e.sync_status
    FROM syncd.sync_conflicts k LEFT JOIN syncd.entity_state e USING (entity_type, entity_id)
    LEFT JOIN syncd.sync_queue q ON q.change_id = k.change_id AND q.status = 'conflict'
    WHERE k.status = 'open' ORDER BY 1`;

  test('are noted together, however many they are, each with its own sides', async () => {
    await stage.edits(`INSERT INTO products (id, name) SELECT n, 'Shop ' || n FROM generate_series(1, 40) n`);
    await stage.agreed(1);
    // The rows from 3 on are from before capture.
    await stage.edits('DELETE FROM syncd.entity_state WHERE entity_id::int > 2');
    await stage.edits(
      `UPDATE products SET name = 'Edited ' || id WHERE id < 3`,
      `UPDATE products SET qty = 1 WHERE id < 3`,
    );
    await stage.edits("UPDATE syncd.sync_queue SET status = 'failed', retry_count = 4");
    // The look, a comparison with what is here already, the conflicts, the end, the commit.
    expect(await comeIn(40, 2)).toBe(5);
    const noted = await stage.all(NOTED);
    expect(noted.map(({ id }) => id)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1));
    expect(noted[1]).toEqual({
      id: 2,
      shop: 'Edited 2',
      cloud: 'Cloud 2 2',
      base: { name: 'Shop 2', qty: null, doubled: null },
      operation: 'update',
      own: true,
      sync_status: 'conflict',
    });
    const older = { base: null, operation: 'create', own: null, sync_status: null };
    expect(noted.slice(2)).toEqual(
      noted.slice(2).map(({ id }) => ({ id, shop: `Shop ${id}`, cloud: `Cloud 2 ${id}`, ...older })),
    );
    // The oldest of an entity's changes stands for it; the later one waits behind it.
    expect(
      await stage.all('SELECT count(*)::int AS changes, status::text FROM syncd.sync_queue GROUP BY 2 ORDER BY 2'),
    ).toEqual([
      { changes: 40, status: 'conflict' },
      { changes: 2, status: 'failed' },
    ]);

    expect(await comeIn(40, 3)).toBe(4);
    expect((await stage.all(NOTED)).map(({ id, shop, cloud }) => [id, shop, cloud])).toEqual(
      noted.map(({ id, shop }) => [id, shop, `Cloud 3 ${id}`]),
    );
    expect(await stage.all('SELECT FROM syncd.incoming')).toEqual([]);
  });

  test('take a change in that a person lets try again at this moment', async () => {
    await stage.edits(MADE);
    await stage.agreed(1);
    await stage.edits(RENAMED, `UPDATE syncd.sync_queue SET status = 'failed', retry_count = 4`);
    const retry = `UPDATE syncd.sync_queue SET status = 'pending', next_attempt_at = clock_timestamp()`;
    await meanwhile(/found AS MATERIALIZED/, retry, (moments) => comeIn(1, 2, moments));
    expect(await stage.all(NOTED)).toMatchObject([{ id: 1, shop: 'Shop', cloud: 'Cloud 2 1', own: true }]);
  });
});
