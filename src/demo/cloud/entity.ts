/**
 * GET /entities/:type/:id and its version: one entity as it stands now, tombstones included. Looks only.
 */
import { changeText } from './change-text.js';
import type { Answer, Exchange } from './exchange.js';
import { json } from './exchange.js';
import { Refusal } from './refusal.js';

/** @param tail what stands behind the id in the path. */
export function entity(
  exchange: Exchange,
  outletId: string,
  type: string,
  id: string,
  tail: string | undefined,
): Answer {
  const { state } = exchange.cloud;
  const stored = state.entity(state.keyOf(outletId, decoded(type), decoded(id)));
  if (stored === undefined || (tail !== undefined && tail !== 'version')) {
    throw new Refusal(404, 'not_found', 'this outlet has no such entity');
  }
  if (tail === 'version') return json(200, { cloud_version: stored.cloud_version });
  exchange.record.changes = 1;
  return json(200, `{"deleted":${stored.deleted},${changeText(stored).slice(1)}`);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Refusal(400, 'path', 'the path is not percent-encoded UTF-8');
  }
}
