/**
 * Long lists in pages. A cursor is the place of the last row that was shown, not a count: rows that come in between move
 * nothing, and no row that was there all the time is shown twice or left out. It holds for the list and the filters that it
 * was given out for. Pure.
 */
import { createHash } from 'node:crypto';
import type { Place } from '../../queue/read.js';
import { ProblemError } from '../problem.js';

const MOST = 500;
const USUAL = 50;

export type Page<T> = { items: T[]; next_cursor: string | null };

export type PageWish = { limit: number; beyond: Place | undefined; list: string };

/** The parameters that every list takes beside its filters. */
export const PAGING = ['limit', 'cursor'];

/**
 * @param list its name
 * @param parameters the whole query
 * @throws ProblemError `bad-parameter`, `bad-cursor`
 */
export function readPaging(list: string, parameters: Map<string, string>): PageWish {
  const given = parameters.get('limit') ?? String(USUAL);
  const limit = /^[1-9]\d{0,3}$/.test(given) ? Number(given) : 0;
  if (limit < 1 || limit > MOST) throw new ProblemError('bad-parameter', `limit is no whole number from 1 to ${MOST}`);
  const filters = [...parameters].filter(([name]) => !PAGING.includes(name)).sort();
  const of = createHash('sha256')
    .update(JSON.stringify([list, filters]))
    .digest('base64url')
    .slice(0, 8);
  const cursor = parameters.get('cursor');
  return { limit, beyond: cursor === undefined ? undefined : placeIn(cursor, of), list: of };
}

/** @param rows one more than the limit where there are more */
export function pageOf<T>(rows: T[], wish: PageWish, placeOf: (row: T) => Place): Page<T> {
  const items = rows.slice(0, wish.limit);
  const last = items.at(-1);
  if (rows.length <= wish.limit || last === undefined) return { items, next_cursor: null };
  const { id, at } = placeOf(last);
  return { items, next_cursor: Buffer.from(JSON.stringify([wish.list, id, at ?? null])).toString('base64url') };
}

function placeIn(cursor: string, list: string): Place {
  const refused = (why: string) =>
    new ProblemError('bad-cursor', why, {
      hint: 'Give next_cursor of the page before, with the same filters, or none.',
    });
  const [of, id, at] = partsOf(cursor);
  const whole = typeof id === 'string' && /^[1-9]\d{0,18}$/.test(id) && BigInt(id) < 2n ** 63n;
  const dated = at === null || (typeof at === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(at));
  if (!whole || !dated || (typeof at === 'string' && Number.isNaN(Date.parse(at))))
    throw refused('cursor was not given out here');
  if (of !== list) throw refused('cursor was given out for another list or other filters');
  return { id, at: at ?? undefined };
}

function partsOf(cursor: string): unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}
