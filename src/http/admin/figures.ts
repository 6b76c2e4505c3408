/** What charts and tables of the past are drawn from: samples by the minute, the ledger of outages, the captured tables. */
import { duration } from '../../config/scalars.js';
import { listCapturedTables } from '../../ops/captured-tables.js';
import { listOutages } from '../../ops/figures/outages.js';
import { listSamples, type Sample } from '../../ops/figures/samples.js';
import type { HttpAnswer } from '../exchange.js';
import { ProblemError } from '../problem.js';
import { type AdminCall, type AdminDeps, json, type Route } from '../route.js';
import { readQuery } from './parameters.js';

const MINUTE_MS = 60_000;
/** As long as samples are kept. */
const LONGEST_MS = 8 * 24 * 60 * MINUTE_MS;

/** One list for each figure, the oldest first: a week has a thousand steps, and names would be most of the text. */
export type SampleColumns = { step_ms: number } & { [K in keyof Sample]: Sample[K][] };

export function figureRoutes(deps: AdminDeps): Route[] {
  const sync = '/api/v1/sync';
  return [
    { method: 'GET', path: `${sync}/samples`, handle: (call) => samples(deps, call) },
    { method: 'GET', path: `${sync}/outages`, handle: (call) => outages(deps, call) },
    { method: 'GET', path: `${sync}/capture`, handle: (call) => capture(deps, call) },
  ];
}

async function samples({ look }: AdminDeps, { request }: AdminCall): Promise<HttpAnswer> {
  const parameters = readQuery(request.query, ['span', 'step']);
  const spanMs = spanIn(parameters, 'span', 24 * 60 * MINUTE_MS);
  const stepMs = spanIn(parameters, 'step', MINUTE_MS);
  if (stepMs % MINUTE_MS !== 0)
    throw new ProblemError('bad-parameter', 'step is no whole number of minutes', { hint: '1m, 5m, 1h' });
  const rows = await look.use((db) => listSamples(db, { spanMs, stepMs }));
  const column = <K extends keyof Sample>(name: K) => rows.map((row) => row[name]);
  const answer: SampleColumns = {
    step_ms: stepMs,
    minute: column('minute'),
    captured: column('captured'),
    pushed: column('pushed'),
    pulled: column('pulled'),
    refused: column('refused'),
    queue_depth: column('queue_depth'),
    oldest_pending_ms: column('oldest_pending_ms'),
    failed: column('failed'),
    conflicts: column('conflicts'),
    held: column('held'),
    push_count: column('push_count'),
    push_ms: column('push_ms'),
    push_bytes: column('push_bytes'),
    online: column('online'),
  };
  return json(200, answer);
}

async function outages({ look }: AdminDeps, { request }: AdminCall): Promise<HttpAnswer> {
  const spanMs = spanIn(readQuery(request.query, ['span']), 'span', 7 * 24 * 60 * MINUTE_MS);
  return json(200, { items: await look.use((db) => listOutages(db, { spanMs })) });
}

async function capture({ look }: AdminDeps, { request }: AdminCall): Promise<HttpAnswer> {
  readQuery(request.query, []);
  return json(200, { items: await look.use(listCapturedTables) });
}

function spanIn(parameters: Map<string, string>, name: string, usual: number): number {
  const given = parameters.get(name);
  if (given === undefined) return usual;
  const ms = duration(given);
  if (ms !== undefined && ms >= MINUTE_MS && ms <= LONGEST_MS) return ms;
  throw new ProblemError('bad-parameter', `${name} is no span from 1m to 8d`, { hint: '1h, 24h, 7d' });
}
