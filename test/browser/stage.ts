/**
 * A shop with its admin port, without a daemon or a cloud: what the dashboard shows is put into the tables by the test. Conflicts
 * are real ones as far as a person's choice goes: the shop's rows are there, and what is applied is written to them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { installCapture } from '../../src/capture/install.js';
import { loadSettings } from '../../src/config/load.js';
import { Cluster, freePort } from '../../src/demo/postgres.js';
import { openAdmin } from '../support/admin.js';

const TABLES = `
  CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price numeric(14,2), stock int, note text, active boolean NOT NULL DEFAULT true);
  CREATE TABLE orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), number text, status text NOT NULL DEFAULT 'open', total numeric(14,2));
  CREATE TABLE payments (id int PRIMARY KEY, method text, amount numeric(14,2))`;

export type Stage = Awaited<ReturnType<typeof openStage>>;

export async function openStage() {
  const cluster = await Cluster.start();
  const url = await cluster.createDatabase('kopi_senja');
  const directory = mkdtempSync(join(tmpdir(), 'syncd-browser-'));
  const readToken = 'only-to-look-0123456789';
  writeFileSync(join(directory, 'read_token'), readToken, { mode: 0o600 });
  const port = await freePort();
  const file = join(directory, 'syncd.yaml');
  writeFileSync(
    file,
    `
outlet: { id: outlet-7, code: JKT-014, timezone: Asia/Jakarta }
database: { url: "${cluster.url('kopi_senja', 'syncd')}" }
state_dir: ${join(directory, 'state')}
cloud: { url: "http://127.0.0.1:9/api/v1", api_key: planted-api-key-123 }
admin: { listen: "127.0.0.1:${port}", read_token_file: ${join(directory, 'read_token')} }
entities:
  product: { table: products, direction: both, conflict: manual, money_field: price }
  order: { table: orders, money_field: total }
  payment: { table: payments, money_field: amount }
`,
    { mode: 0o600 },
  );
  const { settings } = loadSettings({ file, env: {} });
  const sql = new pg.Client(url);
  await sql.connect();
  await sql.query(TABLES);
  await installCapture({ adminUrl: url, settings });
  let admin = await openAdmin(settings);
  return {
    sql,
    token: admin.token,
    readToken,
    page: `http://127.0.0.1:${port}/`,
    ask: admin.ask,
    /** The till is switched off. */
    goAway: () => admin.close(),
    async comeBack() {
      admin = await openAdmin(settings);
    },
    async close() {
      await admin.close();
      await sql.end();
      await cluster.destroy();
      rmSync(directory, { recursive: true });
    },
  };
}
