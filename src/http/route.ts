/** What the routes of the admin port have in common: how one is written down, what it is given, and the plain answer. */
import type { Settings } from '../config/settings.js';
import type { Reach } from '../db/reach.js';
import type { Counted } from '../ops/figures/gathered.js';
import type { Metrics, Own } from '../ops/figures/metrics.js';
import type { Vitals } from '../ops/status/vitals.js';
import type { Bearer } from './admin/token.js';
import type { HttpAnswer, HttpRequest } from './exchange.js';

/** What the daemon gives the admin port for its metrics. */
export type Measured = { metrics: Metrics; counted: Counted; own: () => Own };

export type AdminDeps = {
  settings: Settings;
  /** Connections of their own: a long list must not hold up an action, nor the other way round. */
  look: Reach;
  act: Reach;
  /** Writes into the shop's tables. */
  apply: Reach;
  vitals: Vitals;
  measured: Measured;
};

export type AdminCall = {
  request: HttpRequest;
  /** What stands in the path for each `:name`, decoded, in order. */
  params: string[];
  /** For the record: which token acts, and from where. */
  who: string;
  /** Undefined where the route needs no token. */
  bearer: Bearer | undefined;
};

export type Route = {
  method: 'GET' | 'POST';
  /** `:name` stands for one part of it. */
  path: string;
  /** Needs no token. */
  open?: true;
  handle: (call: AdminCall) => Promise<HttpAnswer>;
};

/** @param text JSON as Postgres wrote it: a row of the shop in it keeps its digits */
export function jsonText(status: number, text: string): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: text };
}

/** @param value what JSON can hold; no bigint */
export function json(status: number, value: unknown): HttpAnswer {
  return jsonText(status, JSON.stringify(value));
}
