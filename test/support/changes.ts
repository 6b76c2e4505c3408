/** Changes as the push path holds them in memory, made from the few fields that a test is about. */
import { type EntityState, entityKey, type Limits, type PendingChange } from '../../src/push/backlog.js';
import { sizeOf } from '../../src/push/compose.js';

export const agreed = (
  cloudVersion: number | null = null,
  version = 0,
  cloudId: string | null = null,
): EntityState => ({
  version,
  cloudVersion,
  cloudId,
});

/** A uuid that tells its number. */
export const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

export function makeChange(given: Partial<PendingChange> & { id: string }): PendingChange {
  const { entity_type = 'order', entity_id = 'e1' } = given;
  const change = {
    place: Number(given.id),
    change_id: uuid(Number(given.id)),
    tx: `7${given.id}`,
    entity_type,
    entity_id,
    key: entityKey(entity_type, entity_id),
    operation: 'update' as const,
    payload: '{"id":1}',
    changedAt: '2026-11-22T08:00:00.123456Z',
    changedFields: null,
    retryCount: 0,
    holdCount: 0,
    retried: false,
    state: agreed(),
    supersedes: [],
    coalesce: false,
    ...given,
  };
  return { bytes: sizeOf(change), ...change };
}

export function makeLimits(changes: number, bytes = 1_000_000, maxChanges = changes, maxBytes = bytes): Limits {
  return { changes, bytes, maxChanges, maxBytes };
}
