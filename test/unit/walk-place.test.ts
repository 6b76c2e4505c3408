/** Where a walk stands, what follows, and how much it looks at next. */
import { nextPageSize, SMALLEST_PAGE } from '../../src/walk/page-size.js';
import { placeAfterwards, placeAt, placeBehind } from '../../src/walk/place.js';

const BY = 'id integer ';
const PARTS = ['ONLY public.mother', 'ONLY public.child'];

test('a walk begins with the first part, or where there is nothing but deletions to look for with the agreements', () => {
  expect(placeAt(null, 'backfill', PARTS, BY)).toEqual({ part: PARTS[0] });
  expect(placeAt(null, 'delete', PARTS, BY)).toEqual({ gone: true });
  expect(placeAt(null, 'reconcile', [], BY)).toEqual({ gone: true });
});

test('it goes on where it was stored, whatever the key looks like', () => {
  for (const place of [
    { part: PARTS[1] as string, by: BY, after: ['7', '["\\"]'] },
    { gone: true as const, after: '["a",""]' },
  ])
    expect(placeAt(JSON.stringify(place), 'reconcile', PARTS, BY)).toEqual(place);
});

test('rows that come in another order are looked at from the beginning of their part', () => {
  const place = JSON.stringify({ part: PARTS[1], by: 'id text pg_catalog."C"', after: ['a7'] });
  expect(placeAt(place, 'reconcile', PARTS, 'id text pg_catalog."de-x-icu"')).toEqual({ part: PARTS[1] });
});

test('a part that is none any more lets it begin anew: nothing is left out', () => {
  expect(placeAt('{"part":"ONLY public.gone","after":["9"]}', 'reconcile', PARTS, BY)).toEqual({ part: PARTS[0] });
});

test('it moves behind what was looked at, and stays where nothing was', () => {
  expect(placeBehind({ part: 'p' }, '["8","x"]', BY)).toEqual({ part: 'p', by: BY, after: ['8', 'x'] });
  expect(placeBehind({ part: 'p', after: ['8'] }, null, BY)).toEqual({ part: 'p', after: ['8'] });
  expect(placeBehind({ gone: true }, 'x', BY)).toEqual({ gone: true, after: 'x' });
});

test('a part is followed by the next, the last by what may be gone, and that by nothing', () => {
  expect(placeAfterwards({ part: PARTS[0] as string, after: ['9'] }, 'backfill', PARTS)).toEqual({ part: PARTS[1] });
  expect(placeAfterwards({ part: PARTS[1] as string }, 'backfill', PARTS)).toBeUndefined();
  expect(placeAfterwards({ part: PARTS[1] as string }, 'reconcile', PARTS)).toEqual({ gone: true });
  expect(placeAfterwards({ gone: true, after: 'x' }, 'reconcile', PARTS)).toBeUndefined();
});

test('pages grow while they are quick and queue nothing, and never get smaller than one chunk', () => {
  let size = SMALLEST_PAGE;
  for (let n = 0; n < 10; n++) size = nextPageSize(size, 20, 0);
  expect(size).toBe(8_000);
  expect(nextPageSize(size, 300, 0)).toBe(4_000);
  expect(nextPageSize(size, 20, 7)).toBe(4_000);
  for (let n = 0; n < 10; n++) size = nextPageSize(size, 300, 0);
  expect(size).toBe(SMALLEST_PAGE);
});
