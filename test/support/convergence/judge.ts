/**
 * Holds what the cloud's ledger says against what PostgreSQL committed, change by change. Pure: two lists in, findings out; it
 * knows nothing of syncd but what syncd itself claims to have settled, and that claim is only ever doubted.
 */
import type { Delivery, Violation } from '../../../src/demo/cloud/records.js';
import type { Committed, Recorded } from './incoming.js';
import type { Comparable } from './rows.js';

export type FindingKind =
  /** I1: committed, and of no effect at the cloud. */
  | 'lost'
  /** I2: of effect, and never committed. */
  | 'phantom'
  /** I3: more than one effect. */
  | 'doubled'
  /** I4: versions, transactions or commits in another order. */
  | 'out_of_order'
  /** I5: another value than was committed. */
  | 'different'
  /** Settled by syncd without the cloud's word. */
  | 'unproven'
  /** I1: a change of head office's that never reached the shop. */
  | 'unseen'
  /** I6: the cloud's own change came back as a push. */
  | 'echo'
  /** I7: the two sides differed, and nobody was told. */
  | 'unrecorded';

export type Finding = { kind: FindingKind; entity_type: string; entity_id: string; detail: string };

export type Delivered = Delivery & Comparable;

export type Named = { entity_type: string; entity_id: string };

export const nameOf = (of: Named) => `${of.entity_type} ${of.entity_id}`;
export const finding = (kind: FindingKind, of: Named, detail: string): Finding => ({
  kind,
  entity_type: of.entity_type,
  entity_id: of.entity_id,
  detail,
});

export function grouped<T extends Named>(list: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const group = groups.get(nameOf(item));
    if (group) group.push(item);
    else groups.set(nameOf(item), [item]);
  }
  return groups;
}

/** What excuses a commit that never took effect, and a change that took effect without a commit of its own. */
export type Excuses = {
  /** Commits of the cloud's own rows: whoever pushes one of them sends an echo. */
  applied: ReadonlySet<Committed>;
  conflicts: readonly Recorded[];
  /** Changes that were not sent as they were, by the commit that made them. */
  replaced: readonly Replaced[];
};

export type Replaced = Named & { change_id: string; tx: string; operation: string };

/** Changes that took effect, entity by entity, against the commits. @param deliveries in the order of arrival. */
export function judgeEffects(
  committed: readonly Committed[],
  deliveries: readonly Delivered[],
  { applied, conflicts, replaced }: Excuses,
): Finding[] {
  const effects = deliveries.filter((delivery) => delivery.outcome === 'accepted');
  const minted = new Set(conflicts.map((one) => one.resolved_change_id));
  const named = new Set(effects.flatMap((effect) => effect.supersedes));
  const whole: Whole = {
    transactions: new Set(committed.map((change) => change.tx)),
    known: new Set(effects.map((effect) => effect.change_id)),
    applied: new Set([...applied].map((change) => `${nameOf(change)} ${labelOf(change)}`)),
    contained: new Set(
      replaced.filter((one) => named.has(one.change_id)).map((one) => `${nameOf(one)} ${labelOf(one)}`),
    ),
  };
  const expected = grouped(committed.filter((change) => !applied.has(change)));
  const arrived = grouped(effects.filter((effect) => !minted.has(effect.change_id)));
  const recorded = grouped(conflicts);
  const findings: Finding[] = [];
  for (const name of new Set([...expected.keys(), ...arrived.keys()])) {
    findings.push(...judgeEntity(expected.get(name) ?? [], arrived.get(name) ?? [], recorded.get(name) ?? [], whole));
  }
  return findings;
}

type Whole = {
  transactions: ReadonlySet<string>;
  /** Ids that took effect. */
  known: ReadonlySet<string>;
  applied: ReadonlySet<string>;
  /** Commits whose change one that took effect has named as contained in it. */
  contained: ReadonlySet<string>;
};

const labelOf = (of: { tx: string; operation: string }) => `${of.operation} of transaction ${of.tx}`;

function judgeEntity(expected: Committed[], arrived: Delivered[], conflicts: Recorded[], whole: Whole): Finding[] {
  const { transactions, applied } = whole;
  const findings: Finding[] = [];
  const open = new Map<string, number[]>();
  for (const [at, change] of expected.entries()) open.set(labelOf(change), [...(open.get(labelOf(change)) ?? []), at]);
  /** Where each effect stands among the commits, in the order of arrival. */
  const places = new Map<number, Delivered>();
  for (const effect of arrived) {
    const label = labelOf(effect);
    const at = open.get(label)?.shift();
    if (at !== undefined) {
      places.set(at, effect);
      if (expected[at]?.row !== effect.row)
        findings.push(finding('different', effect, `${label} came with another row than was committed`));
    } else if (open.has(label)) {
      findings.push(finding('doubled', effect, `${label} took effect once too often`));
    } else if (applied.has(`${nameOf(effect)} ${label}`)) {
      findings.push(finding('echo', effect, `${label} had come from the cloud`));
    } else {
      const why = transactions.has(effect.tx) ? 'it changed no such thing' : 'it never committed';
      findings.push(finding('phantom', effect, `${label}: ${why}`));
    }
  }
  return [...findings, ...disorder(places), ...missing(expected, places, conflicts, whole)];
}

function disorder(places: ReadonlyMap<number, Delivered>): Finding[] {
  let last = -1;
  for (const [at, effect] of places) {
    if (at < last) return [finding('out_of_order', effect, `${labelOf(effect)} came after a later commit`)];
    last = at;
  }
  return [];
}

/**
 * A change that never took effect may be contained in one that did, which names it. Or the shop's side was given up: then the row
 * that it led to stands in the record of a conflict.
 */
function missing(
  expected: Committed[],
  places: ReadonlyMap<number, Delivered>,
  conflicts: Recorded[],
  { known, contained }: Whole,
): Finding[] {
  if (conflicts.some((one) => one.status === 'open')) return [];
  const findings: Finding[] = [];
  // A result that never took effect ran into another conflict, whose record goes on from there.
  const givenUp = new Set(
    conflicts
      .filter((one) => one.resolved_change_id === null || !known.has(one.resolved_change_id))
      .map((one) => one.local.row),
  );
  let recorded = false;
  for (let at = expected.length - 1; at >= 0; at -= 1) {
    const change = expected[at] as Committed;
    recorded = !places.has(at) && (recorded || givenUp.has(change.row));
    if (places.has(at) || recorded || contained.has(`${nameOf(change)} ${labelOf(change)}`)) continue;
    findings.push(finding('lost', change, `${labelOf(change)} never took effect`));
  }
  return findings;
}

/** Ids, versions, epochs, and the order and wholeness of transactions, from the ledger alone. */
export function judgeLedger(
  deliveries: readonly Delivered[],
  maySplit: (change: Delivered) => boolean = () => false,
): Finding[] {
  const findings: Finding[] = [];
  const ids = new Set<string>();
  const seqs = new Map<string, string>();
  const versions = new Map<string, number>();
  const transactions = new Map<string, { seq: bigint; request: number }>();
  let epoch = 0;
  for (const one of deliveries) {
    const owner = seqs.get(one.seq) ?? one.change_id;
    if (owner !== one.change_id) findings.push(finding('doubled', one, `seq ${one.seq} stands for two changes`));
    seqs.set(one.seq, owner);
    if (one.epoch < epoch) findings.push(finding('out_of_order', one, `epoch ${one.epoch} after epoch ${epoch}`));
    epoch = Math.max(epoch, one.epoch);
    if (one.outcome !== 'accepted') continue;
    if (ids.has(one.change_id)) findings.push(finding('doubled', one, `${one.change_id} took effect again`));
    ids.add(one.change_id);
    const version = versions.get(nameOf(one)) ?? 0;
    if ((one.cloud_version ?? 0) <= version)
      findings.push(finding('out_of_order', one, `version ${one.cloud_version} after version ${version}`));
    versions.set(nameOf(one), Math.max(version, one.cloud_version ?? 0));
    const tx = transactions.get(one.tx);
    const apart = tx !== undefined && tx.request !== one.request;
    if (apart && !maySplit(one)) findings.push(finding('out_of_order', one, `transaction ${one.tx} came in parts`));
    // What was held back or retried comes behind the rest of its transaction, in a request of its own.
    if (tx && BigInt(one.seq) <= tx.seq && !(apart && maySplit(one)))
      findings.push(finding('out_of_order', one, `seq ${one.seq} came late in transaction ${one.tx}`));
    transactions.set(one.tx, { seq: BigInt(one.seq), request: one.request });
  }
  return findings;
}

/** What syncd has settled as accepted must have taken effect, and a result for it must have left the cloud. */
export function judgeClaims(
  settled: readonly (Named & { change_id: string })[],
  deliveries: readonly Delivery[],
  words: boolean,
): Finding[] {
  const effective = new Set(deliveries.filter((one) => one.outcome === 'accepted').map((one) => one.change_id));
  const answered = new Set(deliveries.filter((one) => one.delivered).map((one) => one.change_id));
  return settled.flatMap((change) => {
    if (!effective.has(change.change_id))
      return [finding('unproven', change, `${change.change_id} was settled and never took effect`)];
    if (words && !answered.has(change.change_id))
      return [finding('unproven', change, `${change.change_id} was settled before any answer named it`)];
    return [];
  });
}

export function judgeViolations(violations: readonly Violation[]): Finding[] {
  return violations.map(({ rule, detail }) => ({
    kind: rule === 'other content under a known id' ? 'different' : 'out_of_order',
    entity_type: '',
    entity_id: '',
    detail: `${rule}: ${detail}`,
  }));
}
