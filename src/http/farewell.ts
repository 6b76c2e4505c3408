/**
 * How a connection is let go: with an answer that reaches the other end, and within bounds. A socket that is closed while
 * unread bytes lie in it resets the connection, and the reset may overtake the answer; so the bytes of one who is still
 * sending are taken and thrown away for a moment. Whoever comes when many are being let go is cut off at once.
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { sleep } from '../time.js';
import type { HttpAnswer } from './exchange.js';

const LINGER_MS = 1_000;
/** Enough for a client that writes its whole body before it looks for an answer, if the body is only somewhat too large. */
const LINGER_BYTES = 4 * 1024 * 1024;
const MOST_LINGERING = 16;

export class Farewell {
  #lingering = 0;

  /** Answers on a connection that no request was read from, or a broken one. `text` comes from `onWire`. */
  refuse(socket: Socket, text: string): void {
    // It is being let go already.
    if (socket.writableEnded || socket.destroyed) return;
    if (this.#lingering >= MOST_LINGERING) {
      socket.resetAndDestroy();
      return;
    }
    socket.end(text);
    void this.#linger(socket, socket);
  }

  /** To be called before a request is answered that was not read to its end: its connection then ends as it should. */
  prepare(request: IncomingMessage): void {
    const { socket } = request;
    socket.destroySoon = () => {
      if (this.#lingering >= MOST_LINGERING) {
        socket.destroy();
        return;
      }
      socket.end();
      void this.#linger(socket, request);
    };
  }

  async #linger(socket: Socket, source: IncomingMessage | Socket): Promise<void> {
    if (socket.destroyed) return;
    const over = new AbortController();
    const end = () => over.abort();
    let taken = 0;
    source.on('data', (piece: Buffer) => {
      taken += piece.length;
      if (taken > LINGER_BYTES) end();
    });
    source.once('end', end);
    socket.once('close', end);
    socket.once('error', end);
    source.resume();
    this.#lingering++;
    await sleep(LINGER_MS, over.signal);
    this.#lingering--;
    socket.destroy();
  }
}

/** A whole answer as it stands on the wire, for where there is no request to answer. */
export function onWire({ status, headers, body }: HttpAnswer): string {
  const text = typeof body === 'string' ? body : '';
  const head = { ...headers, 'content-length': String(Buffer.byteLength(text)), connection: 'close' };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${text}`;
}
