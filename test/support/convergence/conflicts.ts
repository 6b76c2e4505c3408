/**
 * Holds the cloud's ledger against the conflicts that syncd recorded (I7): no divergence passes in silence, and what a
 * resolution sends is a row that the shop held and the cloud did not. Pure.
 */
import type { Committed, Fed, Recorded } from './incoming.js';
import { type Delivered, type Finding, finding, grouped, nameOf } from './judge.js';

/** Conflicts that the cloud answered and the outlet can have read: each stands on record, or came to nothing. */
export function judgeSilence(
  deliveries: readonly Delivered[],
  conflicts: readonly Recorded[],
  feed: readonly Fed[],
): Finding[] {
  const recorded = new Set(conflicts.map(nameOf));
  const effective = new Set(deliveries.filter((one) => one.outcome === 'accepted').map((one) => one.change_id));
  const versions = grouped(feed);
  return deliveries.flatMap((one) => {
    if (one.outcome !== 'conflict' || !one.delivered || recorded.has(nameOf(one))) return [];
    // The same row on both sides is no divergence: a backfilled one, say.
    const same = versions.get(nameOf(one))?.some((version) => version.shared === one.shared) === true;
    if (same || effective.has(one.change_id)) return [];
    return [finding('unrecorded', one, `the conflict of ${one.change_id} is on no record`)];
  });
}

/** What resolutions sent. */
export function judgeResults(
  committed: readonly Committed[],
  deliveries: readonly Delivered[],
  conflicts: readonly Recorded[],
  feed: readonly Fed[],
): Finding[] {
  const minted = new Map(conflicts.map((one) => [one.resolved_change_id, one]));
  const held = grouped(committed);
  const versions = grouped(feed);
  const findings: Finding[] = [];
  for (const effect of deliveries) {
    if (effect.outcome !== 'accepted' || !minted.has(effect.change_id)) continue;
    const commits = held.get(nameOf(effect)) ?? [];
    const stood = commits.some((commit) => commit.row === effect.row);
    if (!stood) findings.push(finding('different', effect, 'a resolution sent a row that the shop never held'));
    const before = versions.get(nameOf(effect))?.findLast((one) => one.cloud_version < (effect.cloud_version ?? 0));
    const nothingNew = before !== undefined && !before.deleted && before.shared === effect.shared;
    if (nothingNew) findings.push(finding('echo', effect, 'a resolution sent what the cloud had'));
  }
  return findings;
}

/** Changes that lie in conflict without anybody being told. */
export function judgeHeld(
  held: readonly { entity_type: string; entity_id: string; change_id: string }[],
  conflicts: readonly Recorded[],
): Finding[] {
  const open = new Set(conflicts.filter((one) => one.status === 'open').map(nameOf));
  return held
    .filter((one) => !open.has(nameOf(one)))
    .map((one) => finding('unrecorded', one, `${one.change_id} lies in conflict, and no conflict is open`));
}
