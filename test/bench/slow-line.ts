/**
 * A shop's line in small: a proxy that lets bytes through at a rate that all connections share, later by half a round trip in each
 * direction, and cuts some of the requests off in the middle. What waits in it is bounded as in a router, so that the sender
 * feels the rate.
 */

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { sleep } from '../../src/time.js';

export type LineOptions = {
  bytesPerS: number;
  roundTripMs: number;
  /** Of the requests, 0 to 1. */
  cut: number;
  /** 0 to 1. */
  random: () => number;
};

/** How far into its upload a request is cut at most; a whole batch is larger. */
const CUT_WITHIN = 64 * 1024;

export class SlowLine {
  /** Requests that were cut off. */
  cuts = 0;
  readonly #options: LineOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** When each direction is free again, on performance.now(). */
  readonly #freeAt = { up: 0, down: 0 };

  private constructor(port: number, options: LineOptions) {
    this.#options = options;
    this.#server = createServer((shop) => void this.#serve(shop, port));
  }

  static async start(port: number, options: LineOptions): Promise<SlowLine> {
    const line = new SlowLine(port, options);
    await new Promise<void>((listening) => line.#server.listen(0, '127.0.0.1', listening));
    return line;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((closed) => this.#server.close(closed));
  }

  async #serve(shop: Socket, port: number): Promise<void> {
    this.#keep(shop);
    shop.pause();
    // The handshake takes a round trip of its own.
    await sleep(this.#options.roundTripMs);
    if (shop.destroyed) return;
    const cloud = connect(port, '127.0.0.1');
    this.#keep(cloud);
    let answered = true;
    let left = Number.POSITIVE_INFINITY;
    shop.on('data', (chunk) => {
      if (answered && this.#options.random() < this.#options.cut)
        left = Math.floor(this.#options.random() * CUT_WITHIN);
      answered = false;
      left -= chunk.length;
      if (left >= 0) return void this.#carry('up', chunk, shop, cloud);
      this.cuts++;
      shop.destroy();
      cloud.destroy();
    });
    cloud.on('data', (chunk) => {
      answered = true;
      void this.#carry('down', chunk, cloud, shop);
    });
    for (const [one, other] of [
      [shop, cloud],
      [cloud, shop],
    ] as const) {
      one.once('close', () => other.destroy());
    }
    shop.resume();
  }

  /** The sender may go on when its bytes are on the line; the receiver has them half a round trip later. */
  async #carry(way: 'up' | 'down', chunk: Buffer, from: Socket, to: Socket): Promise<void> {
    from.pause();
    const now = performance.now();
    this.#freeAt[way] = Math.max(now, this.#freeAt[way]) + (chunk.length / this.#options.bytesPerS) * 1_000;
    await sleep(this.#freeAt[way] - now);
    from.resume();
    await sleep(this.#options.roundTripMs / 2);
    if (!to.destroyed) to.write(chunk);
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
