/**
 * The cloud's door to the outlet: POST /api/v1/webhooks/cloud/{update,delete,conflict}. Checks in this order: address, route,
 * method, type, size, signature, JSON; so a stranger costs little and learns nothing, and no unsigned byte is ever parsed.
 * What passes is stored before it is answered; a crash before that leaves the cloud to send it again.
 */
import { createHash } from 'node:crypto';
import { parseWebhook, type Webhook, type WebhookKind } from '../../inbox/envelope.js';
import type { IncomingEvent } from '../../inbox/receive.js';
import type { Handler, HttpAnswer, HttpRequest } from '../exchange.js';
import type { Guard } from '../guard.js';
import { refusal } from '../refusal.js';
import type { SecretsFile } from './secrets.js';
import { type Profile, TOLERANCE_MS, type Verdict, verify } from './signature.js';

export type SignedEvent = Pick<
  IncomingEvent,
  'event_id' | 'source' | 'sent_at' | 'changes' | 'bytes' | 'durationMs'
> & {
  /** It bears a signed time: from then on the ratchet of `auto` is closed. */
  timestamped: boolean;
};

/** `away`: not stored, or not known to be, as far as can be told now; the cloud has to send it again. */
export type Stored = 'stored' | 'duplicate' | 'away';

export type WebhookDeps = {
  guard: Guard;
  secrets: SecretsFile;
  profile: Profile | 'auto';
  /** Whether a message without a signed time is refused; undefined: not known as long as the database is away. */
  bodyRefused: () => boolean | undefined;
  store: (event: SignedEvent) => Promise<Stored>;
  /** A message was signed, but not now: what it told has to be asked for. */
  onUntimely: () => void;
  /** One request was answered. */
  onAnswer: (kind: WebhookKind | 'none', status: number) => void;
  /** Epoch ms by the cloud's clock. */
  cloudMs: () => number;
  /** On a clock that never jumps. */
  steadyMs: () => number;
};

const ROUTE = /^\/api\/v1\/webhooks\/cloud\/(update|delete|conflict)$/;
const MAX_BYTES = 1024 * 1024;
/** For so long an event is remembered; an older one without a signed time might be a repetition. */
const REMEMBERED_MS = 30 * 24 * 3_600_000;
const RETRY_AFTER_S = 5;
/** One and the same for whatever is wrong with a signature or its time. */
const UNAUTHORIZED = refusal(401, undefined, { 'www-authenticate': 'Signature' });
const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?$/i;

export function webhookHandler(deps: WebhookDeps): Handler {
  return async (request) => {
    const kind = ROUTE.exec(request.path)?.[1] as WebhookKind | undefined;
    const answer = await answerTo(deps, request, kind);
    deps.onAnswer(kind ?? 'none', answer.status);
    const nowMs = deps.steadyMs();
    if (answer.status < 300) deps.guard.succeeded(request.address, nowMs);
    else if (answer.status < 500 && answer.status !== 429) deps.guard.failed(request.address, nowMs);
    return answer;
  };
}

async function answerTo(deps: WebhookDeps, request: HttpRequest, kind: WebhookKind | undefined): Promise<HttpAnswer> {
  const begunMs = deps.steadyMs();
  const unwelcome = deps.guard.refuse(request.address, begunMs);
  if (unwelcome) return unwelcome;
  if (kind === undefined) return refusal(404);
  if (request.method !== 'POST') return refusal(405, undefined, { allow: 'POST' });
  if (!isPlainJson(request)) return refusal(415, 'the body has to be JSON, in UTF-8, not compressed');
  const body = await request.body(MAX_BYTES);
  if (body === 'too_large') return refusal(413, `the body has more than ${MAX_BYTES} bytes`);
  if (body === 'cut_off') return refusal(400);
  const verdict = judge(deps, request, body);
  switch (verdict.kind) {
    case 'unsigned':
      return UNAUTHORIZED;
    case 'untimely':
      deps.onUntimely();
      return UNAUTHORIZED;
    case 'unknown':
      return away();
    case 'signed':
      return take(deps, kind, body, verdict, begunMs);
    default:
      return verdict satisfies never;
  }
}

function isPlainJson(request: HttpRequest): boolean {
  const [type = '', ...others] = request.values('content-type');
  if (others.length > 0 || !JSON_TYPE.test(type)) return false;
  const codings = [...request.values('content-encoding'), ...request.values('transfer-encoding')];
  return codings.every((coding) => /^(identity|chunked)?$/i.test(coding.trim()));
}

function judge(deps: WebhookDeps, request: HttpRequest, body: Buffer): Verdict | { kind: 'unknown' } {
  const { secrets, profile } = deps;
  const steadyMs = deps.steadyMs();
  const against = (active: ReturnType<SecretsFile['current']>) =>
    verify(request.values, body, active, profile, deps.cloudMs());
  const active = secrets.current(steadyMs);
  let verdict = against(active);
  const exchanged = verdict.kind === 'unsigned' ? secrets.exchanged(steadyMs) : undefined;
  if (exchanged) verdict = against(exchanged);
  // Without secrets nobody can be told from anybody; a true message must not be lost to that.
  if (active.length === 0 && !exchanged) return { kind: 'unknown' };
  if (verdict.kind !== 'signed' || verdict.profile !== 'body' || profile !== 'auto') return verdict;
  const refused = deps.bodyRefused();
  if (refused === undefined) return { kind: 'unknown' };
  return refused ? { kind: 'unsigned' } : verdict;
}

async function take(
  deps: WebhookDeps,
  kind: WebhookKind,
  body: Buffer,
  signed: Extract<Verdict, { kind: 'signed' }>,
  begunMs: number,
): Promise<HttpAnswer> {
  const text = decoded(body);
  if (text === undefined) return refusal(400, 'the body is not UTF-8');
  const webhook = parseWebhook(kind, text);
  if (webhook.kind === 'malformed') return refusal(400, webhook.reason);
  if (signed.profile === 'body' && isOld(webhook, deps.cloudMs())) {
    deps.onUntimely();
    return UNAUTHORIZED;
  }
  const { source, sent_at, changes } = webhook;
  const event_id = signed.id ?? webhook.event_id ?? `sha256:${createHash('sha256').update(body).digest('hex')}`;
  const timestamped = signed.profile !== 'body';
  const durationMs = deps.steadyMs() - begunMs;
  const stored = await deps.store({ event_id, source, sent_at, changes, bytes: body.length, durationMs, timestamped });
  switch (stored) {
    case 'stored':
      return json(202, { accepted: changes.length });
    case 'duplicate':
      return json(200, { duplicate: true });
    case 'away':
      return away();
    default:
      return stored satisfies never;
  }
}

function decoded(body: Buffer): string | undefined {
  try {
    // A mark of byte order stays in the text, where it is no JSON.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return undefined;
  }
}

/** Of a message whose time is not signed: it lies outside of what is remembered, or is not yet. */
function isOld({ sent_at }: Webhook, cloudMs: number): boolean {
  if (sent_at === null) return false;
  // Date.parse knows no leap second, and the fraction of one does not matter here.
  const ageMs = cloudMs - Date.parse(sent_at.toUpperCase().replace(':60', ':59').replace(/\.\d+/, ''));
  return !(ageMs <= REMEMBERED_MS && ageMs >= -TOLERANCE_MS);
}

function json(status: number, document: object): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(document) };
}

function away(): HttpAnswer {
  return refusal(503, undefined, { 'retry-after': String(RETRY_AFTER_S) });
}
