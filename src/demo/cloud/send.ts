/**
 * The way out: the answer, or whatever a fault puts in its place, compressed where the outlet takes it. Whatever was applied is
 * committed by now; a fault here can only lose or spoil the answer.
 */
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { sleep } from '../../time.js';
import type { Answer, Exchange } from './exchange.js';
import { json } from './exchange.js';
import type { RetryAfter } from './faults.js';
import { sendBytes } from './line.js';

const COMPRESS_FROM_BYTES = 1024;

const pack = {
  br: (bytes: Buffer) => promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  gzip: (bytes: Buffer) => promisify(gzip)(bytes, { level: 1 }),
};

export async function send(exchange: Exchange, proper: Answer): Promise<void> {
  const { response, request, record, closed } = exchange;
  const late = exchange.fault('latency');
  if (late !== undefined) await sleep(late.ms, closed);
  if (closed.aborted) return;
  const lost = exchange.fault('lost-ack');
  if (exchange.fault('silence') !== undefined || lost?.how === 'silence') return;
  if (lost?.how === 'close') {
    request.socket.destroy();
    return;
  }
  if (lost !== undefined || exchange.fault('reset') !== undefined) {
    request.socket.resetAndDestroy();
    return;
  }

  const answer = { ...proper, ...replacementFor(exchange) };
  const cut = exchange.fault('truncated');
  const whole = Buffer.from(answer.body);
  const text = cut?.tidy === true ? keepOf(whole, cut.keep) : whole;
  const encoding = text.length > COMPRESS_FROM_BYTES ? encodingFor(exchange) : undefined;
  const bytes = encoding === undefined ? text : await pack[encoding](text);
  if (closed.aborted) return;

  record.status = answer.status;
  response.writeHead(answer.status, {
    date: exchange.now().toUTCString(),
    ...answer.headers,
    ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
    'content-length': bytes.length,
  });
  if (cut !== undefined && cut.tidy !== true) {
    if (await sendBytes(exchange, keepOf(bytes, cut.keep))) response.write('', () => request.socket.destroy());
    return;
  }
  response.once('finish', () => {
    record.answer_bytes = bytes.length;
    record.delivered = true;
    if (cut === undefined) answer.sent?.();
  });
  if (await sendBytes(exchange, bytes)) response.end();
}

function keepOf(bytes: Buffer, share = 0.5): Buffer {
  return bytes.subarray(0, Math.floor(bytes.length * share));
}

function encodingFor(exchange: Exchange): keyof typeof pack | undefined {
  const accepted = String(exchange.request.headers['accept-encoding'] ?? '')
    .split(',')
    .map((one) => one.trim().split(';')[0]);
  return accepted.includes('br') ? 'br' : accepted.includes('gzip') ? 'gzip' : undefined;
}

/** What a fault answers in place of the cloud. A replaced answer carries no results, so nothing counts as acknowledged. */
function replacementFor(exchange: Exchange): (Answer & { sent: () => void }) | undefined {
  const nothing = { sent: () => {} };
  const status = exchange.fault('status');
  if (status !== undefined) {
    const { code = `fault_${status.status}`, message = 'as the fault wants it', retryAfter } = status;
    const answer = json(status.status, { error: { code, message } });
    return { ...answer, ...nothing, headers: { ...answer.headers, ...retryHeader(exchange, retryAfter) } };
  }
  if (exchange.fault('captive-portal') !== undefined) {
    const body = '<!doctype html><html><title>Welcome</title><form action="/login">Accept the terms</form></html>';
    return { ...nothing, status: 200, headers: { 'content-type': 'text/html' }, body };
  }
  const redirect = exchange.fault('redirect');
  if (redirect !== undefined) {
    const location = redirect.location ?? 'http://127.0.0.1:1/login';
    return { ...nothing, status: redirect.status ?? 302, headers: { location }, body: '' };
  }
  const other = exchange.fault('body');
  if (other === undefined) return undefined;
  const headers = { 'content-type': other.contentType ?? 'application/json' };
  return { ...nothing, status: other.status ?? 200, headers, body: other.body };
}

function retryHeader(exchange: Exchange, after: RetryAfter | undefined): Record<string, string> {
  if (after === undefined) return {};
  if (after.as !== 'date') return { 'retry-after': String(after.seconds) };
  return { 'retry-after': new Date(exchange.now().getTime() + after.seconds * 1000).toUTCString() };
}
