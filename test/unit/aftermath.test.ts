/** What an answer teaches: about the line, where one outage counts once, however many batches were under way, and about all in memory. */
import { Aftermath, type AftermathDeps } from '../../src/push/aftermath.js';
import { Backlog, entityKey } from '../../src/push/backlog.js';
import type { Contact } from '../../src/push/contact.js';
import type { ExchangeReport } from '../../src/push/exchange.js';
import { newPushMemory } from '../../src/push/memory.js';
import type { ExchangeOutcome } from '../../src/push/outcome.js';
import type { Pass } from '../../src/push/pass.js';
import { Suspects } from '../../src/push/suspects.js';
import { agreed, makeChange, makeLimits } from '../support/changes.js';

const DEADLINE = 30_000;
const silent = () => {};
let nowMs: number;

function makeAftermath() {
  const memory = newPushMemory();
  const log = { error: silent, warn: silent, info: silent, debug: silent };
  /** What the pass, the contact and the daemon were told. */
  const told: [string, ...unknown[]][] = [];
  const tell =
    (name: string) =>
    (...values: unknown[]) =>
      void told.push([name, ...values]);
  const deps = { memory, log, timeoutMs: DEADLINE, steadyMs: () => nowMs, onFork: async () => tell('fork')() };
  const suspects = new Suspects(() => 'b');
  const backlog = new Backlog();
  const pass = {
    abandon: tell('abandon'),
    noteSettled: tell('settled'),
    noteState: tell('state'),
    noteHeld: tell('held'),
    expectTrouble: tell('trouble'),
  };
  const aftermath = new Aftermath({ ...deps, onHeld: tell('held back') } as unknown as AftermathDeps, {
    backlog,
    pass: pass as unknown as Pass,
    suspects,
    contact: { replied: silent, askAgain: tell('ask again') } as unknown as Contact,
  });
  const answered = (id: number, sent: { changes: number; bytes: number }, report: Partial<ExchangeReport>) => {
    const nothing = { accepted: 0, states: new Map(), held: new Set<string>(), again: [], anew: new Set<string>() };
    const timedOut = { kind: 'offline', reason: 'no answer within 30 s', timedOut: true } as const;
    const suspect = {
      changes: [
        makeChange({ id: String(id), supersedes: [{ id: String(id + 1_000), change_id: 'older' }] }),
        makeChange({ id: String(id + 1) }),
      ],
      batch_id: 'b',
      failures: 0,
    };
    return aftermath.answered(suspect, { outcome: timedOut, durationMs: DEADLINE, ...sent, ...nothing, ...report });
  };
  return { memory, suspects, backlog, aftermath, told, answered };
}

const SENT = { changes: 2, bytes: 100 };
const results: ExchangeOutcome = {
  kind: 'results',
  results: [],
  raw: '',
  serverTime: undefined,
  cloudEpoch: undefined,
};

test('three batches that time out at once halve the line once', async () => {
  const { memory, suspects, answered } = makeAftermath();
  const { changes, bytes } = memory.link;
  for (const [index, atMs] of [DEADLINE, DEADLINE + 3, DEADLINE + 900].entries()) {
    nowMs = atMs;
    await answered(10 * index + 1, { changes, bytes }, {});
  }
  expect(memory.link).toMatchObject({ changes: changes / 2, bytes: bytes / 2 });
  // All of them are to be sent again.
  expect([...suspects.changes()]).toHaveLength(6);
});

test('a batch that was sent after that and times out too halves it again', async () => {
  const { memory, answered } = makeAftermath();
  const { changes, bytes } = memory.link;
  nowMs = DEADLINE;
  await answered(1, { changes, bytes }, {});
  nowMs += DEADLINE + 5;
  await answered(11, { changes, bytes }, {});
  expect(memory.link.changes).toBe(Math.floor(changes / 4));
});

test('what is too large for the cloud counts once for those that left together', async () => {
  const { memory, answered } = makeAftermath();
  const { changes, bytes } = memory.link;
  const outcome = { kind: 'too_large', reason: 'HTTP 413' } as const;
  for (const [index, atMs] of [1_000, 1_010].entries()) {
    nowMs = atMs;
    await answered(10 * index + 1, { changes, bytes }, { outcome, durationMs: 40 });
  }
  expect(memory.link.changes).toBe(changes / 2);
});

test('what was settled is carried over to the pass, to what waits in memory and to what is sent alone', async () => {
  const { suspects, backlog, aftermath, told, answered } = makeAftermath();
  const waiting = { good: makeChange({ id: '7', entity_id: 'good' }), bad: makeChange({ id: '8', entity_id: 'bad' }) };
  backlog.add([waiting.good, waiting.bad], Number.POSITIVE_INFINITY, new Map(), makeLimits(10));
  const alone = { good: makeChange({ id: '5', entity_id: 'good' }), bad: makeChange({ id: '6', entity_id: 'bad' }) };
  suspects.add([alone.good, alone.bad]);
  const again = makeChange({ id: '2', holdCount: 1 });
  const [good, bad] = [entityKey('order', 'good'), entityKey('order', 'bad')];
  const state = agreed(9, 4);
  await answered(1, SENT, {
    outcome: results,
    accepted: 1,
    states: new Map([[good, state]]),
    held: new Set([bad]),
    again: [again],
  });
  expect(told).toEqual([
    ['settled', '1'],
    ['settled', '1001'],
    ['settled', '2'],
    ['state', good, state],
    ['trouble'],
    ['held', bad],
    ['held back'],
  ]);
  expect(aftermath.troubles).toBe(1);
  expect([waiting.good.state, alone.good.state]).toEqual([state, state]);
  expect(backlog.take(makeLimits(10), new Set())).toEqual([waiting.good]);
  // What was answered is not sent once more, but for what was held.
  expect([...suspects.changes()]).toEqual([alone.good, again]);
});

test('what goes once more builds on what the same answer has made of its entity', async () => {
  const { suspects, answered } = makeAftermath();
  const held = makeChange({ id: '2', entity_id: 'e7' });
  const states = new Map([[held.key, agreed(1, 1, 'c-1')]]);
  await answered(1, SENT, { outcome: results, accepted: 1, states, again: [held] });
  expect([...suspects.changes()].map(({ id, state }) => [id, state])).toEqual([['2', agreed(1, 1, 'c-1')]]);
});

test('what was overtaken is read anew with what it still contains', async () => {
  const { backlog, told, answered } = makeAftermath();
  backlog.add([makeChange({ id: '7' })], Number.POSITIVE_INFINITY, new Map(), makeLimits(10));
  await answered(1, SENT, { outcome: results, anew: new Set([makeChange({ id: '1' }).key]) });
  expect([told.at(-1), backlog.size]).toEqual([['abandon'], 0]);
});

test('only an answer that accepts something proves that the cloud takes pushes', async () => {
  const suspect = { changes: [makeChange({ id: '9' })], batch_id: 'b', failures: 3, sinceMs: 0 };
  for (const accepted of [0, 1]) {
    const { suspects, answered } = makeAftermath();
    nowMs = 1;
    await answered(1, SENT, { outcome: results, accepted });
    expect(suspects.unanswered(suspect, 2)).toBe(accepted === 0 ? undefined : suspect.changes[0]);
  }
});

test.each<[ExchangeOutcome['kind'], ExchangeOutcome, number, string[]]>([
  ['offline', { kind: 'offline', reason: 'x', timedOut: false }, 2, ['abandon']],
  ['too_large', { kind: 'too_large', reason: 'x' }, 2, ['ask again']],
  ['wait', { kind: 'wait', waitMs: 1_000, reason: 'x' }, 0, ['abandon']],
  ['refused', { kind: 'refused', status: 401, reason: 'x' }, 0, ['abandon']],
  ['refused', { kind: 'refused', status: 415, reason: 'x' }, 0, ['ask again', 'abandon']],
  ['restored', { kind: 'restored', reason: 'x' }, 0, ['abandon']],
  ['fork', { kind: 'fork', reason: 'x', epoch: 2 }, 0, ['abandon', 'fork']],
])(
  'after %s what was sent waits in memory or in the table, and only a fork is told as one',
  async (_, outcome, kept, what) => {
    const { suspects, told, answered } = makeAftermath();
    await answered(1, SENT, { outcome });
    expect([...suspects.changes()]).toHaveLength(kept);
    expect(told.map(([name]) => name)).toEqual(what);
  },
);

test('what nobody judged stays before the half that it was parted from', async () => {
  const { suspects, answered } = makeAftermath();
  suspects.add([makeChange({ id: '7' })]);
  await answered(1, SENT, { outcome: { kind: 'wait', waitMs: 1_000, reason: 'x' } });
  expect([...suspects.changes()].map(({ id }) => id)).toEqual(['1', '2', '7']);
});
