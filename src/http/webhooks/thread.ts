/**
 * The thread in which the webhook listener lives, so that a flood of requests costs the push path nothing: it yields to the
 * daemon's other threads and to the POS, its memory is bounded by itself, and if it dies the daemon starts another one. What
 * it has verified it hands to the daemon to be stored, and waits only so long for the answer; nothing here has to survive.
 */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { SyncError, wordsOf } from '../../errors.js';
import { sleep, steadyMs, within } from '../../time.js';
import { AddressList } from '../addresses.js';
import { Guard } from '../guard.js';
import { HttpServer } from '../server.js';
import { RecentEvents } from './recent-events.js';
import { SecretsFile } from './secrets.js';
import type { FromThread, ThreadData, ToThread } from './thread-messages.js';
import { type SignedEvent, type Stored, webhookHandler } from './webhooks.js';

/** On Linux a thread has a niceness of its own; 0 means the calling one. */
const NICENESS = 10;
/** Messages that wait to be stored at once; whoever comes then is told to come again. */
const MOST_WAITING = 16;
const STORE_MS = 5_000;
const LISTEN_AGAIN_MS = 5_000;
const REPORT_MS = 5_000;

const settings = workerData as ThreadData;
const tell = (message: FromThread) => parentPort?.postMessage(message);
const stopping = new AbortController();
const waiting = new Map<number, (stored: Stored) => void>();
const recent = new RecentEvents();
let answers = new Map<string, number>();
let requests = 0;
let correctionMs = 0;
/** Undefined while the database is away. */
let bodyRefused: boolean | undefined;

const trustedProxies = new AddressList(settings.trustedProxies);
const guard = new Guard(new AddressList(settings.allowIps), trustedProxies);
const server = new HttpServer({
  name: 'the webhook listener',
  ...settings.listen,
  trustedProxies,
  handle: webhookHandler({
    guard,
    secrets: new SecretsFile(settings.secretsFile, (reason) =>
      tell({ kind: 'fault', what: 'webhook.secrets_file', error: `${settings.secretsFile} ${reason}` }),
    ),
    profile: settings.profile,
    bodyRefused: () => bodyRefused,
    store,
    onUntimely: () => tell({ kind: 'untimely' }),
    onAnswer: (kind, status) => count(`${kind} ${status}`),
    cloudMs: () => Date.now() + correctionMs,
    steadyMs,
  }),
  admit: (peer) => {
    const admission = guard.admit(peer, steadyMs());
    if (admission.kind !== 'serve') count('none turned_away');
    return admission;
  },
  onBroken: (peer) => {
    count('none broken');
    guard.failed(peer, steadyMs());
  },
  onFault: (error) => tell({ kind: 'fault', what: 'the webhook listener', error: wordsOf(error) }),
});

async function store(event: SignedEvent): Promise<Stored> {
  if (recent.has(event.event_id)) return 'duplicate';
  if (bodyRefused === undefined || waiting.size >= MOST_WAITING) return 'away';
  const request = ++requests;
  const answer = new Promise<Stored>((resolve) => waiting.set(request, resolve));
  tell({ kind: 'store', request, event });
  const stored = await within(STORE_MS, answer, () => new Error('late')).catch((): Stored => 'away');
  waiting.delete(request);
  if (stored !== 'away') recent.add(event.event_id);
  if (stored === 'stored' && event.timestamped && bodyRefused !== undefined) bodyRefused = true;
  return stored;
}

function count(what: string): void {
  answers.set(what, (answers.get(what) ?? 0) + 1);
}

async function listen(): Promise<void> {
  while (!stopping.signal.aborted) {
    try {
      await server.start();
      tell({ kind: 'listening', port: server.port });
      return;
    } catch (error) {
      tell({ kind: 'deaf', reason: wordsOf(error), hint: error instanceof SyncError ? error.hint : '' });
      await sleep(LISTEN_AGAIN_MS, stopping.signal);
    }
  }
}

async function report(): Promise<void> {
  while (!stopping.signal.aborted) {
    await sleep(REPORT_MS, stopping.signal);
    if (answers.size > 0) tell({ kind: 'answers', answers });
    answers = new Map();
  }
}

async function stop(): Promise<void> {
  stopping.abort();
  await server.stop();
  tell({ kind: 'stopped' });
}

parentPort?.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'clock':
      correctionMs = message.correctionMs;
      return;
    case 'serving':
      // Another session may have another database, restored from a backup say.
      recent.clear();
      bodyRefused = message.bodyRefused;
      return;
    case 'away':
      bodyRefused = undefined;
      return;
    case 'stored':
      waiting.get(message.request)?.(message.stored);
      return;
    case 'stop':
      void stop();
      return;
    default:
      message satisfies never;
  }
});

try {
  setPriority(0, NICENESS);
} catch {
  // Forbidden in some sandboxes; then it competes like every other thread.
}
void listen();
void report();
