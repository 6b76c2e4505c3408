/**
 * The reference cloud: an independent cloud built from the wire contract, for the demo and as the truth that tests compare
 * with. It shares nothing with the daemon but the wire types. Listens on loopback alone. A kill at any moment leaves a journal
 * that the next start continues.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { control, isControl } from './control.js';
import { applyEdit } from './edit.js';
import { BASE, handle } from './handle.js';
import { forget, restore, takeBackup } from './loss.js';
import type { CloudOptions } from './open.js';
import { openCloud } from './open.js';
import type { ReferenceCloud } from './reference-cloud.js';

/** @throws SyncError where the journal is damaged; the listener's own error where the port is taken. */
export async function startReferenceCloud(options: CloudOptions): Promise<ReferenceCloud> {
  const cloud = openCloud(options);
  let server = createServer();
  let port = options.port ?? 0;
  let listening = false;

  const up = async () => {
    if (listening) return;
    server = createServer((request, response) => {
      void (isControl(request) ? control(cloud, self, request, response) : handle(cloud, request, response));
    });
    // Longer than a client keeps an idle connection, so that the client is the one to close it.
    server.keepAliveTimeout = 120_000;
    server.requestTimeout = 0;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    port = (server.address() as AddressInfo).port;
    listening = true;
    cloud.courier.start();
  };
  const down = async () => {
    if (!listening) return;
    listening = false;
    await cloud.courier.stop();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  const self: ReferenceCloud = {
    get url() {
      return `http://127.0.0.1:${port}${BASE}`;
    },
    get port() {
      return port;
    },
    ledger: cloud.ledger,
    faults: cloud.faults,
    exchangeKey: (apiKey) => {
      cloud.apiKey = apiKey;
    },
    entities: (outletId) => cloud.state.entities(outletId),
    feed: () => cloud.state.feed.entries,
    subscribe: (subscription) => cloud.courier.subscribe(subscription),
    webhook: (order) => cloud.courier.order(order),
    webhooks: () => cloud.courier.records,
    polling: () => cloud.state.feed.waiting,
    edit: (edit) => applyEdit(cloud, edit),
    forget: (outletId, entityType, entityId) => forget(cloud, outletId, entityType, entityId),
    backup: () => takeBackup(cloud),
    restore: (backup) => restore(cloud, backup),
    down,
    up,
    stop: async () => {
      await down();
      cloud.journal.close();
    },
  };
  try {
    await up();
  } catch (error) {
    cloud.journal.close();
    throw error;
  }
  return self;
}
