/** A small shop for tests of the commands: a database with three captured tables, installed as a customer would, and its syncd.yaml. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { installCapture } from '../../src/capture/install.js';
import { loadSettings } from '../../src/config/load.js';
import type { Settings } from '../../src/config/settings.js';
import { type Db, openDb } from '../../src/db/connect.js';
import type { Cluster } from '../../src/demo/postgres.js';

const TABLES = `
  CREATE TABLE orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), status text NOT NULL DEFAULT 'open', total numeric(30,10), secret_note text);
  CREATE TABLE lines (order_no int, line_no int, qty int, PRIMARY KEY (order_no, line_no));
  CREATE TABLE "Shifts" (started timestamptz PRIMARY KEY, till text)`;

export type Shop = { url: string; config: string; settings: Settings; db: Db; sql: pg.Client; close(): Promise<void> };

export async function openShop(cluster: Cluster, name: string): Promise<Shop> {
  const url = await cluster.createDatabase(name);
  const directory = mkdtempSync(join(tmpdir(), 'syncd-cli-'));
  const config = join(directory, 'syncd.yaml');
  const yaml = `
outlet: { id: outlet-7, code: JKT-014, timezone: Asia/Jakarta }
database: { url: "${url}" }
state_dir: ${join(directory, 'state')}
cloud: { url: "http://127.0.0.1:9/api/v1", api_key: planted-api-key-123 }
admin: { listen: 127.0.0.1:0 }
entities:
  order: { table: public.orders, exclude: [secret_note] }
  line: { table: lines }
  shift: { table: '"Shifts"' }
`;
  writeFileSync(config, yaml, { mode: 0o600 });
  const { settings } = loadSettings({ file: config, env: {} });
  const sql = new pg.Client(url);
  await sql.connect();
  await sql.query(TABLES);
  await installCapture({ adminUrl: url, settings });
  const db = openDb(url, { role: 'test' });
  const close = async () => {
    await db.destroy();
    await sql.end();
    rmSync(directory, { recursive: true });
  };
  return { url, config, settings, db, sql, close };
}
