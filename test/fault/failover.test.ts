/**
 * The primary dies and its standby is promoted. The daemon goes on by itself: what the cloud had acknowledged and the standby had not
 * heard of takes no second effect, and what the standby never got is lost with the primary and not made up.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster } from '../../src/demo/postgres.js';
import { eventually } from '../support/eventually.js';
import { IdentityStage } from '../support/identity-stage.js';

let stage: IdentityStage;
let standby: Cluster;

beforeAll(async () => {
  stage = await IdentityStage.open({ wal_level: 'replica', max_wal_senders: '4' });
}, 60_000);
afterAll(async () => {
  await stage?.close();
  await standby?.destroy();
});

const sell = (no: number, server = stage.cluster) =>
  stage.sql('shop', `INSERT INTO sales VALUES (${no}, ${no})`, server);
const effects = () => stage.cloud.ledger.deliveries.filter((one) => one.outcome === 'accepted');

/** The standby has replayed everything. */
async function replicated(): Promise<void> {
  const [row] = await stage.sql<{ lsn: string }>('shop', 'SELECT pg_current_wal_lsn()::text AS lsn');
  await eventually(
    async () =>
      (await stage.sql('shop', `SELECT pg_last_wal_replay_lsn() >= '${row?.lsn}'::pg_lsn AS done`, standby))[0]?.done,
    (done) => done === true,
    'replayed',
  );
}

test('a standby that lacks the last moments is promoted, and the same daemon goes on with it', async () => {
  await stage.shop('jkt', 'shop', 'state');
  await stage.cluster.stop();
  standby = await Cluster.copyOf(stage.cluster, {
    primary_conninfo: `host=127.0.0.1 port=${stage.cluster.port} user=postgres`,
  });
  await stage.cluster.start();
  await standby.start();
  const outlet = stage.outlet('jkt', 'shop', 'state', [stage.cluster, standby]);
  const daemon = stage.run(outlet);
  await sell(1);
  await stage.drained('shop');
  await stage.cloud.down();
  // The standby has the sale, and will not hear that it was settled.
  await sell(2);
  await replicated();
  // Whoever asks the copy alone is not told of a daemon that died: the heartbeat comes late there, or never.
  const copy = stage.outlet('jkt', 'shop', 'copy', [standby]);
  expect(await stage.type(copy, 'status')).toMatchObject({ code: 3, stderr: expect.stringMatching(/is a standby/) });
  await standby.stop();
  await stage.cloud.up();
  await stage.drained('shop');
  // This one it never gets.
  await sell(3);
  await stage.drained('shop');
  await eventually(
    () => daemon.lines.length,
    () => effects().length === 3,
    'all at the cloud',
  );
  await stage.cluster.stop('immediate');
  await standby.start();
  await stage.sql('shop', 'SELECT pg_promote()', standby);
  await sell(4, standby);
  await stage.drained('shop', standby);
  expect(effects().map((one) => [one.epoch, one.entity_id])).toEqual([
    [1, '1'],
    [1, '2'],
    [1, '3'],
    [2, '4'],
  ]);
  const rows = await stage.sql('shop', 'SELECT entity_id, settled_as FROM syncd.sync_queue ORDER BY id', standby);
  expect(rows).toEqual(['1', '2', '4'].map((entity_id) => ({ entity_id, settled_as: 'accepted' })));
  expect(await stage.sql('shop', 'SELECT stopped_code, home_timeline FROM syncd.outlet_config', standby)).toEqual([
    { stopped_code: null, home_timeline: 2 },
  ]);

  // The old primary comes back beside it: it takes writes, and stands first in the list.
  await daemon.stop();
  await stage.cluster.start();
  await sell(5, standby);
  const again = stage.run(outlet);
  await stage.drained('shop', standby);
  expect(effects().at(-1)?.entity_id).toBe('5');
  // Whoever types or clicks something means the promoted one too, also where nothing tells which it is.
  const enabled = async (server: Cluster) =>
    (await stage.sql('shop', 'SELECT sync_enabled FROM syncd.outlet_config', server))[0]?.sync_enabled;
  expect(await stage.type(outlet, 'pause')).toMatchObject({ code: 0 });
  expect([await enabled(stage.cluster), await enabled(standby)]).toEqual([true, false]);
  const stranger = stage.outlet('jkt', 'shop', 'nowhere', [stage.cluster, standby]);
  expect(await stage.type(stranger, 'resume')).toMatchObject({ code: 0 });
  expect(await enabled(standby)).toBe(true);
  const said = again.lines.find((line) => line.startsWith('the admin port is open')) ?? '';
  const { port } = JSON.parse(said.slice(said.indexOf('{'))) as { port: number };
  const { admin, state_dir } = outlet.settings;
  const token = readFileSync(admin.tokenFile ?? join(state_dir, 'admin_token'), 'utf8').trim();
  const paused = await fetch(`http://127.0.0.1:${port}/api/v1/sync/pause`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{}',
  });
  expect([paused.status, await enabled(stage.cluster), await enabled(standby)]).toEqual([200, true, false]);
  expect(stage.cloud.ledger.violations).toEqual([]);
  await again.stop();
}, 90_000);
