/**
 * What the shop sells and to whom: the menu of Kopi Senja, Jakarta, in rupiah, and the names of its regulars. Plain data; the
 * till writes it into the POS on the first morning.
 */

/** `price` and `options` are text for PostgreSQL: neither is ever a JavaScript number, so 15.0 stays 15.0. */
export type MenuItem = { sku: string; name: string; category: string; price: string; options: string };

const SUGAR = '"gula": ["normal", "sedikit", "tanpa"]';
const MILK = '"susu": {"sapi": 0, "oat": 8000, "almond": 9500.50}';

export const MENU: MenuItem[] = [
  { sku: 'KSG', name: 'Kopi Susu Gula Aren', category: 'kopi', price: '24000.00', options: `{${SUGAR}, ${MILK}}` },
  { sku: 'KTB', name: 'Kopi Tubruk', category: 'kopi', price: '15000.00', options: `{${SUGAR}}` },
  { sku: 'AMR', name: 'Americano', category: 'kopi', price: '22000.00', options: '{"es": true}' },
  { sku: 'CAP', name: 'Cappuccino', category: 'kopi', price: '29500.00', options: `{${MILK}}` },
  { sku: 'LTE', name: 'Caffè Latte', category: 'kopi', price: '30000.00', options: `{${MILK}, "es": true}` },
  { sku: 'V60', name: 'V60 Toraja Sapan', category: 'kopi seduh', price: '35000.00', options: '{"gram": 15.0}' },
  { sku: 'GAY', name: 'Seduh Dingin Aceh Gayo', category: 'kopi seduh', price: '33000.00', options: '{"jam": 16}' },
  { sku: 'TTR', name: 'Teh Tarik', category: 'teh', price: '18000.00', options: `{${SUGAR}, "es": true}` },
  { sku: 'TJH', name: 'Teh Jahe Sereh', category: 'teh', price: '17500.00', options: '{}' },
  { sku: 'WDG', name: 'Wedang Uwuh', category: 'wedang', price: '19000.00', options: '{"asal": "Imogiri"}' },
  { sku: 'CKL', name: 'Cokelat Panas', category: 'cokelat', price: '26000.00', options: `{${MILK}}` },
  { sku: 'PSG', name: 'Pisang Goreng Keju', category: 'camilan', price: '21000.00', options: '{"isi": 5}' },
  { sku: 'RTB', name: 'Roti Bakar Srikaya', category: 'camilan', price: '20000.00', options: '{"isi": 2}' },
  { sku: 'KLP', name: 'Klepon', category: 'camilan', price: '12500.00', options: '{"isi": 6}' },
  { sku: 'LMP', name: 'Lumpia Semarang', category: 'camilan', price: '23000.00', options: '{"pedas": null}' },
  {
    sku: 'BIJ',
    name: 'Biji Kopi Kintamani 250 g',
    category: 'biji',
    price: '115000.00',
    options: '{"sangrai": "sedang"}',
  },
];

export const FIRST_NAMES = [
  'Siti',
  'Budi',
  'Dewi',
  'Agus',
  'Putri',
  'Joko',
  'Ayu',
  'Rizky',
  'Wulan',
  'Bambang',
  'Ni Luh',
  'Ucok',
  "Ma'ruf",
  'Fitri',
];

export const LAST_NAMES = [
  'Wijaya',
  'Santoso',
  'Lestari',
  'Nasution',
  'Siregar',
  'Pratama',
  'Hidayat',
  'Ginting',
  'Kusuma',
];

export const NOTES = [
  'bungkus',
  'tanpa sedotan',
  'antar ke meja 4 "teras"',
  'jangan terlalu panas ☕',
  'kirim lewat ojek',
];

export const METHODS = ['QRIS', 'tunai', 'kartu debit', 'GoPay', 'OVO'];
