/**
 * One request from its first header to its last byte: opened in the ledger, routed, answered. Nothing thrown in here leaves it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { wordsOf } from '../../errors.js';
import { monotonicMs } from '../../time.js';
import type { Answer, Cloud } from './exchange.js';
import { Exchange, json } from './exchange.js';
import { Refusal } from './refusal.js';
import { route } from './routes.js';
import { send } from './send.js';

/** What every outlet calls below. */
export const BASE = '/api/v1';

export async function handle(cloud: Cloud, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const exchange = open(cloud, request, response);
  const { record } = exchange;
  try {
    const answer = await answerTo(exchange);
    record.faults = exchange.kinds;
    await send(exchange, answer);
  } catch (error) {
    record.faults = exchange.kinds;
    // Where the connection went while the body was read, or the cloud stopped, nobody is left to answer.
    if (exchange.closed.aborted || response.headersSent) request.socket.destroy();
    else await send(exchange, json(500, { error: { code: 'broken', message: wordsOf(error) } }));
  }
}

function open(cloud: Cloud, request: IncomingMessage, response: ServerResponse): Exchange {
  const startedMs = monotonicMs();
  const { headers, method = 'GET' } = request;
  const [full = '/', query = ''] = (request.url ?? '/').split('?', 2);
  const path = full.startsWith(`${BASE}/`) ? full.slice(BASE.length) : `/..${full}`;
  const isPush = path === '/sync/push';
  if (isPush) cloud.openPushes++;
  const record = cloud.ledger.open({
    at: new Date().toISOString(),
    method,
    path,
    query,
    outlet_id: one(headers['x-outlet-id']),
    user_agent: one(headers['user-agent']),
    batch_id: one(headers['idempotency-key']),
    content_encoding: one(headers['content-encoding'])?.toLowerCase() ?? 'identity',
    changes: 0,
    wire_bytes: 0,
    raw_bytes: 0,
    status: null,
    answer_bytes: 0,
    faults: [],
    in_flight: cloud.openPushes,
    delivered: false,
    duration_ms: 0,
  });
  const exchange = new Exchange(cloud, request, response, { method, path, outlet_id: record.outlet_id }, record);
  exchange.closed.addEventListener('abort', () => {
    record.duration_ms = monotonicMs() - startedMs;
    if (isPush) cloud.openPushes--;
  });
  return exchange;
}

function one(header: string | string[] | undefined): string | null {
  return typeof header === 'string' && header !== '' ? header : null;
}

async function answerTo(exchange: Exchange): Promise<Answer> {
  try {
    return await route(exchange);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const answer = json(error.status, error.body());
    return { ...answer, headers: { ...answer.headers, ...error.headers } };
  }
}
