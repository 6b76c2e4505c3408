/** Sorts a chunk's work into what one statement can do. Pure. */
import type { AppliedTable } from './tables.js';

/** Parents first. */
export function byTable<T extends { table: AppliedTable }>(work: readonly T[]): [AppliedTable, T[]][] {
  const groups = new Map<AppliedTable, T[]>();
  for (const one of work) {
    const group = groups.get(one.table);
    if (group) group.push(one);
    else groups.set(one.table, [one]);
  }
  return [...groups].sort(([a], [b]) => a.rank - b.rank);
}

/** By the columns that their data brings. */
export function byColumns<T extends { brought: string }>(rows: readonly T[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const one of rows) {
    const group = groups.get(one.brought);
    if (group) group.push(one);
    else groups.set(one.brought, [one]);
  }
  return [...groups.values()];
}

/** Those that are among the ids, and the others; mostly all are. */
export function split<T extends { incoming: { entity_id: string } }>(
  work: readonly T[],
  ids: readonly string[],
): [T[], T[]] {
  if (ids.length === work.length) return [[...work], []];
  const named = new Set(ids);
  return [
    work.filter((one) => named.has(one.incoming.entity_id)),
    work.filter((one) => !named.has(one.incoming.entity_id)),
  ];
}
