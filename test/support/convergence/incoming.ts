/**
 * Holds what the cloud's feed says against what PostgreSQL committed in the shop: every change of head office's arrived, none
 * twice, none late, none altered. Pure. It tells which commits were applied from the cloud, so that nobody expects to find them
 * pushed; whatever else an applying transaction wrote is the shop's own and has to go out.
 */
import type { FeedEntry } from '../../../src/demo/cloud/records.js';
import type { CommittedChange } from './journal.js';
import { type Finding, finding, grouped, type Named } from './judge.js';
import type { Comparable } from './rows.js';

export type Committed = CommittedChange & Comparable;
export type Fed = FeedEntry & Comparable;

/** A divergence as syncd recorded it. `local` and `result` are null where there is no row. */
export type Recorded = Named & {
  status: 'open' | 'resolved';
  cloud_version: number;
  /** Names the change that carries the result to the cloud. */
  resolved_change_id: string | null;
  local: Comparable;
  result: Comparable;
};

export type Incoming = {
  findings: Finding[];
  /** Commits that brought what the cloud had. */
  applied: ReadonlySet<Committed>;
};

type History = {
  commits: Committed[];
  versions: Fed[];
  conflicts: Recorded[];
  /** Versions that syncd put aside with a reason. */
  parked: ReadonlySet<number>;
  /** The version that a commit of the shop's own became. */
  ownVersion: (commit: Committed) => number | undefined;
};

export function judgeIncoming(
  about: {
    committed: readonly Committed[];
    feed: readonly Fed[];
    conflicts: readonly Recorded[];
    parked: readonly (Named & { cloud_version: number })[];
    ownVersion: History['ownVersion'];
  },
  outletId: string,
): Incoming {
  const commits = grouped(about.committed);
  const conflicts = grouped(about.conflicts);
  const parked = grouped(about.parked);
  const applied = new Set<Committed>();
  const findings: Finding[] = [];
  for (const [name, versions] of grouped(about.feed)) {
    const history: History = {
      commits: commits.get(name) ?? [],
      versions,
      conflicts: conflicts.get(name) ?? [],
      parked: new Set(parked.get(name)?.map((one) => one.cloud_version)),
      ownVersion: about.ownVersion,
    };
    const walk = walkThrough(history);
    for (const commit of walk.applied) applied.add(commit);
    findings.push(...walk.findings, ...unseen(history, walk, outletId));
  }
  return { findings, applied };
}

type Walk = {
  /** Versions that a commit brought. */
  brought: Set<number>;
  /** Those commits, and those that carried out a resolution. */
  applied: Committed[];
  /** After which commit, by its place, which version was known. */
  known: { place: number; version: number }[];
  findings: Finding[];
};

/** Goes through one entity's commits in their order; the version that is known never goes down. */
function walkThrough({ commits, versions, conflicts, ownVersion }: History): Walk {
  const walk: Walk = { brought: new Set(), applied: [], known: [], findings: [] };
  let known = 0;
  const learn = (place: number, version: number) => {
    known = Math.max(known, version);
    walk.known.push({ place, version });
  };
  for (const [place, commit] of commits.entries()) {
    if (commit.by === 'pos') {
      const own = ownVersion(commit);
      if (own !== undefined) learn(place, own);
      continue;
    }
    // What a trigger of the shop's made of a row went out from here: it is no version that came.
    const brings = versions.filter(
      (version) => sameRow(version, commit) && version.cloud_version !== ownVersion(commit),
    );
    const next = brings.find((version) => version.cloud_version > known);
    const resolution = conflicts.find((one) => one.status === 'resolved' && one.result.shared === commit.shared);
    if (next !== undefined) {
      walk.brought.add(next.cloud_version);
      walk.applied.push(commit);
      learn(place, next.cloud_version);
    } else if (resolution !== undefined) {
      walk.applied.push(commit);
      learn(place, resolution.cloud_version);
    } else if (brings.length > 0) {
      const late = brings.at(-1)?.cloud_version ?? 0;
      walk.applied.push(commit);
      const how = late === known ? 'applied a second time' : `applied after version ${known}`;
      walk.findings.push(finding(late === known ? 'doubled' : 'out_of_order', commit, `version ${late} was ${how}`));
    }
  }
  return walk;
}

function sameRow(version: Fed, commit: Committed): boolean {
  return version.deleted ? commit.operation === 'delete' : version.shared === commit.shared;
}

/**
 * Versions of head office's that have no trace in the shop. One that another of head office's overtook needs none: the shop may
 * have pulled them in one go. One that a change of the shop's own follows needs one: that change was built on it.
 */
function unseen(history: History, walk: Walk, outletId: string): Finding[] {
  const { versions, conflicts, parked } = history;
  return versions.flatMap((version, at) => {
    const next = versions[at + 1];
    if (version.origin_outlet_id === outletId) return [];
    if (next !== undefined && next.origin_outlet_id !== outletId) return [];
    const seen =
      walk.brought.has(version.cloud_version) ||
      parked.has(version.cloud_version) ||
      conflicts.some((one) => one.cloud_version === version.cloud_version) ||
      stoodThere(history, walk, version);
    return seen ? [] : [finding('unseen', version, `version ${version.cloud_version} never reached the shop`)];
  });
}

/** The shop held the same already when the version came, so that nothing was to be written. */
function stoodThere({ commits }: History, walk: Walk, version: Fed): boolean {
  if (version.deleted && commits.length === 0) return true;
  const from = walk.known.filter((one) => one.version < version.cloud_version).at(-1)?.place ?? 0;
  return commits.slice(from).some((commit) => sameRow(version, commit));
}
