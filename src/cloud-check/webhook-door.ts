/**
 * Waits for one webhook as the daemon would take it: the same order of checks, the same signatures, the same answers. Nothing is
 * stored: an event that was answered 202 here is the cloud's test, and a shop must not be waiting for it.
 */
import type { Listen } from '../config/settings.js';
import { AddressList } from '../http/addresses.js';
import type { HttpAnswer, HttpRequest } from '../http/exchange.js';
import { Guard } from '../http/guard.js';
import { refusal } from '../http/refusal.js';
import { HttpServer } from '../http/server.js';
import { SecretsFile } from '../http/webhooks/secrets.js';
import { type Profile, verify } from '../http/webhooks/signature.js';
import { type SignedEvent, webhookHandler } from '../http/webhooks/webhooks.js';
import { sleep, steadyMs } from '../time.js';
import type { TestOutletOptions } from './test-outlet.js';

/** What came. `profile` null: the signature did not hold. `event` null: it was refused. */
export type Heard = {
  address: string;
  method: string;
  path: string;
  body: string;
  status: number;
  /** Why it was refused, where the answer says so. */
  refusal: string;
  profile: Profile | null;
  event: SignedEvent | null;
};

const NAME = 'the webhook listener';
/** The answer leaves before the listener closes. */
const ANSWER_FIRST_MS = 100;
const ANYBODY = new AddressList(['0.0.0.0/0', '::/0']);

/** @throws SyncError where the address cannot be listened on */
export async function mustBeFree({ host, port }: Listen): Promise<void> {
  const server = new HttpServer({ name: NAME, host, port, handle: async () => refusal(503), onFault: () => {} });
  await server.start();
  await server.stop();
}

/**
 * Resolves with the first webhook that was stored or refused for what is in it, else with the last request that was no webhook,
 * else undefined.
 * @throws SyncError where the address cannot be listened on
 */
export async function waitForWebhook(
  options: NonNullable<TestOutletOptions['webhook']>,
  onListening: (port: number) => void | Promise<void>,
): Promise<Heard | undefined> {
  const { listen, secretsFile, waitMs } = options;
  const over = new AbortController();
  let heard: Heard | undefined;
  let stored: SignedEvent | null = null;
  const secrets = new SecretsFile(secretsFile, () => {});
  const answer = webhookHandler({
    guard: new Guard(ANYBODY, new AddressList([])),
    secrets,
    profile: 'auto',
    bodyRefused: () => false,
    store: async (event) => {
      stored = event;
      return 'stored';
    },
    onUntimely: () => {},
    onAnswer: () => {},
    cloudMs: () => Date.now(),
    steadyMs,
  });
  const handle = async (request: HttpRequest): Promise<HttpAnswer> => {
    let body: Buffer = Buffer.alloc(0);
    const kept: HttpRequest = Object.assign(Object.create(request) as HttpRequest, {
      body: async (limit: number) => {
        const read = await request.body(limit);
        if (Buffer.isBuffer(read)) body = read;
        return read;
      },
    });
    const given = await answer(kept);
    const verdict = verify(request.values, body, secrets.current(steadyMs()), 'auto', Date.now());
    heard = {
      address: request.address,
      method: request.method,
      path: request.path,
      body: body.toString(),
      status: given.status,
      refusal: typeof given.body === 'string' ? given.body : '',
      profile: verdict.kind === 'signed' ? verdict.profile : null,
      event: stored,
    };
    // A look at another route, of whoever watches ports, is no webhook of the cloud's.
    if (given.status !== 404 && given.status !== 405) over.abort();
    return given;
  };
  const server = new HttpServer({ name: NAME, ...listen, handle, onFault: () => {} });
  await server.start();
  try {
    await onListening(server.port);
    await sleep(waitMs, over.signal);
    if (heard !== undefined) await sleep(ANSWER_FIRST_MS);
    return heard;
  } finally {
    await server.stop();
  }
}
