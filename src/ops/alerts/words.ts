/**
 * What a message about an alert says: which outlet, what is wrong, since when, what to do; in English, and for the shop in
 * Indonesian. Pure. Never a row of the shop, a key or an address; what the cloud said is cut short.
 */
import { INSTALL } from '../../errors.js';
import type { Facts } from '../status/read.js';
import { age, localTime, oneLine, shortened } from '../status/words.js';
import type { AlertName } from './rules.js';

/** What leaves: the JSON for a URL and for a command's standard input. Keys may be added, none renamed. */
export type AlertMessage = {
  event: 'raised' | 'cleared';
  /** Of the alert: both of its messages have the same. */
  id: string;
  alert: string;
  severity: string;
  outlet: { id: string; code: string | null };
  value: string;
  since: string;
  at: string;
  text: string;
  text_id: string;
};

const LONGEST = 300;

const REMEDIES: Record<AlertName, string> = {
  failed: 'see why with: syncd queue --status failed',
  conflicts: 'decide with: syncd conflicts',
  capture: 'see which table with: syncd doctor',
  offline: 'look at the router and the line; sales are kept and go out by themselves',
  pull: 'see why with: syncd status',
  parked: 'see why with: syncd inbox',
  oldest_pending: 'see what holds it up with: syncd status',
  failure_rate: 'see what is refused with: syncd logs',
  stopped: 'see what to decide with: syncd adopt',
  refused: 'have the outlet and its key looked at in the cloud',
  drift: `repair with: ${INSTALL}`,
  truncated: 'decide with: syncd truncate',
  suspended: 'let it go on with: syncd capture --resume',
  compare: 'see why with: syncd status',
  differs: 'have it mended with: sudo -u syncd syncd verify --repair',
  disk: 'make room on the disk; see how much is left with: syncd doctor',
  configuration: 'check the file with: syncd config',
};

const IN_INDONESIAN: Record<AlertName, (facts: Facts) => [what: string, todo: string]> = {
  failed: ({ failed }) => [`${failed} perubahan gagal dikirim ke cloud`, 'periksa: syncd queue --status failed'],
  conflicts: ({ conflicts }) => [`${conflicts} konflik menunggu keputusan`, 'periksa: syncd conflicts'],
  capture: () => ['sebagian perubahan mungkin tidak tercatat', 'periksa: syncd doctor'],
  offline: ({ pending }) => [
    `cloud tidak terjangkau; ${pending} perubahan menunggu`,
    'periksa router dan jaringan; penjualan tetap tersimpan',
  ],
  pull: () => ['data dari cloud tidak dapat diambil', 'periksa: syncd status'],
  parked: ({ parked }) => [`${parked.count} perubahan dari cloud tidak dapat diterapkan`, 'periksa: syncd inbox'],
  oldest_pending: ({ pending }) => [`${pending} perubahan terlalu lama menunggu dikirim`, 'periksa: syncd status'],
  failure_rate: () => ['cloud menolak terlalu banyak perubahan', 'periksa: syncd logs'],
  stopped: () => ['pengiriman berhenti sampai ada keputusan', 'periksa: syncd adopt'],
  refused: () => ['cloud menolak outlet ini', 'minta kantor pusat memeriksa outlet dan kuncinya'],
  drift: () => ['ada tabel yang perubahannya tidak tercatat', `perbaiki: ${INSTALL}`],
  truncated: () => ['sebuah tabel dikosongkan', 'putuskan: syncd truncate'],
  suspended: () => ['pencatatan perubahan dihentikan sementara', 'lanjutkan: syncd capture --resume'],
  compare: () => ['sebuah tabel tidak dapat dibandingkan', 'periksa: syncd status'],
  differs: () => ['isi toko dan cloud tidak sama', 'perbaiki: sudo -u syncd syncd verify --repair'],
  disk: () => ['ruang disk hampir habis', 'kosongkan disk; periksa: syncd doctor'],
  configuration: () => ['berkas konfigurasi yang baru belum berlaku', 'periksa: syncd config'],
};

/** Of what is over. */
const INDONESIAN_NAMES: Record<AlertName, string> = {
  failed: 'perubahan yang gagal dikirim',
  conflicts: 'konflik',
  capture: 'pencatatan yang gagal',
  offline: 'cloud tidak terjangkau',
  pull: 'pengambilan data dari cloud',
  parked: 'perubahan dari cloud yang tidak dapat diterapkan',
  oldest_pending: 'perubahan yang terlalu lama menunggu',
  failure_rate: 'penolakan oleh cloud',
  stopped: 'pengiriman yang berhenti',
  refused: 'penolakan outlet ini oleh cloud',
  drift: 'tabel yang tidak tercatat',
  truncated: 'tabel yang dikosongkan',
  suspended: 'pencatatan yang dihentikan sementara',
  compare: 'perbandingan tabel',
  differs: 'isi toko dan cloud yang tidak sama',
  disk: 'ruang disk',
  configuration: 'berkas konfigurasi',
};

const INDONESIAN_UNITS: Record<string, string> = { s: 'detik', min: 'menit', h: 'jam', d: 'hari' };

/** `reason`: as the rule found it. */
export function raisedWords(
  alert: AlertName,
  reason: string,
  facts: Facts,
  timezone: string,
): { text: string; text_id: string } {
  const at = localTime(facts.now, facts.now, timezone);
  const name = nameOf(facts);
  const [what, todo] = IN_INDONESIAN[alert](facts);
  return {
    text: `${name}: ${shortened(oneLine(reason), LONGEST)} (${at}); ${REMEDIES[alert]}`,
    text_id: `${name}: ${what} (${at}); ${todo}`,
  };
}

/** @param span from when it was raised until nothing was found any more; it was watched for a while after that */
export function clearedWords(
  alert: string,
  span: { since: string; until: string },
  facts: Facts,
  timezone: string,
): { text: string; text_id: string } {
  const name = nameOf(facts);
  const lasted = age(Math.max(0, Date.parse(span.until) - Date.parse(span.since)));
  const named = alert.replaceAll('_', ' ');
  const from = (locale: string) => localTime(span.since, facts.now, timezone, locale);
  const inIndonesian = lasted.replace(/[a-z]+/g, (unit) => INDONESIAN_UNITS[unit] ?? unit);
  return {
    text: `${name}: over: ${named}, since ${from('en-GB')}, lasted ${lasted}`,
    text_id: `${name}: sudah pulih: ${(INDONESIAN_NAMES as Record<string, string>)[alert] ?? named}, sejak ${from('id-ID')}, selama ${inIndonesian}`,
  };
}

function nameOf({ outlet }: Facts): string {
  return outlet.code ?? outlet.id;
}
