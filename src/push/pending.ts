/** Makes of a row of the queue, as it was read, the change that the daemon holds in memory. Pure. */
import type { ClaimedRow } from '../queue/claimed.js';
import { type EntityState, entityKey, type PendingChange, SETTLED } from './backlog.js';
import { sizeOf } from './compose.js';

/**
 * @param key of its entity
 * @param state what was agreed on before it
 * @param coalesce whether a newer state of its entity may take it in
 */
export function pendingOf(row: ClaimedRow, key: string, state: EntityState, coalesce: boolean): PendingChange {
  const change: PendingChange = {
    id: row.id,
    place: Number(row.id),
    change_id: row.change_id,
    tx: row.txid,
    entity_type: row.entity_type,
    entity_id: row.entity_id,
    key,
    operation: row.operation,
    payload: row.payload,
    changedAt: row.changed_at,
    changedFields: row.changed_fields ?? null,
    retryCount: row.retry_count ?? 0,
    holdCount: row.hold_count ?? 0,
    retried: row.retried ?? false,
    state,
    supersedes: row.supersedes || row.replaces ? supersededBy(row) : NONE,
    coalesce,
    bytes: 0,
  };
  if (row.echo) change.echo = true;
  change.bytes = sizeOf(change);
  return change;
}

/** One that is asked about: it is folded no more, and stands in the index of what was answered where it had failed. */
export function olderOf(row: ClaimedRow): PendingChange {
  const change = pendingOf(row, entityKey(row.entity_type, row.entity_id), stateOf(row), false);
  return row.failed ? { ...change, retried: true, failed: true } : change;
}

/** What most changes have in common is shared: whatever each of the thousands held here has for itself, is collected as garbage. */
const NONE: PendingChange['supersedes'] = [];
const NO_STATE: EntityState = { version: 0, cloudVersion: null, cloudId: null };

export function stateOf({ version, cloud_version, cloud_id }: ClaimedRow): EntityState {
  if (version === null) return NO_STATE;
  return {
    version: Number(version),
    cloudVersion: cloud_version === null ? null : Number(cloud_version),
    cloudId: cloud_id,
  };
}

function supersededBy({ supersedes, replaces }: ClaimedRow): PendingChange['supersedes'] {
  return [...(supersedes ?? []), ...(replaces ?? []).map((change_id) => ({ id: SETTLED, change_id }))];
}
