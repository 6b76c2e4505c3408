/**
 * Databases that are not what they were: restored from a backup, cloned, moved. Nothing is sent before a person has said what it
 * is; selling and capture go on; afterwards nothing is lost that is there, and nothing takes effect twice.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { monotonicMs, sleep } from '../../src/time.js';
import { eventually } from '../support/eventually.js';
import { IdentityStage, type Outlet } from '../support/identity-stage.js';

/** Edits so far apart are in order for everybody: more than a tie, and than the clock's offset may be wrong by. */
const APART_MS = 2_500;

let stage: IdentityStage;

beforeAll(async () => {
  stage = await IdentityStage.open();
});
afterAll(() => stage?.close());

const sell = (database: string, ...numbers: number[]) =>
  stage.sql(database, `INSERT INTO sales VALUES ${numbers.map((no) => `(${no}, ${no}.50)`).join(', ')}`);
/** What the cloud took in, one name for one effect. */
const effects = (outlet: string) =>
  stage.cloud.ledger.deliveries.filter((one) => one.outlet_id === outlet && one.outcome === 'accepted');
const pushes = () => stage.cloud.ledger.statistics().pushes;

/** The state directory knows how far the queue is settled. */
async function remembered({ settings, database }: Outlet): Promise<void> {
  const [row] = await stage.sql<{ settled_id: string }>(database, 'SELECT settled_id FROM syncd.outlet_config');
  await stage.sql(database, 'NOTIFY syncd_wake');
  await eventually(
    () => JSON.parse(readFileSync(join(settings.state_dir, 'identity.json'), 'utf8')).settled_id,
    (id) => id === row?.settled_id,
    'it is remembered how far the queue is settled',
  );
}

test('a restored backup sends nothing until it is adopted; then what it lacks comes back where the type is pulled', async () => {
  const shop = await stage.shop('jkt', 'jkt', 'state-jkt');
  const before = stage.run(shop);
  await stage.sql('jkt', "INSERT INTO products VALUES ('kopi', 10), ('teh', 5)");
  await sell('jkt', 1, 2);
  await stage.drained('jkt');
  await before.stop();
  // Waits in the backup, and reaches the cloud after it.
  await sell('jkt', 3);
  await stage.copy('jkt', 'jkt_backup');
  const after = stage.run(shop);
  await sell('jkt', 4);
  await stage.sql(
    'jkt',
    "UPDATE products SET price = 11 WHERE sku = 'kopi'; UPDATE products SET price = 6 WHERE sku = 'teh'",
  );
  const edited = monotonicMs();
  await stage.drained('jkt');
  await remembered(shop);
  const sent = pushes();
  await stage.sql('postgres', 'DROP DATABASE jkt WITH (FORCE)');
  await eventually(
    () => after.lines.join('\n'),
    (lines) => lines.includes('is a backup being restored?'),
    'the daemon has seen that the database is gone',
  );
  await stage.copy('jkt_backup', 'jkt');
  expect((await stage.stopped('jkt')).code).toBe('identity_restored');
  await sell('jkt', 5);
  await sleep(Math.max(0, APART_MS - (monotonicMs() - edited)));
  await stage.sql('jkt', "UPDATE products SET price = 12 WHERE sku = 'teh'");
  const status = await stage.type(shop, 'status');
  expect(status.code).toBe(2);
  expect(status.stdout).toMatch(/restored\s+backup[\s\S]*syncd adopt/);

  const [seen, unasked, moved] = await Promise.all([
    stage.type(shop, 'adopt'),
    stage.type(shop, 'adopt', '--as', 'rollback'),
    stage.type(shop, 'adopt', '--as', 'move', '--yes'),
  ]);
  expect(seen.stdout).toMatch(/settled up to +\d+ +\d+\n/);
  expect(seen.stdout).toContain('It looks restored');
  expect(unasked.code).toBe(64);
  expect([moved.code, moved.stderr]).toEqual([1, expect.stringContaining('--as rollback')]);
  expect(pushes()).toBe(sent);

  const adopted = await stage.type(shop, 'adopt', '--as', 'rollback', '--yes', '--by', 'budi');
  expect([adopted.code, adopted.stderr]).toEqual([0, '']);
  expect(adopted.stdout).toMatch(/rows of product come back[\s\S]*Rows of sale [\s\S]*in the cloud alone/);
  await stage.drained('jkt');
  const price = async (sku: string) =>
    (await stage.sql('jkt', `SELECT price::float8 FROM products WHERE sku = '${sku}'`))[0]?.price;
  expect(
    await eventually(
      () => price('kopi'),
      (found) => found === 11,
      'the newer price came back',
    ),
  ).toBe(11);
  // Edited on both sides: a conflict as usual, and the newer edit is the shop's.
  await eventually(
    () => stage.at('jkt', 'product', 'teh')?.price,
    (found) => found === 12,
    'the newest edit is at the cloud',
  );
  expect([1, 2, 3, 4, 5].map((no) => stage.at('jkt', 'sale', String(no))?.total)).toEqual([1.5, 2.5, 3.5, 4.5, 5.5]);
  expect((await stage.sql('jkt', 'SELECT no FROM sales ORDER BY no')).map(({ no }) => no)).toEqual([1, 2, 3, 5]);
  const ids = effects('jkt').map((one) => one.change_id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(await stage.sql('jkt', "SELECT requested_by, outcome FROM syncd.commands WHERE command = 'adopt'")).toEqual([
    { requested_by: 'budi (syncd)', outcome: 'adopted as rollback: epoch 2' },
  ]);
  await after.stop();
  const again = stage.run(shop);
  await sell('jkt', 6);
  await stage.drained('jkt');
  await again.stop();
  expect(stage.cloud.ledger.violations).toEqual([]);
}, 60_000);

test.each([
  ['pku', 'its tables are others', 'home_queue = 1, settled_id = settled_id - 1'],
  ['plm', 'its tables are the same, and older', 'settled_id = settled_id - 1'],
])(
  'a backup restored under open connections is noticed (%s: %s), and a restart forgets nothing',
  async (name, _, older) => {
    const shop = await stage.shop(name, name, `state-${name}`);
    const daemon = stage.run(shop);
    await sell(name, 1, 2);
    await stage.drained(name);
    await remembered(shop);
    const sent = pushes();
    await stage.sql(name, `BEGIN; UPDATE syncd.outlet_config SET ${older}; INSERT INTO sales VALUES (3, 3); COMMIT`);
    expect((await stage.stopped(name)).code).toBe('identity_restored');
    expect(pushes()).toBe(sent);
    await daemon.stop();
    const again = stage.run(shop);
    await sell(name, 4);
    await eventually(
      () => again.lines.join('\n'),
      (lines) => lines.includes('pushing has stopped'),
      'it has seen the stop',
    );
    // A stop that goes with the tables that it stood in has been settled by nobody.
    await stage.sql(
      name,
      'UPDATE syncd.outlet_config SET stopped_code = NULL, stopped_reason = NULL, stopped_at = NULL; NOTIFY syncd_wake',
    );
    expect((await stage.stopped(name)).code).toBe('identity_restored');
    expect(stage.at(name, 'sale', '4')).toBeUndefined();
    await again.stop();
  },
  60_000,
);

test('a clone becomes an outlet of its own only by name, and the original notices nothing', async () => {
  const original = await stage.shop('bdg', 'bdg', 'state-bdg');
  const first = stage.run(original);
  await sell('bdg', 1, 2);
  await stage.drained('bdg');
  await first.stop();
  await sell('bdg', 3);
  await stage.copy('bdg', 'sub');
  const lives = stage.run(original);
  await stage.drained('bdg');

  const copied = stage.outlet('bdg', 'sub', 'state-sub');
  const wrong = stage.run(copied);
  expect((await stage.stopped('sub')).code).toBe('identity_cloned');
  await sell('sub', 100);
  await wrong.stop();
  const clone = stage.outlet('sub', 'sub', 'state-sub');
  await expect(stage.run(clone).ended).rejects.toMatchObject({ code: 'configuration' });
  const mistaken = stage.outlet('sub', 'bdg', 'state-bdg');
  const turned = await stage.type(mistaken, 'install', '--admin-url', stage.cluster.url('bdg'));
  expect([turned.code, turned.stderr]).toEqual([78, expect.stringContaining('belongs to outlet bdg')]);
  const refusals = [
    [copied, ['--as', 'clone', '--yes'], 1, 'outlet.id'],
    [clone, ['--as', 'clone', '--new-outlet', 'bdg', '--yes'], 64, 'syncd.yaml says sub'],
    [clone, ['--as', 'move', '--new-outlet', 'sub', '--yes'], 64, 'goes with --as clone'],
    [clone, ['--yes'], 64, '--as'],
    [mistaken, ['--as', 'clone', '--yes'], 1, 'a daemon works on it as outlet bdg'],
  ] as const;
  const refused = await Promise.all(refusals.map(([outlet, args]) => stage.type(outlet, 'adopt', ...args)));
  expect(refused.map(({ code, stderr }) => [code, stderr])).toEqual(
    refusals.map(([, , code, words]) => [code, expect.stringContaining(words)]),
  );
  const adopted = await stage.type(clone, 'adopt', '--as', 'clone', '--new-outlet', 'sub', '--yes');
  expect([adopted.code, adopted.stderr]).toEqual([0, '']);
  expect(adopted.stdout).toContain('syncd backfill');
  expect(adopted.stdout).toContain('sudo systemctl restart syncd');
  expect(adopted.stdout).not.toContain('made anew');
  // What came along with the copy is no sale of the new outlet that the cloud knows.
  expect(await stage.sql('sub', 'SELECT DISTINCT older_rows FROM syncd.capture')).toEqual([{ older_rows: true }]);
  expect(await stage.sql('sub', "SELECT DISTINCT outlet_id FROM syncd.put_away WHERE source = 'sync_queue'")).toEqual([
    { outlet_id: 'bdg' },
  ]);
  const works = stage.run(clone);
  await sell('sub', 101);
  await stage.drained('sub');
  expect(stage.at('sub', 'sale', '101')).toEqual({ no: 101, total: 101.5 });
  expect(effects('sub').map((one) => one.entity_id)).toEqual(['101']);
  await sell('bdg', 4);
  await stage.drained('bdg');
  expect(effects('bdg').map((one) => one.entity_id)).toEqual(['1', '2', '3', '4']);
  expect((await stage.sql('bdg', 'SELECT outlet_id, stopped_code, epoch FROM syncd.outlet_config'))[0]).toEqual({
    outlet_id: 'bdg',
    stopped_code: null,
    epoch: '1',
  });
  await works.stop();
  await lives.stop();
}, 60_000);

test('after a move everything goes on, also what carries transaction ids from the future of the new server', async () => {
  const shop = await stage.shop('sby', 'sby', 'state-sby');
  const before = stage.run(shop);
  await sell('sby', 1);
  await stage.drained('sby');
  await before.stop();
  await stage.sql('sby', 'DO $$ BEGIN FOR i IN 2..1300 LOOP INSERT INTO sales VALUES (i, i); COMMIT; END LOOP; END $$');
  // As a dump brings them to a server that is younger.
  await stage.sql(
    'sby',
    "UPDATE syncd.sync_queue SET txid = (txid::text::bigint + 1000000000)::text::xid8 WHERE status = 'pending'",
  );
  await stage.copy('sby', 'sby_new');
  await stage.sql('postgres', 'DROP DATABASE sby');
  await stage.sql('postgres', 'ALTER DATABASE sby_new RENAME TO sby');
  const moved = stage.run(shop);
  expect((await stage.stopped('sby')).code).toBe('identity_moved');
  const adopted = await stage.type(shop, 'adopt', '--as', 'move', '--yes', '--json');
  expect(JSON.parse(adopted.stdout)).toMatchObject({ as: 'move', epoch: '2', put_away: 0 });
  await stage.drained('sby');
  const numbers = effects('sby').map((one) => Number(one.entity_id));
  expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 1300 }, (_, i) => i + 1));
  const tx = new Set(effects('sby').map((one) => `${one.epoch} ${one.tx}`));
  expect(tx.size).toBe(1300);
  // The future of this server would be used a second time.
  expect(effects('sby').filter((one) => Number(one.tx) > 1_000_000_000)).toEqual([]);
  await moved.stop();
}, 60_000);

test('a lost memory stops nobody while the server runs on; after its restart a person is asked, or the memory comes back', async () => {
  const shop = await stage.shop('dps', 'dps', 'state-dps');
  const first = stage.run(shop);
  await sell('dps', 1);
  await stage.drained('dps');
  await first.stop();
  const file = join(shop.settings.state_dir, 'identity.json');
  rmSync(file);
  const second = stage.run(shop);
  await sell('dps', 2);
  await stage.drained('dps');
  expect(second.lines.join('\n')).toContain('was lost and is made anew');
  await second.stop();
  await stage.cluster.stop();
  await stage.cluster.start();
  const elsewhere = stage.outlet('dps', 'dps', 'state-empty');
  const third = stage.run(elsewhere);
  expect((await stage.stopped('dps')).code).toBe('identity_unknown');
  await sell('dps', 3);
  await third.stop();
  expect(stage.at('dps', 'sale', '3')).toBeUndefined();
  const fourth = stage.run(shop);
  await stage.drained('dps');
  expect(stage.at('dps', 'sale', '3')).toBeDefined();
  await fourth.stop();
}, 60_000);

test('after a fork the daemon goes on by itself as soon as somebody says that it is the one to live', async () => {
  const shop = await stage.shop('mdn', 'mdn', 'state-mdn');
  const daemon = stage.run(shop);
  await sell('mdn', 1);
  await stage.drained('mdn');
  // Another machine has taken over under a much higher epoch.
  await stage.sql('mdn', 'UPDATE syncd.outlet_config SET epoch = 7, install_id = gen_random_uuid()');
  await daemon.stop();
  await stage.sql('mdn', 'SELECT 1');
  const copy = await takeOver(shop);
  const back = stage.run(copy.shop);
  await sell('mdn', 9);
  expect((await stage.stopped('mdn')).code).toBe('fork');
  const adopted = await stage.type(copy.shop, 'adopt', '--as', 'move', '--yes', '--json');
  expect(JSON.parse(adopted.stdout)).toMatchObject({ epoch: '8' });
  await stage.drained('mdn');
  expect(stage.at('mdn', 'sale', '9')).toBeDefined();
  await back.stop();
}, 60_000);

/** Pushes once as the other machine, then puts the database back as this one knows it. */
async function takeOver(shop: Awaited<ReturnType<IdentityStage['shop']>>) {
  rmSync(join(shop.settings.state_dir, 'identity.json'));
  const other = stage.run(shop);
  await sell('mdn', 2);
  await stage.drained('mdn');
  await other.stop();
  rmSync(join(shop.settings.state_dir, 'identity.json'));
  await stage.sql('mdn', 'UPDATE syncd.outlet_config SET epoch = 1, install_id = gen_random_uuid()');
  return { shop };
}
