/** What an answer teaches about the line: one outage counts once, however many batches were under way in it. */
import { Aftermath, type AftermathDeps } from '../../src/push/aftermath.js';
import { Backlog } from '../../src/push/backlog.js';
import type { Contact } from '../../src/push/contact.js';
import type { ExchangeReport } from '../../src/push/exchange.js';
import { newCloudMemory } from '../../src/push/memory.js';
import type { Pass } from '../../src/push/pass.js';
import { Suspects } from '../../src/push/suspects.js';
import { makeChange } from '../support/changes.js';

const DEADLINE = 30_000;
const silent = () => {};
let nowMs: number;

function makeAftermath() {
  const memory = newCloudMemory();
  const log = { error: silent, warn: silent, info: silent, debug: silent };
  const deps = { memory, log, timeoutMs: DEADLINE, steadyMs: () => nowMs, onFork: async () => {} };
  const suspects = new Suspects(() => 'b');
  const aftermath = new Aftermath(deps as unknown as AftermathDeps, {
    backlog: new Backlog(),
    pass: { abandon: silent } as unknown as Pass,
    suspects,
    contact: { replied: silent, askAgain: silent } as unknown as Contact,
  });
  const answered = (id: number, sent: { changes: number; bytes: number }, report: Partial<ExchangeReport>) => {
    const nothing = { accepted: 0, states: new Map(), held: new Set<string>(), again: [] };
    const timedOut = { kind: 'offline', reason: 'no answer within 30 s', timedOut: true } as const;
    const suspect = {
      changes: [makeChange({ id: String(id) }), makeChange({ id: String(id + 1) })],
      batch_id: 'b',
      failures: 0,
    };
    return aftermath.answered(suspect, { outcome: timedOut, durationMs: DEADLINE, ...sent, ...nothing, ...report });
  };
  return { memory, suspects, answered };
}

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
