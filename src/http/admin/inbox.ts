/** The incoming changes that are not applied yet: listed, tried again, dropped; as `syncd inbox` does. */
import {
  dropIncoming,
  INCOMING_STATUSES,
  type InboxRefusal,
  type InboxVerdict,
  listIncoming,
  retryIncoming,
} from '../../inbox/parked.js';
import type { HttpAnswer } from '../exchange.js';
import { ProblemError, problem } from '../problem.js';
import { type AdminCall, type AdminDeps, json, type Route } from '../route.js';
import { idIn, SMALL_BODY } from './manage.js';
import { PAGING, pageOf, readPaging } from './paging.js';
import { readBody, readFilter, readQuery } from './parameters.js';

/** Single verdicts that one answer carries. */
const MOST_VERDICTS = 500;

export function inboxRoutes(deps: AdminDeps): Route[] {
  const path = '/api/v1/sync/inbox';
  return [
    { method: 'GET', path, handle: (call) => list(deps, call) },
    { method: 'POST', path: `${path}/retry`, handle: (call) => retryAll(deps, call) },
    { method: 'POST', path: `${path}/retry/:id`, handle: (call) => retry(deps, call) },
    { method: 'POST', path: `${path}/drop/:id`, handle: (call) => drop(deps, call) },
  ];
}

/** Without `status`: what is parked, the oldest first. */
async function list({ look, settings }: AdminDeps, { request }: AdminCall): Promise<HttpAnswer> {
  const parameters = readQuery(request.query, ['status', 'entity', 'since', ...PAGING]);
  const filter = readFilter(parameters, settings.outlet.timezone, INCOMING_STATUSES);
  const wish = readPaging('inbox', parameters);
  const rows = await look.use((db) => listIncoming(db, { ...filter, beyond: wish.beyond, limit: wish.limit + 1 }));
  return json(
    200,
    pageOf(rows, wish, ({ id }) => ({ id })),
  );
}

async function retryAll({ act }: AdminDeps, { request, who }: AdminCall): Promise<HttpAnswer> {
  (await readBody(request, SMALL_BODY)).only();
  const verdicts = await act.use((db) => retryIncoming(db, undefined, who));
  return json(200, { done: verdicts.length, items: verdicts.slice(0, MOST_VERDICTS) });
}

async function retry({ act }: AdminDeps, { request, who, params }: AdminCall): Promise<HttpAnswer> {
  const id = idIn(params);
  (await readBody(request, SMALL_BODY)).only();
  return single(await act.use((db) => retryIncoming(db, [id], who)));
}

async function drop({ act }: AdminDeps, { request, who, params }: AdminCall): Promise<HttpAnswer> {
  const id = idIn(params);
  const reason = (await readBody(request, SMALL_BODY)).only('reason').text('reason');
  if (reason === undefined)
    throw new ProblemError('bad-body', 'reason is missing', { hint: '{"reason": "…"}; it is kept with who did it.' });
  return single(await act.use((db) => dropIncoming(db, [id], who, reason)));
}

const WORDS: Record<Exclude<InboxRefusal, 'unknown'>, string> = {
  waiting: 'its turn comes by itself',
  malformed: 'what came is no change that anybody could apply; it can only be dropped',
};

function single([verdict]: InboxVerdict[]): HttpAnswer {
  if (!verdict || (!verdict.done && verdict.why === 'unknown'))
    return problem('unknown-change', 'no incoming change has this id', {
      hint: 'GET /api/v1/sync/inbox lists what is parked.',
    });
  if (verdict.done) return json(200, verdict);
  const { id, why } = verdict as { id: string; why: Exclude<InboxRefusal, 'unknown'> };
  return problem('not-possible', `incoming change ${id} was left as it is: ${WORDS[why]}`, { more: { id, why } });
}
