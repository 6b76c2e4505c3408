/**
 * Asks the admin API, with the token in a header. Every fault becomes a Trouble that a screen can tell: what was refused and
 * why, in the API's words, or that nobody answered. A token that is not taken any more ends the session.
 */
import { type Exact, parseExact } from './exact.js';

export type Trouble = {
  /** The API's own kind of problem; `lost`: nobody answered. */
  kind: string;
  status: number;
  detail: string;
  hint: string | undefined;
  retryAfterS: number | undefined;
};

export class Refused extends Error {
  readonly trouble: Trouble;

  constructor(trouble: Trouble) {
    super(trouble.detail);
    this.trouble = trouble;
  }
}

const ROOT = '/api/v1/sync';
const PATIENCE_MS = 30_000;

let token: string | undefined;
let onRefusedToken: (trouble: Trouble) => void = () => {};

export function setToken(given: string | undefined): void {
  token = given;
}

/** @param told once a token is refused that was taken before */
export function whenTokenIsRefused(told: (trouble: Trouble) => void): void {
  onRefusedToken = told;
}

/** Sends and looks at the head of the answer alone. @throws Refused */
export async function call(path: string, body: string | undefined, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { authorization: `Bearer ${token ?? ''}` };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const init: RequestInit = { method: body === undefined ? 'GET' : 'POST', headers, cache: 'no-store' };
  if (body !== undefined) init.body = body;
  if (signal) init.signal = signal;
  const response = await fetch(ROOT + path, init).catch((error: unknown) => {
    throw new Refused({ kind: 'lost', status: 0, detail: String(error), hint: undefined, retryAfterS: undefined });
  });
  if (response.ok) return response;
  const trouble = await troubleIn(response);
  if (response.status === 401) onRefusedToken(trouble);
  throw new Refused(trouble);
}

async function troubleIn(response: Response): Promise<Trouble> {
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const said: unknown = await response.json().catch(() => undefined);
  const { type, title, detail, hint } = (said ?? {}) as Record<string, unknown>;
  return {
    kind: String(type ?? '').replace('urn:syncd:problem:', ''),
    status: response.status,
    detail: String(detail ?? title ?? response.status),
    hint: typeof hint === 'string' ? hint : undefined,
    retryAfterS: Number.isFinite(retryAfter) ? retryAfter : undefined,
  };
}

function patient(signal: AbortSignal | undefined): AbortSignal {
  const patience = new AbortController();
  const timer = AbortSignal.timeout(PATIENCE_MS);
  for (const one of signal ? [signal, timer] : [timer]) {
    if (one.aborted) patience.abort();
    one.addEventListener('abort', () => patience.abort(), { once: true });
  }
  return patience.signal;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await call(path, undefined, patient(signal));
  return (await read(response, (text) => JSON.parse(text))) as T;
}

/** As `get`, with every digit of every number. */
export async function getExact(path: string, signal?: AbortSignal): Promise<Exact> {
  return read(await call(path, undefined, patient(signal)), parseExact);
}

/** @param body an object, or the text of one */
export async function post<T>(path: string, body: object | string = {}): Promise<T> {
  const response = await call(path, typeof body === 'string' ? body : JSON.stringify(body), patient(undefined));
  return (await read(response, (text) => JSON.parse(text))) as T;
}

async function read<T>(response: Response, parse: (text: string) => T): Promise<T> {
  try {
    return parse(await response.text());
  } catch (error) {
    throw new Refused({ kind: 'lost', status: 0, detail: String(error), hint: undefined, retryAfterS: undefined });
  }
}

export function troubleOf(error: unknown): Trouble {
  if (error instanceof Refused) return error.trouble;
  return { kind: 'failed', status: 0, detail: String(error), hint: undefined, retryAfterS: undefined };
}
