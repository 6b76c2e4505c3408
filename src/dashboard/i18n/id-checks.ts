/** Apa yang dilihat setiap pemeriksaan. What each of the doctor's checks looks at, in Indonesian. Pure. */
import type { checks as english } from './en-checks.js';

export const checks: typeof english = {
  configuration: {
    title: 'Pengaturan',
    about: 'Apakah syncd.yaml benar, dan rahasianya tidak bisa dibaca orang lain?',
  },
  files: { title: 'Berkas', about: 'Apakah layanan sinkronisasi bisa menyimpan berkas yang diperlukannya?' },
  database: {
    title: 'Basis data',
    about: 'Apakah basis data kasir menjawab dengan cepat? Tanpa itu tidak ada yang tercatat.',
  },
  installation: { title: 'Pemasangan', about: 'Apakah syncd terpasang lengkap di basis data outlet ini?' },
  server: {
    title: 'Setelan basis data',
    about: 'Apakah data tetap utuh kalau listrik mati, dan cukupkah sambungannya?',
  },
  rights: { title: 'Hak akses', about: 'Apakah layanan sinkronisasi boleh membaca dan menulis tabel yang diperlukan?' },
  capture: { title: 'Pencatatan', about: 'Apakah semua tabel kasir tercatat, dan tidak ada penjualan yang terlewat?' },
  notify: { title: 'Pemberitahuan', about: 'Apakah penjualan baru langsung diketahui layanan sinkronisasi?' },
  sessions: { title: 'Program lain', about: 'Apakah ada program lain yang menghambat pencatatan atau pengiriman?' },
  disk: { title: 'Disk', about: 'Berapa lama lagi disk cukup? Kalau penuh, kasir berhenti.' },
  daemon: {
    title: 'Layanan sinkronisasi',
    about: 'Apakah layanannya jalan, dengan versi dan pengaturan yang sekarang?',
  },
  queue: { title: 'Antrean', about: 'Adakah yang lama menunggu, yang gagal, atau yang konflik?' },
  triggers: { title: 'Baris bolak-balik', about: 'Apakah trigger kasir membuat baris bolak-balik antara outlet?' },
  dns: { title: 'Nama cloud', about: 'Apakah alamat cloud ditemukan? Kalau tidak, penjualan menunggu di toko.' },
  tls: { title: 'Jalur aman', about: 'Apakah jalur ke cloud bisa dipercaya, dan sampai kapan sertifikatnya berlaku?' },
  cloud: { title: 'Cloud', about: 'Apakah cloud menjawab? Kalau tidak, penjualan menunggu di toko.' },
  'api key': { title: 'Kunci ke cloud', about: 'Apakah cloud menerima kunci outlet ini?' },
  clock: { title: 'Jam', about: 'Apakah jam komputer ini benar? Kalau salah, waktu di laporan ikut salah.' },
  webhook: {
    title: 'Pesan dari cloud',
    about: 'Bisakah cloud langsung memberi tahu? Kalau tidak, perubahannya datang lebih lambat.',
  },
};
