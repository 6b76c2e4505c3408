/**
 * Takes a request's body off the wire: counts it as it travelled, decompresses it, never holds more than the limit. After it
 * stand the raw bytes, exactly as the outlet wrote them before compression.
 */
import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip } from 'node:zlib';
import { codeOf } from '../../errors.js';
import { Refusal } from './refusal.js';

const unzip = { gzip: promisify(gunzip), br: promisify(brotliDecompress) };

/** A body larger than the limit is read on to its end up to here, so that the answer 413 can be read by the sender. */
const DRAIN_BYTES = 256 * 1024 * 1024;

export type Meter = (chunk: number, total: number) => Promise<void> | void;

/** The bytes as they travelled, or null where there are more than `limit`. `meter` may wait, and so slow the line down. */
export async function readWire(request: IncomingMessage, limit: number, meter: Meter): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    total += chunk.length;
    await meter(chunk.length, total);
    if (total <= limit) chunks.push(chunk);
    else if (total > DRAIN_BYTES) break;
  }
  return total > limit ? null : Buffer.concat(chunks);
}

/** @throws Refusal 415 for an encoding that is not offered, 400 for bytes that are not in it, 413 above `limit`. */
export async function decode(bytes: Buffer, encoding: string, offered: string[], limit: number): Promise<Buffer> {
  if (encoding === 'identity') return bytes;
  if (!offered.includes(encoding) || !(encoding in unzip)) {
    throw new Refusal(415, 'encoding', `Content-Encoding ${encoding} is not accepted; offered: ${offered.join(', ')}`);
  }
  try {
    return await unzip[encoding as keyof typeof unzip](bytes, { maxOutputLength: limit });
  } catch (error) {
    if (codeOf(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit);
    throw new Refusal(400, 'encoding', `the body is not ${encoding}`);
  }
}

export function tooLarge(limit: number): Refusal {
  return new Refusal(413, 'too_large', `the body has more than ${limit} bytes`);
}
