/** One entity: what both sides know of it and what happened to it, sending it again as it is now, and asking for the cloud's. */

import { askForEntity, awaitAsked } from '../../inbox/ask.js';
import { awaitAnswer } from '../../ops/control.js';
import { enqueueEntity, UnknownEntity } from '../../queue/enqueue.js';
import { entityHistory } from '../../queue/history.js';
import { entityTimeline } from '../../queue/timeline.js';
import { listPresentConflicts } from '../../resolve/present.js';
import type { HttpAnswer } from '../exchange.js';
import { ProblemError } from '../problem.js';
import { type AdminCall, type AdminDeps, json, jsonText, type Route } from '../route.js';
import { SMALL_BODY, waitIn } from './manage.js';
import { readBody, readQuery } from './parameters.js';

const MOST_CONFLICTS = 50;

export function entityRoutes(deps: AdminDeps): Route[] {
  const path = '/api/v1/sync/entities/:type/:id';
  return [
    { method: 'GET', path, handle: (call) => show(deps, call) },
    { method: 'GET', path: `${path}/history`, handle: (call) => timeline(deps, call) },
    { method: 'POST', path: `${path}/push`, handle: (call) => push(deps, call) },
    { method: 'POST', path: `${path}/pull`, handle: (call) => pull(deps, call) },
  ];
}

async function show({ look, settings }: AdminDeps, { request, params }: AdminCall): Promise<HttpAnswer> {
  readQuery(request.query, []);
  const [type, id] = params as [string, string];
  const [history, conflicts] = await look.use(async (db) => {
    const filter = { entity: { type, id }, limit: MOST_CONFLICTS };
    const lists = [
      await listPresentConflicts(db, settings, filter),
      await listPresentConflicts(db, settings, { ...filter, status: 'resolved' }),
    ];
    return [await entityHistory(db, type, id), lists.flat()] as const;
  });
  if (history) {
    const text = conflicts.map((conflict) => conflict.json).join(',');
    return jsonText(200, `${JSON.stringify(history).slice(0, -1)},"conflicts":[${text}]}`);
  }
  throw nobodyKnows(settings, type);
}

async function timeline({ look, settings }: AdminDeps, { request, params }: AdminCall): Promise<HttpAnswer> {
  readQuery(request.query, []);
  const [type, id] = params as [string, string];
  const text = await look.use((db) => entityTimeline(db, type, id));
  if (text === undefined) throw nobodyKnows(settings, type);
  return jsonText(200, text);
}

function nobodyKnows(settings: AdminDeps['settings'], type: string): ProblemError {
  const known = settings.entities.has(type);
  return new ProblemError(
    'unknown-entity',
    known ? `no ${type} with this id was ever captured or pulled` : 'no entity is called so',
    {
      hint: known
        ? 'The id is the primary key; a composite key is a JSON array of texts, percent-encoded.'
        : `Known are: ${[...settings.entities.keys()].join(', ')}.`,
    },
  );
}

async function push({ act }: AdminDeps, { request, params, who }: AdminCall): Promise<HttpAnswer> {
  const [type, id] = params as [string, string];
  const waitMs = waitIn((await readBody(request, SMALL_BODY)).only('wait'));
  const since = new Date(Date.now() - 60_000).toISOString();
  const enqueued = await act.use((db) => enqueueEntity(db, type, id, who)).catch(unknown);
  const standing = waitMs > 0 ? await act.use((db) => awaitAnswer(db, enqueued.id, since, waitMs)) : undefined;
  const answered = standing !== undefined && (standing.status !== 'pending' || standing.waits);
  return json(answered ? 200 : 202, {
    ...enqueued,
    status: standing?.status ?? 'pending',
    settled_as: standing?.settled_as ?? null,
    error_message: standing?.error_message ?? null,
  });
}

async function pull({ act }: AdminDeps, { request, params, who }: AdminCall): Promise<HttpAnswer> {
  const [type, id] = params as [string, string];
  const waitMs = waitIn((await readBody(request, SMALL_BODY)).only('wait'));
  const asked = await act.use((db) => askForEntity(db, type, id, who)).catch(unknown);
  const standing = await act.use((db) => awaitAsked(db, asked, waitMs));
  return json(standing.status === 'waiting' ? 202 : 200, { ...asked, ...standing });
}

function unknown(error: unknown): never {
  if (error instanceof UnknownEntity) throw new ProblemError('unknown-entity', error.message, { hint: error.hint });
  throw error;
}
