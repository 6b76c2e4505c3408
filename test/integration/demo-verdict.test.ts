/**
 * The demo's verdict from end to end: the till sells on a real PostgreSQL, a naive outlet posts every change to the reference
 * cloud, honestly or with one seeded fault. The honest one must pass and every fault must be seen.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { ReferenceCloud } from '../../src/demo/cloud/reference-cloud.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { Cluster } from '../../src/demo/postgres.js';
import { seededRandom } from '../../src/demo/shop/random.js';
import { SHOP_SCHEMA } from '../../src/demo/shop/schema.js';
import { Till } from '../../src/demo/shop/till.js';
import { judge } from '../../src/demo/verdict.js';
import { installNaiveCapture, type NaiveChange, postAll, readNaiveList } from '../support/naive-outlet.js';

const API_KEY = 'a-key-for-this-test';
/** What the verdict reads of syncd's. */
const RECORDS = `CREATE SCHEMA syncd;
  CREATE TABLE syncd.sync_conflicts (entity_type text, entity_id text, status text, resolved_change_id uuid);
  CREATE TABLE syncd.sync_queue (entity_type text, entity_id text, change_id uuid, settled_as text);
  CREATE TABLE syncd.entity_state (entity_type text, entity_id text, cloud_version bigint);`;
let cluster: Cluster;
let owner: pg.Client;
let till: Till;
let changes: NaiveChange[];
let cloud: ReferenceCloud | undefined;

beforeAll(async () => {
  cluster = await Cluster.start();
  owner = new pg.Client(await cluster.createDatabase('shop'));
  await owner.connect();
  await owner.query(`${SHOP_SCHEMA}; ${RECORDS}`);
  await installNaiveCapture(owner);
  till = await Till.open(cluster.url('shop', 'pos'), seededRandom(5), () => '2026-11-22T02:00:00.000001Z');
  await till.stockShop();
  while (till.sold < 30) await till.act();
  changes = await readNaiveList(owner);
});

afterEach(async () => {
  await owner.query('TRUNCATE syncd.sync_conflicts, syncd.sync_queue, syncd.entity_state');
  await cloud?.stop();
});

afterAll(async () => {
  await till?.close();
  await owner?.end();
  await cluster?.destroy();
});

async function verdictOn(arriving: NaiveChange[]) {
  cloud = await startReferenceCloud({ apiKey: API_KEY });
  await postAll(cloud, API_KEY, arriving);
  return await judge({ cloud, owner, till });
}

/** The last change of a paid order, in the middle of the day. */
function aPayment(): number {
  return changes.findIndex((change, index) => index > changes.length / 2 && change.entity_type === 'payment');
}

test('an outlet that sends every change once and in order passes', async () => {
  expect(await verdictOn(changes)).toMatchObject({
    lost: 0,
    doubled: 0,
    out_of_order: 0,
    different: 0,
    conflicts: 0,
    pushed: changes.length,
    findings: [],
  });
});

test('a lost change is seen, in the ledger and in the rows', async () => {
  const verdict = await verdictOn(changes.toSpliced(aPayment(), 1));
  expect(verdict).toMatchObject({ lost: 1, different: 1, doubled: 0 });
});

test('a lost change that a later one covers up is seen in the ledger', async () => {
  const stock = changes.findIndex((change, index) => index > 100 && change.entity_type === 'stock');
  expect(await verdictOn(changes.toSpliced(stock, 1))).toMatchObject({ lost: 1, doubled: 0, different: 0 });
});

test("a change that a recorded conflict gave up is not lost, and head office's edits are counted once known", async () => {
  const price = changes.findLastIndex((change) => change.entity_type === 'product' && change.operation === 'update');
  const { change_id, entity_id } = changes[price] as NaiveChange;
  const record = (status: string) =>
    owner.query("INSERT INTO syncd.sync_conflicts VALUES ('product', $1, $2, NULL)", [entity_id, status]);
  await owner.query("INSERT INTO syncd.sync_queue VALUES ('product', $1, $2, 'superseded')", [entity_id, change_id]);
  const withoutIt = changes.toSpliced(price, 1);
  expect(await verdictOn(withoutIt)).toMatchObject({ lost: 1, conflicts: 0 });
  await cloud?.stop();
  await record('resolved');
  expect(await verdictOn(withoutIt)).toMatchObject({ lost: 0, conflicts: 1, open: 0, pulled: 0 });
  await record('open');
  const edit = cloud?.edit({ entity_type: 'stock', entity_id: '1', outlet_id: 'naive', patch: '{}' });
  const known = "INSERT INTO syncd.entity_state VALUES ('stock', '1', $1)";
  await owner.query(known, [edit?.cloud_version]);
  expect(await judge({ cloud: cloud as ReferenceCloud, owner, till })).toMatchObject({ open: 1, pulled: 1 });
});

test('a change that takes effect twice under two ids is seen', async () => {
  const at = aPayment();
  const twin = { ...(changes[at] as NaiveChange), change_id: randomUUID() };
  const renumbered = changes.toSpliced(at + 1, 0, twin).map((change, index) => ({ ...change, seq: index + 1 }));
  expect(await verdictOn(renumbered)).toMatchObject({ lost: 0, doubled: 1, different: 0 });
});

test('two swapped transactions are seen although the rows end up equal', async () => {
  const touching = changes.filter((change) => change.entity_type === 'stock' && change.entity_id === '1');
  const [first, second] = touching.slice(-3) as [NaiveChange, NaiveChange];
  const of = (tx: string) => changes.filter((change) => change.tx === tx);
  const rest = changes.filter((change) => change.tx !== first.tx && change.tx !== second.tx);
  const place = rest.findIndex((change) => change.seq > first.seq);
  const swapped = rest.toSpliced(place, 0, ...of(second.tx), ...of(first.tx));
  const verdict = await verdictOn(swapped.map((change, index) => ({ ...change, seq: index + 1 })));
  expect(verdict).toMatchObject({ lost: 0, doubled: 0 });
  expect(verdict.out_of_order).toBeGreaterThan(0);
});

test('a value that lost a digit on the way is seen', async () => {
  const at = changes.findIndex((change) => /"trace":\d*[1-9],/.test(change.data ?? ''));
  const payment = changes[at] as NaiveChange;
  const data = (payment.data as string).replace(/"trace":(\d+)\d,/, '"trace":$10,');
  expect(await verdictOn(changes.with(at, { ...payment, data }))).toMatchObject({
    different: 1,
    lost: 0,
    doubled: 0,
    out_of_order: 0,
  });
});
