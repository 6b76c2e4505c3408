/**
 * Whether the configuration names another table for an entity than was captured: not the same one renamed, nor one that was made
 * anew under the same name. Pure. The rows of the new table count as older than capture, to be sent when somebody asks for it. It
 * is not compared with what the cloud has accepted: what stands in the old one alone would be deleted there.
 */
import type { EntityPlan } from './plan.js';
import type { State } from './state.js';

export function hasMoved({ entity, table, root }: EntityPlan, { captures }: Pick<State, 'captures'>): boolean {
  const before = captures.find(({ entity_type }) => entity_type === entity);
  if (!before || before.record.table_name === table) return false;
  const recorded = before.record.recorded as { oid: string } | null | undefined;
  return (recorded?.oid ?? before.tableOid) !== root.oid;
}
