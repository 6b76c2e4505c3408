/** Walks through the feed of a cloud as an outlet does, page after page by the cursor of the one before. */
import { broken, type Outcome, ok, skipped, verdictOf } from './check.js';
import type { Exchange } from './exchange.js';
import { mustBePage, namesIn, pageOf } from './judge-page.js';
import type { TestOutlet } from './test-outlet.js';

export const LIMIT = 500;
/** So that a long history does not take hours. */
const MOST_PAGES = 1_000;

/** @param more further parameters: `&wait=2` */
export function ask(outlet: TestOutlet, cursor: string | null, more = '', limit = LIMIT): Promise<Exchange> {
  const from = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
  return outlet.get(`/sync/changes?limit=${limit}${from}${more}`);
}

/**
 * `cursor`: the end, null where it was not reached, for the reason in `unfinished`. `seen`: the ids that came by. `names`: what
 * came, in its order.
 */
export type Walked = { cursor: string | null; seen: Set<string>; names: string[]; unfinished: Outcome };

/** To where nothing more is; from the beginning, or from where an earlier walk ended. */
export async function walk(outlet: TestOutlet, from: string | null): Promise<Walked> {
  const seen = new Set<string>();
  const names: string[] = [];
  const cursors = new Set<string>();
  const end = (unfinished: Outcome): Walked => ({ cursor: null, seen, names, unfinished });
  let cursor = from;
  let last: Exchange | null = null;
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const asked = await ask(outlet, cursor);
    last = asked;
    const page = pageOf(asked);
    const fault = mustBePage(asked, LIMIT);
    if (fault || page === undefined) return end(verdictOf([fault]));
    for (const { entity_id } of page.changes) seen.add(entity_id);
    names.push(...namesIn(page));
    if (!page.has_more) {
      outlet.cursor = page.next_cursor;
      return { cursor: page.next_cursor, seen, names, unfinished: ok() };
    }
    if (cursors.has(page.next_cursor)) {
      const why = 'has_more is true, but next_cursor was given before: the outlet would ask for ever';
      return end(verdictOf([broken(why, asked)]));
    }
    cursor = page.next_cursor;
    cursors.add(cursor);
  }
  if (names.length === 0)
    return end(verdictOf([broken(`has_more is true after ${MOST_PAGES} pages without a change`, last)]));
  return end(skipped(`there is more than ${MOST_PAGES} pages; take an outlet with a shorter history`));
}
