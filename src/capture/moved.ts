/**
 * Whether the configuration names another table for an entity than was captured: not the same one renamed, nor one that was made
 * anew under the same name. Pure. The rows of the new table count as older than capture, to be sent when somebody asks for it. It
 * is not compared with what the cloud has accepted: what stands in the old one alone would be deleted there.
 */
import type { EntityPlan } from './plan.js';
import type { State } from './state.js';

/**
 * Whether an entity is back that had left the configuration, with the table that it had. What was written there meanwhile went by
 * uncaptured, like what goes by a trigger that is switched off.
 */
export function hasReturned(plan: EntityPlan, { formers }: Pick<State, 'formers'>): boolean {
  const known = formers.some(({ entity_type }) => entity_type === plan.entity);
  return known && plan.direction !== 'pull' && !hasMoved(plan, { captures: formers });
}

export function hasMoved({ entity, table, root }: EntityPlan, { captures }: Pick<State, 'captures'>): boolean {
  const before = captures.find(({ entity_type }) => entity_type === entity);
  if (!before || before.record.table_name === table) return false;
  const recorded = before.record.recorded as { oid: string } | null | undefined;
  return (recorded?.oid ?? before.tableOid) !== root.oid;
}
