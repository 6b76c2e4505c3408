/**
 * How names are read: split into words, plurals made singular, and held against lists of words. Pure. In a list, words stand between
 * blanks and `a_b` is two in a row; `*x` may also stand inside of a longer word, for names that were written in one piece;
 * `x$` counts only as the last word.
 */

/** Indonesian words end in s without being plural; -tas, -sis and -us never are. */
const NO_PLURAL = /^(kas|gas|pos|kelas|batas|akses|proses|beras|emas|lunas|news|series)$|(tas|ss|us|is)$/;

/** `kataSandi` → kata, sandi; `TAX RATES` → tax, rate. Plurals become singular, so that one spelling stands for both. */
export function wordsOf(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
    .map(singular);
}

function singular(word: string): string {
  if (word.length < 4 || NO_PLURAL.test(word)) return word;
  if (/ies$/.test(word)) return `${word.slice(0, -3)}y`;
  if (/(ss|x|ch|sh)es$/.test(word)) return word.slice(0, -2);
  return word.replace(/s$/, '');
}

export type Matcher = (name: string) => boolean;

export function matcher(list: string): Matcher {
  const all = list.split(/\s+/).filter((word) => word !== '');
  const inside = all.filter((word) => word.startsWith('*')).map((word) => word.slice(1));
  const row = (word: string) => wordsOf(word.replaceAll(/[*$]/g, '')).join(' ');
  const anywhere = new Set(all.filter((word) => !word.endsWith('$')).map(row));
  const last = new Set(all.map(row));
  return (name) => {
    const words = wordsOf(name);
    if (inside.some((part) => words.join('').includes(part))) return true;
    return words.some((_, from) =>
      words.some(
        (__, to) => to >= from && (to + 1 === words.length ? last : anywhere).has(words.slice(from, to + 1).join(' ')),
      ),
    );
  };
}
