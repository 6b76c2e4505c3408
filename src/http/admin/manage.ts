/**
 * What a person does to the whole of syncing, or to single changes of the queue: the actions of the command line by the same
 * functions. Each leaves its record of who and when in the statement that acts.
 */
import { duration } from '../../config/scalars.js';
import { SyncError } from '../../errors.js';
import { lookAtDaemon, requestNow, setEnabled } from '../../ops/control.js';
import { statusOf } from '../../ops/status/report.js';
import { unknownReport } from '../../ops/status/verdict.js';
import { SWITCHED_OFF } from '../../ops/status/words.js';
import { rowNumber } from '../../queue/filters.js';
import { type ChangeRefusal, type ChangeVerdict, discardChanges, retryChanges } from '../../queue/manage.js';
import type { HttpAnswer } from '../exchange.js';
import { ProblemError, problem } from '../problem.js';
import { type AdminCall, type AdminDeps, json, type Route } from '../route.js';
import { type Body, readBody, readQuery } from './parameters.js';

export const SMALL_BODY = 16 * 1024;
/** Longer answers than this are not waited for. */
const LONGEST_WAIT_MS = 30_000;
/** Single verdicts that one answer carries. */
const MOST_VERDICTS = 500;

export function manageRoutes(deps: AdminDeps): Route[] {
  const sync = '/api/v1/sync';
  return [
    { method: 'GET', path: `${sync}/status`, handle: (call) => status(deps, call) },
    { method: 'POST', path: `${sync}/trigger`, handle: (call) => trigger(deps, call) },
    { method: 'POST', path: `${sync}/pause`, handle: (call) => toggle(deps, call, false) },
    { method: 'POST', path: `${sync}/resume`, handle: (call) => toggle(deps, call, true) },
    { method: 'POST', path: `${sync}/retry`, handle: (call) => retryAll(deps, call) },
    { method: 'POST', path: `${sync}/retry/:id`, handle: (call) => retry(deps, call) },
    { method: 'POST', path: `${sync}/discard/:id`, handle: (call) => discard(deps, call) },
  ];
}

/** A database that is away is an answer, as it is for `syncd status`: nothing is known, and that is said. */
async function status({ look, settings }: AdminDeps, { request }: AdminCall): Promise<HttpAnswer> {
  readQuery(request.query, []);
  try {
    return json(200, (await look.use((db) => statusOf(db, settings))).report);
  } catch (error) {
    if (error instanceof SyncError && error.code !== 'failed') return json(200, unknownReport(error.message));
    throw error;
  }
}

async function trigger({ act, settings }: AdminDeps, { request, who }: AdminCall): Promise<HttpAnswer> {
  const body = (await readBody(request, SMALL_BODY)).only('wait');
  const waitMs = waitIn(body);
  const daemon = await act.use(lookAtDaemon);
  if (!daemon.running) throw notNow('the daemon is not connected to the database', 'GET /ready tells when it is.');
  if (!settings.sync.enabled) throw notNow(SWITCHED_OFF, 'syncd config shows where.');
  if (!daemon.enabled) throw notNow('syncing is paused', 'POST /api/v1/sync/resume');
  const answer = await act.use((db) => requestNow(db, who, waitMs));
  return json(answer.finished ? 200 : 202, answer);
}

function notNow(why: string, hint: string): ProblemError {
  return new ProblemError('not-possible', `nothing can be sent now: ${why}`, { hint });
}

/** How long the asker cares to wait for what comes of it; without a word not at all. */
export function waitIn(body: Body): number {
  const text = body.text('wait');
  if (text === undefined) return 0;
  const ms = duration(text);
  if (ms === undefined || ms > LONGEST_WAIT_MS)
    throw new ProblemError('bad-body', 'wait is no span from 0s to 30s', { hint: '{"wait": "10s"}' });
  return ms;
}

async function toggle({ act }: AdminDeps, { request, who }: AdminCall, enabled: boolean): Promise<HttpAnswer> {
  const reason = (await readBody(request, SMALL_BODY)).only('reason').text('reason');
  const changed = await act.use((db) => setEnabled(db, enabled, who, reason));
  return json(200, { enabled, changed });
}

async function retry({ act }: AdminDeps, { request, who, params }: AdminCall): Promise<HttpAnswer> {
  const id = idIn(params);
  (await readBody(request, SMALL_BODY)).only();
  return single(await act.use((db) => retryChanges(db, [id], who)));
}

async function retryAll({ act }: AdminDeps, { request, who }: AdminCall): Promise<HttpAnswer> {
  (await readBody(request, SMALL_BODY)).only();
  const verdicts = await act.use((db) => retryChanges(db, undefined, who));
  return json(200, { done: verdicts.length, items: verdicts.slice(0, MOST_VERDICTS) });
}

async function discard({ act }: AdminDeps, { request, who, params }: AdminCall): Promise<HttpAnswer> {
  const id = idIn(params);
  const reason = (await readBody(request, SMALL_BODY)).only('reason').text('reason');
  if (reason === undefined)
    throw new ProblemError('bad-body', 'reason is missing', { hint: '{"reason": "…"}; it is kept with who did it.' });
  return single(await act.use((db) => discardChanges(db, [id], who, reason)));
}

export function idIn([text = '']: string[]): string {
  const id = rowNumber(text);
  if (id !== undefined) return id;
  throw new ProblemError('bad-path', 'the id is no number', { hint: 'It takes the id that the list shows.' });
}

const WORDS: Record<Exclude<ChangeRefusal, 'unknown'>, string> = {
  synced: 'it is settled already',
  discarded: 'it was discarded before',
  waiting: 'it is waiting for its turn already',
  conflict: 'its row is in conflict, and nobody has chosen a side',
};

function single([verdict]: ChangeVerdict[]): HttpAnswer {
  if (!verdict || (!verdict.done && verdict.why === 'unknown'))
    return problem('unknown-change', 'no change has this id', { hint: 'GET /api/v1/sync/queue lists them.' });
  if (verdict.done) return json(200, verdict);
  const { done: _, ...more } = verdict;
  const words = WORDS[verdict.why as Exclude<ChangeRefusal, 'unknown'>];
  const conflict = verdict.why === 'conflict' ? verdict.conflict_id : null;
  const hint =
    conflict === null
      ? ''
      : `POST /api/v1/sync/resolve/${conflict} {"strategy": "cloud_wins"} gives up the shop's side.`;
  return problem('not-possible', `change ${verdict.id} was left as it is: ${words}`, { hint, more });
}
