/** The loop applies what comes in as long as there is something, fetches what was only hinted at, and stops when it is told to. */
import { FIRST_CHUNK } from '../../src/apply/chunk-size.js';
import { type Db, openDb } from '../../src/db/connect.js';
import { Cluster } from '../../src/demo/postgres.js';
import { type Fetched, InboxLoop } from '../../src/inbox/loop.js';
import type { Log } from '../../src/log.js';
import { conflictBook } from '../../src/resolve/conflicts.js';
import { ApplyStage } from '../support/apply-stage.js';
import { captureSettings } from '../support/capture.js';
import { eventually } from '../support/eventually.js';

const SILENT: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
const ENTITIES = { item: { table: 'items', direction: 'both' as const } };

let cluster: Cluster;
let stage: ApplyStage;
let reader: Db;
beforeAll(async () => {
  cluster = await Cluster.start();
  stage = await ApplyStage.open(cluster, 'inbox');
  await stage.tables('CREATE TABLE items (id int PRIMARY KEY, n int)', ENTITIES);
  reader = openDb(cluster.url('inbox', 'syncd'), { role: 'inbox' });
}, 60_000);
afterAll(async () => {
  await reader?.destroy();
  await stage?.close();
  await cluster?.destroy();
});
afterEach(async () => {
  await stage.pos.sql.query('TRUNCATE items');
  await stage.reset();
});

type Running = ReturnType<typeof makeLoop> & { stop: () => Promise<void> };

/**
 * @param fetched what asking the cloud for one entity brings
 * @param resolved what becomes of open conflicts
 */
function makeLoop(fetched: (id: string) => Promise<Fetched> | Fetched, resolved = { minted: 0, busy: 0 }) {
  const asked: string[] = [];
  const told: number[] = [];
  const quiet: number[] = [];
  const held: (readonly string[])[] = [];
  const loop = new InboxLoop({
    db: stage.db,
    reader,
    settings: captureSettings(ENTITIES),
    leader_epoch: '1',
    conflicts: conflictBook,
    resolveOpen: async (_tables, heldTypes) => {
      held.push(heldTypes);
      return resolved;
    },
    onQuiet: (look) => void quiet.push(look),
    fetchEntity: async (_type, id) => {
      asked.push(id);
      return fetched(id);
    },
    onLocalChanges: () => void told.push(told.length),
    log: SILENT,
  });
  return { loop, asked, told, quiet, held };
}

/** Runs the loop while `work` does. */
async function running(
  fetched: (id: string) => Promise<Fetched> | Fetched,
  work: (running: Running) => Promise<void>,
  resolved?: { minted: number; busy: number },
) {
  const made = makeLoop(fetched, resolved);
  const { loop } = made;
  const ending = new AbortController();
  const run = loop.run(ending.signal);
  // Whoever stops it hears of its fault.
  run.catch(() => {});
  const stop = async () => {
    ending.abort();
    await run;
  };
  try {
    await work({ ...made, stop });
  } finally {
    await stop();
  }
}

const isAsked = (asked: string[], times: number) =>
  eventually(
    () => asked.length,
    (n) => n >= times,
    `${times} questions`,
  );
const later = (): Fetched => ({ kind: 'later', delayMs: 60_000 });
const rows = async () => (await stage.rows('SELECT FROM items')).length;
const fill = (count: number, version = 1) =>
  stage.pos.sql.query(
    `INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, data)
     SELECT 1, 'pull', 'item', n::text, 'update', $2::int, json_build_object('id', n, 'n', $2::int) FROM generate_series(1, $1::int) n`,
    [count, version],
  );

test('thousands of changes that come at once and while they are applied, each once, none sent back', async () => {
  await fill(3_000);
  await running(later, async ({ loop, told }) => {
    await eventually(rows, (n) => n > 500, 'the first rows');
    await fill(3_000, 2);
    loop.wake();
    const newest = () =>
      stage.rows<{ n: string }>('SELECT count(*) AS n FROM items WHERE n = 2').then(([row]) => Number(row?.n));
    await eventually(newest, (n) => n === 3_000, 'the newer rows');
    await eventually(
      () => stage.incoming(),
      (left) => left.length === 0,
      'nothing waits',
    );
    expect(told.length).toBeGreaterThan(0);
  });
  expect(await stage.queue()).toEqual([]);
  expect(await stage.rows('SELECT cloud_version, count(*)::int AS n FROM syncd.entity_state GROUP BY 1')).toEqual([
    { cloud_version: '2', n: 3_000 },
  ]);
});

test('a hint is fetched: what is stored is applied, what the cloud does not have is forgotten, what cannot be used is parked', async () => {
  const fetched = async (id: string): Promise<Fetched> => {
    if (id === '2') return { kind: 'missing', reason: 'the cloud does not have it' };
    if (id === '3') return { kind: 'unusable', reason: 'its name cannot stand in a URL' };
    if (id === '4') return { kind: 'later', delayMs: 60_000 };
    await stage.send({ id, source: 'fetch', data: { id: Number(id), n: 5 } });
    return { kind: 'stored' };
  };
  await running(fetched, async ({ loop, asked }) => {
    await stage.send(...['1', '2', '3', '4'].map((id) => ({ id, operation: 'hint' as const, version: null })));
    loop.wake();
    await isAsked(asked, 4);
    await eventually(rows, (n) => n === 1, 'the fetched row');
    const left = await eventually(
      () => stage.incoming(),
      (all) => all.length === 2,
      'two left',
    );
    expect(left).toMatchObject([
      { id: '3', status: 'parked', reason: 'its name cannot stand in a URL' },
      { id: '4', status: 'waiting', later: true },
    ]);
    expect(asked).toEqual(['1', '2', '3', '4']);
    await stage.send({ id: '2', operation: 'hint', version: null });
    loop.wake();
    await isAsked(asked, 5);
    expect(asked.slice(4)).toEqual(['2']);
  });
});

test('while the cloud is asked nobody is told that all is done, and the end waits for its answer', async () => {
  const answers: ((fetched: Fetched) => void)[] = [];
  const asks = () => new Promise<Fetched>((resolve) => void answers.push(resolve));
  await running(asks, async ({ loop, asked, quiet, held, stop }) => {
    loop.configure(false, ['other']);
    await stage.send({ id: '1', operation: 'hint', version: null });
    loop.wake();
    await isAsked(asked, 1);
    expect(held.at(-1)).toEqual(['other']);
    quiet.length = 0;
    const before = loop.looks;
    while (loop.looks < before + 3) await rows().then(() => loop.wake());
    let ended = false;
    const ending = stop().then(() => {
      ended = true;
    });
    await rows();
    expect([quiet, ended]).toEqual([[], false]);
    answers[0]?.({ kind: 'missing', reason: 'the cloud does not have it' });
    await ending;
    expect(await stage.incoming()).toEqual([]);
  });
});

test('what was parked is tried again by a new run, and when a person asks', async () => {
  await stage.pos.sql.query('ALTER TABLE items ADD CONSTRAINT few CHECK (n < 5)');
  await stage.send({ id: '1', data: { id: 1, n: 7 } });
  const attempts = () => stage.incoming().then(([one]) => one?.attempts);
  await running(later, async () => void (await eventually(attempts, (n) => n === 1, 'parked')));
  await running(later, async ({ loop }) => {
    await eventually(attempts, (n) => n === 2, 'tried by the new run');
    await stage.pos.sql.query('ALTER TABLE items DROP CONSTRAINT few');
    loop.tryNow();
    await eventually(rows, (n) => n === 1, 'the row');
  });
});

test('more than one portion of what was parked is tried again to the last one', async () => {
  await stage.pos.sql.query(
    `INSERT INTO syncd.entity_state (entity_type, entity_id, version, cloud_version) VALUES ('item', '1', 1, 9);
     INSERT INTO syncd.incoming (inbox_id, source, entity_type, entity_id, operation, cloud_version, data, status, attempts)
     SELECT 1, 'pull', 'item', '1', 'update', 1, '{}', 'parked', 1 FROM generate_series(1, 5001)`,
  );
  const left = () => stage.rows<{ n: number }>('SELECT count(*)::int AS n FROM syncd.incoming');
  await running(later, async () => void (await eventually(left, ([row]) => row?.n === 0, 'none is left')));
});

test('what was parked leaves when the very next chunk, read ahead before, brings a newer version', async () => {
  await stage.send({ id: '0', data: { id: 0, n: 'many' } });
  await fill(FIRST_CHUNK);
  await stage.send({ id: '0', version: 2, data: { id: 0, n: 2 } });
  await running(later, async () => {
    await eventually(rows, (n) => n === FIRST_CHUNK + 1, 'the rows');
    await eventually(
      () => stage.incoming(),
      (all) => all.length === 0,
      'nothing is parked',
    );
  });
});

test('what was put off has its turn when its time comes, amid any number of others', async () => {
  await fill(4 * FIRST_CHUNK);
  await stage.send({ id: '999', data: { id: 999, n: 1 } });
  const putOff = (when: string) =>
    stage.pos.sql.query(`UPDATE syncd.incoming SET next_attempt_at = now() ${when} WHERE entity_id = '999'`);
  await putOff("+ interval '1 hour'");
  const { loop } = makeLoop(later);
  await loop.step();
  await putOff('');
  await loop.step();
  expect(await stage.rows('SELECT id FROM items WHERE id = 999')).toEqual([{ id: 999 }]);
  expect((await stage.incoming()).length).toBeGreaterThan(0);
});

test('what has waited for the answer to a push for long is not looked at every second', async () => {
  await stage.pos.sql.query('INSERT INTO items VALUES (1, 1)');
  await stage.send({ id: '1', version: 7, data: { id: 1, n: 7 } });
  await stage.pos.sql.query('UPDATE syncd.incoming SET attempts = 90');
  const { loop } = makeLoop(later);
  await loop.step();
  const waits = await stage.rows(
    "SELECT next_attempt_at > now() + interval '50 s' AS long, status FROM syncd.incoming",
  );
  expect(waits).toEqual([{ long: true, status: 'waiting' }]);
  expect(await stage.rows('SELECT n FROM items')).toEqual([{ n: 1 }]);
});

test('what was read ahead when its type came to wait as a whole waits too, and is applied when it may', async () => {
  await fill(2 * FIRST_CHUNK);
  const { loop } = makeLoop(later);
  await loop.step();
  expect(await rows()).toBe(FIRST_CHUNK);
  loop.configure(false, ['item']);
  await loop.step();
  expect(await rows()).toBe(FIRST_CHUNK);
  loop.configure(false, []);
  await loop.step();
  expect(await rows()).toBeGreaterThan(FIRST_CHUNK);
});

test('nothing is applied while the cloud’s history is another one', async () => {
  await running(later, async ({ loop }) => {
    loop.configure(true, []);
    await stage.send({ id: '1', data: { id: 1, n: 7 } });
    loop.wake();
    expect(await loop.step()).toBeGreaterThan(0);
    expect(await rows()).toBe(0);
    expect(loop.health()).toMatchObject({ ok: true, detail: 'stopped' });
    loop.configure(false, []);
    await eventually(rows, (n) => n === 1, 'the row');
  });
});

test('a fetch that throws ends the loop, whose health told of it before', async () => {
  const failing = async () => {
    throw new Error('Connection terminated');
  };
  await stage.send({ id: '1', operation: 'hint', version: null });
  const failed = running(failing, async ({ loop }) => {
    await eventually(
      () => loop.health().ok,
      (ok) => !ok,
      'a fault',
    );
  });
  await expect(failed).rejects.toThrow('terminated');
});

test('where another daemon leads by now the loop ends as anotherDaemon', async () => {
  await stage.pos.sql.query(
    "INSERT INTO syncd.daemon (id, host, pid, version, leader_epoch) VALUES (gen_random_uuid(), 'h', 2, 'v', 2)",
  );
  await stage.send({ id: '1', data: { id: 1, n: 7 } });
  await expect(running(later, async () => {})).rejects.toMatchObject({ code: 'anotherDaemon' });
  await stage.pos.sql.query('DELETE FROM syncd.daemon WHERE leader_epoch = 2');
});

test('a conflict whose time has come is not looked at without a pause while a sale holds its row', async () => {
  await stage.pos.sql.query(
    `INSERT INTO syncd.sync_conflicts (entity_type, entity_id, source, strategy, cloud_version, reason, attempts, next_attempt_at)
     VALUES ('item', '1', 'pull', 'cloud-wins', 2, 'its parent is missing', 1, now() - interval '1 s')`,
  );
  await running(later, async ({ loop }) => expect(await loop.step()).toBe(100), { minted: 0, busy: 1 });
});
