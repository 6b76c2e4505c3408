/** The ear for sales: it hears, survives the loss of its connection in every form, and leaves none behind. */
import type { KyselyPlugin } from 'kysely';
import pg from 'pg';
import type { Across } from '../../src/daemon/across.js';
import type { Connections } from '../../src/daemon/connections.js';
import { type Hearers, hear } from '../../src/daemon/hearing.js';
import { createListener } from '../../src/db/listen.js';
import { announce } from '../../src/db/wake.js';
import { Cluster } from '../../src/demo/postgres.js';
import type { Service } from '../../src/service.js';
import { sleep } from '../../src/time.js';
import { openBlackHoleProxy } from '../support/black-hole-proxy.js';
import { VERSIONS } from '../support/capture.js';
import { eventually } from '../support/eventually.js';
import { openShop, type Shop } from '../support/shop.js';

let cluster: Cluster;
let shop: Shop;
let listener: Service;
let wakes: number;
/** Stands for the daemon that a sale notifies only where there is one. */
let present: pg.Client;
const patience = { checkMs: 300, queryTimeoutMs: 500 };

/** From PostgreSQL 17 on the queue of notifications can be made small enough to be filled. */
const CAN_BE_FILLED = Number(VERSIONS[0]?.[0]) >= 17;

beforeAll(async () => {
  cluster = await Cluster.start(CAN_BE_FILLED ? { settings: { max_notify_queue_pages: '64' } } : {});
  shop = await openShop(cluster, 'listen');
  present = new pg.Client(shop.url);
  await present.connect();
  announce(present, () => {});
});
afterAll(async () => {
  await present?.end();
  await shop?.close();
  await cluster?.destroy();
});
beforeEach(() => {
  wakes = 0;
});
afterEach(() => listener.stop());

function listenOn(url: string): Service {
  listener = createListener(
    url,
    () => wakes++,
    () => {},
    patience,
  );
  return listener;
}
const listeners = async () =>
  (await shop.sql.query("SELECT pid FROM pg_stat_activity WHERE application_name = 'syncd listen'")).rows.map(
    (row) => row.pid,
  );
const listening = () =>
  eventually(
    () => listener.health().ok,
    (ok) => ok,
    'listening',
  );
const more = (than: number, what: string) =>
  eventually(
    () => wakes,
    (count) => count > than,
    what,
  );
async function hears(): Promise<void> {
  const before = wakes;
  await shop.sql.query('INSERT INTO orders DEFAULT VALUES');
  await more(before, 'the sale');
}

test('a connection counts as a wake-up, and every sale is heard after it', async () => {
  await listenOn(shop.url).start();
  await listening();
  expect(wakes).toBeGreaterThan(0);
  await hears();
  await hears();
});

test('started twice it listens once, stopped it listens no more', async () => {
  listenOn(shop.url);
  await Promise.all([listener.start(), listener.start()]);
  await listening();
  expect((await listeners()).length).toBe(1);
  await listener.stop();
  await listener.stop();
  await eventually(listeners, (pids) => pids.length === 0, 'gone');
  expect(listener.health().ok).toBe(false);
});

(CAN_BE_FILLED ? test : test.skip)(
  'where another program has let the queue fill up, no sale notifies, for it would fail',
  async () => {
    listenOn(shop.url);
    const deaf = new pg.Client(shop.url);
    await deaf.connect();
    await deaf.query('LISTEN news');
    await deaf.query('BEGIN');
    const fill = shop.sql.query("SELECT pg_notify('a_channel', n::text) FROM generate_series(1, 30000) AS n");
    await expect(fill).rejects.toThrow('too many notifications');
    for (let n = 0; n < 3; n++) await shop.sql.query('INSERT INTO orders DEFAULT VALUES');
    await deaf.end();
  },
);

test('stopped before it was started it does nothing', async () => {
  await listenOn(shop.url).stop();
  expect(await listeners()).toEqual([]);
});

test('when its backend is killed it comes back by itself and looks at once', async () => {
  await listenOn(shop.url).start();
  await listening();
  const [pid] = await listeners();
  const before = wakes;
  await shop.sql.query('SELECT pg_terminate_backend($1)', [pid]);
  await more(before, 'back again');
  await hears();
  expect((await listeners()).length).toBe(1);
});

test('a link that is half open is noticed and replaced', async () => {
  const proxy = await openBlackHoleProxy(cluster.port);
  try {
    await listenOn(shop.url.replace(`:${cluster.port}`, `:${proxy.port}`)).start();
    await listening();
    await hears();
    const before = wakes;
    proxy.swallow();
    await more(before, 'a new link');
    await hears();
  } finally {
    await listener.stop();
    await proxy.close();
  }
});

test('stopped while the server restarts it leaves no connection behind', async () => {
  const away = await Cluster.start();
  try {
    const first = await openShop(away, 'away');
    await listenOn(first.url).start();
    await listening();
    first.sql.on('error', () => {});
    await away.stop('immediate');
    await listener.stop();
    await away.start();
    const other = await openShop(away, 'look');
    const found = async () =>
      (await other.sql.query("SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'syncd listen'"))
        .rows[0].n;
    // It goes on trying to reconnect for some time; whatever it opens by then must be closed again.
    for (const until = performance.now() + 2_500; performance.now() < until; ) {
      await eventually(found, (count) => count === 0, 'no connection stays', 2_000);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await other.close();
    await first.close().catch(() => {});
  } finally {
    await away.destroy();
  }
});

test('where the webhooks cannot be served after all, nothing is left that listens', async () => {
  const across = { settings: { webhook: { profile: 'auto' } }, webhooks: {}, log: { warn: () => {} } };
  const restarted: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    transformResult: async () => {
      // Long enough for a listener to have come.
      await sleep(300);
      throw new Error('Connection terminated unexpectedly');
    },
  };
  const connections = { url: shop.url, store: shop.db.withPlugin(restarted) };
  const parts = { push: { wake: () => wakes++, tryNow: () => {} }, inbox: { wake: () => {} } };
  const heard = hear(across as unknown as Across, connections as Connections, parts as unknown as Hearers);
  await expect(heard).rejects.toThrow('terminated');
  expect([await listeners(), wakes]).toEqual([[], 0]);
});
