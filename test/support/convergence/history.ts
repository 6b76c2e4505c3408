/**
 * The history of one entity as all accounts tell it, for whoever has to find out why the convergence checker complains. Pure;
 * printed only where a run has failed.
 */
import type { Evidence } from './evidence.js';
import { type Named, nameOf } from './judge.js';

/** Of each account; the oldest are left out. */
const LATEST = 60;

export function historyOf(evidence: Evidence, entity: Named): string {
  const of = <T extends Named>(list: readonly T[], tell: (one: T) => string) =>
    list
      .filter((one) => nameOf(one) === nameOf(entity))
      .slice(-LATEST)
      .map(tell);
  return [
    `${nameOf(entity)}:`,
    ...of(evidence.committed, (one) => `  committed by ${one.by} in ${one.tx}: ${one.operation} ${one.data}`),
    ...of(
      evidence.deliveries,
      (one) =>
        `  pushed ${one.change_id} of ${one.tx}, base ${one.base_cloud_version}, after ${one.after}, instead of [${one.supersedes}]: ${one.outcome} ${one.cloud_version} ${one.data}`,
    ),
    ...of(evidence.feed, (one) => `  version ${one.cloud_version} by ${one.origin_outlet_id}: ${one.data}`),
    ...of(
      evidence.conflicts,
      (one) =>
        `  conflict at ${one.cloud_version}, ${one.status} ${one.resolution}, sent as ${one.resolved_change_id} (${one.story}): local ${one.local}, cloud ${one.cloud}, result ${one.result}`,
    ),
  ].join('\n');
}
