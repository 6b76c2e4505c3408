/**
 * What a caller has to know of this outlet and of himself before anything else: what his token may do, whose outlet it is, what
 * its entities are called.
 */

import { columnName } from '../../capture/names.js';
import type { Direction } from '../../config/settings.js';
import { strategyOf } from '../../resolve/strategy.js';
import { VERSION } from '../../version.js';
import type { HttpAnswer } from '../exchange.js';
import { type AdminCall, type AdminDeps, json, type Route } from '../route.js';
import { readQuery } from './parameters.js';

export type SelfReport = {
  /** `admin` may act, `read` only look. */
  role: 'admin' | 'read';
  version: string;
  outlet: { id: string; code: string | null; timezone: string };
  entities: EntitySelf[];
};

export type EntitySelf = {
  entity_type: string;
  direction: Direction;
  strategy: string;
  /** The column as it is called in the rows. */
  money_field: string | null;
};

export function selfRoutes(deps: AdminDeps): Route[] {
  return [{ method: 'GET', path: '/api/v1/sync/self', handle: async (call) => self(deps, call) }];
}

function self({ settings }: AdminDeps, { request, bearer }: AdminCall): HttpAnswer {
  readQuery(request.query, []);
  const { id, code, timezone } = settings.outlet;
  const report: SelfReport = {
    role: bearer ?? 'read',
    version: VERSION,
    outlet: { id, code: code ?? null, timezone },
    entities: [...settings.entities].map(([entity_type, { direction, money_field }]) => ({
      entity_type,
      direction,
      strategy: strategyOf(settings, entity_type),
      money_field: money_field === undefined ? null : columnName(money_field),
    })),
  };
  return json(200, report);
}
