/** Divides a round's work into chunks, each a transaction that holds its rows to its end. Pure. */

import { LONGEST } from './circles.js';
import { grouped } from './groups.js';
import type { Work } from './work.js';

/** Parents first, deletions last and children's first: so that two halves keep the order that the whole has. */
export function inOrder(work: readonly Work[]): Work[] {
  const place = ({ incoming, table }: Work) => (incoming.operation === 'delete' ? 1_000_000 - table.rank : table.rank);
  return [...work].sort((a, b) => place(a) - place(b));
}

/**
 * Each table by itself, so that no row of one stays locked while another is written. All at once where a constraint is put off to
 * the end, or where a trigger writes elsewhere: what it writes must not look like a sale to the next part.
 * @param most rows of one chunk. What was put off before is not divided: rows that refer to each other in a circle come together
 */
export function partsOf(work: readonly Work[], most: number): Work[][] {
  if (work.some(({ table }) => table.entwined)) return [[...work]];
  const parts = grouped(work, ({ incoming, table }) => `${incoming.operation === 'delete'} ${table.entity}`);
  return [...parts.values()].flatMap((part) => pieces(part, most));
}

function pieces(part: Work[], most: number): Work[][] {
  if (part.length <= most) return [part];
  const fresh = part.filter(({ incoming }) => incoming.attempts === 0);
  const again = part.filter(({ incoming }) => incoming.attempts > 0);
  const cut = Array.from({ length: Math.ceil(fresh.length / most) }, (_, n) => fresh.slice(n * most, (n + 1) * most));
  return again.length > 0 ? [...cut, again] : cut;
}

/** So few rows are not divided when they take too long: a busy machine is slow with a single one too. */
const FEW = 4;

/** Whether rows that took too long are tried again by halves. Those that were put off may be a circle, which has to stay whole. */
export function isDivisible(work: readonly Work[]): boolean {
  return work.length > (work.every(({ incoming }) => incoming.attempts > 0) ? LONGEST : FEW);
}
