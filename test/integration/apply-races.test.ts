/** Sales change the very rows that are being applied: whatever the moment, the sale's value is in the row and on its way. */
import pg from 'pg';
import { Cluster } from '../../src/demo/postgres.js';
import { ApplyStage, type Sent } from '../support/apply-stage.js';
import { SOAK } from '../support/convergence/soak.js';

const ROWS = 50;
const RACES = SOAK ? 10_000 : 1_000;
const TILLS = 3;

let cluster: Cluster;
let stage: ApplyStage;
const tills: pg.Client[] = [];
beforeAll(async () => {
  cluster = await Cluster.start();
  stage = await ApplyStage.open(cluster, 'races');
  await stage.tables('CREATE TABLE items (id int PRIMARY KEY, price int, note text)', { item: 'items' });
  await stage.pos.sql.query(`INSERT INTO items SELECT n, 0, 'none' FROM generate_series(1, ${ROWS}) n`);
  for (let n = 0; n < TILLS; n++) {
    const till = new pg.Client(cluster.url('races'));
    await till.connect();
    tills.push(till);
  }
}, 60_000);
afterAll(async () => {
  for (const till of tills) await till.end();
  await stage?.close();
  await cluster?.destroy();
});

type Outcome = {
  id: number;
  price: number;
  note: string;
  queued: string | null;
  cloud_version: string;
  waits: boolean;
};

const outcomes = () =>
  stage.rows<Outcome>(`
    SELECT i.id, i.price, i.note, s.cloud_version, EXISTS (SELECT FROM syncd.incoming c WHERE c.entity_id = i.id::text) AS waits,
           (SELECT q.payload::text FROM syncd.sync_queue q WHERE q.status = 'pending' AND q.entity_id = i.id::text ORDER BY q.id DESC LIMIT 1) AS queued
    FROM items i JOIN syncd.entity_state s ON s.entity_id = i.id::text ORDER BY i.id`);

/** Every till goes through its share of the rows, pausing in its transactions for a moment here and there. */
async function sell(round: number): Promise<void> {
  await Promise.all(
    tills.map(async (till, place) => {
      for (let id = place + 1; id <= ROWS; id += TILLS) {
        const pause = (id * 7 + round) % 5 === 0;
        if (!pause) await till.query("UPDATE items SET note = 'sale ' || $2 WHERE id = $1", [id, round]);
        else
          await till.query(
            `BEGIN; UPDATE items SET note = 'sale ${round}' WHERE id = ${id}; SELECT pg_sleep(0.001); COMMIT`,
          );
      }
    }),
  );
}

test(
  `${RACES} races between a sale and a change of the cloud lose no sale`,
  async () => {
    let [before, after] = [0, 0];
    for (let round = 1; round <= RACES / ROWS; round++) {
      await stage.settleAll();
      await stage.pos.sql.query(`TRUNCATE syncd.incoming; UPDATE syncd.entity_state SET cloud_version = ${round * 10}`);
      const price = round * 1_000;
      const sent: Sent[] = Array.from({ length: ROWS }, (_, n) => ({
        id: String(n + 1),
        version: round * 10 + 1,
        data: { id: n + 1, price, note: 'cloud' },
      }));
      await stage.send(...sent);
      // Sometimes in small chunks, so that they meet the tills at many moments.
      const limit = round % 3 === 0 ? ROWS : 5;
      const selling = sell(round);
      for (let n = 0; n < ROWS / limit; n++) await stage.round(limit);
      await selling;
      for (const { id, note, queued, cloud_version, waits, ...row } of await outcomes()) {
        const applied = cloud_version === String(round * 10 + 1);
        const race = `race ${round}/${id}`;
        expect([race, note, waits]).toEqual([race, `sale ${round}`, !applied]);
        expect([race, row.price === price]).toEqual([race, applied]);
        expect(JSON.parse(queued ?? 'null')).toEqual({ id, note, ...row });
        if (applied) before++;
        else after++;
      }
    }
    // Both sides have won some, or nothing was raced.
    expect(Math.min(before, after)).toBeGreaterThan(RACES / 50);
    SOAK?.(`races: the cloud came first in ${before}, the sale in ${after}`);
  },
  SOAK ? 600_000 : 60_000,
);
