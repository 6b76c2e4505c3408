/** Who may knock, and how often in vain. */
import { AddressList } from '../../src/http/addresses.js';
import type { HttpRequest } from '../../src/http/exchange.js';
import { Guard } from '../../src/http/guard.js';
import type { SecretsFile } from '../../src/http/webhooks/secrets.js';
import { webhookHandler } from '../../src/http/webhooks/webhooks.js';

const CLOUD = '203.0.113.9';
const PROXY = '10.0.0.1';
const newGuard = () => new Guard(new AddressList(['203.0.113.0/24', '2001:db8::/32']), new AddressList([PROXY]));

/** Fails as often as it is let. @returns how often that was */
function failUntilDeaf(guard: Guard, address: string, nowMs: number): number {
  for (let times = 0; times < 100_000; times++) {
    if (guard.refuse(address, nowMs)) return times;
    guard.failed(address, nowMs);
  }
  throw new Error('never deaf');
}

test('a stranger is told so, until there are too many; then cut off', () => {
  const guard = newGuard();
  const kinds = Array.from({ length: 1_000 }, () => guard.admit('198.51.100.1', 0).kind);
  expect(kinds.filter((kind) => kind === 'turn_away')).toHaveLength(300);
  expect(kinds.at(-1)).toBe('drop');
  expect(guard.admit('198.51.100.1', 1_000)).toMatchObject({ kind: 'turn_away', answer: { status: 403, close: true } });
  expect(guard.refuse('198.51.100.1', 0)?.status).toBe(403);
  expect(guard.refuse('', 0)?.status).toBe(403);
});

test('a friend who fails a thousand times at once is deaf to for five seconds, and told for how long', () => {
  const guard = newGuard();
  expect(failUntilDeaf(guard, CLOUD, 0)).toBe(1_001);
  expect(guard.refuse(CLOUD, 0)).toMatchObject({ status: 429, headers: { 'retry-after': '5' }, close: true });
  expect(guard.refuse(CLOUD, 4_200)).toMatchObject({ headers: { 'retry-after': '1' } });
  expect(guard.admit(CLOUD, 4_000)).toMatchObject({ kind: 'turn_away', answer: { status: 429 } });
  expect(guard.refuse(CLOUD, 5_000)).toBeUndefined();
  expect(guard.admit(CLOUD, 5_000).kind).toBe('serve');
  expect(guard.refuse('203.0.113.10', 0)).toBeUndefined();
});

test('under a flood that never ends, fewer than sixty requests a second are looked at', () => {
  const guard = newGuard();
  failUntilDeaf(guard, CLOUD, 0);
  let looked = 0;
  for (let nowMs = 0; nowMs < 20_000; nowMs += 0.4) {
    if (guard.admit(CLOUD, nowMs).kind !== 'serve' || guard.refuse(CLOUD, nowMs)) continue;
    looked++;
    guard.failed(CLOUD, nowMs);
  }
  expect(looked / 20).toBeLessThan(60);
  expect(looked / 20).toBeGreaterThan(20);
});

test('a cloud that opens a connection for every true message is never refused, however many there are', () => {
  const guard = newGuard();
  let refused = 0;
  for (let at = 0; at < 20_000; at++) {
    if (guard.admit(CLOUD, at / 2).kind !== 'serve') refused++;
    guard.succeeded(CLOUD, at / 2);
  }
  expect(refused).toBe(0);
});

test('connections without a request wear credit out too', () => {
  const guard = newGuard();
  let served = 0;
  for (let nowMs = 0; nowMs < 4_000; nowMs += 0.1) if (guard.admit(CLOUD, nowMs).kind === 'serve') served++;
  expect(served).toBeLessThan(13_000);
});

test('a network of v6 counts as one sender', () => {
  const guard = newGuard();
  failUntilDeaf(guard, '2001:db8::1', 0);
  expect(guard.refuse('2001:db8::ffff', 0)?.status).toBe(429);
  expect(guard.refuse('2001:db8:0:1::1', 0)).toBeUndefined();
});

test('a proxy is always let in, and who stands behind it is counted', () => {
  const guard = newGuard();
  expect(Array.from({ length: 2_000 }, () => guard.admit(PROXY, 0).kind).every((kind) => kind === 'serve')).toBe(true);
  failUntilDeaf(guard, CLOUD, 0);
  expect(guard.admit(PROXY, 0).kind).toBe('serve');
  expect(guard.refuse(CLOUD, 0)?.status).toBe(429);
});

test('however many senders there are, what is remembered of them is bounded, and the oldest goes first', () => {
  const guard = new Guard(new AddressList(['0.0.0.0/0']), new AddressList([]));
  failUntilDeaf(guard, '1.1.1.1', 0);
  for (let at = 0; at < 1_023; at++) guard.failed(`2.2.${at >> 8}.${at & 255}`, 1);
  expect(guard.refuse('1.1.1.1', 1)?.status).toBe(429);
  guard.failed('3.3.3.3', 1);
  expect(guard.refuse('1.1.1.1', 1)).toBeUndefined();
});

test.each([
  ['cannot take any message now', { path: '/api/v1/webhooks/cloud/update', status: 503 }, undefined],
  ['has nothing there', { path: '/api/v1/webhooks/cloud/nothing', status: 404 }, 429],
])(
  'a sender is blamed for what is wrong with his requests, not with us: the shop %s',
  async (_, { path, status }, then) => {
    const guard = newGuard();
    const handler = webhookHandler({
      guard,
      // Without secrets nobody can be told from anybody.
      secrets: { current: () => [], exchanged: () => undefined } as unknown as SecretsFile,
      profile: 'auto',
      bodyRefused: () => undefined,
      store: () => Promise.reject(new Error('nothing gets that far')),
      onUntimely: () => {},
      onAnswer: () => {},
      cloudMs: () => 0,
      steadyMs: () => 0,
    });
    const request = {
      method: 'POST',
      path,
      address: CLOUD,
      values: (name: string) => (name === 'content-type' ? ['application/json'] : []),
      body: async () => Buffer.from('{}'),
    } as unknown as HttpRequest;
    for (let times = 0; times < 1_001; times++) expect((await handler(request)).status).toBe(status);
    expect(guard.refuse(CLOUD, 0)?.status).toBe(then);
  },
);
