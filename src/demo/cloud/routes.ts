/**
 * Which request is answered by what, and the headers that each must carry. Everything here looks only; the one route that
 * changes what the cloud holds is the push.
 */
import { changes } from './changes.js';
import { digest, digestEntities } from './digest.js';
import { entity } from './entity.js';
import type { Answer, Exchange } from './exchange.js';
import { json } from './exchange.js';
import { push } from './push.js';
import { Refusal } from './refusal.js';

const USER_AGENT = /^syncd\/\d+\.\d+\.\d+\S*/;

/** @throws Refusal for whatever the contract answers with other than 200. */
export async function route(exchange: Exchange): Promise<Answer> {
  const parts = exchange.head.path.split('/').slice(1);
  switch (`${parts[0]}/${parts[1] ?? ''}`) {
    case 'health/':
      allow(exchange, 'GET');
      return json(200, { ok: true, server_time: exchange.now().toISOString() });
    case 'sync/capabilities':
      allow(exchange, 'GET');
      authenticate(exchange);
      if (parts.length === 2) {
        return json(200, { ...exchange.cloud.capabilities, cloud_epoch: exchange.cloudEpoch });
      }
      break;
    case 'sync/push':
      allow(exchange, 'POST');
      authenticate(exchange);
      requireJson(exchange);
      if (exchange.record.batch_id === null) throw new Refusal(400, 'idempotency_key', 'Idempotency-Key is missing');
      if (parts.length === 2) return await push(exchange);
      break;
    case 'sync/changes': {
      allow(exchange, 'GET');
      const outletId = authenticate(exchange);
      if (parts.length === 2) return await changes(exchange, outletId);
      break;
    }
    case 'sync/digest': {
      if (!exchange.cloud.capabilities.digest) break;
      allow(exchange, 'POST');
      const outletId = authenticate(exchange);
      requireJson(exchange);
      if (parts.length === 2) return await digest(exchange, outletId);
      if (parts.length === 3 && parts[2] === 'entities') return await digestEntities(exchange, outletId);
      break;
    }
    default:
      if (parts[0] !== 'entities' || parts.length < 3 || parts.length > 4) break;
      allow(exchange, 'GET');
      return entity(exchange, authenticate(exchange), parts[1] ?? '', parts[2] ?? '', parts[3]);
  }
  throw new Refusal(404, 'not_found', 'there is no such route');
}

function allow(exchange: Exchange, method: string): void {
  if (exchange.head.method === method) return;
  throw new Refusal(405, 'method', `only ${method} is allowed here`, { headers: { allow: method } });
}

/** Returns the outlet's id. */
function authenticate({ cloud, request, head, record }: Exchange): string {
  if (request.headers['x-api-key'] !== cloud.apiKey) throw new Refusal(401, 'api_key', 'X-API-Key is not known');
  if (head.outlet_id === null || head.outlet_id === '') throw new Refusal(400, 'outlet', 'X-Outlet-ID is missing');
  if (cloud.outlets !== null && !cloud.outlets.has(head.outlet_id)) {
    throw new Refusal(403, 'outlet', 'this outlet is not known');
  }
  if (!USER_AGENT.test(record.user_agent ?? ''))
    throw new Refusal(400, 'user_agent', 'User-Agent must be syncd/<version>');
  return head.outlet_id;
}

function requireJson({ request }: Exchange): void {
  const [type, ...parameters] = (request.headers['content-type'] ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase());
  if (type !== 'application/json' || parameters.some((one) => one !== 'charset=utf-8')) {
    throw new Refusal(415, 'content_type', 'Content-Type must be application/json');
  }
}
