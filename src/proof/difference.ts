/**
 * Holds two lists of entities against each other: what this outlet has agreed on with the cloud, and what the cloud says it
 * holds. Pure. While the shop sells, the two lists are never of one moment; so an entity that has something on its way counts
 * for nothing, and a difference counts only when it is seen twice with nothing moved in between.
 */

/** What is known here of one entity. */
export type Here = {
  /** Null: nothing was agreed on. */
  cloud_version: number | null;
  /** The agreement is that it is gone, or there is none. */
  deleted: boolean;
  /** The table has its row. */
  row: boolean;
  /** The day that its row belongs to; null: not known, for there is no row or none of them has a day. */
  bucket: string | null;
  /** A change of it waits to be sent, or one of the cloud's to be applied. */
  moving: boolean;
  /** It waits for a person: a failed change, an open conflict, something of the cloud's that cannot be applied. */
  stuck: boolean;
  /** Its row left with a part of its table, a detached month say. */
  departed: boolean;
};

export type There = { cloud_version: number; bucket: string };

export type DifferenceKind =
  /** The cloud does not have what it had accepted. */
  | 'missing_there'
  /** The cloud holds an earlier version than it had accepted. */
  | 'older_there'
  /** The cloud holds a version that never came here. */
  | 'newer_there'
  /** The cloud holds what was never agreed on here. */
  | 'unknown_here'
  /** One version on both sides, but on two days: the row was changed and nobody captured it. */
  | 'other_day';

/** `here` and `there` are the cloud's versions; null: none, or deleted. `row`: the shop has its row; `departed`: it was put away. */
export type Difference = {
  entity_id: string;
  kind: DifferenceKind;
  here: number | null;
  there: number | null;
  row: boolean;
  departed: boolean;
};

export type Compared = {
  differences: Difference[];
  /** Entities that may differ, and that have something on its way. */
  moving: number;
};

/**
 * @param here of all that may differ, also of what only the cloud has
 * @param still nothing travels, so that what waits counts like all else
 */
export function compare(here: ReadonlyMap<string, Here>, there: ReadonlyMap<string, There>, still = false): Compared {
  const compared: Compared = { differences: [], moving: 0 };
  for (const [entity_id, ours] of here) {
    const theirs = there.get(entity_id);
    const kind = differenceOf(ours, theirs);
    if (kind === undefined) continue;
    // Whatever else differs there, somebody has been told of already.
    if (ours.stuck && kind !== 'missing_there' && kind !== 'older_there' && !still) continue;
    if (ours.moving && !still) compared.moving += 1;
    else
      compared.differences.push({
        entity_id,
        kind,
        here: ours.deleted ? null : ours.cloud_version,
        there: theirs?.cloud_version ?? null,
        row: ours.row,
        departed: ours.departed,
      });
  }
  return compared;
}

function differenceOf(ours: Here, theirs: There | undefined): DifferenceKind | undefined {
  if (theirs === undefined) return ours.deleted ? undefined : 'missing_there';
  if (ours.cloud_version === null) return 'unknown_here';
  if (theirs.cloud_version > ours.cloud_version) return 'newer_there';
  if (theirs.cloud_version < ours.cloud_version || ours.deleted) return 'older_there';
  return ours.bucket === null || ours.bucket === theirs.bucket ? undefined : 'other_day';
}

/** Those that were seen before and are the same still. */
export function confirmed(before: readonly Difference[], now: readonly Difference[]): Difference[] {
  const nameOf = ({ entity_id, kind, here, there }: Difference) => JSON.stringify([entity_id, kind, here, there]);
  const known = new Set(before.map(nameOf));
  return now.filter((difference) => known.has(nameOf(difference)));
}
