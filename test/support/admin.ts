/** The admin port over a shop's database, and a client that says whatever a test wants it to say. */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import type { Settings } from '../../src/config/settings.js';
import { AdminListener } from '../../src/http/admin/listener.js';
import type { Log, LogFields } from '../../src/log.js';
import { Counted } from '../../src/ops/figures/gathered.js';
import { Metrics, type Own } from '../../src/ops/figures/metrics.js';
import { Vitals } from '../../src/ops/status/vitals.js';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came
type Json = any;

export type Reply = { status: number; headers: Record<string, string | undefined>; text: string; json: Json };

export type Ask = {
  method?: string;
  /** An object is sent as JSON, a text or bytes as they are. */
  body?: unknown;
  /** `undefined` leaves one out that would be sent otherwise. */
  headers?: Record<string, string | string[] | undefined>;
  /** Null: none. */
  token?: string | null;
};

export type AdminClient = (path: string, ask?: Ask) => Promise<Reply>;

/** POSTs where there is a body. */
export function adminClient(port: number, token: string): AdminClient {
  return (path, ask = {}) => {
    const { body } = ask;
    const payload =
      body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const bearer = ask.token === undefined ? token : ask.token;
    const headers = {
      ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...ask.headers,
    };
    const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as Record<
      string,
      string
    >;
    return new Promise((resolve, reject) => {
      const method = ask.method ?? (body === undefined ? 'GET' : 'POST');
      const sent = request({ host: '127.0.0.1', port, path, method, headers: given, agent: false }, (answer) => {
        const pieces: Buffer[] = [];
        answer.on('data', (piece: Buffer) => pieces.push(piece));
        answer.on('end', () => {
          const text = Buffer.concat(pieces).toString();
          const isJson = /json/.test(answer.headers['content-type'] ?? '');
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers as Record<string, string>,
            text,
            json: isJson && text !== '' ? JSON.parse(text) : undefined,
          });
        });
        answer.on('error', reject);
      });
      sent.on('error', reject);
      sent.end(payload);
    });
  };
}

export async function openAdmin(settings: Settings) {
  const lines: { level: string; message: string; fields: LogFields }[] = [];
  const take =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void lines.push({ level, message, fields });
  const log: Log = { error: take('error'), warn: take('warn'), info: take('info'), debug: take('debug') };
  const vitals = new Vitals();
  const metrics = new Metrics();
  const own: Own = { leads: true, standing: { kind: 'online' }, awayMs: 0 };
  const counted = new Counted();
  const measured = { metrics, counted, own: () => own };
  const listener = new AdminListener({ settings, log, vitals, measured });
  await listener.start();
  const token = readFileSync(settings.admin.tokenFile ?? join(settings.state_dir, 'admin_token'), 'utf8').trim();
  return {
    listener,
    lines,
    vitals,
    metrics,
    counted,
    own,
    token,
    ask: adminClient(listener.port, token),
    close: () => listener.stop(),
  };
}
