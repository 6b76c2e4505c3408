/** The lists of the admin port, in pages, as `syncd queue`, `syncd logs` and `syncd conflicts` show them. */

import { CONFLICT_STATUSES } from '../../queue/conflicts.js';
import { LOG_OUTCOMES, listLogs, listQueue } from '../../queue/read.js';
import { findPresentConflict, listPresentConflicts } from '../../resolve/present.js';
import type { HttpAnswer } from '../exchange.js';
import { problem } from '../problem.js';
import { type AdminCall, type AdminDeps, json, jsonText, type Route } from '../route.js';
import { idIn } from './manage.js';
import { PAGING, pageOf, readPaging } from './paging.js';
import { QUEUE_STATUSES, readFilter, readQuery } from './parameters.js';

const FILTERS = ['status', 'entity', 'since'];

export function listRoutes(deps: AdminDeps): Route[] {
  return [
    { method: 'GET', path: '/api/v1/sync/queue', handle: (call) => queue(deps, call) },
    { method: 'GET', path: '/api/v1/sync/logs', handle: (call) => logs(deps, call) },
    { method: 'GET', path: '/api/v1/sync/conflicts', handle: (call) => conflicts(deps, call) },
    { method: 'GET', path: '/api/v1/sync/conflicts/:id', handle: (call) => conflict(deps, call) },
  ];
}

/** Without `status`: what is not in the cloud yet, the oldest first; `synced` is what is settled, the newest first. */
async function queue({ look, settings }: AdminDeps, { request }: AdminCall): Promise<HttpAnswer> {
  const parameters = readQuery(request.query, [...FILTERS, ...PAGING]);
  const filter = readFilter(parameters, settings.outlet.timezone, QUEUE_STATUSES);
  const wish = readPaging('queue', parameters);
  const rows = await look.use((db) => listQueue(db, { ...filter, beyond: wish.beyond, limit: wish.limit + 1 }));
  const page = pageOf(rows, wish, ({ id, synced_at }) => ({ id, at: synced_at ?? undefined }));
  return json(200, page);
}

async function logs({ look, settings }: AdminDeps, { request }: AdminCall): Promise<HttpAnswer> {
  const parameters = readQuery(request.query, [...FILTERS, ...PAGING]);
  const filter = readFilter(parameters, settings.outlet.timezone, LOG_OUTCOMES);
  const wish = readPaging('logs', parameters);
  const rows = await look.use((db) => listLogs(db, { ...filter, beyond: wish.beyond, limit: wish.limit + 1 }));
  return json(
    200,
    pageOf(rows, wish, ({ id }) => ({ id })),
  );
}

/** Without `status`: the open ones, the oldest first. */
async function conflicts({ look, settings }: AdminDeps, { request }: AdminCall): Promise<HttpAnswer> {
  const parameters = readQuery(request.query, [...FILTERS, ...PAGING]);
  const filter = readFilter(parameters, settings.outlet.timezone, CONFLICT_STATUSES);
  const wish = readPaging('conflicts', parameters);
  const rows = await look.use((db) =>
    listPresentConflicts(db, settings, { ...filter, beyond: wish.beyond, limit: wish.limit + 1 }),
  );
  const { items, next_cursor } = pageOf(rows, wish, ({ id }) => ({ id }));
  return jsonText(
    200,
    `{"items":[${items.map((item) => item.json).join(',')}],"next_cursor":${JSON.stringify(next_cursor)}}`,
  );
}

async function conflict({ look, settings }: AdminDeps, { request, params }: AdminCall): Promise<HttpAnswer> {
  readQuery(request.query, []);
  const id = idIn(params);
  const found = await look.use((db) => findPresentConflict(db, settings, id));
  if (found) return jsonText(200, found.json);
  return problem('unknown-conflict', 'no conflict has this id', { hint: 'GET /api/v1/sync/conflicts lists them.' });
}
