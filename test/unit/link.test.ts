/** How large a batch may be on this line: the window shrinks at once, grows step by step, and stays between floor and maximum. */
import fc from 'fast-check';
import { afterAnswer, afterTooMuch, type Link, newLink, staggered, withMaxima } from '../../src/push/link.js';

const DEADLINE = 30_000;
const full = (link: Link) => ({ changes: link.changes, bytes: 1 });
/** A request that was sent after all that was said before. */
const took = (durationMs: number, nowMs = durationMs) => ({ durationMs, nowMs });

test('it begins in the middle, or at the cloud’s maximum where that is lower', () => {
  expect(newLink(1_000, 4_194_304)).toMatchObject({ changes: 250, bytes: 262_144 });
  expect(newLink(5, 1_000)).toMatchObject({ changes: 5, bytes: 1_000 });
});

test.each<[string, { changes: number; bytes: number }, number, number]>([
  ['a full batch that was answered fast doubles it', { changes: 250, bytes: 10 }, 100, 500],
  ['full by bytes counts as full', { changes: 3, bytes: 262_144 }, 100, 500],
  ['a small batch proves nothing', { changes: 3, bytes: 10 }, 100, 250],
  ['an answer of middling speed leaves it', { changes: 250, bytes: 10 }, DEADLINE * 0.2, 250],
  ['a slow answer halves it', { changes: 3, bytes: 10 }, DEADLINE * 0.3, 125],
])('%s', (_title, sent, durationMs, expected) => {
  expect(afterAnswer(newLink(1_000, 4_194_304), sent, took(durationMs), DEADLINE).changes).toBe(expected);
});

test('too much halves what was sent, not what might have been', () => {
  const link = newLink(1_000, 4_194_304);
  expect(afterTooMuch(link, { changes: 100, bytes: 100_000 }, took(9))).toMatchObject({ changes: 50, bytes: 50_000 });
  expect(afterTooMuch(link, { changes: 900, bytes: 3_000_000 }, took(9))).toMatchObject({
    changes: 125,
    bytes: 131_072,
  });
});

test('what was under way together shrinks it once; what was sent after that shrinks it again', () => {
  let link = { ...newLink(1_000, 4_194_304), changes: 1_000, bytes: 4_194_304 };
  // Three that left within a second of each other, and time out so.
  for (const [changes, nowMs] of [
    [1_000, 30_000],
    [1_000, 30_400],
    [1_000, 31_000],
  ] as const)
    link = afterTooMuch(link, { changes, bytes: 4_000_000 }, took(DEADLINE, nowMs));
  expect(link).toMatchObject({ changes: 500, bytes: 2_000_000 });
  // A slow answer to what left with them says nothing else.
  link = afterAnswer(link, { changes: 3, bytes: 1 }, took(DEADLINE * 0.9, 32_000), DEADLINE);
  expect(link.changes).toBe(500);
  link = afterAnswer(link, { changes: 500, bytes: 1 }, took(DEADLINE * 0.3, 41_000), DEADLINE);
  expect(link.changes).toBe(250);
  link = afterTooMuch(link, { changes: 250, bytes: 1 }, took(2, 41_003));
  expect(link.changes).toBe(125);
});

/** Three at a time, for ten minutes, on a line that takes `latencyMs` for a batch and `msPerChange` for each change under way. */
function smallestOn(latencyMs: number, msPerChange: number): { smallest: number; last: Link } {
  let link = newLink(1_000, 4_194_304);
  let [smallest, nowMs] = [link.changes, 0];
  while (nowMs < 600_000) {
    const sent = [3, 2, 1].map((free) => staggered(link, free));
    const durationMs = latencyMs + msPerChange * sent.reduce((sum, { changes }) => sum + changes, 0);
    nowMs += durationMs;
    for (const one of sent)
      link =
        durationMs > DEADLINE
          ? afterTooMuch(link, one, took(DEADLINE, nowMs))
          : afterAnswer(link, { ...one, bytes: 1 }, took(durationMs, nowMs), DEADLINE);
    smallest = Math.min(smallest, link.changes);
  }
  return { smallest, last: link };
}

test('a cloud that is late with every answer, whatever its size, is not sent ever smaller batches', () => {
  expect(smallestOn(9_000, 0).smallest).toBe(125);
  expect(smallestOn(20_000, 1).smallest).toBe(125);
});

test('on a line that is slow by the size the batches shrink until they are in time', () => {
  const { last } = smallestOn(300, 150);
  expect(300 + 150 * last.changes * (1 + 1 / 2 + 1 / 3)).toBeLessThan(DEADLINE * 0.25 + 1_000);
});

test('when the cloud is quick again the batches grow, and late answers after that shrink them again', () => {
  let link = afterAnswer(newLink(1_000, 4_194_304), { changes: 250, bytes: 1 }, took(9_000), DEADLINE);
  link = afterAnswer(link, full(link), took(100, 20_000), DEADLINE);
  expect(link.changes).toBe(250);
  expect(afterAnswer(link, full(link), took(9_000, 40_000), DEADLINE).changes).toBe(125);
});

test('what leaves at once leaves in different sizes; what leaves as another comes back has the full one', () => {
  const link = newLink(1_000, 4_194_304);
  expect([3, 2, 1].map((free) => staggered(link, free).changes)).toEqual([84, 125, 250]);
  expect([3, 2, 1].map((free) => staggered(link, free).bytes)).toEqual([87_382, 131_072, 262_144]);
  // The cloud's own maxima, up to which a transaction stays whole, are not divided.
  expect(staggered(link, 3)).toMatchObject({ maxChanges: 1_000, maxBytes: 4_194_304 });
});

test('a cloud that lowers its maxima lowers the line, one that raises them leaves what was learnt', () => {
  const link = afterAnswer(newLink(1_000, 4_194_304), { changes: 250, bytes: 0 }, took(1), DEADLINE);
  expect(withMaxima(link, 100, 50_000)).toMatchObject({
    maxChanges: 100,
    maxBytes: 50_000,
    changes: 100,
    bytes: 50_000,
  });
  expect(withMaxima(link, 9_000, 9_000_000)).toMatchObject({ changes: 500, bytes: 524_288 });
});

test('after a bad quarter of an hour it comes back to the maximum', () => {
  let link = newLink(1_000, 4_194_304);
  for (let n = 0; n < 20; n++) link = afterTooMuch(link, link, took(DEADLINE, n * DEADLINE));
  expect(link).toMatchObject({ changes: 10, bytes: 16_384 });
  for (let n = 0; n < 20; n++) link = afterAnswer(link, full(link), took(1), DEADLINE);
  expect(link).toMatchObject({ changes: 1_000, bytes: 4_194_304 });
});

test('whatever happens it stays whole, at least one and at most the maximum', () => {
  const time = { ms: fc.nat(40_000), nowMs: fc.nat(100_000) };
  const event = fc.record({ kind: fc.nat(2), changes: fc.nat(2_000), bytes: fc.nat(8_000_000), ...time });
  const maximum = fc.record({ changes: fc.integer({ min: 1, max: 5_000 }), bytes: fc.integer({ min: 1, max: 1e7 }) });
  fc.assert(
    fc.property(maximum, maximum, fc.array(event), (before, after, events) => {
      let link = newLink(before.changes, before.bytes);
      for (const [index, { kind, changes, bytes, ms, nowMs }] of events.entries()) {
        const sent = { changes, bytes };
        if (index === 3) link = withMaxima(link, after.changes, after.bytes);
        link =
          kind === 0 ? afterTooMuch(link, sent, took(ms, nowMs)) : afterAnswer(link, sent, took(ms, nowMs), DEADLINE);
        expect(Number.isInteger(link.changes) && Number.isInteger(link.bytes)).toBe(true);
        expect(link.changes).toBeGreaterThanOrEqual(1);
        expect(link.changes).toBeLessThanOrEqual(link.maxChanges);
        expect(link.bytes).toBeLessThanOrEqual(link.maxBytes);
      }
    }),
  );
});
