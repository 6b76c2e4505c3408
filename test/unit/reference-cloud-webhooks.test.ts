/** Webhooks of the reference cloud: what they say, how they are signed, how long they are repeated, what a restart forgets. */
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CloudOptions } from '../../src/demo/cloud/open.js';
import type { Subscription } from '../../src/demo/cloud/records.js';
import type { ReferenceCloud } from '../../src/demo/cloud/reference-cloud.js';
import { startReferenceCloud } from '../../src/demo/cloud/server.js';
import { signatureHeaders } from '../../src/demo/cloud/webhook-signature.js';
import { eventually } from '../support/eventually.js';
import { PretendOutlet } from '../support/pretend-outlet.js';

type Taken = { path: string; headers: IncomingMessage['headers']; body: string };
type Answer = { status: number; headers?: Record<string, string> } | 'cut' | 'silence';

/** An outlet's webhook port that answers what it is told, and 202 after that. */
class Port {
  readonly taken: Taken[] = [];
  readonly answers: Answer[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.taken.push({ path: request.url ?? '', headers: request.headers, body: String(Buffer.concat(chunks)) });
        const answer = this.answers.shift() ?? { status: 202 };
        if (answer === 'cut') request.socket.resetAndDestroy();
        else if (answer !== 'silence') response.writeHead(answer.status, answer.headers).end();
      });
    });
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

const directory = mkdtempSync(join(tmpdir(), 'syncd-webhooks-'));
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => rmSync(directory, { recursive: true }));

async function start(given: Partial<Subscription> = {}, options: Partial<CloudOptions> = {}) {
  const port = new Port();
  await port.open();
  closing.push(() => port.close());
  const cloud = await startCloud(options);
  cloud.subscribe({ outlet_id: 'outlet-1', url: port.url, profile: 'body', secret: 's', ...given });
  cloud.edit({ entity_type: 'product', entity_id: '1', data: '{"price":1.10}' });
  return { port, cloud };
}

async function startCloud(options: Partial<CloudOptions>): Promise<ReferenceCloud> {
  const retry = { first_ms: 5, cap_ms: 20, timeout_ms: 100 };
  const cloud = await startReferenceCloud({ apiKey: 'key', shared: ['product'], webhook_retry: retry, ...options });
  closing.push(() => cloud.stop());
  return cloud;
}

const settled = (cloud: ReferenceCloud) =>
  eventually(cloud.webhooks, (all) => all.length > 0 && all.every((one) => one.state !== 'waiting'), 'webhooks');
const about = (entity_id = '1') => ({ outlet_id: 'outlet-1', entities: [{ entity_type: 'product', entity_id }] });

describe('what it says', () => {
  test('an update carries the row as the text that it is, a delete its version, a hint neither', async () => {
    const { port, cloud } = await start();
    const { event_id } = cloud.webhook(about());
    await settled(cloud);
    cloud.webhook({ ...about(), as: 'hint' });
    await settled(cloud);
    cloud.edit({ entity_type: 'product', entity_id: '1', operation: 'delete' });
    cloud.webhook(about());
    await settled(cloud);
    expect(port.taken.map(({ path }) => path.split('/').at(-1))).toEqual(['update', 'update', 'delete']);
    const [update, hint, gone] = port.taken.map(({ body }) => body);
    expect(update).toContain('"data":{"price":1.10}}]}');
    expect(JSON.parse(update ?? '')).toEqual({
      event_id,
      sent_at: expect.any(String) as string,
      changes: [expect.objectContaining({ entity_type: 'product', entity_id: '1', cloud_version: 1 }) as unknown],
    });
    expect(hint).not.toContain('"data"');
    expect(JSON.parse(gone ?? '')).toMatchObject({ changes: [{ operation: 'delete', cloud_version: 2, data: null }] });
  });

  test('a conflict and a bare change stand without a list', async () => {
    const { port, cloud } = await start();
    cloud.webhook({ ...about(), kind: 'conflict', event_id: 'e-1' });
    await settled(cloud);
    cloud.webhook({ ...about(), bare: true, event_id: 'e-2' });
    await settled(cloud);
    expect(port.taken.map(({ path }) => path)).toEqual([
      '/api/v1/webhooks/cloud/conflict',
      '/api/v1/webhooks/cloud/update',
    ]);
    const [conflict, bare] = port.taken.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
    expect(Object.keys(conflict ?? {})).toEqual([
      ...['event_id', 'sent_at', 'entity_type', 'entity_id', 'cloud_version', 'updated_at', 'data'],
    ]);
    expect(bare).toMatchObject({ event_id: 'e-2', entity_id: '1', operation: 'create', data: { price: 1.1 } });
  });

  test('automatic ones tell of what the outlet can see and did not make, many in one', async () => {
    const { port, cloud } = await start();
    const outlet = new PretendOutlet(cloud.url);
    await outlet.pushOne(outlet.create('mine', { entity_type: 'product' }));
    cloud.edit({ outlet_id: 'other', entity_type: 'order', entity_id: '9', data: '{}' });
    expect(cloud.webhooks()).toEqual([]);
    cloud.subscribe({ outlet_id: 'outlet-1', url: port.url, profile: 'body', secret: 's', automatic: true });
    await outlet.pushOne(outlet.create('mine too', { entity_type: 'product' }));
    cloud.edit({ outlet_id: 'other', entity_type: 'order', entity_id: '9', data: '{"n":1}' });
    for (const id of ['2', '3']) cloud.edit({ entity_type: 'product', entity_id: id, data: '{}' });
    cloud.edit({ entity_type: 'product', entity_id: '2', operation: 'delete' });
    await settled(cloud);
    const told = port.taken.map(({ path, body }) => [
      path.split('/').at(-1),
      (JSON.parse(body) as { changes: { entity_id: string }[] }).changes.map((change) => change.entity_id),
    ]);
    expect(told.sort()).toEqual([
      ['delete', ['2']],
      ['update', ['2', '3']],
    ]);
  });

  test.each([
    [{ ...about('9') }, 'there is no product 9'],
    [{ ...about(), outlet_id: 'nobody' }, 'takes no webhooks'],
    [{ ...about(), entities: [] }, 'at least one'],
    [{ ...about(), bare: true, entities: [...about().entities, ...about().entities] }, 'exactly one'],
  ])('%j is refused', async (order, words) => {
    const { cloud } = await start();
    expect(() => cloud.webhook(order)).toThrow(words);
    expect(cloud.webhooks()).toEqual([]);
  });
});

describe('how it is signed', () => {
  const body = Buffer.from('{"a":"é"}');
  const at = new Date('2026-11-22T01:02:03.999Z');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text);

  test.each(['hex', 'sha256', 'base64'] as const)('profile body as %s', (form) => {
    const text = hmac('s', '{"a":"é"}').digest(form === 'base64' ? 'base64' : 'hex');
    expect(signatureHeaders({ profile: 'body', secret: 's', form }, 'e', body, at)).toEqual({
      'x-cloud-signature': form === 'sha256' ? `sha256=${text}` : text,
    });
  });

  test('profile timestamped signs id, time and body', () => {
    const seconds = 1_795_309_323;
    expect(signatureHeaders({ profile: 'timestamped', secret: 's' }, 'e-1', body, at)).toEqual({
      'x-cloud-event-id': 'e-1',
      'x-cloud-signature': `t=${seconds},v1=${hmac('s', `e-1.${seconds}.{"a":"é"}`).digest('hex')}`,
    });
  });

  test('profile standard agrees with the vector of its specification', () => {
    const signing = { profile: 'standard', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' } as const;
    const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
    const headers = signatureHeaders(signing, id, Buffer.from('{"test": 2432232314}'), new Date(1_614_265_330_000));
    expect(headers).toEqual({
      'webhook-id': id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });
});

describe('how often it comes', () => {
  test.each<[string, Answer]>([
    ['429', { status: 429 }],
    ['503', { status: 503 }],
    ['500', { status: 500 }],
    ['a cut connection', 'cut'],
    ['no answer', 'silence'],
  ])('after %s again, the same event to the byte and freshly signed', async (_, answer) => {
    const { port, cloud } = await start({ profile: 'timestamped' });
    port.answers.push(answer, answer);
    cloud.webhook({ ...about(), event_id: 'e-1' });
    const [record] = await settled(cloud);
    expect(record).toMatchObject({ state: 'taken', attempts: [{}, {}, { status: 202 }] });
    expect(port.taken.map(({ headers }) => headers['x-cloud-event-id'])).toEqual(['e-1', 'e-1', 'e-1']);
    expect(new Set(port.taken.map(({ body }) => body)).size).toBe(1);
  });

  test.each([
    ['seconds', 990, () => '1'],
    ['a date', 490, () => new Date(Date.now() + 1_500).toUTCString()],
  ])('Retry-After in %s is kept', async (_, leastMs, header) => {
    const { port, cloud } = await start();
    port.answers.push({ status: 503, headers: { 'retry-after': header() } });
    cloud.webhook(about());
    const [record] = await settled(cloud);
    const [first = 0, second = 0] = record?.attempts.map(({ at }) => Date.parse(at)) ?? [];
    expect(second - first).toBeGreaterThanOrEqual(leastMs);
  });

  test.each([400, 401, 403, 404, 413])('never again after %i', async (status) => {
    const { port, cloud } = await start();
    port.answers.push({ status });
    cloud.webhook(about());
    expect(await settled(cloud)).toMatchObject([{ state: 'refused', attempts: [{ status }] }]);
    expect(port.taken).toHaveLength(1);
  });

  test('a deaf cloud sends again what the outlet has answered', async () => {
    const { port, cloud } = await start();
    cloud.webhook({ ...about(), deaf: 2 });
    expect(await settled(cloud)).toMatchObject([{ attempts: [{ status: null }, { status: null }, { status: 202 }] }]);
    expect(port.taken).toHaveLength(3);
  });

  test('one that fails does not hold up the others', async () => {
    const { port, cloud } = await start();
    port.answers.push({ status: 503, headers: { 'retry-after': '600' } });
    cloud.webhook({ ...about(), event_id: 'late' });
    await eventually(
      () => port.taken.length,
      (taken) => taken === 1,
      'the first attempt',
    );
    cloud.webhook({ ...about(), event_id: 'next' });
    await eventually(cloud.webhooks, (all) => all.some((one) => one.state === 'taken'), 'the second webhook');
    expect(cloud.webhooks()).toMatchObject([
      { event_id: 'late', state: 'waiting' },
      { event_id: 'next', state: 'taken' },
    ]);
  });
});

describe('down and up', () => {
  test('a cloud that is down sends nothing, and goes on when it is up', async () => {
    const { port, cloud } = await start();
    await cloud.down();
    cloud.webhook(about());
    expect(cloud.webhooks()).toMatchObject([{ state: 'waiting', attempts: [] }]);
    await cloud.up();
    expect(await settled(cloud)).toMatchObject([{ state: 'taken' }]);
    expect(port.taken).toHaveLength(1);
  });

  test('a restarted cloud repeats what was not taken, and only that', async () => {
    const journal = join(directory, 'journal');
    const { port, cloud } = await start({}, { journal });
    cloud.webhook({ ...about(), event_id: 'taken' });
    await settled(cloud);
    port.answers.push({ status: 503, headers: { 'retry-after': '600' } });
    cloud.webhook({ ...about(), event_id: 'waiting' });
    await eventually(
      () => port.taken.length,
      (taken) => taken === 2,
      'the first attempt',
    );
    await eventually(
      () => cloud.webhooks()[1]?.attempts.length,
      (made) => made === 1,
      'its answer',
    );
    await cloud.stop();
    const again = await startCloud({ journal });
    expect(await settled(again)).toMatchObject([
      { event_id: 'taken', attempts: [{ status: 202 }] },
      { event_id: 'waiting', attempts: [{ status: 503 }, { status: 202 }] },
    ]);
    expect(port.taken).toHaveLength(3);
    expect(port.taken[2]?.body).toBe(port.taken[1]?.body);
    await again.stop();
  });
});
