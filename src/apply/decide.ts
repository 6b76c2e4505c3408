/**
 * What to do with one incoming change: a pure table over how the entity stands here, which operation came, and how its version
 * relates to the last agreed one. test/golden/decide.txt is the whole table. It looks at no value but one, whether a row that was
 * there before capture equals the cloud's; what becomes of a conflict is decided elsewhere.
 *
 * A change that was captured and never answered may be at the cloud already, unheard: the entity waits for that answer. Only
 * what the cloud is known not to have applied (refused for good or for now) is held against the incoming change at once.
 */
import type { Operation } from '../cloud/wire.js';

/** What an unsettled change of the shop comes to. */
export type Pending = Operation;

/** How an entity stands here. */
export type Situation =
  /** Neither a row nor a record of one. */
  | { kind: 'unknown' }
  /** Row and cloud agreed last time, nothing has changed since. Also any row of a table that is only pulled. */
  | { kind: 'agreed' }
  /** Agreed to be gone. */
  | { kind: 'tombstone' }
  /** Agreed, but the row is not there and no deletion was captured: emptied by TRUNCATE, say. */
  | { kind: 'lost' }
  /** A row without an agreement: from before capture, or after a tombstone. */
  | { kind: 'unmanaged'; equal: boolean }
  /** Changed in the shop; the cloud has not answered yet. */
  | { kind: 'fresh'; pending: Pending }
  /** Changed in the shop, and the cloud is known not to have applied it. */
  | { kind: 'stuck'; pending: Pending }
  /** In conflict, and nobody has decided yet. */
  | { kind: 'conflict' }
  /** A sale is writing the row at this moment. */
  | { kind: 'busy' };

/** newer: than anything known here. same: as agreed, and asked for. stale: not newer. none: the cloud did not say. */
export type Relation = 'newer' | 'same' | 'stale' | 'none';

export type Arrival = { operation: Operation | 'hint'; relation: Relation };

export type Decision =
  /** Known already. */
  | 'ignore'
  /** Look again soon. */
  | 'wait'
  /** Both sides are the same: only the version is noted. */
  | 'adopt'
  | 'write'
  | 'delete'
  /** The open conflict gets the newer side of the cloud. */
  | 'refresh'
  /** A new conflict. */
  | 'conflict'
  /** The cloud is asked for the entity. */
  | 'fetch';

/** What becomes of an incoming change, by what stands here and by how its version stands to the one that was agreed on. */
export function decide(situation: Situation, { operation, relation }: Arrival): Decision {
  if (relation === 'stale') return 'ignore';
  if (relation === 'same' && situation.kind !== 'lost') return 'ignore';
  if (operation === 'hint' || relation === 'none') return 'fetch';
  const deletes = operation === 'delete';
  switch (situation.kind) {
    case 'unknown':
    case 'tombstone':
    case 'lost':
      return deletes ? 'adopt' : 'write';
    case 'agreed':
      return deletes ? 'delete' : 'write';
    case 'unmanaged':
      return situation.equal && !deletes ? 'adopt' : 'conflict';
    case 'fresh':
    case 'busy':
      return 'wait';
    case 'stuck':
      return 'conflict';
    case 'conflict':
      return 'refresh';
    default:
      return situation satisfies never;
  }
}

/** What was found of an entity here, after its row was locked. */
export type Local = {
  present: boolean;
  locked: boolean;
  /** The last agreement. */
  state: { cloud_version: string | null; deleted: boolean } | undefined;
  /** The newest of its unsettled changes. */
  pending: Pending | undefined;
  /** One of them may be under way. */
  inFlight: boolean;
  /** The cloud's version in its open conflict. */
  conflict: string | undefined;
  /** The row equals what came; asked only of a row without an agreement. */
  equal: boolean;
  /** The table is only pulled: no row in it is the shop's own. */
  copyOnly: boolean;
};

export function situationOf(local: Local): Situation {
  if (local.conflict !== undefined) return { kind: 'conflict' };
  if (local.pending !== undefined) return { kind: local.inFlight ? 'fresh' : 'stuck', pending: local.pending };
  if (local.present && !local.locked) return { kind: 'busy' };
  const agreed = local.state !== undefined && !local.state.deleted;
  if (local.present) return agreed || local.copyOnly ? { kind: 'agreed' } : { kind: 'unmanaged', equal: local.equal };
  if (local.state === undefined) return { kind: 'unknown' };
  return agreed ? { kind: 'lost' } : { kind: 'tombstone' };
}

/**
 * @param version of the incoming change
 * @param asked somebody wants this entity as the cloud has it, not just the news
 */
export function relationOf(version: string | null, asked: boolean, local: Pick<Local, 'state' | 'conflict'>): Relation {
  if (version === null) return 'none';
  const known = newest(local.state?.cloud_version ?? null, local.conflict ?? null);
  if (known === null || compareVersions(version, known) > 0) return 'newer';
  return asked && version === known ? 'same' : 'stale';
}

function newest(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return compareVersions(a, b) > 0 ? a : b;
}

/** Versions are whole numbers without a sign, as Postgres writes them. */
export function compareVersions(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
