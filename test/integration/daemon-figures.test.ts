/** The figures of a living daemon: an outage that it lives through is in the ledger, and what it sends is counted for Prometheus. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster } from '../../src/demo/postgres.js';
import { requestNow } from '../../src/ops/control.js';
import { listOutages } from '../../src/ops/figures/outages.js';
import { statusOf } from '../../src/ops/status/report.js';
import { adminClient } from '../support/admin.js';
import { eventually } from '../support/eventually.js';
import { type Outlet, openOutlet } from '../support/running-daemon.js';

let cluster: Cluster;
let outlet: Outlet;
beforeAll(async () => {
  cluster = await Cluster.start();
  outlet = await openOutlet(cluster, 'figures');
});
afterAll(async () => {
  await outlet?.close();
  await cluster?.destroy();
});

const sell = (ids: number[]) => outlet.shop.sql.query('INSERT INTO exact (id) SELECT unnest($1::int[])', [ids]);
const outages = () => listOutages(outlet.shop.db, { spanMs: 3_600_000 });

test('An outage is noted from its first failure, counted at its end and drained when what had waited is in the cloud', async () => {
  await sell([1]);
  await outlet.drained();
  await outlet.cloud.down();
  await sell([2, 3, 4]);
  await eventually(
    outages,
    (found) => found.length === 1 && found[0]?.ended_at === null,
    'the outage is in the ledger',
  );
  await outlet.cloud.up();
  await requestNow(outlet.shop.db, 'budi', 8_000);
  await outlet.drained();
  const [over] = await eventually(outages, ([last]) => last?.drained_at != null, 'it is drained');
  expect(over).toMatchObject({ waited: 3, drained_changes: 3, reason: expect.stringMatching(/ECONNREFUSED/) });
  const { report } = await statusOf(outlet.shop.db, outlet.settings);
  expect(report.last_outage).toMatchObject({ waited: 3, drained_changes: 3, duration_ms: over?.duration_ms });
});

test('What was sent, and how long the cloud was away, is counted for Prometheus', async () => {
  const opened = outlet.lines.find(({ message }) => message === 'the admin port is open');
  const token = readFileSync(join(outlet.settings.state_dir, 'admin_token'), 'utf8').trim();
  const { text } = await adminClient(opened?.fields.port as number, token)('/metrics');
  expect(text).toMatch(/^syncd_push_changes_total\{entity="exact",outcome="accepted"\} 4$/m);
  expect(text).toMatch(/^syncd_push_duration_seconds_count [1-9]/m);
  expect(text).toMatch(/^syncd_outage_seconds_total (?!0$)[0-9.]+$/m);
  expect(text).toMatch(/^syncd_leader 1$/m);
  expect(text).toMatch(/^syncd_cloud_up 1$/m);
});
