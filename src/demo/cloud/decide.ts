/**
 * The rules of a push, one transaction at a time: duplicates, `after`, the optimistic lock, tombstones, and at the end of each
 * transaction the references. Pure: it looks at a view and returns what shall happen; nothing is applied here.
 */

import type { Applied } from './memory.js';
import type { PushedChange } from './records.js';
import type { Held, View } from './state.js';

/** An outcome that a fault imposes in place of the rules. */
export type Imposed =
  | { status: 'rejected'; error: { code: string; message: string; retryable: boolean } }
  | { status: 'held'; waiting_for: Named | null }
  | { status: 'conflict' };

type Named = { entity_type: string; entity_id: string };

export type Decision = { change: PushedChange; key: string } & (
  | { status: 'accepted' | 'duplicate'; cloud_version: number }
  | { status: 'conflict'; current: Held | null }
  | { status: 'held'; waiting_for: Named | null }
  | { status: 'rejected'; error: { code: string; message: string; retryable: boolean } }
);

export type Rules = {
  outletId: string;
  keyOf(type: string, id: string): string;
  parentsOf(type: string, data: string | null): { key: string; type: string; id: string }[];
  imposed(change: PushedChange): Imposed | undefined;
};

/** What a part of the batch would make of the state, over the view below it. */
class Layer implements View {
  readonly #below: View;
  readonly #entities = new Map<string, Held>();
  readonly #applied = new Map<string, Applied>();
  readonly #children = new Map<string, Set<string>>();

  constructor(below: View) {
    this.#below = below;
  }

  entity(key: string): Held | undefined {
    return this.#entities.get(key) ?? this.#below.entity(key);
  }

  applied(changeId: string): Applied | undefined {
    return this.#applied.get(changeId) ?? this.#below.applied(changeId);
  }

  *childrenOf(key: string): Iterable<string> {
    yield* this.#children.get(key) ?? [];
    yield* this.#below.childrenOf(key);
  }

  put(key: string, held: Held): void {
    this.#entities.set(key, held);
    for (const parent of held.parents) {
      const children = this.#children.get(parent) ?? new Set();
      this.#children.set(parent, children.add(key));
    }
  }

  accept(changeId: string, applied: Applied): void {
    this.#applied.set(changeId, applied);
  }

  into(below: Layer): void {
    for (const [key, held] of this.#entities) below.put(key, held);
    for (const [id, applied] of this.#applied) below.accept(id, applied);
  }
}

/** One decision for every change, in the order of the batch. */
export function decideBatch(view: View, changes: readonly PushedChange[], rules: Rules): Decision[] {
  const batch = new Layer(view);
  const decided = new Map<PushedChange, Decision>();
  for (const transaction of transactionsOf(changes)) {
    const held = new Map<PushedChange, Named>();
    for (;;) {
      const layer = new Layer(batch);
      const decisions = transaction.map((change) => decide(layer, change, held.get(change), rules));
      const broken = brokenReferences(layer, decisions, rules);
      if (broken.size === 0) {
        layer.into(batch);
        for (const decision of decisions) decided.set(decision.change, decision);
        break;
      }
      for (const [change, waitingFor] of broken) held.set(change, waitingFor);
    }
  }
  return changes.flatMap((change) => decided.get(change) ?? []);
}

/**
 * The transactions in the order in which they end. Two that interleave were written side by side: neither saw the other, for
 * whatever builds on a commit gets a higher seq than all of it.
 */
function transactionsOf(changes: readonly PushedChange[]): PushedChange[][] {
  const open = new Map<string, PushedChange[]>();
  for (const change of changes) {
    const transaction = open.get(change.tx) ?? [];
    transaction.push(change);
    open.delete(change.tx);
    open.set(change.tx, transaction);
  }
  return [...open.values()];
}

function decide(layer: Layer, change: PushedChange, broken: Named | undefined, rules: Rules): Decision {
  const { entity_type, entity_id } = change;
  const key = rules.keyOf(entity_type, entity_id);
  const about = { change, key };
  const known = layer.applied(change.change_id);
  if (known !== undefined) {
    if (known.key === key && known.outlet_id === rules.outletId) {
      return { ...about, status: 'duplicate', cloud_version: known.cloud_version };
    }
    const message = 'this change_id was applied to another entity';
    return { ...about, status: 'rejected', error: { code: 'change_id_reused', message, retryable: false } };
  }
  const current = layer.entity(key);
  const imposed = rules.imposed(change);
  if (imposed !== undefined) {
    return imposed.status === 'conflict'
      ? { ...about, status: 'conflict', current: current ?? null }
      : { ...about, ...imposed };
  }
  if (broken !== undefined) return { ...about, status: 'held', waiting_for: broken };
  if (change.after !== undefined && producedBy(layer, change.after, key) === undefined) {
    return { ...about, status: 'held', waiting_for: { entity_type, entity_id } };
  }
  const gone = current === undefined || current.deleted;
  if (!(change.operation === 'delete' && gone) && !buildsOnCurrent(layer, change, key, current)) {
    return { ...about, status: 'conflict', current: current ?? null };
  }
  const deleteAgain = change.operation === 'delete' && current?.deleted === true;
  const version = deleteAgain ? current.cloud_version : (current?.cloud_version ?? 0) + 1;
  layer.accept(change.change_id, { outlet_id: rules.outletId, key, cloud_version: version, data: change.data });
  if (!deleteAgain) {
    layer.put(key, {
      entity_type,
      entity_id,
      cloud_version: version,
      deleted: change.operation === 'delete',
      data: change.data,
      updated_at: change.changed_at,
      parents: rules.parentsOf(entity_type, change.data).map((parent) => parent.key),
    });
  }
  return { ...about, status: 'accepted', cloud_version: version };
}

/** The version that a change of this very entity produced; undefined where it was not applied. */
function producedBy(layer: Layer, changeId: string, key: string): number | undefined {
  const applied = layer.applied(changeId);
  return applied?.key === key ? applied.cloud_version : undefined;
}

/** The optimistic lock. Version 0 is what the cloud itself calls having neither row nor tombstone. */
function buildsOnCurrent(layer: Layer, change: PushedChange, key: string, current: Held | undefined): boolean {
  const version = current?.cloud_version ?? 0;
  const base = change.after === undefined ? (change.base_cloud_version ?? 0) : producedBy(layer, change.after, key);
  return base === version || (change.supersedes ?? []).some((id) => producedBy(layer, id, key) === version);
}

/** Accepted changes that leave a reference broken now that their transaction has ended, with the entity each waits for. */
function brokenReferences(layer: Layer, decisions: readonly Decision[], rules: Rules): Map<PushedChange, Named> {
  const broken = new Map<PushedChange, Named>();
  for (const { change, key, status } of decisions) {
    if (status !== 'accepted') continue;
    const end = layer.entity(key);
    if (end !== undefined && !end.deleted) {
      for (const parent of rules.parentsOf(end.entity_type, end.data)) {
        const found = layer.entity(parent.key);
        if (found !== undefined && !found.deleted) continue;
        broken.set(change, { entity_type: parent.type, entity_id: parent.id });
        break;
      }
    } else if (change.operation === 'delete') {
      const child = livingChild(layer, key);
      if (child !== undefined) broken.set(change, { entity_type: child.entity_type, entity_id: child.entity_id });
    }
  }
  return broken;
}

function livingChild(layer: Layer, key: string): Held | undefined {
  for (const childKey of layer.childrenOf(key)) {
    const child = layer.entity(childKey);
    // A tombstone has no row, and so names no parent.
    if (child?.parents.includes(key)) return child;
  }
  return undefined;
}
