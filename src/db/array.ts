/**
 * Writes a JavaScript array as a Postgres array literal. pg does so too, but with several strings for every element: for the
 * thousand changes of a batch that was the largest part of all memory a drain turned over.
 */

/** What needs no quotes inside of the braces; the word NULL, in any case, is told apart below. */
const PLAIN = /^[\w.:+-]+$/;

/** The same for numbers, and for texts of digits, letters and hyphens with none null: ids and uuids of our own. */
export function plainLiteral(values: readonly (string | number | boolean)[]): string {
  return `{${values.join(',')}}`;
}

/** The values as the text of a one-dimensional array, to be cast: whatever they hold is quoted. */
export function arrayLiteral(values: readonly (string | number | boolean | null)[]): string {
  let plain = true;
  for (const value of values) {
    if (typeof value === 'string' && (!PLAIN.test(value) || value.length === 4)) plain = false;
  }
  // Array.join writes null as nothing, so it may be used only where there is none.
  return plain && !values.includes(null) ? `{${values.join(',')}}` : `{${values.map(element).join(',')}}`;
}

function element(value: string | number | boolean | null): string {
  if (value === null) return 'NULL';
  if (typeof value !== 'string') return String(value);
  if (PLAIN.test(value) && !/^null$/i.test(value)) return value;
  return `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
}
