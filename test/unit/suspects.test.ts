/** Batches that nobody answered: how halving finds exactly the bad changes in a simulated cloud, and when nobody is blamed. */
import fc from 'fast-check';
import type { PendingChange } from '../../src/push/backlog.js';
import { type Suspect, Suspects } from '../../src/push/suspects.js';
import { makeChange } from '../support/changes.js';

const MINUTE = 60_000;
const changes = (count: number, from = 1) =>
  Array.from({ length: count }, (_, n) => makeChange({ id: String(from + n), entity_id: `e${from + n}` }));

function mint(): () => string {
  let last = 0;
  return () => `b${++last}`;
}

type Cloud = { poison: ReadonlySet<string>; takesPushes: boolean };
type Story = { blamed: string[]; accepted: string[]; sent: Suspect[] };

/** Sends as the push loop does while there are suspects, one at a time; every failure costs a second. */
function play(batches: PendingChange[][], cloud: Cloud, rounds = 5_000): Story {
  const suspects = new Suspects(mint());
  const fresh = batches.map((changes, n): Suspect => ({ changes, batch_id: `fresh${n}`, failures: 0 }));
  const story: Story = { blamed: [], accepted: [], sent: [] };
  let nowMs = 0;
  const send = (suspect: Suspect) => {
    story.sent.push(suspect);
    nowMs += 1_000;
    if (cloud.takesPushes && !suspect.changes.some((change) => cloud.poison.has(change.id))) {
      story.accepted.push(...suspect.changes.map((change) => change.id));
      suspects.proven(nowMs);
      return;
    }
    const guilty = suspects.unanswered(suspect, nowMs);
    if (guilty) story.blamed.push(guilty.id);
  };
  for (let round = 0; round < rounds && (suspects.size > 0 || fresh.length > 0); round++) {
    if (suspects.size > 0 && suspects.wantFresh) {
      suspects.freshTried();
      const next = fresh.shift();
      if (next) send(next);
      continue;
    }
    const next = suspects.size > 0 ? suspects.next() : fresh.shift();
    if (next) send(next);
  }
  return story;
}

const sorted = (ids: string[]) => [...ids].sort((a, b) => Number(a) - Number(b));

test('halving blames exactly the bad changes once a good one followed, and everything else is accepted once', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 4 }),
      (shape) => {
        let from = 1;
        const bad = new Set<string>();
        const batches = shape.map((flags) => {
          const batch = changes(flags.length, from);
          from += flags.length;
          for (const [n, flag] of flags.entries()) if (flag) bad.add(batch[n]?.id as string);
          return batch;
        });
        batches.push(changes(1, from));
        const all = batches.flat().map((change) => change.id);
        const story = play(batches, { poison: bad, takesPushes: true });
        expect(sorted(story.blamed)).toEqual(sorted([...bad]));
        expect(sorted(story.accepted)).toEqual(all.filter((id) => !bad.has(id)));
      },
    ),
    { numRuns: 200 },
  );
});

test('one bad change in a thousand is found with few requests', () => {
  const story = play([changes(1_000)], { poison: new Set(['617']), takesPushes: true });
  expect(story.blamed).toEqual(['617']);
  expect(story.sent.length).toBeLessThan(3 + 2 * 10 + 5);
});

test('more bad changes than a handful, and nothing else at first, do not bar the way for what comes later', () => {
  const story = play([changes(8), changes(5, 100)], {
    poison: new Set(changes(8).map(({ id }) => id)),
    takesPushes: true,
  });
  expect(story.blamed.length).toBe(8);
  expect(story.accepted).toEqual(changes(5, 100).map(({ id }) => id));
});

test('while the cloud takes no push at all nobody is ever blamed', () => {
  const story = play([changes(8), changes(8, 100), changes(8, 200)], { poison: new Set(), takesPushes: false });
  expect([story.blamed, story.accepted]).toEqual([[], []]);
  expect(story.sent.length).toBeGreaterThan(1_000);
});

test('a lone change that fails is not blamed without something else accepted, however often it fails', () => {
  expect(play([changes(1)], { poison: new Set(['1']), takesPushes: true }).blamed).toEqual([]);
});

test('proof is good for five minutes', () => {
  const [lone] = changes(1);
  const suspect = { changes: [lone as PendingChange], batch_id: 'b', failures: 3, sinceMs: 0 };
  const suspects = new Suspects(mint());
  suspects.proven(1);
  expect(suspects.unanswered(suspect, 5 * MINUTE + 2)).toBeUndefined();
  expect(suspects.unanswered(suspect, 5 * MINUTE + 1)).toBe(lone);
});

test('what was accepted before a change began to fail proves nothing: the cloud may have gone since', () => {
  const [lone] = changes(1);
  const suspects = new Suspects(mint());
  suspects.proven(1_000);
  let suspect: Suspect | undefined = { changes: [lone as PendingChange], batch_id: 'b', failures: 0 };
  for (let tries = 1; tries <= 10; tries += 1) {
    expect(suspects.unanswered(suspect as Suspect, 1_000 + tries)).toBeUndefined();
    suspect = suspects.next();
  }
  suspects.proven(2_000);
  expect(suspects.unanswered(suspect as Suspect, 2_001)).toBe(lone);
});

test('the same changes keep their batch id, other contents get another', () => {
  const suspects = new Suspects(mint());
  const batch = { changes: changes(4), batch_id: 'first', failures: 0 };
  suspects.unanswered(batch, 0);
  const again = suspects.next() as Suspect;
  expect([again.batch_id, again.failures, again.changes]).toEqual(['first', 1, batch.changes]);
  suspects.unanswered({ ...again, failures: 2 }, 0);
  const halves = [suspects.next() as Suspect, suspects.next() as Suspect];
  expect(halves.map((half) => half.changes.map(({ id }) => id))).toEqual([
    ['1', '2'],
    ['3', '4'],
  ]);
  expect(new Set([batch, ...halves].map(({ batch_id }) => batch_id)).size).toBe(3);
});

test('a batch that loses a change gets a new id, an untouched one keeps its own, an empty one goes', () => {
  const suspects = new Suspects(mint());
  suspects.halve(changes(4));
  const [front] = [...suspects.changes()];
  suspects.retain((change) => change !== front);
  const [first, second] = [suspects.next() as Suspect, suspects.next() as Suspect];
  expect([first.changes.length, first.batch_id, second.changes.length, second.batch_id]).toEqual([1, 'b3', 2, 'b2']);
  suspects.halve(changes(2));
  suspects.retain(() => false);
  expect([suspects.size, [...suspects.changes()]]).toEqual([0, []]);
});

test('a half is blamed on what was accepted since the whole failed', () => {
  const suspects = new Suspects(mint());
  suspects.unanswered({ changes: changes(2), batch_id: 'whole', failures: 2 }, 1_000);
  const half = suspects.next() as Suspect;
  suspects.proven(2_000);
  expect(suspects.unanswered(half, 3_000)).toBe(half.changes[0]);
});

test('where there is nothing fresh to try a lone suspect gets its turn all the same', () => {
  const suspects = new Suspects(mint());
  const suspect = { changes: changes(1), batch_id: 'b', failures: 2 };
  suspects.unanswered(suspect, 0);
  expect(suspects.wantFresh).toBe(true);
  suspects.freshTried();
  expect(suspects.wantFresh).toBe(false);
  expect(suspects.next()?.changes).toEqual(suspect.changes);
});

test('a later change of an entity does not take the turn of an older one that keeps failing', () => {
  const suspects = new Suspects(mint());
  const [older, newer, other] = [1, 2, 3].map((id) =>
    makeChange({ id: String(id), entity_id: `e${id % 2 === 0 ? 1 : id}` }),
  );
  suspects.halve([older, newer, other] as PendingChange[], 2);
  const sent: string[] = [];
  for (let turn = 0; turn < 4; turn++) {
    const suspect = suspects.next() as Suspect;
    sent.push(suspect.changes.map(({ id }) => id).join(' '));
    suspects.unanswered(suspect, turn);
  }
  expect(sent).toEqual(['1 2', '1', '3', '1']);
});
