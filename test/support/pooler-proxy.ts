/** Stands before PostgreSQL and gives a session another process number, as a pooler does that lends its sessions out. */
import { connect, createServer, type Server } from 'node:net';

/** The server's BackendKeyData: its kind, its length, the number of the process, a secret. */
const KEY_DATA = Buffer.from([0x4b, 0, 0, 0, 12]);

/** As pgbouncer says it. */
const REFUSAL = Buffer.concat([
  Buffer.from([0x45, 0, 0, 0, 59]),
  Buffer.from('SFATAL\0C08P01\0Munsupported startup parameter: options\0\0'),
]);

/** The first packet: its length, the protocol, names and values. */
function withoutOptions(packet: Buffer): Buffer {
  const names = packet.subarray(8).toString('latin1');
  const kept = Buffer.from(names.replace(/\0options\0[^\0]*\0/, '\0'), 'latin1');
  const head = Buffer.from(packet.subarray(0, 8));
  head.writeInt32BE(8 + kept.length);
  return Buffer.concat([head, kept]);
}

/** @param options what becomes of the settings that a client names at the start */
export async function poolerProxy(
  port: number,
  host: string,
  options: 'passed' | 'refused' | 'dropped' = 'passed',
): Promise<Server> {
  const proxy = createServer((client) => {
    const server = connect(port, host);
    server.on('data', (data) => {
      const at = data.indexOf(KEY_DATA);
      if (at >= 0) data.writeInt32BE(424_242, at + KEY_DATA.length);
      client.write(data);
    });
    client.once('data', (data) => {
      if (options === 'refused') client.end(REFUSAL);
      else server.write(options === 'dropped' ? withoutOptions(data) : data);
      client.on('data', (more) => server.write(more));
    });
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
