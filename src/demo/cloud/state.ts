/**
 * Everything that the cloud decides by: entities with their tombstones, applied changes with the version that each produced,
 * outlets with their living copy. It changes only through `push`, `edit`, `forget` and `restore`, with the lines that the journal
 * keeps, so a restart that replays the journal ends at the same state.
 */
import { createHash } from 'node:crypto';
import { Feed } from './feed.js';
import type { EditLine, ForgetLine, PushLine } from './journal.js';
import { type Applied, copyOf, type Memory, type Outlet, type Stored } from './memory.js';
import type { EntityRecord, FeedEntry, PushedChange } from './records.js';
import type { References } from './references.js';
import { parentsOf } from './references.js';

/** What a decision may look at. */
export type View = {
  entity(key: string): Held | undefined;
  applied(changeId: string): Applied | undefined;
  /** Keys of entities that refer to this one; some may have ceased to. */
  childrenOf(key: string): Iterable<string>;
};

/** What is held of an entity: enough to decide by. */
export type Held = Pick<EntityRecord, 'cloud_version' | 'deleted' | 'data' | 'updated_at'> & {
  entity_type: string;
  entity_id: string;
  parents: readonly string[];
};

export class CloudState implements View {
  readonly references: References;
  readonly feed: Feed;
  readonly #shared: ReadonlySet<string>;
  readonly #backups = new Map<string, Memory>();
  #entities = new Map<string, Stored>();
  #applied = new Map<string, Applied>();
  #outlets = new Map<string, Outlet>();
  #children = new Map<string, Set<string>>();
  #named = 0;

  /** @param horizon how many of the latest changes a pull's cursor may be behind. */
  constructor(shared: readonly string[], references: References, horizon = Infinity) {
    this.#shared = new Set(shared);
    this.feed = new Feed(horizon);
    this.references = references;
  }

  isShared(type: string): boolean {
    return this.#shared.has(type);
  }

  /** One entity's key: by outlet, but for the types that head office shares. No name holds U+0000. */
  keyOf(outletId: string, type: string, id: string): string {
    return `${this.#shared.has(type) ? '' : outletId}\u0000${type}\u0000${id}`;
  }

  entity(key: string): Stored | undefined {
    return this.#entities.get(key);
  }

  applied(changeId: string): Applied | undefined {
    return this.#applied.get(changeId);
  }

  outlet(outletId: string): Outlet | undefined {
    return this.#outlets.get(outletId);
  }

  childrenOf(key: string): Iterable<string> {
    return this.#children.get(key) ?? [];
  }

  /** Every entity and tombstone; with an outlet, those that it can see. */
  entities(outletId?: string): EntityRecord[] {
    const found: EntityRecord[] = [];
    for (const stored of this.#entities.values()) {
      if (outletId !== undefined && stored.outlet_id !== null && stored.outlet_id !== outletId) continue;
      found.push(recordOf(stored));
    }
    return found;
  }

  /** The parents that a row names. */
  parentsOf(outletId: string, type: string, data: string | null): { key: string; type: string; id: string }[] {
    return parentsOf(this.references, type, data).map((parent) => ({
      ...parent,
      key: this.keyOf(outletId, parent.type, parent.id),
    }));
  }

  /** Takes what was decided on one push. A refused one changes nothing. */
  push(line: PushLine): void {
    if (line.refused) return;
    const outlet = this.#copyOf(line);
    outlet.batches.set(line.batch_id, contentOf(line.changes));
    for (const change of line.changes) {
      outlet.seqs.set(change.seq, change.change_id);
      if (change.outcome !== 'accepted' || change.cloud_version === null) continue;
      const { entity_type, entity_id, cloud_version, data } = change;
      const key = this.keyOf(line.outlet_id, entity_type, entity_id);
      this.#applied.set(change.change_id, { outlet_id: line.outlet_id, key, cloud_version, data });
      this.#put(key, line.outlet_id, {
        outlet_id: this.#shared.has(entity_type) ? null : line.outlet_id,
        entity_type,
        entity_id,
        cloud_version,
        deleted: change.operation === 'delete',
        data,
        updated_at: change.changed_at,
        origin_outlet_id: line.outlet_id,
        at: line.at,
        changed_fields: null,
      });
    }
  }

  /** An edit by head office. */
  edit(line: EditLine): EntityRecord {
    const { at, outlet_id, entity_type, entity_id, cloud_version, changed_fields, data, updated_at } = line;
    const key = this.keyOf(outlet_id ?? '', entity_type, entity_id);
    const stored = this.#put(key, outlet_id ?? '', {
      outlet_id,
      entity_type,
      entity_id,
      cloud_version,
      deleted: data === null,
      data,
      updated_at,
      origin_outlet_id: null,
      at,
      changed_fields,
    });
    return recordOf(stored);
  }

  /** Loses an entity as if it had never been; its children still name it. */
  forget({ outlet_id, entity_type, entity_id }: ForgetLine): void {
    const key = this.keyOf(outlet_id, entity_type, entity_id);
    for (const parent of this.#entities.get(key)?.parents ?? []) this.#children.get(parent)?.delete(key);
    this.#entities.delete(key);
    for (const [changeId, applied] of this.#applied) if (applied.key === key) this.#applied.delete(changeId);
    this.feed.forget(key);
  }

  /** How many backups were taken. */
  get backups(): number {
    return this.#backups.size;
  }

  hasBackup(name: string): boolean {
    return this.#backups.has(name);
  }

  backup(name: string): void {
    const [entities, applied, outlets] = [this.#entities, this.#applied, this.#outlets];
    const memory = { entities, applied, outlets, children: this.#children, feed: this.feed.held, named: this.#named };
    this.#backups.set(name, copyOf(memory));
  }

  /** Goes back to a backup, which stays as it is. One that is not there changes nothing. */
  restore(name: string): void {
    const backup = this.#backups.get(name);
    if (backup === undefined) return;
    const { entities, applied, outlets, children, feed, named } = copyOf(backup);
    this.#entities = entities;
    this.#applied = applied;
    this.#outlets = outlets;
    this.#children = children;
    this.#named = named;
    this.feed.restore(feed);
  }

  #copyOf(line: PushLine): Outlet {
    const known = this.#outlets.get(line.outlet_id);
    if (known?.epoch === line.epoch) return known;
    const copy: Outlet = {
      install_id: line.install_id,
      epoch: line.epoch,
      seqs: new Map(),
      batches: known?.batches ?? new Map(),
    };
    this.#outlets.set(line.outlet_id, copy);
    return copy;
  }

  /** A version never decreases; the same version again (deleting what is deleted) changes nothing. */
  #put(key: string, outletId: string, next: Omit<FeedEntry, 'cloud_id' | 'key' | 'operation' | 'place'>): Stored {
    const before = this.#entities.get(key);
    if (before !== undefined && before.cloud_version >= next.cloud_version) return before;
    const parents = this.parentsOf(outletId, next.entity_type, next.data).map((parent) => parent.key);
    for (const parent of before?.parents ?? []) this.#children.get(parent)?.delete(key);
    for (const parent of parents) {
      const children = this.#children.get(parent);
      if (children === undefined) this.#children.set(parent, new Set([key]));
      else children.add(key);
    }
    const operation = next.deleted ? 'delete' : before === undefined || before.deleted ? 'create' : 'update';
    const cloud_id = before?.cloud_id ?? `c-${++this.#named}`;
    const stored = { ...this.feed.append({ ...next, cloud_id, key, operation }), parents };
    this.#entities.set(key, stored);
    return stored;
  }
}

/** A stored entity without what only the cloud's own index needs. */
function recordOf(stored: EntityRecord): EntityRecord {
  const { outlet_id, entity_type, entity_id, cloud_id, cloud_version, deleted, data } = stored;
  const { updated_at, origin_outlet_id } = stored;
  return {
    outlet_id,
    entity_type,
    entity_id,
    cloud_id,
    cloud_version,
    deleted,
    data,
    updated_at,
    origin_outlet_id,
  };
}

/** What makes two batches the same: their changes. A digest, for it is kept for every batch. */
export function contentOf(changes: readonly Pick<PushedChange, 'change_id'>[]): string {
  const digest = createHash('sha1');
  for (const { change_id } of changes) digest.update(change_id);
  return digest.digest('base64');
}
