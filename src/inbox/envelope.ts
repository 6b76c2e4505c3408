/**
 * Takes an incoming text apart: a page of a pull, one fetched entity, a webhook. Pure; the one door through which the cloud's
 * words reach the inbox, whichever way they came. A text that breaks the contract as a whole is *malformed*, with the reason;
 * a bad change inside a good text carries its own fault (see inbox/change).
 */
import { isInstant } from '../cloud/instant.js';
import { type IncomingChange, type Reading, readChange } from './change.js';
import { type Scanned, scan } from './scan.js';
import { flawIn, type Span, stringIn } from './span.js';

export type Malformed = { kind: 'malformed'; reason: string };
export type Page = {
  kind: 'page';
  changes: IncomingChange[];
  next_cursor: string;
  has_more: boolean;
  cloud_epoch: string | null;
  server_time: string | null;
};
export type Entity = { kind: 'entity'; change: IncomingChange };
export type WebhookKind = 'update' | 'delete' | 'conflict';
export type Webhook = {
  kind: 'webhook';
  /** As the body names itself; the signed header may know better. */
  event_id: string | null;
  sent_at: string | null;
  /** `conflict`: the cloud tells that both sides differ. */
  source: 'webhook' | 'conflict';
  changes: IncomingChange[];
};

/** It travels in a URL. */
const MAX_CURSOR = 4_096;
const MAX_EVENT_ID = 255;
/** Root, list, change, field. */
const LEVELS = 3;

/** Reads the answer of a pull; a change that is none says so itself and spoils no page. */
export function parsePage(text: string): Page | Malformed {
  const root = objectIn(scan(text, LEVELS));
  if (root.kind === 'malformed') return root;
  const { members } = root;
  const flaw = root.flaw ?? flawBeside(members, 'changes');
  if (flaw) return malformed(flaw);
  const changes = members.get('changes');
  if (changes?.kind !== 'array') return malformed('changes is missing, or no list');
  const next_cursor = stringIn(text, members.get('next_cursor'));
  if (next_cursor === undefined || next_cursor.length > MAX_CURSOR)
    return malformed(`next_cursor is missing, no text, or longer than ${MAX_CURSOR}`);
  const has_more = members.get('has_more')?.kind ?? 'false';
  if (has_more !== 'true' && has_more !== 'false' && has_more !== 'null')
    return malformed('has_more is neither true nor false');
  const reading: Reading = { operation: 'update', hints: true };
  return {
    kind: 'page',
    changes: (changes.items ?? []).map((item) => readChange(text, item, reading)),
    next_cursor,
    has_more: has_more === 'true',
    cloud_epoch: stringIn(text, members.get('cloud_epoch')) ?? null,
    server_time: stringIn(text, members.get('server_time')) ?? null,
  };
}

/** The answer for one entity, as it is now. */
export function parseEntity(text: string): Entity | Malformed {
  const root = objectIn(scan(text, 1));
  if (root.kind === 'malformed') return root;
  return { kind: 'entity', change: readChange(text, root, { operation: 'update', hints: false }) };
}

/** Reads a webhook's body, with a list of changes or with one of them spread out in it. */
export function parseWebhook(kind: WebhookKind, text: string): Webhook | Malformed {
  const root = objectIn(scan(text, LEVELS));
  if (root.kind === 'malformed') return root;
  const { members } = root;
  const list = members.get('changes');
  const flaw = root.flaw ?? (list ? (flawInList(list) ?? flawBeside(members, 'changes')) : flawBeside(members, 'data'));
  if (flaw) return malformed(flaw);
  const event_id = optionalText(text, members.get('event_id'));
  if (event_id === undefined || event_id === '' || (event_id ?? '').length > MAX_EVENT_ID)
    return malformed(`event_id is no text of 1 to ${MAX_EVENT_ID} characters`);
  const sent_at = optionalText(text, members.get('sent_at'));
  if (sent_at === undefined || (sent_at !== null && !isInstant(sent_at))) return malformed('sent_at is no instant');
  const reading: Reading = { operation: kind === 'delete' ? 'delete' : 'update', hints: true };
  const source = kind === 'conflict' ? 'conflict' : 'webhook';
  if (list === undefined) {
    if (!members.has('entity_type')) return malformed('it holds neither changes nor a change');
    // Looked at again as one change, so that its row counts as one part.
    const change = objectIn(scan(text, 1));
    if (change.kind === 'malformed') return change;
    return { kind: 'webhook', event_id, sent_at, source, changes: [readChange(text, change, reading)] };
  }
  if (list.kind !== 'array') return malformed('changes is no list');
  const items = list.items ?? [];
  if (items.some((item) => item.kind !== 'object')) return malformed('a change is no object');
  return { kind: 'webhook', event_id, sent_at, source, changes: items.map((item) => readChange(text, item, reading)) };
}

type Root = Span & { kind: 'object'; members: Map<string, Span> };

function objectIn(scanned: Scanned): Root | Malformed {
  if ('fault' in scanned) return malformed(scanned.fault);
  const { kind, members } = scanned.root;
  if (kind !== 'object' || !members) return malformed(`an object is wanted, not ${kind}`);
  return { ...scanned.root, kind, members };
}

function malformed(reason: string): Malformed {
  return { kind: 'malformed', reason };
}

/** The first flaw in what stands beside this member. */
function flawBeside(members: Map<string, Span>, except: string): string | undefined {
  for (const [key, part] of members) {
    const flaw = key === except ? undefined : flawIn(part);
    if (flaw) return flaw;
  }
  return undefined;
}

/** The first flaw of a list of changes, their rows excepted. */
function flawInList(list: Span): string | undefined {
  if (list.flaw) return list.flaw;
  for (const item of list.items ?? []) {
    const flaw = item.flaw ?? flawBeside(item.members ?? new Map(), 'data');
    if (flaw) return flaw;
  }
  return list.members ? flawIn(list) : undefined;
}

function optionalText(text: string, span: Span | undefined): string | null | undefined {
  return span === undefined || span.kind === 'null' ? null : stringIn(text, span);
}
