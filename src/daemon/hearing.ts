/**
 * What a session hears from outside: sales and people by NOTIFY, the cloud by webhook. Each is a hint to look now, and what a
 * webhook brings is stored before it is answered; a crash in between lets the cloud send it again.
 */

import { createListener } from '../db/listen.js';
import { wordsOf } from '../errors.js';
import { readRatchet } from '../inbox/ratchet.js';
import { type IncomingEvent, type Received, receive } from '../inbox/receive.js';
import { sleep } from '../time.js';
import type { Across } from './across.js';
import type { Connections } from './connections.js';

/**
 * A sale has its first moments to itself: what the others look up and write down would stand in its way to the database's disk
 * and processors. Measured on two cores: a lone sale was 2.4 times as long on its way as with bare LISTEN and POST, now 1.6 times.
 */
const AFTER_THE_SALE_MS = 50;

/** What may be told to look. */
export type Hearers = {
  push: { wake(): void; tryNow(): void };
  pull: { wake(): void } | undefined;
  inbox: { wake(): void };
  supervision: { wake(): void };
};

/** @returns what ends it */
export async function hear(across: Across, connections: Connections, parts: Hearers): Promise<(() => unknown)[]> {
  // The database comes last: of the two only the other can fail, and whoever fails leaves nothing behind.
  return [await hearCloud(across, connections, parts), await hearDatabase(across, connections, parts)];
}

async function hearDatabase({ log }: Across, { url }: Connections, parts: Hearers): Promise<() => unknown> {
  const ending = new AbortController();
  let owed = false;
  const wakeOthers = async () => {
    if (owed) return;
    owed = true;
    await sleep(AFTER_THE_SALE_MS, ending.signal);
    owed = false;
    parts.inbox.wake();
    parts.supervision.wake();
  };
  const listener = createListener(
    url,
    () => {
      parts.push.wake();
      void wakeOthers();
    },
    (error) =>
      log.warn('NOTIFY is not heard; the queue is polled instead', { trouble: 'listen', error: wordsOf(error) }),
  );
  await listener.start();
  return () => {
    ending.abort();
    return listener.stop();
  };
}

/** Webhooks, where they are configured. */
async function hearCloud(across: Across, { store }: Connections, parts: Hearers): Promise<() => unknown> {
  const { settings, webhooks, onStep } = across;
  if (!settings.webhook || !webhooks) return () => {};
  const keep = async (event: IncomingEvent): Promise<Received> => {
    const received = await receive(store, event);
    onStep?.('webhook stored');
    return received;
  };
  return webhooks.serve({
    receive: (event) => keep(event).finally(() => parts.inbox.wake()),
    bodyRefused: await readRatchet(store, settings.webhook.profile),
    onMessage: () => parts.push.tryNow(),
    onUntimely: () => parts.pull?.wake(),
  });
}
