/**
 * Sorts out what was picked before any of it is looked at closely. Pure. Of one entity only the newest version counts, the older
 * ones leave; what has no table here is parked, or told apart where nobody ever asked for it, or leaves where the shop only
 * sends. What asks for a fetch waits for its turn behind a row of the same entity that is here already.
 */
import { INSTALL } from '../errors.js';
import { compareVersions } from './decide.js';
import { grouped } from './groups.js';
import type { Incoming, PutOff } from './incoming.js';
import type { AppliedTable, AppliedTables } from './tables.js';

export type Sorted<One> = {
  work: { incoming: One; table: AppliedTable }[];
  /** Ids that leave: older versions, and what is only sent. */
  dropped: string[];
  /** How many of these are of entities that are only sent. */
  pushOnly: number;
  parked: PutOff[];
  /** The newest of each entity whose type nobody has configured here. */
  strangers: One[];
};

export function sortOut<One extends Incoming>(
  incoming: readonly One[],
  tables: AppliedTables,
  configured: ReadonlySet<string>,
): Sorted<One> {
  const sorted: Sorted<One> = { work: [], dropped: [], pushOnly: 0, parked: [], strangers: [] };
  const entities = grouped(incoming, ({ entity_type, entity_id }) => `${entity_type}\n${entity_id}`);
  for (const versions of entities.values()) {
    const newest = versions.reduce((best, one) => (outranks(one, best) ? one : best));
    const table = tables.get(newest.entity_type);
    for (const one of versions) if (one !== newest && !asksForMore(one, newest)) sorted.dropped.push(one.id);
    if (table?.direction === 'push') {
      sorted.dropped.push(newest.id);
      sorted.pushOnly++;
    } else if (table) {
      sorted.work.push({ incoming: newest, table });
    } else if (configured.has(newest.entity_type)) {
      const reason = `the table of ${newest.entity_type} is not installed: ${INSTALL}`;
      sorted.parked.push({ id: newest.id, parked: true, delayMs: null, reason });
    } else {
      sorted.strangers.push(newest);
    }
  }
  return sorted;
}

/** A row comes before the wish for one; then the higher version counts, then the later arrival. */
function outranks(one: Incoming, best: Incoming): boolean {
  if (isWish(one) !== isWish(best)) return isWish(best);
  if (one.cloud_version === best.cloud_version) return isLater(one, best);
  // A wish without a version wants whatever there is.
  if (one.cloud_version === null || best.cloud_version === null) return one.cloud_version === null;
  return compareVersions(one.cloud_version, best.cloud_version) > 0;
}

const isWish = (one: Incoming): boolean => one.operation === 'hint' || one.cloud_version === null;

const isLater = (one: Incoming, best: Incoming): boolean => compareVersions(one.id, best.id) > 0;

/** A wish that the row beside it does not fulfil. */
function asksForMore(one: Incoming, newest: Incoming): boolean {
  if (!isWish(one) || isWish(newest)) return false;
  return one.cloud_version === null || compareVersions(one.cloud_version, newest.cloud_version as string) > 0;
}
