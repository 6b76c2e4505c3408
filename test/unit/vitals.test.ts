/** When the daemon is ready, and when it stands still: by what its parts have done, not by any timer. */
import { DATABASE, Vitals } from '../../src/ops/status/vitals.js';

const SILENT_MS = 10_000;
const part = (progressAt: number) => () => ({ ok: true, detail: '', progressAt });

test('before the first session nothing is ready, nothing stands still, and nobody knows yet why', () => {
  const vitals = new Vitals(0);
  expect(vitals.readiness(0).ready).toBe(false);
  expect(vitals.stuck(179_000)).toEqual([]);
  expect(vitals.away).toBeUndefined();
});

test('a database that is away for days is looked for again and again, which is no standstill', () => {
  const vitals = new Vitals(0);
  for (let day = 0; day < 3 * 86_400_000; day += 5_000) {
    vitals.noteSearch('PostgreSQL is away', day);
    expect(vitals.stuck(day + 5_000)).toEqual([]);
  }
  expect(vitals.away).toBe('PostgreSQL is away');
});

test('a search that nobody goes on with is a standstill', () => {
  const vitals = new Vitals(0);
  vitals.noteSearch(undefined, 1_000);
  expect(vitals.stuck(181_000)).toEqual([]);
  expect(vitals.stuck(181_001)).toEqual(['the search for the database']);
});

test('a part is unready long before it counts as standing still, and named when it does', () => {
  const vitals = new Vitals(0);
  vitals.watch(DATABASE, SILENT_MS, part(400_000));
  vitals.watch('push', 150_000, part(0));
  expect(vitals.readiness(150_001)).toMatchObject({ ready: false });
  expect(vitals.stuck(300_000)).toEqual([]);
  expect(vitals.stuck(300_001)).toEqual(['push']);
});

test('why there was no database is forgotten while there is one', () => {
  const vitals = new Vitals(0);
  vitals.noteSearch('PostgreSQL is away', 0);
  const end = vitals.watch(DATABASE, SILENT_MS, part(0));
  expect(vitals.away).toBeUndefined();
  end();
  expect(vitals.away).toBe('PostgreSQL is away');
});
