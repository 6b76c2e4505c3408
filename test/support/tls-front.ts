/** Stands before a cloud that speaks plain HTTP and speaks TLS, with a certificate of its own. Wants openssl. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export class TlsFront {
  /** Where the certificate lies, which is its own authority. */
  readonly caFile: string;
  readonly #server: Server;

  private constructor(caFile: string, server: Server) {
    this.caFile = caFile;
    this.#server = server;
  }

  /** @param directory for key and certificate */
  static async start(cloudPort: number, directory: string): Promise<TlsFront> {
    const [key, cert] = [join(directory, 'front-key.pem'), join(directory, 'front-cert.pem')];
    const made = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 10 -subj /CN=localhost -addext';
    const names = ['subjectAltName=DNS:localhost', '-keyout', key, '-out', cert];
    execFileSync('openssl', ['req', ...made.split(' '), ...names], { stdio: 'ignore' });
    const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (incoming, outgoing) => {
      const { method = 'GET', url = '/', headers } = incoming;
      const onward = request({ port: cloudPort, host: '127.0.0.1', method, path: url, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      onward.once('error', () => incoming.socket.destroy());
      outgoing.once('close', () => onward.destroy());
      incoming.pipe(onward);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return new TlsFront(cert, server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }
}
