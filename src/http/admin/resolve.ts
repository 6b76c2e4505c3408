/**
 * A person ends conflicts, one with whatever the row shall be, or many by one strategy, each in its own transaction. What is
 * given as the row stays the text that was sent: no digit is lost on the way to the shop's table.
 */
import { type ConflictVerdict, type PersonsChoice, resolveConflict } from '../../resolve/resolve.js';
import type { HttpAnswer } from '../exchange.js';
import { ProblemError, problem } from '../problem.js';
import { type AdminCall, type AdminDeps, json, type Route } from '../route.js';
import { idIn } from './manage.js';
import { type Body, readBody } from './parameters.js';

/** A row of the shop, and a little. */
const MOST_BYTES = 1024 * 1024;
const MOST_AT_ONCE = 100;
const STRATEGIES = ['cloud_wins', 'local_wins', 'newest_wins', 'merge'] as const;

export function resolveRoutes(deps: AdminDeps): Route[] {
  return [
    { method: 'POST', path: '/api/v1/sync/resolve/:id', handle: (call) => resolveOne(deps, call) },
    { method: 'POST', path: '/api/v1/sync/resolve', handle: (call) => resolveMany(deps, call) },
  ];
}

async function resolveOne({ apply, settings }: AdminDeps, { request, params, who }: AdminCall): Promise<HttpAnswer> {
  const id = idIn(params);
  const body = (await readBody(request, MOST_BYTES)).only('strategy', 'data', 'reason');
  const [choice, reason] = [choiceIn(body), body.text('reason') ?? null];
  const verdict = await apply.use((db) => resolveConflict(db, settings, id, choice, who, reason));
  if (verdict.done) return json(200, verdict);
  switch (verdict.why) {
    case 'unknown':
      return problem('unknown-conflict', 'no conflict has this id', { hint: 'GET /api/v1/sync/conflicts lists them.' });
    case 'resolved': {
      const { resolved_at, resolved_by, why } = verdict;
      return problem('not-possible', 'the conflict is resolved already', {
        more: { id, why, resolved_at, resolved_by },
      });
    }
    case 'refused':
      return problem('not-possible', verdict.message, { hint: verdict.hint, more: { id, why: verdict.why } });
    default:
      return verdict satisfies never;
  }
}

/** Stops between two conflicts when nobody waits any more; what was ended stays ended, and on record. */
async function resolveMany({ apply, settings }: AdminDeps, { request, who }: AdminCall): Promise<HttpAnswer> {
  const body = (await readBody(request, MOST_BYTES)).only('ids', 'strategy', 'reason');
  const ids = body.ids('ids', MOST_AT_ONCE);
  if (!ids)
    throw new ProblemError('bad-body', 'ids is missing', { hint: '{"ids": ["12", "13"], "strategy": "cloud_wins"}' });
  const [choice, reason] = [choiceIn(body), body.text('reason') ?? null];
  const items: ConflictVerdict[] = [];
  for (const id of ids) {
    if (request.signal.aborted) break;
    items.push(await apply.use((db) => resolveConflict(db, settings, id, choice, who, reason)));
  }
  return json(200, { done: items.filter((item) => item.done).length, items });
}

function choiceIn(body: Body): PersonsChoice {
  const given = body.text('strategy');
  const data = body.object('data');
  const strategy = STRATEGIES.find((one) => one === given);
  if (strategy && data !== undefined)
    throw new ProblemError('bad-body', `data does not go with ${strategy}`, {
      hint: 'Leave it out, or set strategy to "data".',
    });
  if (strategy) return { strategy };
  const hint = `One of ${STRATEGIES.join(', ')}, or "data" with the row in data.`;
  if (given !== 'data')
    throw new ProblemError('bad-body', given === undefined ? 'strategy is missing' : 'strategy is no known one', {
      hint,
    });
  if (data === undefined)
    throw new ProblemError('bad-body', 'data is missing', {
      hint: '{"strategy": "data", "data": {"price": 125000.00}}',
    });
  return { data };
}
