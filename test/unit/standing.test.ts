/** How we stand with the cloud: what may be done, and what each reply makes of it. */
import { afterReply, goOnTrial, permission, type Standing, tryNow } from '../../src/cloud/standing.js';
import { bearingOfPush, type ExchangeOutcome } from '../../src/push/outcome.js';

const policy = { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2 };
const NOW = 1_000_000;
const reply = (standing: Standing, outcome: ExchangeOutcome, nowMs = NOW, random = 0.5) =>
  afterReply(standing, bearingOfPush(outcome), policy, nowMs, random);

const results: ExchangeOutcome = {
  kind: 'results',
  results: [],
  raw: '',
  serverTime: undefined,
  cloudEpoch: undefined,
};
const offline: ExchangeOutcome = { kind: 'offline', reason: 'gone', timedOut: false };
const wait: ExchangeOutcome = { kind: 'wait', waitMs: 90_000, reason: 'busy' };
const refused: ExchangeOutcome = { kind: 'refused', status: 401, reason: 'no' };
const fork: ExchangeOutcome = { kind: 'fork', reason: 'two of you', epoch: 2 };
const tooLarge: ExchangeOutcome = { kind: 'too_large', reason: '413' };
const badBatch: ExchangeOutcome = { kind: 'bad_batch', reason: '422', retryable: false };

const unknown: Standing = { kind: 'unknown' };
const online: Standing = { kind: 'online' };
const away = (nextTryMs: number, probes = 1): Standing => ({
  kind: 'offline',
  sinceMs: 1,
  probes,
  nextTryMs,
  reason: 'gone',
});
const waiting = (nextTryMs: number): Standing => ({ kind: 'waiting', nextTryMs, reason: 'busy' });
const shut = (nextTryMs: number, failures = 1): Standing => ({ kind: 'refused', failures, nextTryMs, reason: 'no' });
const stopped: Standing = { kind: 'stopped', reason: 'fork' };

test.each<[string, Standing, ReturnType<typeof permission>]>([
  ['before anything is known the cloud is asked for its limits', unknown, { may: 'ask' }],
  ['online, it pushes', online, { may: 'call' }],
  ['on trial, it pushes', goOnTrial(away(0), NOW), { may: 'call' }],
  ['offline it waits for its next probe', away(NOW + 7), { may: 'nothing', forMs: 7 }],
  ['offline it probes when that is due, and does not push', away(NOW), { may: 'probe' }],
  ['it waits as the cloud asked', waiting(NOW + 9), { may: 'nothing', forMs: 9 }],
  ['after that wait it pushes', waiting(NOW), { may: 'call' }],
  ['refused, it waits', shut(NOW + 3), { may: 'nothing', forMs: 3 }],
  ['refused, it asks again by pushing', shut(NOW), { may: 'call' }],
  ['stopped, it waits for ever', stopped, { may: 'nothing', forMs: Number.POSITIVE_INFINITY }],
])('%s', (_title, standing, expected) => {
  expect(permission(standing, NOW)).toEqual(expected);
});

test.each([results, tooLarge, badBatch])(
  'an answer that judges a push ($kind) ends every state but a stop and a wait',
  (outcome) => {
    for (const before of [unknown, online, away(NOW + 5), goOnTrial(away(0), NOW), shut(NOW + 5), waiting(NOW)]) {
      expect(reply(before, outcome)).toEqual(online);
    }
  },
);

test('nothing but a person ends a stop', () => {
  for (const outcome of [results, offline, wait, refused, fork, tooLarge, badBatch]) {
    expect(reply(stopped, outcome)).toEqual(stopped);
  }
  expect(tryNow(stopped, NOW)).toEqual(stopped);
});

test('a wait that the cloud named outlasts replies to requests that were sent before it', () => {
  for (const outcome of [results, tooLarge, badBatch, offline]) {
    expect(reply(waiting(NOW + 5_000), outcome)).toEqual(waiting(NOW + 5_000));
  }
  expect(reply(waiting(NOW + 500_000), wait)).toMatchObject({ nextTryMs: NOW + 500_000 });
  expect(reply(waiting(NOW + 500), wait)).toMatchObject({ nextTryMs: NOW + 90_000 });
});

test('an outage keeps its beginning and probes with growing waits, 1 s doubling to 30 s', () => {
  let standing: Standing = online;
  const waits: number[] = [];
  let now = NOW;
  for (let failure = 0; failure < 8; failure++) {
    standing = reply(standing, offline, now, 0.999999);
    if (standing.kind !== 'offline') throw new Error(standing.kind);
    expect(standing.sinceMs).toBe(NOW);
    waits.push(Math.round(standing.nextTryMs - now));
    now = standing.nextTryMs;
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});

test('three requests that fail together are one failure', () => {
  const first = reply(online, offline);
  expect(reply(reply(first, offline), offline)).toEqual(first);
});

test('a health check that answers puts the outage on trial; the next failure goes on with it', () => {
  const trial = goOnTrial(away(NOW, 4), NOW + 100);
  expect(trial).toMatchObject({ kind: 'trial', sinceMs: 1, probes: 4 });
  expect(reply(trial, offline, NOW + 200)).toMatchObject({ kind: 'offline', sinceMs: 1, probes: 5 });
  expect(reply(trial, results)).toEqual(online);
});

test('refusals follow the retry schedule without an end, up to its cap', () => {
  let standing: Standing = online;
  const waits: number[] = [];
  let now = NOW;
  for (let failure = 0; failure < 7; failure++) {
    standing = reply(standing, refused, now, 0);
    if (standing.kind !== 'refused') throw new Error(standing.kind);
    waits.push((standing.nextTryMs - now) / 60_000);
    now = standing.nextTryMs;
  }
  expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30]);
});

test('three refusals of requests sent together are one', () => {
  const first = reply(online, refused);
  expect(reply(first, refused, NOW + 10)).toEqual(first);
});

test('a person’s word ends every wait and changes nothing else', () => {
  for (const standing of [away(NOW + 9_000), waiting(NOW + 9_000), shut(NOW + 9_000)]) {
    expect(tryNow(standing, NOW)).toEqual({ ...standing, nextTryMs: NOW });
  }
  expect([tryNow(online, NOW), tryNow(unknown, NOW)]).toEqual([online, unknown]);
});
