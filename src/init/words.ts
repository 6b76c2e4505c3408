/**
 * What the names of tables and columns tell, in English and Indonesian: the one table of guesses that `syncd init` proposes from.
 * Pure; how the lists are read stands in spelling. A guess costs little: all of them stand in syncd.yaml with their reason, for a
 * person to read.
 */
import { matcher, wordsOf } from './spelling.js';

/** Columns that nobody but the shop should see. */
const SECRETS = `*password *passwd passwort pwd *passphrase *secret *credential salt hash digest token otp pin cvv cvc ccv
  *cardnumber card_number card_no cc_number *creditcard credit_card card_expiry track_data security_code security_answer
  *apikey api_key private_key auth_key access_key session_key signature_key fingerprint biometric
  *katasandi kata_sandi sandi rahasia kode_rahasia nomor_kartu no_kartu kartu_kredit kunci_privat sidik_jari`;

/** Tables that are no business of the cloud's, by what they are. */
const NOISE = {
  queue: 'queue outbox inbox job$ *jobqueue dead_letter antrian antrean',
  log: 'log$ *eventlog *errorlog syslog catatan_log log_aktivitas telescope$ pulse$',
  audit: 'audit *audittrail audit_trail jejak jejak_audit',
  session:
    'user_session web_session http_session auth_session login_session sesi_pengguna login_attempt personal_access token otp password_reset',
  migration:
    'migration *schemamigration alembic_version flyway_schema databasechangelog databasechangeloglock ar_internal_metadata typeorm_metadata knex_migration django_migration goose_db phinxlog versi_skema',
  cache: 'cache *cacheentry tembolok singgahan',
  scratch: 'tmp temp bak backup scratch staging dummy *sharedticket sementara cadangan salinan',
  settings: 'setting settings configuration config preference pengaturan konfigurasi setelan',
} as const;
export type Noise = keyof typeof NOISE;

const REASONS: Record<Noise, string> = {
  queue: 'a queue: its rows are work for a program, gone once it is done',
  log: 'a log: many rows that nobody needs elsewhere',
  audit: 'an audit trail: it tells of changes that are sent anyway',
  session: 'sessions or tokens: secrets that live for a day',
  migration: "the bookkeeping of the POS's own schema",
  cache: 'a cache: made again from other tables',
  scratch: 'a copy or scratch table',
  settings: 'settings of this installation: their values are often secrets',
};

/** A plain `sessions` is a till's shift as often as a browser's visit: its columns decide. */
const VISIT_COLUMNS = 'user_agent ip_address payload sess *sessiontoken session_token csrf expire expired expires';

/** What head office keeps as well as the shop: both sides edit it. */
const MASTER = `product produk barang item article artikel menu dish hidangan good sku variant varian category kategori customer pelanggan
  client member anggota price harga pricelist price_list tax pajak taxes discount diskon promotion promo voucher supplier
  pemasok vendor brand merek merk unit satuan uom currency tax_rate tarif shipper region wilayah territory`;
/** Beside it, whatever the words in them would say else. */
const ALSO_MASTER = `payment_method metode_pembayaran payment_type tipe_pembayaran jenis_pembayaran jenis_transaksi transaction_type
  kategori_transaksi taxcategory taxcustcategory`;
/** Indonesian puts the noun first: `kategori_produk`, `harga_jual`. */
const NOUNS = 'kategori harga pajak satuan merek jenis produk barang pelanggan pemasok diskon metode';

/** The newest level is all that matters. */
const STOCK =
  'stock stok inventory persediaan stockcurrent stocklevel stock_level stock_current saldo_stok stok_barang stok_produk inventori';
/** What a level is counted in: without such a column a row of `inventory` is a thing by itself. */
const LEVELS = 'qty quantity kuantitas jumlah stock stok level on_hand onhand sisa saldo balance unit count amount';
/** A table of movements: each row counts, whatever else its name says. */
const MOVEMENT =
  'movement mutation mutasi diary stockdiary kartu_stok adjustment penyesuaian transfer opname pemakaian log history riwayat in out masuk keluar entry';

/** What a shop earns and spends: told day by day, and added up. */
const TRANSACTION = `order pesanan sale penjualan transaction transaksi payment pembayaran invoice faktur receipt struk ticket nota kwitansi
  bon purchase pembelian refund retur pengembalian return shift closedcash closed_cash expense pengeluaran cash_movement rental bill tagihan
  deposit withdrawal reservation reservasi booking`;
/** A part of a transaction has no date or sum of its own. */
const DETAIL =
  'detail details item items line lines rincian baris entry entries *ticketline *orderline tax taxline com';

/** Columns of a date, the best first; of a sum, the best first. */
const DATES =
  `paid_at paid_date tanggal_bayar tgl_bayar payment_date order_date tanggal_transaksi tanggal_penjualan tanggal_pesanan tgl_transaksi
  tanggal_pembelian tanggal_pembayaran purchase_date sale_date sold_at transaction_date invoice_date rental_date datenew tanggal tgl waktu date ordered_at created_at created dibuat_pada created_on
  create_date`.split(/\s+/);
const SUMS =
  `grand_total grandtotal total_amount total_bayar total_penjualan total_pembelian total_harga total_price total amount amt nominal jumlah_bayar bayar
  jumlah`.split(/\s+/);

const secret = matcher(SECRETS);
const noise = Object.entries(NOISE).map(([kind, words]) => [kind as Noise, matcher(words)] as const);
const visits = matcher(VISIT_COLUMNS);
const stock = matcher(STOCK);
const levels = matcher(LEVELS);
const movement = matcher(MOVEMENT);
const dated = matcher('date tanggal tgl');
const otherDate = matcher(
  'due update updated modified birth lahir tempo expiry expired kedaluwarsa delivery shipped required end last selesai akhir',
);
const transaction = matcher(TRANSACTION);
const detail = matcher(DETAIL);
const master = matcher(
  MASTER.split(/\s+/)
    .map((word) => `${word}$`)
    .join(' '),
);
const alsoMaster = matcher(ALSO_MASTER);
const nouns = matcher(NOUNS);

/** A column that should not leave the shop. */
export const looksSecret = (column: string): boolean => secret(column);

/** A level that sales change, in a table that is more than stock: `stok_saat_ini` of a product. */
export const looksLikeLevel = (column: string): boolean => stock(column) && !/min|max|aman|safety/i.test(column);

/** Why a table should be left out; undefined where nothing speaks against it. */
export function noiseOf(table: string, columns: readonly string[]): { kind: Noise; reason: string } | undefined {
  const found = noise.find(([, matches]) => matches(table));
  if (found) return { kind: found[0], reason: REASONS[found[0]] };
  const last = wordsOf(table).at(-1);
  if ((last === 'session' || last === 'sesi') && columns.some(visits))
    return { kind: 'session', reason: REASONS.session };
  return undefined;
}

export type Role = 'master' | 'stock' | 'transaction' | 'other';

/**
 * What a table is for. A part of a transaction (`order_items`) is `other`: it goes with the transaction.
 * @param numbers its columns that hold numbers
 */
export function roleOf(table: string, numbers: readonly string[]): Role {
  const words = wordsOf(table);
  if (alsoMaster(table)) return 'master';
  if (stock(table)) return movement(table) || !numbers.some(levels) ? 'other' : 'stock';
  if (transaction(table)) return words.length > 1 && detail(table) ? 'other' : 'transaction';
  return !movement(table) && (master(table) || nouns(words[0] ?? '')) ? 'master' : 'other';
}

/** The first column of the list that the table has. */
export const dateAmong = (columns: readonly string[]): string | undefined =>
  best(columns, DATES) ?? columns.find((column) => dated(column) && !otherDate(column));
export const sumAmong = (columns: readonly string[]): string | undefined => best(columns, SUMS);

function best(columns: readonly string[], wanted: readonly string[]): string | undefined {
  for (const name of wanted) {
    const found = columns.find((column) => wordsOf(column).join('_') === wordsOf(name).join('_'));
    if (found !== undefined) return found;
  }
  return undefined;
}
