/**
 * Which session settings change the text of a value of a given type. Pure. Each pinned setting costs every firing of the
 * trigger, so only what a table's columns need is pinned.
 */
import type { Part } from './shape.js';

const EXACT = {
  extra_float_digits: '1',
  bytea_output: 'hex',
  IntervalStyle: 'iso_8601',
  DateStyle: 'ISO',
  TimeZone: 'UTC',
  lc_monetary: 'C',
  search_path: 'pg_catalog, pg_temp',
  quote_all_identifiers: 'off',
};
type Setting = keyof typeof EXACT;

/** The JSON writer writes dates and instants ISO whatever DateStyle says; inside a range they are the type's own text. */
function settingsOf(part: Part): Setting[] {
  const { name, kind, builtin, inText } = part;
  if (kind === 'e') return [];
  // An extension's type may write anything; citext writes what it holds.
  if (!builtin) {
    return name === 'citext' ? [] : ['extra_float_digits', 'bytea_output', 'IntervalStyle', 'DateStyle', 'TimeZone'];
  }
  if (['float4', 'float8', 'point', 'lseg', 'line', 'box', 'path', 'polygon', 'circle'].includes(name))
    return ['extra_float_digits'];
  if (name === 'bytea') return ['bytea_output'];
  if (name === 'interval') return ['IntervalStyle'];
  if (name === 'timestamptz') return inText ? ['TimeZone', 'DateStyle'] : ['TimeZone'];
  if (name === 'date' || name === 'timestamp') return inText ? ['DateStyle'] : [];
  if (name === 'money') return ['lc_monetary'];
  if (name.startsWith('reg')) return ['search_path', 'quote_all_identifiers'];
  return [];
}

/** Setting → value, in a fixed order. */
export function pinsFor(parts: Part[]): Record<string, string> {
  const needed = new Set(parts.flatMap(settingsOf));
  return Object.fromEntries(Object.entries(EXACT).filter(([name]) => needed.has(name as Setting)));
}
