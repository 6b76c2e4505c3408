/**
 * What the cloud remembers, and how a backup of it is taken: a copy is apart from what it was taken of, neither side sees what
 * becomes of the other.
 */
import type { FeedCopy } from './feed.js';
import type { FeedEntry } from './records.js';

/** A change that took effect, for ever. */
export type Applied = { outlet_id: string; key: string; cloud_version: number; data: string | null };

/** An entity as it is held; never changed, only replaced. */
export type Stored = FeedEntry & { parents: readonly string[] };

/** The living copy of an outlet, and what its epoch has sent. */
export type Outlet = {
  install_id: string;
  epoch: number;
  /** Change id by seq, of this epoch alone. */
  seqs: Map<string, string>;
  /** What every batch that was answered held, by batch id. */
  batches: Map<string, string>;
};

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
