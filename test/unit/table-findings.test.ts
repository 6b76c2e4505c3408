/** What is said of missed changes, suspended capture, walks and the disk. */
import { progressWords, remainingMs } from '../../src/ops/status/progress-words.js';
import type { Facts, WalkFacts } from '../../src/ops/status/read.js';
import { captureWords, comparedWords, diskWords, lostRows, walkWords } from '../../src/ops/status/table-findings.js';
import { findings } from '../../src/ops/status/verdict.js';
import { NOW, RULES, shopFacts } from '../support/facts.js';

const WALK: WalkFacts = {
  entity_type: 'order',
  kind: 'reconcile',
  cause: 'capture failed once',
  walked: 1_200,
  estimate: 9_000,
  waits_for: null,
  error: null,
};
const missed = (failures: number, healed: number) => [{ entity_type: 'order', healthy: true, failures, healed }];
const told = (change: Partial<Facts>, diskWarnMs?: number) =>
  findings(shopFacts(change), { ...RULES, entities: ['order'], diskWarnMs }).map(
    ({ state, topic, reason }) => `${state} ${topic}: ${reason}`,
  );

test('a missed change is critical until its table was compared, then it is only told', () => {
  expect(told({ capture: missed(3, 0) })).toEqual([
    'critical capture: capture failed 3 times: changes of order may be missing from the queue',
  ]);
  expect(told({ capture: missed(1, 2), walks: [WALK] })).toEqual([
    'critical capture: capture failed 1 time: changes of order may be missing from the queue; the daemon compares the tables and queues what is missing',
  ]);
  expect(told({ capture: missed(0, 3) })).toEqual([]);
  expect(captureWords(shopFacts({ capture: missed(0, 3) }), 1, 1)).toBe(
    '1 of 1 table watched, no failures, 3 earlier ones found again',
  );
});

test('suspended capture is told loudly, with who, why and since when, once for all tables', () => {
  const at = new Date(Date.parse(NOW) - 7_500_000).toISOString();
  const by = { by: 'Budi', at, reason: 'POS 4.2' };
  const suspended = [
    { entity_type: 'order', ...by },
    { entity_type: 'payment', ...by },
  ];
  expect(told({ suspended, capture: [{ entity_type: 'order', healthy: false, failures: 0, healed: 0 }] })).toEqual([
    'critical suspended: nothing of order, payment has been captured for 2 h 5 min: suspended by Budi (POS 4.2); what is sold meanwhile is looked for afterwards',
  ]);
});

test('a comparison that was given up is told with its reason', () => {
  expect(told({ walks: [{ ...WALK, error: 'permission denied for table orders' }] })).toEqual([
    'warning compare: the table of order could not be compared with the cloud: permission denied for table orders',
  ]);
});

test('what the cloud has lost is critical, what differs or could not be compared a warning', () => {
  const at = new Date(Date.parse(NOW) - 7_500_000).toISOString();
  const differing = [
    { entity_type: 'order', at, differences: 3, lost: 2 },
    { entity_type: 'stock', at, differences: 1, lost: 0 },
  ];
  const skipped = [{ entity_type: 'shift', reason: 'it has no digest' }];
  const compared = { at, differing, skipped, beyond_repair: 0 };
  expect(told({ compared })).toEqual([
    'critical differs: the cloud had lost 2 rows of order that it had accepted (compared 2 h 5 min ago)',
    "warning differs: 1 row of stock differed from the cloud's (compared 2 h 5 min ago)",
    "warning differs: shift could not be compared with the cloud's: it has no digest",
  ]);
  expect(lostRows({ compared })).toBe(2);
  const words = (change: object) => comparedWords(shopFacts({ compared: { ...compared, ...change } }));
  expect(words({})).toBe('with the cloud 2 h 5 min ago, 4 differences');
  expect(words({ differing: [], beyond_repair: 1 })).toBe(
    'with the cloud 2 h 5 min ago, no differences; 1 row that nothing here can mend',
  );
  expect([told({ compared: null }), lostRows({ compared: null })]).toEqual([[], 0]);
});

test('the disk is told when it is full soon, or cannot be watched, and only where it is watched', () => {
  const disk = { path: '/var/lib/postgresql', free_bytes: 12e9, total_bytes: 50e9, days_left: 9.5, problem: null };
  const twoWeeks = 14 * 86_400_000;
  expect(told({ disk }, twoWeeks)).toEqual([
    "warning disk: the disk of /var/lib/postgresql is full in 9 days at today's rate",
  ]);
  expect(told({ disk: { ...disk, days_left: 40 } }, twoWeeks)).toEqual([]);
  expect(told({ disk: { ...disk, days_left: null } }, twoWeeks)).toEqual([]);
  expect(told({ disk })).toEqual([]);
  expect(told({ disk: { ...disk, problem: 'there is no /x here' } }, twoWeeks)).toEqual([
    'warning disk: the disk cannot be watched: there is no /x here',
  ]);
  expect(diskWords(shopFacts({ disk }))).toBe("12 GB of 50 GB free, about 9 days at today's rate");
  expect(diskWords(shopFacts({ disk: { ...disk, days_left: null } }))).toBe('12 GB of 50 GB free');
});

test('what is under way is told with how far it is and what it waits for', () => {
  const walks = [
    WALK,
    { ...WALK, entity_type: 'stock', kind: 'backfill' as const, estimate: null, waits_for: 'capture is suspended' },
  ];
  expect(walkWords(shopFacts({ walks }))).toBe(
    'order: being compared, 1,200 of about 9,000 rows; stock: rows from before capture, 1,200 rows; waits: capture is suspended',
  );
  // The statistics know of fewer rows than there are.
  expect(walkWords(shopFacts({ walks: [{ ...WALK, walked: 9_001 }] }))).toBe('order: being compared, 9,001 rows');
  expect(walkWords(shopFacts())).toBeUndefined();
});

test('progress is told as a bar with an estimate, as soon as there is a rate', () => {
  const since = { done: 1_000, ms: 10_000 };
  expect(progressWords({ done: 2_000, of: 8_000, since })).toBe(
    '█████░░░░░░░░░░░░░░░  25 %  2,000 of about 8,000 rows, 1 min left',
  );
  expect(progressWords({ done: 9_000, of: 8_000, since })).toContain('99 %  9,000 of about 9,000 rows, 0 s left');
  expect(progressWords({ done: 9_000, of: undefined, since })).toBe('9,000 rows');
  expect(remainingMs({ done: 1, of: 10, since: { done: 1, ms: 500 } })).toBeUndefined();
  expect(remainingMs({ done: 1, of: 10, since: { done: 0, ms: 5_000 } })).toBeUndefined();
});
