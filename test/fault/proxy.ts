/**
 * Stands between the daemon and the cloud and loses the first answer to every batch: the request gets through and is applied,
 * then the connection breaks. What it loses it counts.
 */
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export class AckLosingProxy {
  lost = 0;
  readonly #server: Server;
  readonly #seen = new Set<string>();

  private constructor(cloudPort: number) {
    this.#server = createServer((incoming, outgoing) => {
      const { method = 'GET', url = '/', headers } = incoming;
      const onward = request({ port: cloudPort, host: '127.0.0.1', method, path: url, headers }, (answer) => {
        const batch = headers['idempotency-key'];
        if (typeof batch !== 'string' || this.#seen.has(batch)) {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
          return;
        }
        this.#seen.add(batch);
        answer.resume().once('end', () => {
          this.lost += 1;
          incoming.socket.destroy();
        });
      });
      onward.once('error', () => incoming.socket.destroy());
      incoming.pipe(onward);
    });
  }

  static async start(cloudPort: number): Promise<AckLosingProxy> {
    const proxy = new AckLosingProxy(cloudPort);
    await new Promise<void>((listening) => proxy.#server.listen(0, '127.0.0.1', listening));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }
}
