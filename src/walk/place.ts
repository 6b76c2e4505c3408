/** Where a walk stands, what comes next, and how that is stored. Pure. */
import type { WalkKind } from '../db/schema-walks.js';

/** In a part of its table behind a key in some order, or among the agreements behind an entity. */
export type Place = { part: string; by?: string; after?: string[] } | { gone: true; after?: string };

/**
 * The stored place; the beginning where there is none, or where its part is no part of the table any more. Its part's beginning
 * where the rows come in another order now: an index was made anew, a column got another collation, and behind the key are rows
 * that the walk has never seen.
 * @param by the order of the rows now
 */
export function placeAt(position: string | null, kind: WalkKind, parts: readonly string[], by: string): Place {
  const [first] = parts;
  const beginning: Place = kind === 'delete' || first === undefined ? { gone: true } : { part: first };
  if (position === null) return beginning;
  const place: Place = JSON.parse(position);
  if ('gone' in place) return place;
  if (!parts.includes(place.part)) return beginning;
  return place.by === by ? place : { part: place.part };
}

/** The place behind what was looked at. @param last as the page tells it; null: nothing was there */
export function placeBehind(place: Place, last: string | null, by: string): Place {
  if (last === null) return place;
  return 'gone' in place ? { gone: true, after: last } : { part: place.part, by, after: JSON.parse(last) };
}

/** What follows on the end of a part; undefined: the walk is done. */
export function placeAfterwards(place: Place, kind: WalkKind, parts: readonly string[]): Place | undefined {
  if ('gone' in place) return undefined;
  const next = parts[parts.indexOf(place.part) + 1];
  if (next !== undefined) return { part: next };
  return kind === 'reconcile' ? { gone: true } : undefined;
}
