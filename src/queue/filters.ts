/**
 * Reads what people write to narrow a list: an entity, an instant or a span, the number of a change. The command line and the
 * admin port take the same words. Pure; undefined for what cannot be taken.
 */
import { duration } from '../config/scalars.js';
import type { Filter, Since } from './read.js';

/** `order`, or `order/42`; the id may hold slashes. */
export function entityFilter(text: string): NonNullable<Filter['entity']> | undefined {
  const slash = text.indexOf('/');
  if (text === '' || slash === 0) return undefined;
  return slash < 0 ? { type: text, id: undefined } : { type: text.slice(0, slash), id: text.slice(slash + 1) };
}

/** A hundred years: nothing here is older, and PostgreSQL's own calendar ends somewhere. */
const LONGEST_MS = 100 * 366 * 86_400_000;

/** `2h`, `2026-11-22`, `2026-11-22 14:00`; without a zone it is the outlet's time. */
export function sinceFilter(text: string, timezone: string): Since | undefined {
  const agoMs = duration(text);
  if (agoMs !== undefined) return agoMs <= LONGEST_MS ? { agoMs } : undefined;
  const instant = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$/;
  return instant.test(text) && isDay(text.slice(0, 10)) && !Number.isNaN(Date.parse(text.replace(' ', 'T')))
    ? { at: text, timezone }
    : undefined;
}

/** Date.parse takes 31 June for 1 July. */
function isDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

/** A number of the queue, of the log or of a conflict, as a text: it may be larger than JavaScript can count. */
export function rowNumber(text: string): string | undefined {
  return /^[1-9]\d{0,18}$/.test(text) && BigInt(text) < 2n ** 63n ? text : undefined;
}

/** What a change can be, for a filter. */
export const CHANGE_STATUSES = ['pending', 'failed', 'conflict', 'synced'];
