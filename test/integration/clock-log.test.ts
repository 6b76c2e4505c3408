/** The clock's log on a real database: when it is written, and how an edit is dated by it. */
import { sql } from 'kysely';
import { ClockOffset } from '../../src/cloud/clock.js';
import { ClockLog, jumpedSince, offsetAt } from '../../src/db/clock-log.js';
import { Cluster } from '../../src/demo/postgres.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
beforeAll(async () => {
  cluster = await Cluster.start();
  shop = await openShop(cluster, 'clock_log');
});
afterAll(async () => {
  await shop?.close();
  await cluster?.destroy();
});
beforeEach(() => shop.sql.query('TRUNCATE syncd.clock_offsets'));

/** One run of the daemon: clocks that a test sets, a cloud whose clock it says. */
function run(apart = true) {
  const clock = new ClockOffset(apart);
  const at = { wall: Date.now(), steady: 1_000 };
  const log = new ClockLog(clock, { nowMs: () => at.wall, monotonicMs: () => at.steady });
  return {
    look: () => log.look(shop.db),
    /** Time goes by; the wall clock may be set in it. */
    pass(ms: number, setByMs = 0) {
      at.wall += ms + setByMs;
      at.steady += ms;
    },
    observe: (offsetMs: number) => clock.observe(at.wall + offsetMs, 0, at.wall, 0),
  };
}

const entries = async () =>
  (
    await shop.sql.query(
      `SELECT offset_ms, round(extract(epoch FROM at - jumped_from)) AS set_by_s, at = '-infinity' AS always
       FROM syncd.clock_offsets ORDER BY id`,
    )
  ).rows.map(({ offset_ms, set_by_s, always }) => [offset_ms, set_by_s === null ? null : Number(set_by_s), always]);

const dated = async (at: string) =>
  (
    await sql<{ offset: number | null; jumped: boolean }>`
      SELECT ${offsetAt(sql`${at}::timestamptz`)} AS offset, ${jumpedSince(sql`${at}::timestamptz`)} AS jumped`.execute(
      shop.db,
    )
  ).rows[0];

test('the offset is noted when it becomes known and when it moves noticeably, and not otherwise', async () => {
  const daemon = run();
  await daemon.look();
  await daemon.look();
  expect(await entries()).toEqual([[null, null, false]]);
  daemon.observe(4_000);
  await daemon.look();
  daemon.pass(2_500);
  for (let n = 0; n < 9; n++) daemon.observe(4_240);
  await daemon.look();
  for (let n = 0; n < 9; n++) daemon.observe(4_250);
  await daemon.look();
  expect(await entries()).toEqual([
    [null, null, false],
    [4_000, null, false],
    [4_250, null, false],
  ]);
});

test('over loopback the offset is 0, and always was', async () => {
  await run(false).look();
  await run(false).look();
  expect(await entries()).toEqual([[0, null, true]]);
  expect(await dated('1999-01-01')).toEqual({ offset: 0, jumped: false });
});

test.each([7_200, -7_200])(
  'a wall clock that is set by %i s is noted, and what was known of it forgotten',
  async (seconds) => {
    const daemon = run();
    daemon.observe(3_000);
    await daemon.look();
    daemon.pass(2_500, seconds * 1_000);
    await daemon.look();
    daemon.observe(-1_000);
    await daemon.look();
    await daemon.look();
    expect((await entries()).map(([offset, setBy]) => [offset, setBy])).toEqual([
      [3_000, null],
      [null, seconds],
      [-1_000, null],
    ]);
  },
);

test('a clock that is slewed is followed without a word', async () => {
  const daemon = run();
  daemon.observe(0);
  for (let n = 0; n < 20; n++) {
    await daemon.look();
    daemon.pass(2_500, 900);
  }
  expect(await entries()).toHaveLength(1);
});

test('a run that has learnt nothing yet relies on the one before; one that learns something else knows of a jump', async () => {
  const first = run();
  first.observe(5_000);
  await first.look();
  const second = run();
  await second.look();
  expect(await entries()).toHaveLength(1);
  second.observe(5_100);
  await second.look();
  expect(await entries()).toHaveLength(1);
  const third = run();
  third.observe(-25_000);
  await third.look();
  expect((await entries()).at(-1)).toEqual([-25_000, 30, false]);
});

describe('an edit is dated', () => {
  const note = (at: string, offset: number | null, from: string | null = null) =>
    shop.sql.query('INSERT INTO syncd.clock_offsets (at, offset_ms, jumped_from) VALUES ($1, $2, $3)', [
      at,
      offset,
      from,
    ]);

  test('by the last entry before it', async () => {
    expect(await dated('2026-11-22 08:00')).toEqual({ offset: null, jumped: false });
    await note('2026-11-22 08:00', 100);
    await note('2026-11-22 09:00', null);
    expect(await dated('2026-11-22 07:59')).toEqual({ offset: null, jumped: false });
    expect(await dated('2026-11-22 08:30')).toEqual({ offset: 100, jumped: false });
    expect(await dated('2026-11-22 09:30')).toEqual({ offset: null, jumped: false });
  });

  test('not at all where the clock was set forward after it', async () => {
    await note('2026-11-22 08:00', 100);
    await note('2026-11-22 12:00', 50, '2026-11-22 10:00');
    expect((await dated('2026-11-22 09:59'))?.jumped).toBe(true);
    expect(await dated('2026-11-22 12:01')).toEqual({ offset: 50, jumped: false });
  });

  test('nor where it was set back, as long as its hour may be the one before or the one after', async () => {
    await note('2026-11-22 11:00', 100);
    await note('2026-11-22 10:00', 50, '2026-11-22 12:00');
    expect((await dated('2026-11-22 09:00'))?.jumped).toBe(true);
    expect((await dated('2026-11-22 11:30'))?.jumped).toBe(true);
    expect(await dated('2026-11-22 12:01')).toEqual({ offset: 50, jumped: false });
  });
});
