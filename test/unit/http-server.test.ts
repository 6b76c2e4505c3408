/** The listener itself: what it takes at most, how it answers what is no request, how it starts and how it ends. */
import { connect, type Socket } from 'node:net';
import { SyncError } from '../../src/errors.js';
import type { Handler } from '../../src/http/exchange.js';
import { HttpServer, type HttpServerOptions } from '../../src/http/server.js';
import { sleep } from '../../src/time.js';
import { eventually } from '../support/eventually.js';
import { sendRaw } from '../support/raw-http.js';

const servers: HttpServer[] = [];
const sockets: Socket[] = [];
let faults: unknown[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  faults = [];
});

function make(handle: Handler, more: Partial<HttpServerOptions> = {}): HttpServer {
  const onFault = (error: unknown) => void faults.push(error);
  const server = new HttpServer({ name: 'the test listener', host: '127.0.0.1', port: 0, handle, onFault, ...more });
  servers.push(server);
  return server;
}

async function open(handle: Handler, more: Partial<HttpServerOptions> = {}): Promise<HttpServer> {
  const server = make(handle, more);
  await server.start();
  return server;
}

const echo: Handler = async (request) => {
  const body = await request.body(1_000);
  if (!Buffer.isBuffer(body)) return { status: 413, body };
  return { status: 200, body: `${request.method} ${request.path} ${request.query} ${request.address} ${body}` };
};
const GET = 'GET /x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n';
const GET_CLOSE = 'GET /x?y=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const POST_HEAD = 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n';

function dial(server: HttpServer, text = ''): Promise<{ socket: Socket; said: () => string }> {
  let said = '';
  return new Promise((resolve, reject) => {
    const socket = connect({ port: server.port, host: '127.0.0.1' }, () => {
      if (text !== '') socket.write(text);
      resolve({ socket, said: () => said });
    });
    socket.setEncoding('latin1').on('data', (piece) => (said += piece));
    socket.once('error', reject);
    socket.on('error', () => {});
    sockets.push(socket);
  });
}

test('a handler sees what was sent, and its answer arrives', async () => {
  const server = await open(echo);
  const [answer] = await sendRaw(server.port, [
    'POST /a/%2e//b?c=d HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi',
  ]);
  expect(answer).toMatchObject({ status: 200, body: 'POST /a/%2e//b c=d 127.0.0.1 hi' });
});

test('a fault of the handler is answered without a word of what it was', async () => {
  const server = await open(() => Promise.reject(new Error('the password is hunter2')));
  const [answer] = await sendRaw(server.port, [GET_CLOSE]);
  expect(answer).toMatchObject({
    status: 500,
    body: '{"type":"about:blank","title":"Internal Server Error","status":500}',
  });
  expect(faults).toHaveLength(1);
});

test('a connection serves many requests, one after the other', async () => {
  let busy = 0;
  const order: string[] = [];
  const server = await open(async (request) => {
    busy += 1;
    expect(busy).toBe(1);
    await sleep(request.path === '/1' ? 30 : 0);
    order.push(request.path);
    busy -= 1;
    return { status: 200, body: request.path };
  });
  const ask = (path: number) => `GET /${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const answers = await sendRaw(server.port, [ask(1) + ask(2) + ask(3)], { answers: 3 });
  expect(answers.map(({ body }) => body)).toEqual(['/1', '/2', '/3']);
  expect(order).toEqual(['/1', '/2', '/3']);
});

test('the eighth connection of one address is served, the ninth is told to come again, and all others go on', async () => {
  const server = await open(echo);
  const held = await Promise.all(Array.from({ length: 8 }, () => dial(server)));
  await eventually(
    async () => (await sendRaw(server.port, [GET_CLOSE]))[0]?.status,
    (status) => status === 429,
    'it is full',
  );
  const [ninth] = await sendRaw(server.port, [GET_CLOSE]);
  expect(ninth?.headers['retry-after']).toBe('1');
  held[0]?.socket.write(GET_CLOSE);
  await eventually(
    () => held[0]?.said() ?? '',
    (said) => said.includes('200 OK'),
    'the first is served',
  );
  await eventually(
    async () => (await sendRaw(server.port, [GET_CLOSE]))[0]?.status,
    (status) => status === 200,
    'there is room',
  );
});

test('of a body that is too large little is taken, whoever sends it on and on', async () => {
  const server = await open(async (request) => ({ status: (await request.body(1_000)) === 'too_large' ? 413 : 500 }));
  const { socket, said } = await dial(server, 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  const piece = `10000\r\n${'x'.repeat(65_536)}\r\n`;
  const begun = performance.now();
  while (!socket.destroyed && performance.now() - begun < 5_000) {
    socket.write(piece);
    await sleep(1);
  }
  expect(said()).toMatch(/^HTTP\/1\.1 413 /);
  expect(performance.now() - begun).toBeLessThan(3_000);
});

test('whoever is slow is cut off: with the head after ten seconds, with the body after fifteen', async () => {
  const server = await open(echo);
  const begun = performance.now();
  const slow = async (first: string, each: string) => {
    const { socket, said } = await dial(server, first);
    while (!socket.destroyed && performance.now() - begun < 25_000) {
      socket.write(each);
      await sleep(250);
    }
    return { ms: performance.now() - begun, said: said() };
  };
  const [head, body, silent, fast] = await Promise.all([
    slow('GET /x HTTP/1.1\r\nX-Slow: ', 'x'),
    slow('POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\nx\r\n'),
    slow('', ''),
    sendRaw(server.port, [GET_CLOSE]),
  ]);
  expect([head.said, body.said, silent.said].map((said) => said.slice(0, 12))).toEqual(Array(3).fill('HTTP/1.1 408'));
  expect(head.ms).toBeGreaterThan(9_500);
  expect(head.ms).toBeLessThan(13_500);
  expect(body.ms).toBeLessThan(18_500);
  expect(silent.ms).toBeLessThan(13_500);
  expect(fast[0]?.status).toBe(200);
}, 30_000);

test('a stream reaches its reader piece by piece, and learns when he leaves or the listener stops', async () => {
  const ended: string[] = [];
  const server = await open(async (request) => ({
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    body: async (write, signal) => {
      for (let at = 0; await write(`data: ${at}\n\n`); at++) await sleep(5, signal);
      ended.push(request.path);
    },
  }));
  const [one, two] = [await dial(server, GET), await dial(server, GET.replace('/x', '/y'))];
  await eventually(
    () => one.said() + two.said(),
    (said) => said.split('data: 3').length === 3,
    'both read',
  );
  one.socket.destroy();
  await eventually(
    () => ended.join(),
    (paths) => paths === '/x',
    'the one who left',
  );
  await server.stop();
  expect(ended).toEqual(['/x', '/y']);
});

test('a stop that nobody keeps waiting leaves no timer behind, which would keep the process', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const server = await open(echo);
  await server.stop();
  expect(timers()).toBe(before);
});

test('a stop ends idle, waiting, slow and busy connections within a second', async () => {
  let asked = 0;
  const server = await open(async (request) => {
    if (request.path === '/busy') {
      asked += 1;
      await new Promise(() => {});
    }
    return echo(request);
  });
  const parts = ['', GET, 'GET / HT', POST_HEAD, GET.replace('/x', '/busy')];
  const all = await Promise.all(parts.map((part) => dial(server, part)));
  await eventually(
    () => asked,
    (times) => times === 1,
    'the handler is busy',
  );
  const begun = performance.now();
  await Promise.all([server.stop(), server.stop()]);
  expect(performance.now() - begun).toBeLessThan(1_000);
  await eventually(
    () => all.filter(({ socket }) => !socket.destroyed).length,
    (open) => open === 0,
    'all are closed',
  );
  await expect(dial(server)).rejects.toThrow();
});

test('start may be called twice, stop before, during and after it', async () => {
  const [never, soon] = [make(echo), make(echo)];
  await never.stop();
  await never.start();
  expect(never.health().ok).toBe(false);
  const starting = soon.start();
  await soon.stop();
  await starting.catch(() => {});
  expect(soon.health().ok).toBe(false);
  const server = await open(echo);
  await server.start();
  expect(server.health()).toMatchObject({ ok: true, detail: `listening on port ${server.port}` });
});

test('a port in use is named, with what to type; later it may be free', async () => {
  const first = await open(echo);
  const second = make(echo, { port: first.port });
  const error = await second.start().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SyncError);
  expect(error).toMatchObject({
    code: 'failed',
    message: `the test listener cannot have 127.0.0.1:${first.port}: another program listens there`,
    hint: `To see which one: ss -ltnp 'sport = :${first.port}'`,
  });
  await first.stop();
  await second.start();
  expect((await sendRaw(second.port, [GET_CLOSE]))[0]?.status).toBe(200);
});

test('an address of another machine is named too', async () => {
  const error = await make(echo, { host: '192.0.2.1' })
    .start()
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    message: 'the test listener cannot have 192.0.2.1:0: this machine has no such address',
  });
});

test('over v6 and over v4 it is the same sender', async () => {
  const server = await open(echo, { host: '::' });
  const [v4] = await sendRaw(server.port, [GET_CLOSE]);
  expect(v4?.body).toContain(' 127.0.0.1 ');
  const [v6] = await sendRaw(server.port, [GET_CLOSE], { to: '::1' });
  expect(v6?.body).toContain(' ::1 ');
});
