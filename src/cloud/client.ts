/**
 * The one user of got: every request to the cloud leaves here, with its key, a total deadline, compression and no redirect
 * (a redirect would carry the key elsewhere). It judges nothing: what came back, or that nothing came, is a `Reply`.
 *
 * The answer is a stranger's: its size is bounded before and after decompression, and text that is not UTF-8 is no answer.
 */
import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants, gunzip, gzip } from 'node:zlib';
import got, { type Got, type OptionsOfBufferResponseBody, RequestError, TimeoutError } from 'got';
import type { Compression } from '../config/settings.js';
import { wordsOf } from '../errors.js';
import { monotonicMs } from '../time.js';
import type { Reply } from './reply.js';
import { withShortRetries } from './retry.js';

export type CloudClient = {
  /** @param body the whole request as JSON text */
  push(
    body: string,
    batch_id: string,
    encodings: readonly string[],
  ): Promise<{ reply: Reply; bytes: number; wireBytes: number }>;
  health(): Promise<Reply>;
  capabilities(): Promise<Reply>;
  /** Ends every request that is under way; later ones are not sent. */
  abort(): void;
  /** From then on a missing answer says nothing about the cloud. */
  readonly aborted: boolean;
};

export type CloudOptions = {
  url: string;
  outletId: string;
  apiKey: string | undefined;
  timeoutMs: number;
  compression: Compression;
  ca: string | undefined;
  version: string;
};

/** Below this a body travels as it is: its headers weigh more than what could be saved. */
const COMPRESS_FROM = 1024;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const PROBE_TIMEOUT_MS = 10_000;

const compressors = {
  br: (body: Buffer) =>
    promisify(brotliCompress)(body, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
    }),
  gzip: (body: Buffer) => promisify(gzip)(body, { level: 1 }),
};

export function createCloudClient(options: CloudOptions): CloudClient {
  const aborting = new AbortController();
  const http = got.extend({
    prefixUrl: options.url,
    retry: { limit: 0 },
    followRedirect: false,
    throwHttpErrors: false,
    decompress: false,
    responseType: 'buffer',
    signal: aborting.signal,
    headers: {
      'user-agent': `syncd/${options.version}`,
      'accept-encoding': 'gzip, br',
      'x-outlet-id': options.outletId,
      ...(options.apiKey !== undefined && { 'x-api-key': options.apiKey }),
    },
    ...(options.ca !== undefined && { https: { certificateAuthority: options.ca } }),
  });
  const get = (path: string, timeoutMs: number) =>
    request(http, path, { method: 'GET', timeout: { request: timeoutMs } });
  return {
    async push(body, batch_id, encodings) {
      const plain = Buffer.from(body);
      const encoding = chooseEncoding(options.compression, encodings, plain.length);
      const sent = encoding ? await compressors[encoding](plain) : plain;
      const reply = await withShortRetries(
        () =>
          request(http, 'sync/push', {
            method: 'POST',
            body: sent,
            timeout: { request: options.timeoutMs },
            headers: {
              'content-type': 'application/json',
              'idempotency-key': batch_id,
              ...(encoding && { 'content-encoding': encoding }),
            },
          }),
        isHiccup,
        aborting.signal,
      );
      return { reply, bytes: plain.length, wireBytes: sent.length };
    },
    health: () => get('health', Math.min(options.timeoutMs, PROBE_TIMEOUT_MS)),
    capabilities: () => withShortRetries(() => get('sync/capabilities', options.timeoutMs), isHiccup, aborting.signal),
    abort: () => aborting.abort(),
    get aborted() {
      return aborting.signal.aborted;
    },
  };
}

/** A request that used up its whole deadline is not repeated at once: the line would only carry the same bytes again, as slowly. */
function isHiccup(reply: Reply): boolean {
  if (reply.kind === 'none') return !reply.timedOut;
  return reply.status >= 500 && reply.retryAfter === undefined;
}

export function chooseEncoding(
  wanted: Compression,
  accepted: readonly string[],
  bytes: number,
): 'br' | 'gzip' | undefined {
  if (wanted === 'none' || bytes < COMPRESS_FROM) return undefined;
  // Every cloud takes gzip; brotli only one that says so.
  return wanted !== 'gzip' && accepted.includes('br') ? 'br' : 'gzip';
}

async function request(
  http: Got,
  path: string,
  options: Omit<OptionsOfBufferResponseBody, 'responseType'>,
): Promise<Reply> {
  const startedAt = monotonicMs();
  const passed = () => monotonicMs() - startedAt;
  try {
    const call = http(path, { ...options, isStream: false, resolveBodyOnly: false, responseType: 'buffer' });
    call.on('downloadProgress', ({ transferred }) => {
      if (transferred > MAX_ANSWER_BYTES) call.cancel();
    });
    const answer = await call;
    const body = await decode(answer.rawBody, answer.headers['content-encoding']);
    return {
      kind: 'answer',
      status: answer.statusCode,
      body,
      retryAfter: answer.headers['retry-after'],
      date: answer.headers.date,
      durationMs: passed(),
    };
  } catch (error) {
    const timedOut = error instanceof TimeoutError;
    const named =
      error instanceof RequestError && error.code !== 'ERR_GOT_REQUEST_ERROR' && !error.message.includes(error.code);
    const code = named ? ` (${error.code})` : '';
    const reason = timedOut ? `no answer within ${Math.round(passed() / 1000)} s` : `${wordsOf(error)}${code}`;
    return { kind: 'none', error: reason, timedOut, durationMs: passed() };
  }
}

async function decode(body: Buffer, encoding: string | undefined): Promise<string> {
  const bound = { maxOutputLength: MAX_ANSWER_BYTES };
  const plain =
    encoding === 'gzip'
      ? await promisify(gunzip)(body, bound)
      : encoding === 'br'
        ? await promisify(brotliDecompress)(body, bound)
        : body;
  return new TextDecoder('utf-8', { fatal: true }).decode(plain);
}
