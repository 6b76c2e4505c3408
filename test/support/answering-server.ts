/** A server that answers in whatever way a test wants it to, right or wrong, and the one HTTP client that asks it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createCloudClient } from '../../src/cloud/client.js';

export type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

export async function answeringServer(handle: Handler) {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => handle(request, response, Buffer.concat(chunks)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1`;

  const client = (more: Partial<Parameters<typeof createCloudClient>[0]> = {}) =>
    createCloudClient({
      url: base,
      outletId: 'outlet-7',
      apiKey: 'secret-key',
      timeoutMs: 2_000,
      compression: 'auto',
      ca: undefined,
      version: '1.2.3',
      ...more,
    });

  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { base, client, close };
}
