/** Stands before PostgreSQL and gives a session another process number, as a pooler does that lends its sessions out. */
import { connect, createServer, type Server } from 'node:net';

/** The server's BackendKeyData: its kind, its length, the number of the process, a secret. */
const KEY_DATA = Buffer.from([0x4b, 0, 0, 0, 12]);

export async function poolerProxy(port: number, host: string): Promise<Server> {
  const proxy = createServer((client) => {
    const server = connect(port, host);
    server.on('data', (data) => {
      const at = data.indexOf(KEY_DATA);
      if (at >= 0) data.writeInt32BE(424_242, at + KEY_DATA.length);
      client.write(data);
    });
    client.on('data', (data) => server.write(data));
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', () => resolve()));
  return proxy;
}
