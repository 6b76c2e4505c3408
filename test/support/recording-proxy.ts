/** Passes every request on to a cloud and keeps what was said, unpacked, both ways. */
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';

export type Exchange = { method: string; path: string; sent: string; status: number; answered: string };

export class RecordingProxy {
  readonly exchanges: Exchange[] = [];
  #server: Server | undefined;

  /** @param target the cloud's URL @returns the URL to give to whoever thinks that this is the cloud */
  async before(target: string): Promise<string> {
    const { hostname, port, pathname } = new URL(target);
    this.#server = createServer(async (incoming, answer) => {
      const sent = await whole(incoming);
      const { method = '', url = '', headers } = incoming;
      const onward = request({ hostname, port, method, path: url, headers }, async (reply) => {
        const answered = await whole(reply);
        const status = reply.statusCode ?? 0;
        this.exchanges.push({
          method,
          path: url.slice(pathname.length).split('?')[0] as string,
          sent: unpacked(sent, headers['content-encoding']),
          status,
          answered: unpacked(answered, reply.headers['content-encoding']),
        });
        answer.writeHead(status, reply.headers).end(answered);
      });
      onward.on('error', () => answer.destroy());
      incoming.on('close', () => onward.destroy());
      onward.end(sent);
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', () => resolve()));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${pathname}`;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

async function whole(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

function unpacked(bytes: Buffer, encoding: string | undefined): string {
  if (encoding === 'gzip') return gunzipSync(bytes).toString();
  return encoding === 'br' ? brotliDecompressSync(bytes).toString() : bytes.toString();
}
