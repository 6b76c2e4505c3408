/**
 * A cloud that does nothing but accept: the same process stands behind the daemon and behind the bare programs, so that its
 * cost is on both sides of a ratio. It looks for change ids in the text instead of parsing it. Started by programs.ts; tells
 * its parent of every push over the channel of the fork. Arguments: the largest batch, the encodings separated by commas,
 * `gzip` where its answers are compressed too, as a cloud's are that knows of slow lines, and `marks` where it looks for marked
 * sales.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { hostMs } from './clock.js';

/** `at` is on the monotonic clock of the host, in ms: when the last byte of the push had arrived. */
export type PushSeen = {
  kind: 'push';
  at: number;
  changes: number;
  bytes: number;
  wireBytes: number;
  /** Sales that were marked to be told apart from others. */
  marked: string[];
};
export type CloudReady = { kind: 'ready'; port: number };

const CHANGE_ID = /"change_id"\s*:\s*"([^"]{36})"/g;
const MARKED = /MARKED-\d+/g;
const [maxBatch = '1000', encodings = 'gzip,br', answers = 'plain', marks = 'none'] = process.argv.slice(2);
const CAPABILITIES = JSON.stringify({
  protocol: 1,
  max_batch_changes: Number(maxBatch),
  max_batch_bytes: 4_194_304,
  encodings: encodings.split(',').filter(Boolean),
  long_poll: false,
  digest: false,
  cloud_epoch: 'bench',
});
let version = 0;

const server = createServer((request, response) => {
  const path = request.url ?? '';
  if (request.method === 'POST' && path.endsWith('/sync/push')) return receive(request, response);
  request.resume();
  if (path.endsWith('/sync/capabilities')) return answer(response, 200, CAPABILITIES);
  return answer(response, path.endsWith('/health') ? 200 : 404, '{}');
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => tell({ kind: 'ready', port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));

function receive(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const at = hostMs();
    const wire = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    const body = plain(wire, request.headers['content-encoding']);
    const text = body.toString('latin1');
    const results: string[] = [];
    for (const [, id] of text.matchAll(CHANGE_ID)) {
      results.push(`{"change_id":"${id}","status":"accepted","cloud_version":${++version}}`);
    }
    answer(response, 200, `{"results":[${results.join(',')}],"cloud_epoch":"bench"}`);
    const marked = marks === 'marks' ? (text.match(MARKED) ?? []) : [];
    tell({ kind: 'push', at, changes: results.length, bytes: body.length, wireBytes: wire.length, marked });
  });
}

function plain(body: Buffer, encoding: string | undefined): Buffer {
  if (encoding === 'br') return brotliDecompressSync(body);
  return encoding === 'gzip' ? gunzipSync(body) : body;
}

function answer(response: ServerResponse, status: number, text: string): void {
  const compressed = answers === 'gzip';
  const body = compressed ? gzipSync(text) : Buffer.from(text);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': body.length,
    ...(compressed && { 'content-encoding': 'gzip' }),
  });
  response.end(body);
}

function tell(message: PushSeen | CloudReady): void {
  process.send?.(message);
}
