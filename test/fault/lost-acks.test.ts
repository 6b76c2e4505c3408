/** The cloud applies every batch, and its first answer never arrives: every change is sent again, and has one effect. */
import { SOAK } from '../support/convergence/soak.js';
import { AckLosingProxy } from './proxy.js';
import { Stand } from './stand.js';

const CHANGES = SOAK ? 20_000 : 3_000;
let stand: Stand;
let proxy: AckLosingProxy;

beforeAll(async () => {
  stand = await Stand.open({
    capabilities: { max_batch_changes: 100 },
    cloudUrl: async (cloud) => {
      const url = new URL(cloud.url);
      proxy = await AckLosingProxy.start(Number(url.port));
      url.port = String(proxy.port);
      return url.href;
    },
  });
});
afterAll(async () => {
  await stand?.close();
  await proxy?.stop();
});

test(
  'thousands of changes, each with its first ack lost, have one effect each',
  async () => {
    await stand.addCustomers(CHANGES);
    const seller = stand.sell({ pauseMs: 20 });
    stand.daemon.start();
    await stand.until('sales beside them', 20_000, () => seller.sold >= 20);
    await stand.quiet(SOAK ? 600_000 : 60_000);
    const { outcomes } = await stand.cloud.statistics();
    // A change may have lost more than one: a batch that is made up anew has a first answer again.
    expect(outcomes.duplicate).toBeGreaterThanOrEqual(outcomes.accepted);
    expect(outcomes.accepted).toBeGreaterThan(CHANGES);
    expect(outcomes).toMatchObject({ conflict: 0, held: 0, rejected: 0, refused: 0 });
    expect(await stand.query("SELECT FROM syncd.sync_queue WHERE retry_count > 0 OR status <> 'synced'")).toEqual([]);
    expect(await stand.findings()).toEqual([]);
    SOAK?.(`lost acks: ${proxy.lost} answers to ${outcomes.accepted} changes, ${seller.sold} sales beside them`);
  },
  SOAK ? 900_000 : 90_000,
);
