/**
 * The day that a row belongs to, read from its text alone: what a digest sorts rows by. Pure, but that it keeps
 * the calendars that it has made. A row whose date cannot be written
 * as YYYY-MM-DD has no day, and all of those lie together.
 */
import { scalarOf } from './text.js';

/** How days are made of rows. `date_field` null: no row has one, and the timezone says nothing. */
export type Days = { date_field: string | null; timezone: string };

export const WITHOUT_DAY = '*';

const INSTANT =
  /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(?:Z|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?)( BC)?$/;
const AS_WRITTEN = /^(\d{4}-\d\d-\d\d)(?!\d)(?!.* BC$)/;

/** A formatter takes far longer to make than to use. */
const calendars = new Map<string, Intl.DateTimeFormat>();

export function isTimezone(name: string): boolean {
  try {
    calendarOf(name);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param row JSON text of an object
 * @throws RangeError for a timezone that is none, see `isTimezone`.
 */
export function dayOf(row: string, { date_field, timezone }: Days): string {
  const date = date_field === null ? null : scalarOf(row, date_field);
  if (date === null) return WITHOUT_DAY;
  const instant = INSTANT.exec(date);
  if (instant === null) return AS_WRITTEN.exec(date)?.[1] ?? WITHOUT_DAY;
  const [, day, time, sign = '+', hours = 0, minutes = 0, seconds = 0, beforeChrist] = instant;
  const offsetMs = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
  const ms = Date.parse(`${day}T${time}Z`) - (sign === '-' ? -offsetMs : offsetMs);
  return Number.isNaN(ms) || beforeChrist !== undefined ? WITHOUT_DAY : localDay(ms, timezone);
}

/** At the ends of the calendar the timezone may carry an instant out of the years that have four digits. */
function localDay(ms: number, timezone: string): string {
  const parts = new Map(
    calendarOf(timezone)
      .formatToParts(ms)
      .map(({ type, value }) => [type, value]),
  );
  const year = parts.get('year') ?? '';
  if (parts.get('era') !== 'AD' || year.length > 4) return WITHOUT_DAY;
  return `${year.padStart(4, '0')}-${parts.get('month')}-${parts.get('day')}`;
}

function calendarOf(timeZone: string): Intl.DateTimeFormat {
  const known = calendars.get(timeZone);
  if (known !== undefined) return known;
  const calendar = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
    timeZone,
    era: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  calendars.set(timeZone, calendar);
  return calendar;
}
