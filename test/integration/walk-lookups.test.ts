/** What a page of a walk reads of the agreements grows with the page and never with the table: else a large table takes for ever. */
import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.js';
import { queueRows } from '../../src/walk/pages.js';
import { readWalkedTable } from '../../src/walk/table.js';
import { onEachServer } from '../support/capture.js';
import { WalkStage } from '../support/walk-stage.js';

const PAGE = 100;

onEachServer('a page of a walk', (_, server) => {
  let stage: WalkStage;
  beforeAll(async () => {
    stage = await WalkStage.open(server.cluster(), 'looked_up');
    await stage.tables(
      `CREATE TABLE one (id int PRIMARY KEY); INSERT INTO one SELECT generate_series(1, 2000);
       CREATE TABLE two (day date, id text, PRIMARY KEY (day, id));
       INSERT INTO two SELECT date '2026-01-01' + n % 7, n FROM generate_series(1, 2000) n`,
      { one: 'one', two: 'two' },
    );
    await stage.walk('backfill', 'one', 'two');
    await stage.settleAll();
  });
  afterAll(() => stage.close());

  const readOfStates = async (trx: Db) => {
    const { rows } = await sql<{ read: number }>`
      SELECT (seq_tup_read + idx_tup_fetch)::int AS read FROM pg_stat_xact_user_tables
      WHERE relid = 'syncd.entity_state'::regclass`.execute(trx);
    return rows[0]?.read as number;
  };

  test.each([
    ['one', 'backfill'],
    ['two', 'backfill'],
    ['one', 'reconcile'],
    ['two', 'reconcile'],
  ] as const)('of %s reads one agreement for each of its rows: %s', async (entity, kind) => {
    const walked = await readWalkedTable(stage.db, entity);
    if (typeof walked === 'string') throw new Error(walked);
    const part = walked.parts[0] as string;
    const [page, read] = await stage.db.transaction().execute(async (trx) => {
      await sql`SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)`.execute(
        trx,
      );
      const before = await readOfStates(trx);
      const asked = { kind, part, after: undefined, size: PAGE, givenUp: new Map() };
      return [await queueRows(trx, walked, asked), (await readOfStates(trx)) - before] as const;
    });
    expect(page).toMatchObject({ walked: PAGE, ids: [] });
    expect(read).toBe(PAGE);
  });
});
