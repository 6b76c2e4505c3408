/**
 * The backlog under random queues, page cuts, limits and answers: nothing is lost or doubled, every entity's history stays
 * straight, transactions stay whole as long as the cloud can take them, and nothing is in flight twice.
 */
import fc from 'fast-check';
import { Backlog, type PendingChange, SPREAD, transactionKey } from '../../src/push/backlog.js';
import { makeLimits } from '../support/changes.js';
import { type Plan, playOut, spreadsOf } from '../support/interleaving.js';

const plans = (entities: number): fc.Arbitrary<Plan> =>
  fc.record({
    transactions: fc.array(fc.array(fc.nat(entities - 1), { minLength: 1, maxLength: 7 }), {
      minLength: 1,
      maxLength: 25,
    }),
    turns: fc.array(fc.nat(3), { minLength: 1, maxLength: 60 }),
    gaps: fc.array(fc.oneof(fc.constant(0), fc.nat(400)), { minLength: 1, maxLength: 20 }),
  });

const runs = fc.record({
  pages: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 }),
  changes: fc.integer({ min: 1, max: 12 }),
  maxChanges: fc.integer({ min: 2, max: 12 }),
  bytes: fc.integer({ min: 300, max: 6_000 }),
  maxBytes: fc.integer({ min: 600, max: 6_000 }),
  answers: fc.array(fc.nat(3), { minLength: 1, maxLength: 40 }),
});
type Run = typeof runs extends fc.Arbitrary<infer T> ? T : never;

/** Reads and sends until all is sent; up to three batches are in flight and answered in any order. */
function drain(queue: PendingChange[], run: Run): PendingChange[][] {
  const limits = makeLimits(
    Math.min(run.changes, run.maxChanges),
    Math.min(run.bytes, run.maxBytes),
    run.maxChanges,
    run.maxBytes,
  );
  const backlog = new Backlog();
  const spreads = spreadsOf(queue, SPREAD);
  const batches: PendingChange[][] = [];
  const inFlight: PendingChange[][] = [];
  let read = 0;
  for (let step = 0; read < queue.length || backlog.size > 0 || inFlight.length > 0; step++) {
    expect(step).toBeLessThan(10 * queue.length + 50);
    if (read < queue.length && (step % 2 === 0 || inFlight.length === 0)) {
      const page = queue.slice(read, read + (run.pages[step % run.pages.length] as number));
      read += page.length;
      const upTo = read === queue.length ? Number.POSITIVE_INFINITY : Number(page.at(-1)?.id);
      backlog.add(page, upTo, spreads, limits);
    }
    while (inFlight.length < 3) {
      const busy = new Set(inFlight.flat().flatMap((change) => [change.key, transactionKey(change.tx)]));
      const batch = backlog.take(limits, busy);
      if (!batch) break;
      expect(batch.filter((change) => busy.has(change.key))).toEqual([]);
      expect(batch.filter((change) => busy.has(transactionKey(change.tx)))).toEqual([]);
      batches.push(batch);
      inFlight.push(batch);
    }
    const answer = run.answers[step % run.answers.length] as number;
    if (answer < 3 || step % 3 === 0) inFlight.splice((answer % 3) % Math.max(inFlight.length, 1), 1);
  }
  return batches;
}

const idsByEntity = (changes: PendingChange[]) => {
  const ids = new Map<string, number[]>();
  for (const change of changes) ids.set(change.key, [...(ids.get(change.key) ?? []), Number(change.id)]);
  return ids;
};
const inOrder = (ids: number[]) => ids.every((id, index) => index === 0 || id > (ids[index - 1] as number));
const bytesOf = (changes: PendingChange[]) => changes.reduce((sum, change) => sum + change.bytes, 0);

describe('whatever the queue, the pages, the limits and the answers', () => {
  test('everything leaves once, in the order of each entity, whole transactions together, within the bounds', () => {
    fc.assert(
      fc.property(plans(6), runs, (plan, run) => {
        const queue = playOut(plan);
        const batches = drain(queue, run);
        const sent = batches.flat();
        expect(sent.map((change) => Number(change.id)).sort((a, b) => a - b)).toEqual(queue.map((c) => Number(c.id)));
        for (const ids of idsByEntity(sent).values()) expect(inOrder(ids)).toBe(true);
        for (const batch of batches) {
          expect(inOrder(batch.map((change) => Number(change.id)))).toBe(true);
          expect(batch.length).toBeLessThanOrEqual(run.maxChanges);
          if (batch.length > 1) expect(bytesOf(batch)).toBeLessThanOrEqual(run.maxBytes);
        }
        const parts = new Map<string, Set<PendingChange[]>>();
        for (const batch of batches) for (const { tx } of batch) parts.set(tx, (parts.get(tx) ?? new Set()).add(batch));
        for (const [tx, batchesOfTx] of parts) {
          const whole = queue.filter((change) => change.tx === tx);
          const fits = whole.length < run.maxChanges && bytesOf(whole) < run.maxBytes;
          if (fits) expect(batchesOfTx.size).toBe(1);
        }
      }),
      { numRuns: 250 },
    );
  });

  test('a transaction that is too large for the cloud leaves in parts that follow one another', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 60 }), runs, (size, run) => {
        const plan = { transactions: [Array.from({ length: size }, (_, n) => n)], turns: [0], gaps: [0] };
        const batches = drain(playOut(plan), run);
        expect(batches.flat().map((change) => change.entity_id)).toEqual(
          Array.from({ length: size }, (_, n) => `e${n}`),
        );
      }),
      { numRuns: 60 },
    );
  });

  test('where only the newest state counts, every folded change is named once by the one that replaced it', () => {
    fc.assert(
      fc.property(plans(3), runs, (plan, run) => {
        const queue = playOut(plan, 1);
        const sent = drain(queue, run).flat();
        const named = sent.flatMap((change) => [change.id, ...change.supersedes.map(({ id }) => id)]);
        expect(named.map(Number).sort((a, b) => a - b)).toEqual(queue.map((change) => Number(change.id)));
        for (const change of sent) {
          for (const { id, change_id } of change.supersedes) {
            const folded = queue.find((one) => one.id === id);
            expect(folded).toMatchObject({ change_id, key: change.key, coalesce: true });
            expect(Number(id)).toBeLessThan(Number(change.id));
          }
        }
        for (const ids of idsByEntity(sent).values()) expect(inOrder(ids)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});
