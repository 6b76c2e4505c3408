/**
 * The one user of got: every request to the cloud leaves here, with its key, a total deadline, compression and no redirect
 * (a redirect would carry the key elsewhere). It judges nothing: what came back, or that nothing came, is a `Reply`.
 *
 * The answer is a stranger's: its size is bounded before and after decompression, and a 200 whose text is not UTF-8 is no answer.
 * Any other status says what it says whatever its body is: a proxy's page is often neither JSON nor UTF-8.
 */
import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants, gunzip, gzip } from 'node:zlib';
import got, { type Got, type OptionsOfBufferResponseBody, RequestError, TimeoutError } from 'got';
import type { Compression } from '../config/settings.js';
import '../dialling.js';
import { codeOf, wordsOf } from '../errors.js';
import { monotonicMs, within } from '../time.js';
import { parseCapabilities, type Reply } from './reply.js';
import { withShortRetries } from './retry.js';
import type { DigestEntitiesRequest, DigestRequest } from './wire.js';

export type CloudClient = {
  /** @param body the whole request as JSON text */
  push(
    body: string | Buffer,
    batch_id: string,
    encodings: readonly string[],
  ): Promise<{ reply: Reply; bytes: number; wireBytes: number }>;
  /** One page of changes. The deadline is the wait and the usual time-out; `signal` ends the call alone. */
  changes(query: ChangesQuery, signal: AbortSignal): Promise<Reply>;
  /** One entity as the cloud holds it. @param id not one that no URL can name (see `isNameable`) */
  entity(type: string, id: string): Promise<Reply>;
  entityVersion(type: string, id: string): Promise<Reply>;
  /** Which days differ, by count and sum. */
  digest(request: DigestRequest): Promise<Reply>;
  /** What one day holds. */
  digestEntities(request: DigestEntitiesRequest): Promise<Reply>;
  health(): Promise<Reply>;
  capabilities(): Promise<Reply>;
  /** Ends every request that is under way; later ones are not sent. */
  abort(): void;
  /** From then on a missing answer says nothing about the cloud. */
  readonly aborted: boolean;
};

/**
 * `waitMs`: how long the cloud may keep the call open until something comes; whole seconds travel.
 * `since`: an instant with any offset; it travels in UTC, as all instants do.
 */
export type ChangesQuery = { cursor: string | null; since: string | undefined; limit: number; waitMs: number };

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
const HASTY_MS = 1_000;
/** Of a request whose connection is taken over (101 with Upgrade) got never hears again, nor does its deadline end it. */
const OVERDUE_MS = 500;

const compressors = {
  br: (body: Buffer) =>
    promisify(brotliCompress)(body, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
    }),
  gzip: (body: Buffer) => promisify(gzip)(body, { level: 1 }),
};

/** What every request here is: tried once, followed nowhere, and judged by nobody but the caller. */
const bare = got.extend({
  retry: { limit: 0 },
  followRedirect: false,
  throwHttpErrors: false,
  decompress: false,
  responseType: 'buffer',
});

export function createCloudClient(options: CloudOptions): CloudClient {
  const aborting = new AbortController();
  const http = bare.extend({
    prefixUrl: options.url,
    signal: aborting.signal,
    headers: {
      'user-agent': `syncd/${options.version}`,
      'accept-encoding': 'gzip, br',
      'x-outlet-id': options.outletId,
      ...(options.apiKey !== undefined && { 'x-api-key': options.apiKey }),
    },
    ...(options.ca !== undefined && { https: { certificateAuthority: options.ca } }),
  });
  const get = (
    path: string,
    timeoutMs: number,
    more: Pick<OptionsOfBufferResponseBody, 'searchParams' | 'signal'> = {},
  ) => request(http, path, { method: 'GET', timeout: { request: timeoutMs }, ...more });
  const getPatiently = (path: string) =>
    withShortRetries(() => get(path, options.timeoutMs), isHiccup, aborting.signal);
  const postPatiently = async (
    path: string,
    plain: Buffer,
    encodings: readonly string[],
    headers: Record<string, string> = {},
  ) => {
    const encoding = chooseEncoding(options.compression, encodings, plain.length);
    const body = encoding ? await compressors[encoding](plain) : plain;
    const send = () =>
      request(http, path, {
        method: 'POST',
        body,
        timeout: { request: options.timeoutMs },
        headers: { 'content-type': 'application/json', ...headers, ...(encoding && { 'content-encoding': encoding }) },
      });
    const reply = await withShortRetries(send, isHiccup, aborting.signal);
    return { reply, bytes: plain.length, wireBytes: body.length };
  };
  let accepted: readonly string[] = parseCapabilities(undefined).encodings;
  const ask = async (path: string, question: unknown) =>
    (await postPatiently(path, Buffer.from(JSON.stringify(question)), accepted)).reply;
  return {
    push(body, batch_id, encodings) {
      const plain = typeof body === 'string' ? Buffer.from(body) : body;
      return postPatiently('sync/push', plain, encodings, { 'idempotency-key': batch_id });
    },
    digest: (request) => ask('sync/digest', request),
    digestEntities: (request) => ask('sync/digest/entities', request),
    health: () => get('health', Math.min(options.timeoutMs, PROBE_TIMEOUT_MS)),
    async capabilities() {
      const reply = await getPatiently('sync/capabilities');
      if (reply.kind === 'answer' && reply.status === 200) accepted = parseCapabilities(reply.body).encodings;
      return reply;
    },
    async changes({ cursor, since, limit, waitMs }, signal) {
      const waitS = Math.floor(waitMs / 1_000);
      const searchParams = {
        ...(cursor !== null && { cursor }),
        ...(cursor === null && since !== undefined && { since: new Date(since).toISOString() }),
        limit,
        ...(waitS > 0 && { wait: waitS }),
      };
      // One of its own: listeners on a signal that lives as long as the daemon would pile up.
      const ending = new AbortController();
      const end = () => ending.abort();
      for (const source of [signal, aborting.signal]) {
        if (source.aborted) end();
        source.addEventListener('abort', end);
      }
      try {
        const send = () =>
          get('sync/changes', options.timeoutMs + waitS * 1_000, { searchParams, signal: ending.signal });
        // A wait that was cut off after a while is not begun anew at once: whoever cuts it would do so again.
        const again = (reply: Reply) => isHiccup(reply) && (waitS === 0 || reply.durationMs < HASTY_MS);
        return await withShortRetries(send, again, ending.signal);
      } finally {
        for (const source of [signal, aborting.signal]) source.removeEventListener('abort', end);
      }
    },
    entity: (type, id) => getPatiently(`entities/${encodeURIComponent(type)}/${encodeURIComponent(id)}`),
    entityVersion: (type, id) => getPatiently(`entities/${encodeURIComponent(type)}/${encodeURIComponent(id)}/version`),
    abort: () => aborting.abort(),
    get aborted() {
      return aborting.signal.aborted;
    },
  };
}

/**
 * One message to somebody else than the cloud: no key of ours, no redirect, no second try.
 * @param timeoutMs for all of it
 */
export function postJson(
  url: string,
  body: unknown,
  timeoutMs: number,
  version: string,
  signal: AbortSignal,
): Promise<Reply> {
  const http = bare.extend({
    headers: { 'user-agent': `syncd/${version}`, 'content-type': 'application/json', 'accept-encoding': 'identity' },
  });
  return request(http, url, { method: 'POST', body: JSON.stringify(body), timeout: { request: timeoutMs }, signal });
}

/**
 * One request as it is given, for whoever examines a cloud: no second try, and no header but those named.
 * @param timeoutMs for all of it
 */
export function sendOnce(
  url: string,
  given: {
    method: 'GET' | 'POST';
    headers: Record<string, string>;
    body: Buffer | undefined;
    timeoutMs: number;
    ca: string | undefined;
  },
): Promise<Reply> {
  const { method, headers, body, timeoutMs, ca } = given;
  const http = bare.extend({
    ...(ca !== undefined && { https: { certificateAuthority: ca } }),
  });
  return request(http, url, { method, headers, ...(body && { body }), timeout: { request: timeoutMs } });
}

/** Whether a path can carry the text as one of its parts: every URL parser takes `.` and `..`, however encoded, for directions. */
export function isNameable(text: string): boolean {
  return text !== '' && text !== '.' && text !== '..' && !/\p{Surrogate}/u.test(text);
}

/** A request that used up its whole deadline is not repeated at once: the line would only carry the same bytes again, as slowly. */
function isHiccup(reply: Reply): boolean {
  if (reply.kind === 'none') return !reply.timedOut && reply.tooLarge !== true;
  return reply.status >= 500 && reply.retryAfter === undefined;
}

/**
 * @param bytes of the body: a short one is not worth it
 * @returns undefined: as it is
 */
export function chooseEncoding(
  wanted: Compression,
  accepted: readonly string[],
  bytes: number,
): 'br' | 'gzip' | undefined {
  if (wanted === 'none' || bytes < COMPRESS_FROM) return undefined;
  if (wanted !== 'gzip' && accepted.includes('br')) return 'br';
  // What a cloud does not list it answers with 415, and then nothing would go out at all.
  return accepted.includes('gzip') ? 'gzip' : undefined;
}

class Overdue extends Error {}

async function request(
  http: Got,
  path: string,
  options: Omit<OptionsOfBufferResponseBody, 'responseType'>,
): Promise<Reply> {
  const startedAt = monotonicMs();
  const passed = () => monotonicMs() - startedAt;
  let tooLarge = false;
  try {
    const call = http(path, { ...options, isStream: false, resolveBodyOnly: false, responseType: 'buffer' });
    call.on('downloadProgress', ({ transferred }) => {
      if (transferred <= MAX_ANSWER_BYTES) return;
      tooLarge = true;
      call.cancel();
    });
    const answer = await within((options.timeout?.request ?? 0) + OVERDUE_MS, call, () => {
      call.cancel();
      return new Overdue();
    });
    const unpacked = decode(answer.rawBody, answer.headers['content-encoding']);
    const body = await (answer.statusCode === 200 ? unpacked : unpacked.catch(() => ''));
    return {
      kind: 'answer',
      status: answer.statusCode,
      body,
      retryAfter: answer.headers['retry-after'],
      date: answer.headers.date,
      durationMs: passed(),
    };
  } catch (error) {
    if (tooLarge || codeOf(error) === 'ERR_BUFFER_TOO_LARGE') {
      const error = `the answer is larger than ${MAX_ANSWER_BYTES / 1024 / 1024} MB`;
      return { kind: 'none', error, timedOut: false, tooLarge: true, durationMs: passed() };
    }
    const timedOut = error instanceof TimeoutError || error instanceof Overdue;
    const reason = timedOut ? `no answer within ${Math.round(passed() / 1000)} s` : reasonOf(error);
    return { kind: 'none', error: reason, timedOut, durationMs: passed() };
  }
}

function reasonOf(error: unknown): string {
  if (codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'the answer is not UTF-8 text';
  if (/^(Z_|ERR__)/.test(codeOf(error) ?? '') && !(error instanceof RequestError))
    return 'the answer is not packed as it says it is';
  // Of a name with several addresses each failed in its own words; got has none for all of them.
  const words = wordsOf(error instanceof RequestError && error.message === '' ? error.cause : error);
  const named = error instanceof RequestError && error.code !== 'ERR_GOT_REQUEST_ERROR' && !words.includes(error.code);
  return named ? `${words} (${error.code})` : words;
}

async function decode(body: Buffer, encoding: string | undefined): Promise<string> {
  const bound = { maxOutputLength: MAX_ANSWER_BYTES };
  const coding = encoding?.trim().toLowerCase();
  const plain =
    coding === 'gzip' || coding === 'x-gzip'
      ? await promisify(gunzip)(body, bound)
      : coding === 'br'
        ? await promisify(brotliDecompress)(body, bound)
        : body;
  return new TextDecoder('utf-8', { fatal: true }).decode(plain);
}
