/**
 * The simulated till on a real PostgreSQL, and the row comparison against a cloud that was made from the POS itself and then
 * spoiled in every way that the comparison has to notice.
 */
import pg from 'pg';
import type { EntityRecord } from '../../src/demo/cloud/records.js';
import { compareRows } from '../../src/demo/compare.js';
import { Cluster } from '../../src/demo/postgres.js';
import type { JournalEntry } from '../../src/demo/shop/journal.js';
import { seededRandom } from '../../src/demo/shop/random.js';
import { SHOP_ENTITIES, SHOP_SCHEMA } from '../../src/demo/shop/schema.js';
import { Till } from '../../src/demo/shop/till.js';

let cluster: Cluster;
let owner: pg.Client;
let journal: JournalEntry[];

function shopClock(): () => string {
  let seconds = 0;
  return () => {
    seconds += 41;
    return `${new Date(Date.UTC(2026, 10, 22) + seconds * 1000).toISOString().slice(0, -1)}457Z`;
  };
}

async function runTill(database: string): Promise<{ client: pg.Client; journal: JournalEntry[] }> {
  const client = new pg.Client(await cluster.createDatabase(database));
  await client.connect();
  const roleExists = await client.query("SELECT FROM pg_roles WHERE rolname = 'pos'");
  await client.query(roleExists.rowCount ? SHOP_SCHEMA.replace(/CREATE ROLE.*;/, '') : SHOP_SCHEMA);
  const till = await Till.open(cluster.url(database, 'pos'), seededRandom(3), shopClock());
  await till.stockShop();
  while (till.sold < 120) await till.act();
  await till.close();
  return { client, journal: till.journal };
}

/** A cloud that holds exactly what the POS holds. */
async function mirror(): Promise<EntityRecord[]> {
  const held: EntityRecord[] = [];
  for (const { entity_type, table, keys } of SHOP_ENTITIES) {
    const key = keys.map((name) => `t.${name}::text`).join(', ');
    const id = keys.length > 1 ? `json_build_array(${key})::text` : key;
    const { rows } = await owner.query(
      `SELECT ${id} AS entity_id, row_to_json(t)::text AS data FROM ${table} t ORDER BY 1`,
    );
    for (const row of rows) {
      held.push({
        outlet_id: 'o',
        entity_type,
        cloud_id: 'c',
        cloud_version: 1,
        deleted: false,
        updated_at: '',
        origin_outlet_id: 'o',
        ...row,
      });
    }
  }
  return held;
}

async function verdicts(held: EntityRecord[]): Promise<string[]> {
  const { findings } = await compareRows(owner, SHOP_ENTITIES, held);
  return findings.map((finding) => `${finding.entity_type}: ${finding.detail}`);
}

function spoil(held: EntityRecord[], entity_type: string, change: (data: string) => string): EntityRecord[] {
  const at = held.findIndex((row) => row.entity_type === entity_type && change(row.data ?? '') !== row.data);
  expect(at).toBeGreaterThanOrEqual(0);
  return held.map((row, index) => (index === at ? { ...row, data: change(row.data ?? '') } : row));
}

beforeAll(async () => {
  cluster = await Cluster.start();
  const run = await runTill('one');
  owner = run.client;
  journal = run.journal;
});

afterAll(async () => {
  await owner?.end();
  await cluster?.destroy();
});

test('the till makes the same day from the same seed, transaction numbers aside', async () => {
  const again = await runTill('two');
  try {
    const steps = (entries: JournalEntry[]) => entries.map(({ tx, ...entry }) => entry);
    expect(steps(again.journal)).toEqual(steps(journal));
    const day = (client: pg.Client) =>
      client.query(
        'SELECT o.*, p.amount, p.trace FROM orders o LEFT JOIN payments p ON p.order_id = o.id ORDER BY o.number',
      );
    expect((await day(again.client)).rows).toEqual((await day(owner)).rows);
  } finally {
    await again.client.end();
  }
});

test('the day has everything that a till does: each operation, cascades, open and cancelled orders', async () => {
  const kinds = new Set(journal.map((entry) => `${entry.operation} ${entry.entity_type}`));
  for (const kind of [
    'create customer',
    'update customer',
    'update product',
    'delete order',
    'delete order_item',
    'update stock',
    'create payment',
  ]) {
    expect(kinds).toContain(kind);
  }
  const { rows } = await owner.query("SELECT 1 FROM orders WHERE status = 'cancelled' LIMIT 1");
  expect(rows).toHaveLength(1);
});

test('the journal names exactly the rows that stand in the POS', async () => {
  const alive = new Set<string>();
  for (const { entity_type, entity_id, operation } of journal) {
    const name = `${entity_type} ${entity_id}`;
    if (operation === 'delete') alive.delete(name);
    else alive.add(name);
  }
  const stands = (await mirror()).map((row) => `${row.entity_type} ${row.entity_id.replace('", "', '","')}`);
  expect([...alive].sort()).toEqual(stands.sort());
});

test('a cloud that holds the same rows compares equal, tombstones of deleted rows included', async () => {
  const held = await mirror();
  const gone = { ...(held.at(-1) as EntityRecord), entity_id: '999999', deleted: true, data: null };
  expect(await verdicts([...held, gone])).toEqual([]);
});

test('a lost row, a row too many, and a deletion too many are caught', async () => {
  const held = await mirror();
  expect(await verdicts(held.slice(0, -1))).toEqual(['payment: the cloud has never heard of it']);
  const last = held.at(-1) as EntityRecord;
  const extra = { ...last, entity_id: '999999', data: (last.data as string).replace(/"id":\d+/, '"id":999999') };
  expect(await verdicts([...held, extra])).toEqual(['payment: still alive at the cloud']);
  const deleted = held.map((row) => (row === last ? { ...row, deleted: true, data: null } : row));
  expect(await verdicts(deleted)).toEqual(['payment: deleted at the cloud']);
});

test('a digit that a double would lose, a trailing zero in jsonb, a microsecond and a space are caught', async () => {
  const held = await mirror();
  const rounded = spoil(held, 'payment', (data) => data.replace(/"trace":(\d+)\d,/, (_, head) => `"trace":${head}0,`));
  expect(await verdicts(rounded)).toEqual(['payment: another value at the cloud']);
  expect(await verdicts(spoil(held, 'product', (data) => data.replace('9500.50', '9500.5')))).toHaveLength(1);
  expect(await verdicts(spoil(held, 'order', (data) => data.replace('457+00:00', '456+00:00')))).toHaveLength(1);
  expect(await verdicts(spoil(held, 'customer', (data) => data.replace('+62 8', '+62  8')))).toHaveLength(1);
});

test('a column that the cloud lacks is caught even where its value is null', async () => {
  const held = await mirror();
  const without = spoil(held, 'order', (data) => data.replace('"note":null,', ''));
  expect(await verdicts(without)).toEqual(['order: other columns at the cloud']);
});
