/** The webhook listener as a part of the daemon: profiles, replays, rotation, the ratchet, and a database that comes and goes. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { Cluster } from '../../src/demo/postgres.js';
import { WebhookListener, type WebhookSession } from '../../src/http/webhooks/listener.js';
import { receive } from '../../src/inbox/receive.js';
import { sleep } from '../../src/time.js';
import { eventually } from '../support/eventually.js';
import { sendRaw } from '../support/raw-http.js';
import { openShop, type Shop } from '../support/shop.js';
import {
  eventText,
  type Header,
  nowSeconds,
  onWire,
  SECRET,
  type Signing,
  type Wire,
} from '../support/signed-webhook.js';
import { ENCODED_SECRET, openWebhookStage, type WebhookStage } from '../support/webhook-stage.js';

let cluster: Cluster;
let shop: Shop;
let stage: WebhookStage | undefined;
let databases = 0;
beforeAll(async () => {
  cluster = await Cluster.start();
});
beforeEach(async () => {
  databases += 1;
  shop = await openShop(cluster, `webhooks_${databases}`);
});
afterEach(async () => {
  await stage?.close();
  await shop.close();
});
afterAll(() => cluster?.destroy());

async function open(more: Parameters<typeof openWebhookStage>[1] = {}): Promise<WebhookStage> {
  stage = await openWebhookStage(shop.db, more);
  await stage.serve();
  return stage;
}

/** The status of the answer; of several, of each. */
async function send(to: WebhookStage, wire: Wire = {}): Promise<string> {
  const answers = await sendRaw(to.port, [onWire(wire)]);
  return answers.map(({ status, body }) => (status < 300 ? `${status} ${body}` : String(status))).join(', ');
}

const TAKEN = '202 {"accepted":1}';
const AGAIN = '200 {"duplicate":true}';

test.each<[what: string, signing: Signing & { ageS?: number }, status: string]>([
  ['timestamped', { profile: 'timestamped' }, TAKEN],
  ['timestamped, 290 s ago', { profile: 'timestamped', ageS: 290 }, TAKEN],
  ['timestamped, 6 min ago', { profile: 'timestamped', ageS: 360 }, '401'],
  ['timestamped, in 6 min', { profile: 'timestamped', ageS: -360 }, '401'],
  [
    'timestamped, with a secret of Standard Webhooks as it stands',
    { profile: 'timestamped', secret: ENCODED_SECRET },
    TAKEN,
  ],
  ['standard', { profile: 'standard' }, TAKEN],
  ['standard, its secret decoded', { profile: 'standard', secret: ENCODED_SECRET }, TAKEN],
  ['standard, 6 min ago', { profile: 'standard', ageS: 360 }, '401'],
  ['standard, a name of 300 letters', { profile: 'standard', id: 'x'.repeat(300) }, '401'],
  ['standard, a name with a blank', { profile: 'standard', id: 'a b' }, '401'],
])('auto, %s', async (_what, { ageS, ...signing }, status) => {
  const { calls } = await open();
  const dated = ageS === undefined ? signing : { ...signing, seconds: nowSeconds() - ageS };
  expect(await send(stage as WebhookStage, { signing: dated })).toBe(status);
  // Asked for at once where the time alone was wrong.
  const untimely = status === '401' && ageS !== undefined;
  if (untimely)
    await eventually(
      () => calls.untimely,
      (times) => times === 1,
      'the cloud is asked',
    );
  else expect(calls.untimely).toBe(0);
});

test('a secret of Standard Webhooks that was not decoded signs nothing in profile standard', async () => {
  await open();
  const body = eventText();
  const mac = createHmac('sha256', ENCODED_SECRET).update(`m1.${nowSeconds()}.${body}`).digest('base64');
  const headers: Header[] = [
    ['webhook-id', 'm1'],
    ['webhook-timestamp', String(nowSeconds())],
    ['webhook-signature', `v1,${mac}`],
  ];
  expect(await send(stage as WebhookStage, { body, signing: false, headers })).toBe('401');
});

test('a stale message that nobody signed makes nobody ask the cloud', async () => {
  const { calls } = await open();
  const signing: Signing = { profile: 'timestamped', seconds: nowSeconds() - 3_600, secret: 'a-guess' };
  expect(await send(stage as WebhookStage, { signing })).toBe('401');
  expect(await send(stage as WebhookStage)).toBe(TAKEN);
  expect(calls).toEqual({ messages: 1, untimely: 0 });
});

test('the cloud’s clock counts, not ours', async () => {
  const opened = await open();
  opened.clock.correctionMs = 3_600_000;
  const ahead: Signing = { profile: 'timestamped', seconds: nowSeconds() + 3_600 };
  await eventually(
    () => send(opened, { signing: { ...ahead } }),
    (status) => status === TAKEN,
    'the clock is told',
  );
  expect(await send(opened, { signing: { profile: 'timestamped' } })).toBe('401');
});

test('an event counts once: under its signed name, its own, or the hash of its body; also after a restart', async () => {
  let opened = await open({ profile: 'body' });
  const named = { body: eventText() };
  const nameless = { body: eventText({ event_id: undefined }) };
  const renamed = { body: eventText({ event_id: JSON.parse(named.body).event_id }) };
  const repeatAll = async () => [await send(opened, named), await send(opened, nameless), await send(opened, renamed)];
  expect(await repeatAll()).toEqual([TAKEN, TAKEN, AGAIN]);
  expect(await repeatAll()).toEqual([AGAIN, AGAIN, AGAIN]);
  await opened.close();
  opened = await open();
  expect(await repeatAll()).toEqual([AGAIN, AGAIN, AGAIN]);
  const signed = { signing: { profile: 'timestamped', id: 'm-7' } as const };
  expect(await send(opened, { ...signed, body: eventText() })).toBe(TAKEN);
  expect(await send(opened, { ...signed, body: eventText() })).toBe(AGAIN);
  await opened.close();
  opened = await open();
  expect(await send(opened, { signing: { profile: 'standard', id: 'm-7' } })).toBe(AGAIN);
  expect(await opened.events()).toHaveLength(3);
});

test('eight at once of one event: one is stored, all are answered', async () => {
  const opened = await open();
  const wire: Wire = { body: eventText() };
  const statuses = await Promise.all(Array.from({ length: 8 }, () => send(opened, wire)));
  expect(statuses.filter((status) => status === TAKEN)).toHaveLength(1);
  expect(statuses.filter((status) => status === AGAIN)).toHaveLength(7);
  expect(await opened.events()).toHaveLength(1);
});

test('the first stored message with a signed time closes the door on those without, until a person names a profile', async () => {
  let opened = await open();
  expect(await send(opened)).toBe(TAKEN);
  expect(await send(opened, { signing: { profile: 'timestamped', secret: 'a-guess' } })).toBe('401');
  expect(await send(opened, { signing: { profile: 'standard', seconds: nowSeconds() - 999 } })).toBe('401');
  expect(await send(opened, { body: 'x', signing: { profile: 'standard' } })).toBe('400');
  expect(await send(opened)).toBe(TAKEN);
  expect(await send(opened, { signing: { profile: 'standard' } })).toBe(TAKEN);
  expect(await send(opened)).toBe('401');
  await opened.close();
  opened = await open();
  expect(await send(opened)).toBe('401');
  expect(await send(opened, { signing: { profile: 'timestamped' } })).toBe(TAKEN);
  await opened.close();
  opened = await open({ profile: 'body' });
  expect(await send(opened)).toBe(TAKEN);
  expect(await send(opened, { signing: { profile: 'timestamped' } })).toBe('401');
  await opened.close();
  opened = await open();
  expect(await send(opened)).toBe(TAKEN);
});

test('secrets are exchanged without a message lost, whatever becomes of their file meanwhile', async () => {
  const opened = await open({ profile: 'body' });
  const { secretsFile } = opened.settings;
  const by = (secret: string) => send(opened, { signing: { profile: 'body', secret } });
  expect([await by(SECRET), await by('the-next')]).toEqual([TAKEN, '401']);
  opened.setSecrets(SECRET, 'the-next');
  expect([await by('the-next'), await by(SECRET)]).toEqual([TAKEN, TAKEN]);
  writeFileSync(`${secretsFile}.new`, 'the-last\r\n\r\n');
  renameSync(`${secretsFile}.new`, secretsFile);
  expect(await by('the-last')).toBe(TAKEN);
  await eventually(
    () => by(SECRET),
    (status) => status === '401',
    'the old one counts no more',
  );
  writeFileSync(secretsFile, '');
  expect([await by('x-guess'), await by('the-last')]).toEqual(['401', TAKEN]);
  rmSync(secretsFile);
  expect([await by('x-guess'), await by('the-last')]).toEqual(['401', TAKEN]);
  expect(opened.lines.join()).toMatch(/does not exist/);
  expect(opened.lines.join()).not.toMatch(/the-last|the-next|planted/);
});

test('while there are no secrets nobody is refused for good', async () => {
  stage = await openWebhookStage(shop.db, { profile: 'body', secretsFile: '/nonexistent/secrets' });
  await stage.serve();
  expect(await send(stage)).toBe('503');
});

test('while the database is away, senders come again; what was not stored is never called stored', async () => {
  stage = await openWebhookStage(shop.db);
  const [away] = await sendRaw(stage.port, [onWire()]);
  expect(away).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
  const endBefore = await stage.serve();
  const end = await stage.serve();
  endBefore();
  const wire = { body: eventText() };
  expect([await send(stage, wire), await send(stage)]).toEqual([TAKEN, TAKEN]);
  end();
  await eventually(
    () => send(stage as WebhookStage),
    (status) => status === '503',
    'it is away again',
  );
  expect(await send(stage, { signing: false })).toBe('401');
  // Restored from a backup: what is remembered of it is not in it any more.
  await shop.sql.query('TRUNCATE syncd.inbox');
  await stage.serve();
  await eventually(
    () => send(stage as WebhookStage, wire),
    (status) => status === TAKEN,
    'it is back',
  );
  expect(await stage.events()).toHaveLength(1);
});

test('a database that is slow, or fails, is answered 503 in time; what it stored after all is a duplicate then', async () => {
  const opened = await open();
  const wire = { body: eventText() };
  const kept: string[] = [];
  const session = (receive: WebhookSession['receive']): WebhookSession => ({
    receive,
    bodyRefused: false,
    onMessage: () => {},
    onUntimely: () => {},
  });
  let room = false;
  const full = session(async () => {
    if (!room) throw new Error('the disk is full');
    return { kind: 'stored', changes: 1, parked: 0 };
  });
  opened.listener.serve(full);
  expect(await send(opened, wire)).toBe('503');
  expect(opened.lines.join()).toMatch(/the disk is full/);
  room = true;
  expect(await send(opened, wire)).toBe(TAKEN);
  opened.listener.serve(
    session(async (event) => {
      if (kept.includes(event.event_id)) return { kind: 'duplicate' };
      kept.push(event.event_id);
      await sleep(6_000);
      return { kind: 'stored', changes: 1, parked: 0 };
    }),
  );
  const begun = performance.now();
  expect(await send(opened, wire)).toBe('503');
  expect(performance.now() - begun).toBeLessThan(7_000);
  expect(await send(opened, wire)).toBe(AGAIN);
});

test('a thread that begins while the database is there is told so', async () => {
  const opened = await open();
  const { settings, log } = opened;
  const listener = new WebhookListener({ settings, log, correctionMs: () => 0 });
  const onMessage = () => {};
  listener.serve({ receive: (event) => receive(shop.db, event), bodyRefused: false, onMessage, onUntimely: onMessage });
  await listener.start();
  try {
    expect(await sendRaw(listener.port, [onWire()])).toMatchObject([{ status: 202 }]);
  } finally {
    await listener.stop();
  }
});

test('a port that somebody else has is asked for again until it is free, and a person is told meanwhile', async () => {
  const squatter = createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  const { port } = squatter.address() as AddressInfo;
  const opened = await open({ listen: { host: '127.0.0.1', port } });
  expect(opened.listener.health()).toMatchObject({ ok: false, detail: 'not listening' });
  expect(opened.lines.join()).toMatch(/another program listens there.*ss -ltnp/);
  squatter.close();
  await eventually(
    () => opened.port,
    (heard) => heard === port,
    'it is heard',
  );
  expect(await send(opened)).toBe(TAKEN);
});

test('a stop right after the start, a second one, and one before it leave nothing behind', async () => {
  const opened = await open();
  const listener = new WebhookListener({ settings: opened.settings, log: opened.log, correctionMs: () => 0 });
  const starting = listener.start();
  await Promise.all([listener.stop(), listener.stop()]);
  await starting;
  await listener.start();
  expect(listener.health().ok).toBe(false);
  expect(await send(opened)).toBe(TAKEN);
});
