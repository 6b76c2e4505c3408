/**
 * Makes what the handlers see out of Node's request. Owns the reading of the head: nothing is decoded, nothing is guessed,
 * and of a header that came twice both values stay.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AddressList, canonicalAddress, senderAddress } from './addresses.js';
import { readBody } from './body.js';
import type { HttpRequest } from './exchange.js';

export type Signals = {
  /** Aborts when nobody waits for the answer any more. */
  signal: AbortSignal;
  /** Aborts when the rest of the body will not come, but an answer may still be read. */
  broken: AbortSignal;
};

/** @param mayContinue whether the sender waits for leave to send the body */
export function readHead(
  request: IncomingMessage,
  response: ServerResponse,
  trusted: AddressList,
  mayContinue: boolean,
  { signal, broken }: Signals,
): HttpRequest {
  const lists = new Map<string, string[]>();
  const { rawHeaders } = request;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    const value = rawHeaders[at + 1] as string;
    const known = lists.get(name);
    if (known) known.push(value);
    else lists.set(name, [value]);
  }
  const headers: Record<string, string> = Object.create(null);
  for (const [name, [first]] of lists) headers[name] = first as string;
  const target = request.url ?? '';
  const mark = target.indexOf('?');
  const peer = canonicalAddress(request.socket.remoteAddress) ?? '';
  return {
    method: request.method ?? '',
    path: mark < 0 ? target : target.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)),
    headers,
    values: (name) => lists.get(name) ?? [],
    address: senderAddress(peer, lists.get('x-forwarded-for') ?? [], trusted),
    body: (limit) => {
      const announced = Number(headers['content-length'] ?? 0);
      if (mayContinue && announced <= limit) response.writeContinue();
      return readBody(request, limit, broken);
    },
    signal,
  };
}
