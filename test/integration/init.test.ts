/** `syncd init` on a shop in Indonesian and English: what it proposes, and that install takes it as it stands. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { parse } from 'yaml';
import { Cluster } from '../../src/demo/postgres.js';
import { syncd } from '../support/cli.js';

const SHOP = `
  CREATE TABLE kategori_produk (id int PRIMARY KEY, nama text NOT NULL);
  CREATE TABLE produk (id int PRIMARY KEY, kategori_id int REFERENCES kategori_produk, nama text NOT NULL, harga_jual numeric(12,2),
                       stok int DEFAULT 0, gambar bytea, updated_at timestamptz);
  CREATE TABLE label (id int PRIMARY KEY, nama text);
  CREATE TABLE produk_label (produk_id int REFERENCES produk, label_id int REFERENCES label, PRIMARY KEY (produk_id, label_id));
  CREATE TABLE pelanggan (kode varchar(20) NOT NULL UNIQUE, nama text, kata_sandi text, pin text);
  CREATE TABLE riwayat_harga (id serial PRIMARY KEY, produk_id int, harga numeric);
  CREATE TABLE "Staff Members" (id int PRIMARY KEY, "Password" text NOT NULL, name text);
  CREATE TABLE pesanan (id uuid PRIMARY KEY, pelanggan_kode varchar(20) REFERENCES pelanggan (kode), tanggal timestamptz, total numeric(12,2), diskon numeric);
  CREATE TABLE detail_pesanan (pesanan_id uuid REFERENCES pesanan, no int, produk_id int REFERENCES produk, jumlah int, PRIMARY KEY (pesanan_id, no));
  CREATE TABLE pembayaran (id bigint, dibayar date, paid_at date NOT NULL, nominal numeric, harga_id int, PRIMARY KEY (id, paid_at)) PARTITION BY RANGE (paid_at);
  CREATE TABLE pembayaran_11 PARTITION OF pembayaran FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
  CREATE TABLE pembayaran_12 PARTITION OF pembayaran DEFAULT;
  ALTER TABLE pembayaran_11 ADD FOREIGN KEY (harga_id) REFERENCES riwayat_harga;
  CREATE TABLE stok_gudang (produk_id int, gudang text, jumlah numeric, PRIMARY KEY (produk_id, gudang));
  CREATE TABLE mutasi_stok (id bigserial PRIMARY KEY, produk_id int, jumlah numeric);
  CREATE TABLE job_queue (id int PRIMARY KEY); CREATE TABLE audit_trail (id int PRIMARY KEY); CREATE TABLE schema_migrations (version text PRIMARY KEY);
  CREATE TABLE sessions (id text PRIMARY KEY, user_agent text); CREATE TABLE cache (key text PRIMARY KEY); CREATE TABLE log_aktivitas (id int PRIMARY KEY);
  CREATE TABLE catatan (isi text); CREATE TABLE ukuran (panjang float8 PRIMARY KEY);
  CREATE FUNCTION sentuh() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at = now(); RETURN NEW; END';
  CREATE TRIGGER sentuh BEFORE UPDATE ON produk FOR EACH ROW EXECUTE FUNCTION sentuh();
  CREATE FUNCTION catat() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO riwayat_harga (produk_id, harga) VALUES (NEW.id, NEW.harga_jual); RETURN NULL; END';
  CREATE TRIGGER catat AFTER UPDATE ON produk FOR EACH ROW EXECUTE FUNCTION catat()`;

let cluster: Cluster;
let url: string;
let sql: pg.Client;
const directory = mkdtempSync(join(tmpdir(), 'syncd-init-'));
const file = join(directory, 'syncd.yaml');
const init = (...args: string[]) => syncd(['init', ...args], {}, directory);

beforeAll(async () => {
  cluster = await Cluster.start();
  url = await cluster.createDatabase('toko');
  sql = new pg.Client(url);
  await sql.connect();
  await sql.query(SHOP);
}, 60_000);
afterAll(async () => {
  await sql?.end();
  await cluster?.destroy();
  rmSync(directory, { recursive: true });
});

test('proposes by names, keys, triggers and references, parents first, and says why', async () => {
  const run = await init(
    '--yes',
    '--database',
    url,
    '--outlet-id',
    'outlet-7',
    '--outlet-code',
    'JKT-014',
    '--timezone',
    'Asia/Jakarta',
  );
  expect(run).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringMatching(/12 tables to capture, 3 of them both ways; \d+ left out\./),
  });
  const text = readFileSync(file, 'utf8');
  const { outlet, database, entities } = parse(text);
  expect(outlet).toEqual({ id: 'outlet-7', code: 'JKT-014', timezone: 'Asia/Jakarta' });
  expect(database).toEqual({ url: url.replace('postgres@', 'syncd@') });
  const push = (table: string) => ({ table: `public.${table}`, direction: 'push' });
  const both = (table: string) => ({ table: `public.${table}`, direction: 'both', conflict: 'merge' });
  expect(entities).toEqual({
    staff_member: { ...push('"Staff Members"'), exclude: ['"Password"'] },
    pelanggan: { ...both('pelanggan'), key: ['kode'], exclude: ['kata_sandi', 'pin'] },
    pesanan: { ...push('pesanan'), date_field: 'tanggal', money_field: 'total' },
    kategori_produk: both('kategori_produk'),
    produk: { ...both('produk'), local: ['updated_at'], also_writes: ['public.riwayat_harga'] },
    detail_pesanan: push('detail_pesanan'),
    label: push('label'),
    mutasi_stok: push('mutasi_stok'),
    pembayaran: { ...push('pembayaran'), date_field: 'paid_at', money_field: 'nominal' },
    produk_label: push('produk_label'),
    riwayat_harga: push('riwayat_harga'),
    stok_gudang: { ...push('stok_gudang'), coalesce: true },
  });
  const names = Object.keys(entities);
  for (const [child, parent] of [
    ['pesanan', 'pelanggan'],
    ['produk', 'kategori_produk'],
    ['detail_pesanan', 'produk'],
    ['produk_label', 'label'],
    // A partition alone refers to it.
    ['pembayaran', 'riwayat_harga'],
  ])
    expect(names.indexOf(child as string)).toBeGreaterThan(names.indexOf(parent as string));
  for (const reason of [
    /# kata_sandi, pin look secret and stay in the shop/,
    /# gambar is binary and may be large/,
    /# stok changes with every sale: delta: \[stok\]/,
    /# - public\.pembayaran_11, public\.pembayaran_12: a partition of public\.pembayaran/,
    /# - public\.job_queue: a queue/,
    /# - public\.audit_trail: an audit trail/,
    /# - public\.sessions: sessions or tokens/,
    /# - public\.catatan: no primary key/,
    /# - public\.ukuran: key column panjang .* double precision/,
  ])
    expect(text).toMatch(reason);
});

test('install takes the file as it stands, and a sale is captured without its secrets', async () => {
  const before = (await sql.query('SELECT count(*)::int AS n FROM pg_class')).rows[0].n;
  const install = (...args: string[]) => syncd(['install', '--config', file, '--admin-url', url, ...args]);
  expect(await install('--dry-run')).toMatchObject({ code: 0, stderr: '' });
  expect((await sql.query('SELECT count(*)::int AS n FROM pg_class')).rows[0].n).toBe(before);
  expect(await install()).toMatchObject({ code: 0, stderr: '' });
  expect(await install()).toMatchObject({ code: 0, stdout: expect.stringMatching(/nothing was to do/) });
  await sql.query(`INSERT INTO pelanggan VALUES ('P1', 'Ani', 'planted-secret', '1234');
    INSERT INTO pesanan VALUES (gen_random_uuid(), 'P1', now(), 25000)`);
  const { rows } = await sql.query('SELECT entity_type, payload::text FROM syncd.sync_queue ORDER BY id');
  expect(rows.map(({ entity_type }) => entity_type)).toEqual(['pelanggan', 'pesanan']);
  expect(JSON.stringify(rows)).not.toMatch(/planted-secret|1234/);
});

test('a file that is there stays unless --force is given; - writes to standard output; --json tells what was proposed', async () => {
  writeFileSync(file, 'mine');
  const refused = await init('--yes', '--database', url);
  expect(refused).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/is there already.*\n.*--force/),
  });
  expect(readFileSync(file, 'utf8')).toBe('mine');
  const shown = await init('--yes', '--database', url, '--output', '-');
  expect(parse(shown.stdout).entities.pesanan).toMatchObject({ table: 'public.pesanan' });
  const told = await init('--yes', '--force', '--json', '--database', url);
  const { file: written, entities, left_out } = JSON.parse(told.stdout);
  expect(written).toBe(file);
  expect(entities).toContainEqual(
    expect.objectContaining({ entity: 'pelanggan', key: ['kode'], exclude: ['kata_sandi', 'pin'] }),
  );
  expect(left_out).toContainEqual(expect.objectContaining({ table: 'public.cache' }));
  // Without an id a new one is made, and the file says that head office has to know it.
  expect(readFileSync(file, 'utf8')).toMatch(
    /# The id must be the one that head office knows.*\noutlet:\n {2}id: '?[0-9a-f-]{36}/,
  );
});

test.each<[string, string[], number, RegExp]>([
  ['asks nobody where there is no terminal', ['--database', 'postgres:///pos'], 64, /asks on a terminal.*\n.*--yes/],
  ['wants a database', ['--yes'], 64, /which database\?.*\n.*--database/],
  ['wants it as a URL', ['--yes', '--database', 'pos'], 64, /named by a URL/],
  [
    'says which answer it cannot take',
    ['--yes', '--database', 'URL', '--timezone', 'Mars'],
    64,
    /--timezone is not allowed/,
  ],
  ['says that nobody answers', ['--yes', '--database', 'postgres://u:planted-pw@127.0.0.1:1/pos'], 69, /syncd: /],
])('%s', async (_, args, code, message) => {
  const run = await init('--output', join(directory, 'none.yaml'), ...args.map((arg) => (arg === 'URL' ? url : arg)));
  expect(run).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) });
  expect(run.stderr).not.toContain('planted-pw');
});

test('a database without a table to capture is told with the reasons', async () => {
  const bare = await cluster.createDatabase('kosong');
  const client = new pg.Client(bare);
  await client.connect();
  await client.query('CREATE TABLE notes (text text)');
  await client.end();
  const run = await init('--yes', '--database', bare, '--output', join(directory, 'none.yaml'));
  expect(run).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/has no table that could be captured\nhint: public\.notes: no primary key/),
  });
});
