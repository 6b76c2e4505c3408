/** A TCP proxy in front of a server that can swallow what passes: both ends stay open and hear nothing more of each other. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type BlackHoleProxy = {
  port: number;
  /** Connections of now go silent; later ones pass. */
  swallow(): void;
  close(): Promise<void>;
};

export async function openBlackHoleProxy(port: number): Promise<BlackHoleProxy> {
  const pairs: [Socket, Socket][] = [];
  const server = createServer((inner) => {
    const outer = connect(port, '127.0.0.1');
    pairs.push([inner, outer]);
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      from.on('data', (chunk) => to.write(chunk));
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    swallow() {
      for (const socket of pairs.flat()) socket.removeAllListeners('data').removeAllListeners('end').resume();
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of pairs.flat()) socket.destroy();
      await closed;
    },
  };
}
