/** What the one HTTP client makes of an answer: packed or not, beyond every bound, cut short, not what it says it is. */
import type { ServerResponse } from 'node:http';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { answeringServer, type Handler } from '../support/answering-server.js';

let handle: Handler;
const { client, close } = await answeringServer((request, response, body) => handle(request, response, body));
afterAll(close);

describe('an answer', () => {
  const bomb = gzipSync(Buffer.alloc(40_000_000));
  // Tens of megabytes are judged by their size here: on a busy machine they take longer than an answer is given otherwise.
  const replyTo = async (answer: (response: ServerResponse) => void) => {
    handle = (_request, response) => answer(response);
    return client({ timeoutMs: 10_000 }).health();
  };

  test.each(['gzip', 'br'] as const)('is read also when it comes as %s', async (encoding) => {
    const packed = encoding === 'gzip' ? gzipSync('{"é":1}') : brotliCompressSync('{"é":1}');
    expect(
      await replyTo((response) => response.writeHead(200, { 'content-encoding': encoding }).end(packed)),
    ).toMatchObject({
      kind: 'answer',
      body: '{"é":1}',
    });
  });

  test.each<[string, string, (response: ServerResponse) => void]>([
    ['that is no UTF-8', 'the answer is not UTF-8 text', (response) => response.end(Buffer.from([0x7b, 0xff, 0x7d]))],
    ...(['gzip', 'br'] as const).map((encoding): [string, string, (response: ServerResponse) => void] => [
      `that is not the ${encoding} that it says it is`,
      'the answer is not packed as it says it is',
      (response) => response.writeHead(200, { 'content-encoding': encoding }).end('{}'),
    ]),
  ])('%s is none, and its fault is told in plain words', async (_title, error, answer) => {
    expect(await replyTo(answer)).toMatchObject({ kind: 'none', timedOut: false, error });
  });

  test.each(['GZIP', 'x-gzip', 'Br'])('is read also where its packing is called %s', async (encoding) => {
    const packed = encoding === 'Br' ? brotliCompressSync('{}') : gzipSync('{}');
    expect(
      await replyTo((response) => response.writeHead(200, { 'content-encoding': encoding }).end(packed)),
    ).toMatchObject({ kind: 'answer', body: '{}' });
  });

  test.each<[number, string, Record<string, string>, Buffer]>([
    [401, 'a page in Latin-1', {}, Buffer.from('<p>Schlüssel?</p>', 'latin1')],
    [413, 'nothing, said to be packed', { 'content-encoding': 'gzip' }, Buffer.alloc(0)],
    [503, 'what is not packed as it says', { 'content-encoding': 'br', 'retry-after': '7' }, Buffer.from('later')],
    [403, 'what unpacks beyond every bound', { 'content-encoding': 'gzip' }, bomb],
  ])('of %i counts by its status, though its body is %s', async (status, _what, headers, body) => {
    expect(await replyTo((response) => response.writeHead(status, headers).end(body))).toMatchObject({
      kind: 'answer',
      status,
      body: '',
      retryAfter: headers['retry-after'],
    });
  });

  test.each<[string, (response: ServerResponse) => void]>([
    [
      'that unpacks beyond every bound',
      (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    ],
    [
      'that ends early',
      (response) => response.writeHead(200, { 'content-length': 100 }).write('{', () => response.destroy()),
    ],
  ])('%s is none', async (_title, answer) => {
    expect(await replyTo(answer)).toMatchObject({ kind: 'none', timedOut: false });
  });

  test.each<[string, (response: ServerResponse) => void]>([
    ['as it is', (response) => response.end(Buffer.alloc(34_000_000))],
    ['once unpacked', (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)],
  ])('beyond every bound %s is told as that', async (_title, answer) => {
    expect(await replyTo(answer)).toMatchObject({
      kind: 'none',
      tooLarge: true,
      error: expect.stringContaining('32 MB'),
    });
  });
});
