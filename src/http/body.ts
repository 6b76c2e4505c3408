/**
 * Takes a request's body off the wire without ever holding more than was allowed. One buffer that grows, because a body may
 * come in a million pieces of one byte, and each piece kept by itself would weigh a hundred times that.
 */
import type { IncomingMessage } from 'node:http';

const FIRST_BYTES = 16 * 1024;

/** @returns the raw bytes; `too_large` as soon as that is known; `cut_off` where the sender left, broke off, or was too slow. */
export function readBody(
  request: IncomingMessage,
  limit: number,
  broken: AbortSignal,
): Promise<Buffer | 'too_large' | 'cut_off'> {
  if (Number(request.headers['content-length'] ?? 0) > limit) return Promise.resolve('too_large');
  if ((request.destroyed || broken.aborted) && !request.complete) return Promise.resolve('cut_off');
  return new Promise((resolve) => {
    let bytes = Buffer.allocUnsafe(Math.min(FIRST_BYTES, limit));
    let length = 0;
    const take = (piece: Buffer) => {
      const wanted = length + piece.length;
      if (wanted > limit) return end('too_large');
      if (wanted > bytes.length) {
        const wider = Buffer.allocUnsafe(Math.min(limit, Math.max(wanted, bytes.length * 2)));
        bytes.copy(wider, 0, 0, length);
        bytes = wider;
      }
      piece.copy(bytes, length);
      length = wanted;
    };
    const whole = () => end(bytes.subarray(0, length));
    const cut = () => end('cut_off');
    // What follows a whole body may be broken without harm to it.
    const broke = () => {
      if (!request.complete) cut();
    };
    const end = (result: Buffer | 'too_large' | 'cut_off') => {
      broken.removeEventListener('abort', broke);
      request.off('data', take).off('end', whole).off('close', cut).off('error', cut);
      if (result === 'too_large') request.pause();
      resolve(result);
    };
    broken.addEventListener('abort', broke);
    request.on('data', take).once('end', whole).once('close', cut).once('error', cut);
  });
}
