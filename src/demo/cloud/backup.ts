/**
 * What a backup of the cloud's memory holds. A copy is apart from what it was taken of: neither side sees what becomes of the
 * other.
 */
import type { FeedCopy } from './feed.js';
import type { Applied, Outlet, Stored } from './state.js';

export type Memory = {
  entities: Map<string, Stored>;
  applied: Map<string, Applied>;
  outlets: Map<string, Outlet>;
  children: Map<string, Set<string>>;
  feed: FeedCopy;
  /** How many entities the cloud has named. */
  named: number;
};

/** Entities, applied changes and entries of the feed never change once they are made, so they are shared. */
export function copyOf({ entities, applied, outlets, children, feed, named }: Memory): Memory {
  return {
    entities: new Map(entities),
    applied: new Map(applied),
    outlets: new Map([...outlets].map(([id, outlet]) => [id, copyOfOutlet(outlet)])),
    children: new Map([...children].map(([key, keys]) => [key, new Set(keys)])),
    feed: { ...feed, entries: [...feed.entries] },
    named,
  };
}

function copyOfOutlet(outlet: Outlet): Outlet {
  return { ...outlet, seqs: new Map(outlet.seqs), batches: new Map(outlet.batches) };
}
