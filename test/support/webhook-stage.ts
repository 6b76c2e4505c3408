/** The webhook listener as the daemon runs it, in its thread, on a database of its own: what it stored can be counted. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WebhookSettings } from '../../src/config/settings.js';
import type { Db } from '../../src/db/connect.js';
import { WebhookListener } from '../../src/http/webhooks/listener.js';
import { readRatchet } from '../../src/inbox/ratchet.js';
import { receive } from '../../src/inbox/receive.js';
import type { Log, LogFields } from '../../src/log.js';
import { SECRET } from './signed-webhook.js';

export const OTHER_SECRET = 'another-planted-secret';
/** Base64 of "standard webhooks need bytes". */
export const ENCODED_SECRET = 'whsec_c3RhbmRhcmQgd2ViaG9va3MgbmVlZCBieXRlcw==';
export const NETWORKS = { allowIps: ['127.0.0.1', '203.0.113.0/24', '2001:db8::/32'], trustedProxies: ['127.0.0.3'] };

export type WebhookStage = Awaited<ReturnType<typeof openWebhookStage>>;

export async function openWebhookStage(db: Db, more: Partial<WebhookSettings> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'syncd-webhooks-'));
  const secretsFile = join(directory, 'secrets');
  const settings: WebhookSettings = {
    listen: { host: '127.0.0.1', port: 0 },
    profile: 'auto',
    secretsFile,
    ...NETWORKS,
    ...more,
  };
  const setSecrets = (...secrets: string[]) => writeFileSync(secretsFile, `${secrets.join('\n')}\n`, { mode: 0o600 });
  setSecrets(SECRET, OTHER_SECRET, ENCODED_SECRET);
  const lines: string[] = [];
  const take = (level: string) => (message: string, fields?: LogFields) =>
    void lines.push(JSON.stringify({ level, message, ...fields }));
  const log: Log = { error: take('error'), warn: take('warn'), info: take('info'), debug: take('debug') };
  const calls = { messages: 0, untimely: 0 };
  const clock = { correctionMs: 0 };
  const listener = new WebhookListener({ settings, log, correctionMs: () => clock.correctionMs });
  await listener.start();
  const serve = async () =>
    listener.serve({
      receive: (event) => receive(db, event),
      bodyRefused: await readRatchet(db, settings.profile),
      onMessage: () => void calls.messages++,
      onUntimely: () => void calls.untimely++,
    });
  return {
    listener,
    settings,
    log,
    lines,
    calls,
    clock,
    setSecrets,
    serve,
    get port() {
      return listener.port;
    },
    /** The events that are stored, oldest first. */
    events: () => db.selectFrom('syncd.inbox').select(['event_id', 'changes']).orderBy('id').execute(),
    async close() {
      await listener.stop();
      rmSync(directory, { recursive: true });
    },
  };
}
