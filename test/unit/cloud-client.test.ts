/** The one HTTP client against a server that answers in every wrong way: what comes back is a reply or none, never a throw. */
import { spawn } from 'node:child_process';
import dns from 'node:dns';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { jest } from '@jest/globals';
import { chooseEncoding, isNameable } from '../../src/cloud/client.js';
import { sleep } from '../../src/time.js';
import { answeringServer, type Handler } from '../support/answering-server.js';

let handle: Handler;
let requests: { request: IncomingMessage; body: Buffer }[];
const { base, client, close } = await answeringServer((request, response, body) => {
  requests.push({ request, body });
  handle(request, response, body);
});
afterAll(close);
beforeEach(() => {
  requests = [];
  handle = (_request, response) => response.end('{}');
});

describe('a push', () => {
  test('goes to its place with every header, small as it is, large compressed as the cloud likes', async () => {
    const large = JSON.stringify({ text: 'x'.repeat(5_000) });
    await client().push('{"a":1}', 'batch-1', ['br']);
    await client().push(large, 'batch-2', ['gzip']);
    await client().push(large, 'batch-3', ['gzip', 'br']);
    expect(requests[0]?.request).toMatchObject({
      method: 'POST',
      url: '/api/v1/sync/push',
      headers: {
        'x-api-key': 'secret-key',
        'x-outlet-id': 'outlet-7',
        'idempotency-key': 'batch-1',
        'user-agent': 'syncd/1.2.3',
        'content-type': 'application/json',
        'accept-encoding': 'gzip, br',
      },
    });
    expect(requests.map(({ request }) => request.headers['content-encoding'])).toEqual([undefined, 'gzip', 'br']);
    expect(String(gunzipSync(requests[1]?.body as Buffer))).toBe(large);
    expect(String(brotliDecompressSync(requests[2]?.body as Buffer))).toBe(large);
  });

  test('that nobody answers is sent three times in all; what the cloud said is not repeated at once', async () => {
    handle = (request) => request.socket.destroy();
    expect(await client().push('{}', 'b', [])).toMatchObject({ reply: { kind: 'none', timedOut: false }, bytes: 2 });
    expect(requests.length).toBe(3);
    for (const [status, sent] of [
      [500, 3],
      [200, 1],
      [401, 1],
      [429, 1],
    ] as const) {
      requests = [];
      handle = (_request, response) => response.writeHead(status).end();
      expect((await client().push('{}', 'b', [])).reply).toMatchObject({ kind: 'answer', status });
      expect(requests.length).toBe(sent);
    }
    requests = [];
    handle = (_request, response) => response.writeHead(503, { 'retry-after': '7' }).end();
    expect((await client().push('{}', 'b', [])).reply).toMatchObject({ status: 503, retryAfter: '7' });
    expect(requests.length).toBe(1);
  });

  test('that uses up its whole deadline is a time-out and is not repeated at once', async () => {
    handle = () => {};
    const { reply } = await client({ timeoutMs: 150 }).push('{}', 'b', []);
    expect(reply).toMatchObject({ kind: 'none', timedOut: true });
    expect(requests.length).toBe(1);
  });

  test('whose answer trickles beyond the deadline is a time-out as well', async () => {
    handle = (_request, response) => {
      response.writeHead(200).write('{');
    };
    expect((await client({ timeoutMs: 150 }).push('{}', 'b', [])).reply).toMatchObject({
      kind: 'none',
      timedOut: true,
    });
  });

  test('is not redirected: the key goes nowhere else', async () => {
    handle = (_request, response) => response.writeHead(307, { location: '/elsewhere' }).end();
    expect((await client().push('{}', 'b', [])).reply).toMatchObject({ kind: 'answer', status: 307 });
    expect(requests.map(({ request }) => request.url)).toEqual(['/api/v1/sync/push']);
  });

  test('that is aborted ends at once, and later ones are not sent', async () => {
    handle = () => {};
    const cloud = client();
    const pushing = cloud.push('{}', 'b', []);
    setImmediate(() => cloud.abort());
    expect((await pushing).reply.kind).toBe('none');
    const before = requests.length;
    expect((await cloud.push('{}', 'b', [])).reply.kind).toBe('none');
    expect(requests.length).toBe(before);
  });
});

test('an answer that takes the connection over ends with the deadline: nothing would be sent any more', async () => {
  handle = (request) =>
    request.socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  const { reply } = await client({ timeoutMs: 100 }).push('{}', 'b', []);
  expect(reply).toMatchObject({ kind: 'none', timedOut: true });
}, 3_000);

describe('a pull', () => {
  const query = { cursor: null, since: undefined, limit: 100, waitMs: 0 };
  const never = new AbortController().signal;
  // A push that an earlier test has given up may arrive late.
  const paths = () => requests.flatMap(({ request }) => (request.method === 'GET' ? [request.url] : []));

  test('names its cursor, or where to begin, and whole seconds of waiting', async () => {
    const cloud = client();
    await cloud.changes({ ...query, cursor: 'a b/&=é', since: '2026-01-01T00:00:00Z', waitMs: 25_900 }, never);
    await cloud.changes({ ...query, since: '2026-01-01T07:00:00+07:00' }, never);
    await cloud.changes({ ...query, waitMs: 900 }, never);
    const [first, second, third] = paths().map((path) => new URL(path ?? '', base));
    expect(first?.pathname).toBe('/api/v1/sync/changes');
    expect(Object.fromEntries(first?.searchParams ?? [])).toEqual({ cursor: 'a b/&=é', limit: '100', wait: '25' });
    expect(Object.fromEntries(second?.searchParams ?? [])).toEqual({ since: '2026-01-01T00:00:00.000Z', limit: '100' });
    expect(third?.search).toBe('?limit=100');
  });

  test('has the wait and the usual deadline, no more', async () => {
    handle = () => {};
    const startedAt = performance.now();
    const reply = await client({ timeoutMs: 200 }).changes({ ...query, waitMs: 1_000 }, never);
    const passed = performance.now() - startedAt;
    expect(reply).toMatchObject({ kind: 'none', timedOut: true });
    expect(passed).toBeGreaterThan(1_100);
    expect(passed).toBeLessThan(2_000);
  });

  test('can be cut alone; the client goes on', async () => {
    handle = (request, response) => void (request.url?.includes('changes') || response.end('{}'));
    const cloud = client();
    const cutting = new AbortController();
    const pulling = cloud.changes({ ...query, waitMs: 20_000 }, cutting.signal);
    setTimeout(() => cutting.abort(), 50);
    expect((await pulling).kind).toBe('none');
    expect([cloud.aborted, (await cloud.health()).kind]).toEqual([false, 'answer']);
    expect((await cloud.changes(query, cutting.signal)).kind).toBe('none');
    expect(requests.length).toBe(2);
  });

  test('that was kept waiting and then cut off is not begun anew at once', async () => {
    handle = (request) => void setTimeout(() => request.socket.destroy(), 1_050);
    expect((await client().changes({ ...query, waitMs: 5_000 }, never)).kind).toBe('none');
    expect(requests.length).toBe(1);
    handle = (request) => request.socket.destroy();
    expect((await client().changes({ ...query, waitMs: 5_000 }, never)).kind).toBe('none');
    expect(requests.length).toBe(4);
  });

  test('of one entity finds it, whatever it is called', async () => {
    const cloud = client();
    await cloud.entity('order', '["7","2"]');
    await cloud.entity('a/b', '../%2e?x#y é');
    await cloud.entityVersion('order', '7');
    expect(paths()).toEqual([
      '/api/v1/entities/order/%5B%227%22%2C%222%22%5D',
      '/api/v1/entities/a%2Fb/..%2F%252e%3Fx%23y%20%C3%A9',
      '/api/v1/entities/order/7/version',
    ]);
    expect(['', '.', '..', '...', 'a', '\ud800'].map(isNameable)).toEqual([false, false, false, true, true, false]);
  });
});

/** Listens, and takes no call before it is told to: what comes meanwhile has to knock once more, a second later. */
const LATE = `
  const { createServer } = require('node:http');
  const server = createServer((_, response) => response.end('{}'));
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    require('node:fs').writeSync(1, String(server.address().port));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
  });`;

describe('a name with several addresses', () => {
  // Nothing listens at the second one.
  const stubbed = ((_name: string, _options: object, tell: (...told: unknown[]) => void) =>
    tell(
      null,
      ['127.0.0.1', '127.0.0.9'].map((address) => ({ address, family: 4 })),
    )) as unknown as typeof dns.lookup;
  afterEach(() => jest.restoreAllMocks());

  test('is reached also where the way there and back takes long, and another of its addresses is dead', async () => {
    const late = spawn(process.execPath, ['-e', LATE], { stdio: ['ignore', 'pipe', 'inherit'] });
    const port = Number(String((await once(late.stdout, 'data'))[0]));
    const crowd = Array.from({ length: 3 }, () => connect(port, '127.0.0.1').on('error', () => {}));
    await sleep(100);
    jest.spyOn(dns, 'lookup').mockImplementation(stubbed);
    try {
      const reply = await client({ url: `http://cloud.test:${port}/api/v1` }).health();
      expect(reply).toMatchObject({ kind: 'answer', status: 200 });
      expect(reply.durationMs).toBeGreaterThan(500);
    } finally {
      for (const one of crowd) one.destroy();
      late.kill('SIGKILL');
    }
  });

  test('of which none answers is told with the words of one', async () => {
    jest.spyOn(dns, 'lookup').mockImplementation(stubbed);
    const reply = await client({ url: 'http://cloud.test:1/api/v1' }).health();
    expect(reply).toMatchObject({ kind: 'none', error: expect.stringContaining('connect ECONNREFUSED 127.0.0.1:1') });
  });
});

test('a digest is packed as the cloud listed it when it was asked last', async () => {
  const outlet = client();
  const digest = { entity_type: 'order', date_field: null, timezone: 'UTC', buckets: [] };
  const long = { ...digest, entity_type: 'o'.repeat(2_000) };
  await outlet.digest(long);
  for (const encodings of ['["gzip","br"]', '[]']) {
    handle = (_request, response) => response.end(`{"encodings":${encodings}}`);
    await outlet.capabilities();
    await outlet.digest(long);
  }
  const sent = requests.filter(({ request }) => request.method === 'POST');
  expect(sent.map(({ request }) => request.headers['content-encoding'])).toEqual(['gzip', 'br', undefined]);
});

test('nothing is packed in a way that the cloud does not list, small bodies go as they are', () => {
  const choose = (wanted: Parameters<typeof chooseEncoding>[0], accepted: string[], bytes = 5_000) =>
    chooseEncoding(wanted, accepted, bytes);
  expect([choose('auto', ['gzip', 'br']), choose('auto', ['br']), choose('auto', ['gzip'])]).toEqual([
    'br',
    'br',
    'gzip',
  ]);
  expect([choose('br', ['br']), choose('br', ['gzip']), choose('gzip', ['gzip', 'br'])]).toEqual([
    'br',
    'gzip',
    'gzip',
  ]);
  expect([choose('auto', []), choose('br', []), choose('gzip', ['br'])]).toEqual([undefined, undefined, undefined]);
  expect([choose('none', ['br']), choose('auto', ['br'], 1_023), choose('auto', ['br'], 1_024)]).toEqual([
    undefined,
    undefined,
    'br',
  ]);
});
