/** Our contact with the cloud: what it says of itself, when it is asked again, and a history that is another one. */
import type { CloudClient } from '../../src/cloud/client.js';
import type { Reply } from '../../src/cloud/reply.js';
import type { Standing } from '../../src/cloud/standing.js';
import { Contact } from '../../src/push/contact.js';
import { newPushMemory } from '../../src/push/memory.js';

const DAY_MS = 86_400_000;
let nowMs: number;
let asked: number;
let reply: Reply;
let told: Standing['kind'][];
let epochs: (string | undefined)[];

const answer = (status: number, body = '{}'): Reply => ({
  kind: 'answer',
  status,
  body,
  retryAfter: undefined,
  date: undefined,
  durationMs: 1,
});
const capabilities = (more: object = {}) => answer(200, JSON.stringify({ protocol: 1, long_poll: true, ...more }));

function makeContact() {
  const memory = newPushMemory();
  const client = {
    capabilities: async () => {
      asked++;
      return reply;
    },
    health: async () => answer(200),
    aborted: false,
  } as unknown as CloudClient;
  const silent = () => {};
  const contact = new Contact({
    client,
    memory,
    retry: { maxRetries: 3, initialBackoffMs: 60_000, maxBackoffMs: 1_800_000, multiplier: 2 },
    log: { error: silent, warn: silent, info: silent, debug: silent },
    nowMs: () => nowMs,
    steadyMs: () => nowMs,
    random: () => 0,
    checkEpoch: async (epoch) => {
      epochs.push(epoch);
      return epoch === 'restored' ? 'another history' : undefined;
    },
    onStanding: ({ kind }) => void told.push(kind),
  });
  return { contact, memory, client };
}

beforeEach(() => {
  [nowMs, asked, told, epochs] = [1_000_000, 0, [], []];
  reply = capabilities({ cloud_epoch: 'e1' });
});

test('the cloud is asked once, and what it says is known to all', async () => {
  const { contact, memory } = makeContact();
  expect(contact.permission).toEqual({ may: 'ask' });
  expect(await contact.ask()).toBe(true);
  expect(memory.capabilities).toMatchObject({ long_poll: true });
  expect([contact.permission, epochs]).toEqual([{ may: 'call' }, ['e1']]);
});

test('a day later it is asked again; that it does not answer then changes nothing', async () => {
  const { contact, memory } = makeContact();
  await contact.ask();
  nowMs += DAY_MS - 1;
  expect(contact.permission).toEqual({ may: 'call' });
  nowMs += 1;
  expect(contact.permission).toEqual({ may: 'ask' });
  for (const failing of [
    answer(500),
    answer(401),
    answer(200, '<html>'),
    { kind: 'none', error: 'x', timedOut: false, durationMs: 1 } as const,
  ]) {
    reply = failing;
    expect(await contact.ask()).toBe(true);
    expect([memory.standing.kind, contact.permission]).toEqual(['online', { may: 'call' }]);
    nowMs += DAY_MS;
  }
  reply = capabilities({ long_poll: false });
  await contact.ask();
  expect(memory.capabilities).toMatchObject({ long_poll: false });
});

test('a push that was too large has it asked again, but no more than once a minute', async () => {
  const { contact } = makeContact();
  await contact.ask();
  contact.askAgain();
  expect(contact.permission).toEqual({ may: 'call' });
  nowMs += 60_000;
  contact.askAgain();
  expect(contact.permission).toEqual({ may: 'ask' });
  await contact.ask();
  contact.askAgain();
  expect([contact.permission, asked]).toEqual([{ may: 'call' }, 2]);
});

test('while pushes are refused it is asked again when the next one is due, which keeps to the schedule', async () => {
  const { contact, memory } = makeContact();
  await contact.ask();
  for (const [failures, waitMs] of [
    [1, 60_000],
    [2, 120_000],
  ] as const) {
    contact.replied({ kind: 'refused', reason: 'HTTP 415' });
    contact.askAgain();
    expect(contact.permission).toEqual({ may: 'nothing', forMs: waitMs });
    nowMs += waitMs;
    expect(contact.permission).toEqual({ may: 'ask' });
    reply = capabilities({ encodings: [`after ${failures}`] });
    expect(await contact.ask()).toBe(true);
    expect(memory).toMatchObject({ encodings: [`after ${failures}`], standing: { kind: 'refused', failures } });
    expect(contact.permission).toEqual({ may: 'call' });
  }
  contact.replied({ kind: 'answered' });
  expect(memory.standing.kind).toBe('online');
});

test('the first time, without an answer nothing may be called', async () => {
  for (const [failing, kind] of [
    [answer(401), 'refused'],
    [answer(500), 'offline'],
    [answer(200, '<html>'), 'offline'],
  ] as const) {
    const { contact, memory } = makeContact();
    reply = failing;
    expect([await contact.ask(), memory.standing.kind]).toEqual([false, kind]);
  }
});

test('a cloud with another history stops it, and only a person ends that', async () => {
  const { contact, memory } = makeContact();
  reply = capabilities({ cloud_epoch: 'restored' });
  expect(await contact.ask()).toBe(false);
  expect(memory.standing).toEqual({ kind: 'stopped', reason: 'another history' });
  expect(memory.capabilities).toBeUndefined();
  contact.tryNow();
  contact.replied({ kind: 'answered' });
  expect(contact.permission).toMatchObject({ may: 'nothing' });
  contact.goOn();
  expect(contact.permission).toEqual({ may: 'ask' });
});

test('a health check proves nothing by itself: who answers it and knows no limits is no cloud', async () => {
  const { contact, memory } = makeContact();
  reply = answer(200, '<html>');
  expect([await contact.probe(), memory.standing.kind]).toEqual([false, 'offline']);
  reply = capabilities();
  expect([await contact.probe(), asked]).toEqual([true, 2]);
});

test('what it takes at most bounds what is sent', async () => {
  const { contact, memory } = makeContact();
  reply = capabilities({ max_batch_changes: 7, max_batch_bytes: 2_048 });
  await contact.ask();
  expect(memory.link).toMatchObject({ changes: 7, maxChanges: 7, maxBytes: 2_048 });
});

test('stopped while it is asked, it stays stopped', async () => {
  const { contact, memory } = makeContact();
  const asking = contact.ask();
  contact.stop('another copy lives');
  expect([await asking, memory.standing.kind]).toEqual([false, 'stopped']);
});

test('a call that is cut off because the daemon ends is no outage', () => {
  const { contact, client } = makeContact();
  Object.assign(client, { aborted: true });
  contact.replied({ kind: 'offline', reason: 'cut off' });
  expect(told).toEqual([]);
});
