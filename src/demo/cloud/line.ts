/**
 * The line between outlet and cloud as faults make it: narrow, cut off, slow. Reading and sending both go through here.
 */
import { monotonicMs, sleep } from '../../time.js';
import { decode, type Meter, readWire, tooLarge } from './body.js';
import type { Exchange } from './exchange.js';

const SLICE_MS = 50;

/** When a narrow line is free again, by the fault that narrows it: all requests share it. */
const busyUntilMs = new WeakMap<object, number>();

async function carry(bytes: number, fault: { bytesPerSecond: number }, signal: AbortSignal): Promise<void> {
  const now = monotonicMs();
  const until = Math.max(now, busyUntilMs.get(fault) ?? 0) + (bytes * 1000) / fault.bytesPerSecond;
  busyUntilMs.set(fault, until);
  await sleep(until - now, signal);
}

/**
 * The body as the outlet wrote it before compression.
 * @throws Refusal 413 where it is too large, 415 or 400 where it cannot be unfolded.
 */
export async function readBody(exchange: Exchange): Promise<Buffer> {
  const { request, record } = exchange;
  const { max_batch_bytes, encodings } = exchange.cloud.capabilities;
  const limit = Math.min(exchange.fault('limit')?.bytes ?? max_batch_bytes, max_batch_bytes);
  const bytes = await readWire(request, limit, meterFor(exchange));
  if (bytes === null) throw tooLarge(limit);
  const raw = await decode(bytes, record.content_encoding, encodings, limit);
  record.raw_bytes = raw.length;
  return raw;
}

/** Counts each chunk of the body; a fault makes it cost time, or ends it in a reset. */
function meterFor(exchange: Exchange): Meter {
  const reset = exchange.fault('reset');
  const narrow = exchange.fault('bandwidth');
  const count = (total: number) => {
    exchange.record.wire_bytes = total;
  };
  if (reset === undefined && narrow === undefined) return (_, total) => count(total);
  return async (chunk, total) => {
    count(total);
    if (narrow !== undefined) await carry(chunk, narrow, exchange.closed);
    if (reset !== undefined && total >= (reset.afterBytes ?? 0)) exchange.request.socket.resetAndDestroy();
  };
}

/** Writes bytes at the line's speed; false where the connection went first. */
export async function sendBytes(exchange: Exchange, bytes: Buffer): Promise<boolean> {
  const { response, closed } = exchange;
  const slow = exchange.fault('slow-body');
  const narrow = exchange.fault('bandwidth');
  const perSecond = Math.min(slow?.bytesPerSecond ?? Infinity, narrow?.bytesPerSecond ?? Infinity);
  const slice = perSecond === Infinity ? bytes.length : Math.max(1, Math.floor((perSecond * SLICE_MS) / 1000));
  for (let from = 0; from < bytes.length; from += slice) {
    const part = bytes.subarray(from, from + slice);
    if (slow !== undefined) await sleep((part.length * 1000) / slow.bytesPerSecond, closed);
    if (narrow !== undefined) await carry(part.length, narrow, closed);
    if (closed.aborted) return false;
    response.write(part);
  }
  return !closed.aborted;
}
