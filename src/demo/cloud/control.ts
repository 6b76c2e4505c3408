/**
 * The control route, for tests and a demo that run the cloud as a process of its own: what it holds, what it was asked, its
 * faults. Outside the contract's base, without an API key, on loopback alone, and no fault touches it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { wordsOf } from '../../errors.js';
import { sleep } from '../../time.js';
import { readWire } from './body.js';
import type { Edit } from './edit.js';
import type { Cloud } from './exchange.js';
import type { FaultRule } from './faults.js';
import { isFaultKind } from './faults.js';
import type { EntityRecord, Subscription } from './records.js';
import type { ReferenceCloud } from './reference-cloud.js';
import { Refusal } from './refusal.js';
import type { WebhookOrder } from './webhook-events.js';

const PREFIX = '/_control/';
const PAGE = 10_000;
const MAX_BODY_BYTES = 1024 * 1024;
/** The answer leaves before the listener closes. */
const ANSWER_FIRST_MS = 20;

export function isControl(request: IncomingMessage): boolean {
  return request.url?.startsWith(PREFIX) === true;
}

export async function control(
  cloud: Cloud,
  self: ReferenceCloud,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let status = 200;
  let body: unknown;
  try {
    body = await act(cloud, self, request);
  } catch (error) {
    status = error instanceof Refusal ? error.status : 400;
    body = { error: { code: error instanceof Refusal ? error.reason : 'malformed', message: wordsOf(error) } };
  }
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function act(cloud: Cloud, self: ReferenceCloud, request: IncomingMessage): Promise<unknown> {
  const address = request.socket.remoteAddress ?? '';
  if (!/^(::ffff:)?127\./.test(address) && address !== '::1') throw new Refusal(403, 'address', 'loopback only');
  const url = new URL(request.url ?? '', 'http://cloud.invalid');
  const from = Number(url.searchParams.get('from') ?? 0);
  const [what = '', id] = url.pathname.slice(PREFIX.length).split('/');
  switch (`${request.method} ${what}`) {
    case 'GET ledger':
      return pageOf(cloud.ledger.deliveries, from);
    case 'GET requests':
      return pageOf(cloud.ledger.requests, from);
    case 'GET violations':
      return pageOf(cloud.ledger.violations, from);
    case 'GET entities':
      return pageOf(entitiesFor(self, url.searchParams), from);
    case 'GET feed':
      return pageOf(self.feed(), from);
    case 'GET statistics':
      return cloud.ledger.statistics();
    case 'GET faults':
      return cloud.faults.list();
    case 'POST faults':
      return { id: cloud.faults.add(faultFrom(await bodyOf(request))) };
    case 'DELETE faults':
      cloud.faults.clear(id);
      return {};
    case 'POST edit':
      return self.edit((await bodyOf(request)) as Edit);
    case 'POST forget': {
      const { outlet_id, entity_type, entity_id } = await bodyOf(request);
      self.forget(String(outlet_id), String(entity_type), String(entity_id));
      return {};
    }
    case 'POST backups':
      return { backup: self.backup() };
    case 'POST restore':
      return { cloud_epoch: self.restore(String((await bodyOf(request)).backup)) };
    case 'GET webhooks':
      return pageOf(self.webhooks(), from);
    case 'POST webhooks':
      return self.webhook((await bodyOf(request)) as WebhookOrder);
    case 'POST subscriptions':
      self.subscribe((await bodyOf(request)) as Subscription);
      return {};
    case 'POST down':
      return goDown(self, await bodyOf(request));
    default:
      throw new Refusal(404, 'not_found', 'there is no such control');
  }
}

function entitiesFor(self: ReferenceCloud, wanted: URLSearchParams): EntityRecord[] {
  const type = wanted.get('type');
  const seen = self.entities(wanted.get('outlet') ?? undefined);
  return type === null ? seen : seen.filter((one) => one.entity_type === type);
}

function pageOf<T>(list: readonly T[], from: number): { items: T[]; next: number | null } {
  const items = list.slice(from, from + PAGE);
  return { items, next: from + PAGE < list.length ? from + PAGE : null };
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const bytes = await readWire(request, MAX_BODY_BYTES, () => {});
  return JSON.parse(String(bytes)) as Record<string, unknown>;
}

function faultFrom(body: Record<string, unknown>): FaultRule {
  if (!isFaultKind(body.kind)) throw new Refusal(400, 'fault', `there is no fault of kind ${String(body.kind)}`);
  return body as FaultRule;
}

/** Nobody could call `up` on a closed port, so the length is given beforehand. */
function goDown(self: ReferenceCloud, body: Record<string, unknown>): Record<string, never> {
  const { forMs } = body;
  if (typeof forMs !== 'number') throw new Refusal(400, 'malformed', 'forMs must say for how long');
  void sleep(ANSWER_FIRST_MS)
    .then(() => self.down())
    .then(() => sleep(forMs))
    .then(() => self.up());
  return {};
}
