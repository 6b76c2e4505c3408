/** Sorts a chunk's work into what one statement can do. Pure. */
import type { AppliedTable } from './tables.js';

/** In the order in which their keys come first; within a group in the order given. */
export function grouped<Key, T>(all: readonly T[], keyOf: (one: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>();
  for (const one of all) {
    const key = keyOf(one);
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
  }
  return groups;
}

/** Parents first. */
export function byTable<T extends { table: AppliedTable }>(work: readonly T[]): [AppliedTable, T[]][] {
  return [...grouped(work, ({ table }) => table)].sort(([a], [b]) => a.rank - b.rank);
}

/** By the columns that their data brings. */
export function byColumns<T extends { brought: string }>(rows: readonly T[]): T[][] {
  return [...grouped(rows, ({ brought }) => brought).values()];
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
