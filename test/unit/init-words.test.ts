/** What `syncd init` reads from names, in English and Indonesian. */
import { wordsOf } from '../../src/init/spelling.js';
import { dateAmong, looksSecret, noiseOf, roleOf, sumAmong } from '../../src/init/words.js';

test.each([
  ['password', true],
  ['APPPASSWORD', true],
  ['password_hash', true],
  ['kata_sandi', true],
  ['kataSandi', true],
  ['pin', true],
  ['staff_pin', true],
  ['pin_code', true],
  ['api_key', true],
  ['apiKey', true],
  ['CVV', true],
  ['card_number', true],
  ['nomor_kartu', true],
  ['refresh_token', true],
  ['otp', true],
  ['client_secret', true],
  ['shipping', false],
  ['spinach', false],
  ['key', false],
  ['postal_code', false],
  ['hashtag', false],
  ['pinned', false],
  ['discount', false],
  ['keterangan', false],
])('column %s: a secret %s', (column, is) => {
  expect(looksSecret(column)).toBe(is);
});

test.each<[string, string | undefined]>([
  ['job_queue', 'queue'],
  ['jobs', 'queue'],
  ['antrian_cetak', 'queue'],
  ['activity_log', 'log'],
  ['log_aktivitas', 'log'],
  ['audit_trail', 'audit'],
  ['auditTrail', 'audit'],
  ['jejak_audit', 'audit'],
  ['schema_migrations', 'migration'],
  ['flyway_schema_history', 'migration'],
  ['password_resets', 'session'],
  ['user_sessions', 'session'],
  ['personal_access_tokens', 'session'],
  ['cache', 'cache'],
  ['cache_locks', 'cache'],
  ['products_bak', 'scratch'],
  ['tmp_import', 'scratch'],
  ['pengaturan', 'settings'],
  ['orders', undefined],
  ['order_status_history', undefined],
  ['catalog', undefined],
  ['login', undefined],
  ['blog_posts', undefined],
  ['jurnal_entries', undefined],
  ['job_titles', undefined],
])('table %s: %s', (table, kind) => {
  expect(noiseOf(table, [])?.kind).toBe(kind);
});

test('a table of sessions is a shift of the till unless its columns are those of a browser', () => {
  expect(noiseOf('sessions', ['id', 'user_agent', 'payload'])?.kind).toBe('session');
  expect(noiseOf('pos_sessions', ['id', 'opened_at', 'cash_start'])).toBeUndefined();
});

test.each([
  ['products', 'master'],
  ['produk', 'master'],
  ['kategori_produk', 'master'],
  ['product_prices', 'master'],
  ['pelanggan', 'master'],
  ['Tax Rates', 'master'],
  ['taxes', 'master'],
  ['payment_methods', 'master'],
  ['metode_pembayaran', 'master'],
  ['stock', 'stock'],
  ['stok_barang', 'stock'],
  ['STOCKCURRENT', 'stock'],
  ['stock_movements', 'other'],
  ['mutasi_stok', 'other'],
  ['STOCKDIARY', 'other'],
  ['orders', 'transaction'],
  ['pesanan', 'transaction'],
  ['detail_penjualan', 'other'],
  ['order_items', 'other'],
  ['payments', 'transaction'],
  ['customer_visits', 'other'],
  ['price_history', 'other'],
  ['riwayat_harga', 'other'],
  ['employees', 'other'],
])('table %s is of the role %s', (table, role) => {
  expect(roleOf(table, ['id', 'qty'])).toBe(role);
});

test('an inventory without a quantity is a list of things', () => {
  expect(roleOf('inventory', ['inventory_id', 'film_id'])).toBe('other');
  expect(roleOf('inventory', ['id', 'on_hand'])).toBe('stock');
});

test('dates and sums are chosen by how well they fit, whatever their order', () => {
  expect(dateAmong(['created_at', 'updated_at', 'paid_at'])).toBe('paid_at');
  expect(dateAmong(['updated_at', 'Tanggal_Transaksi'])).toBe('Tanggal_Transaksi');
  expect(dateAmong(['updated_at', 'due_date'])).toBeUndefined();
  expect(sumAmong(['subtotal', 'total', 'grandTotal'])).toBe('grandTotal');
  expect(sumAmong(['subtotal', 'discount'])).toBeUndefined();
});

test('names fall into words, plurals into singulars', () => {
  expect(wordsOf('Tax Rates')).toEqual(['tax', 'rate']);
  expect(wordsOf('orderLineItems')).toEqual(['order', 'line', 'item']);
  expect(wordsOf('categories_boxes_addresses')).toEqual(['category', 'box', 'address']);
  expect(wordsOf('kas_fasilitas_status')).toEqual(['kas', 'fasilitas', 'status']);
});
