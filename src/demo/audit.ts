/**
 * Holds the cloud's ledger against the till's journal: every change that was committed took effect once, none that was not did,
 * and in the right order. Pure: two lists in, findings out. It reads nothing of syncd's, so it cannot inherit its mistakes.
 */
import type { Delivery } from './cloud/records.js';
import { parentsOf, type References } from './cloud/references.js';
import type { JournalEntry } from './shop/journal.js';

export type FindingKind = 'lost' | 'doubled' | 'out_of_order' | 'different';

export type Finding = { kind: FindingKind; entity_type: string; entity_id: string; detail: string };

type Named = { entity_type: string; entity_id: string };

const nameOf = (of: Named) => `${of.entity_type} ${of.entity_id}`;

function grouped<T extends Named>(list: T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const group = groups.get(nameOf(item));
    if (group) group.push(item);
    else groups.set(nameOf(item), [item]);
  }
  return groups;
}

const finding = (kind: FindingKind, of: Named, detail: string): Finding => ({
  kind,
  entity_type: of.entity_type,
  entity_id: of.entity_id,
  detail,
});

/** What took effect, in the order in which it did. */
export function effectsOf(ledger: readonly Delivery[]): Delivery[] {
  return ledger.filter((delivery) => delivery.outcome === 'accepted');
}

/** What of the journal need not arrive as it was, and what may arrive without standing in it. */
export type Settlements = {
  /** Ids of the changes that carry the result of a recorded conflict. */
  results: ReadonlySet<string>;
  /** Changes that a recorded conflict gave up. */
  givenUp: (Named & { change_id: string })[];
};

/** @param journal in commit order. @param ledger in the order of arrival. */
export function auditLedger(
  journal: JournalEntry[],
  ledger: readonly Delivery[],
  settlements: Settlements = { results: new Set(), givenUp: [] },
): Finding[] {
  const effects = effectsOf(ledger);
  const effective = new Set(effects.map((effect) => effect.change_id));
  const expected = grouped(journal);
  const arrived = grouped(effects);
  const givenUp = grouped(settlements.givenUp);
  const findings = [...repeatedIds(effects), ...disorderInside(ledger)];
  for (const name of new Set([...expected.keys(), ...arrived.keys()])) {
    const own = arrived.get(name) ?? [];
    const replaced = new Set([
      ...own.flatMap((effect) => effect.supersedes),
      ...(givenUp.get(name) ?? []).map((change) => change.change_id),
    ]);
    for (const id of replaced) if (effective.has(id)) replaced.delete(id);
    findings.push(...risingVersions(own));
    const plain = own.filter((effect) => !settlements.results.has(effect.change_id));
    findings.push(...compareEntity(expected.get(name) ?? [], plain, replaced.size));
  }
  return findings;
}

function repeatedIds(effects: Delivery[]): Finding[] {
  const seen = new Set<string>();
  const findings: Finding[] = [];
  for (const effect of effects) {
    if (seen.has(effect.change_id)) findings.push(finding('doubled', effect, `${effect.change_id} took effect again`));
    seen.add(effect.change_id);
  }
  return findings;
}

/**
 * Changes of one transaction take effect in the order of their seq. One that the cloud sent back first (held, most often,
 * because a parent was still under way in another request) may come after the others: the contract splits the transaction there.
 */
function disorderInside(ledger: readonly Delivery[]): Finding[] {
  const last = new Map<string, bigint>();
  const sentBack = new Set<string>();
  const findings: Finding[] = [];
  for (const delivery of ledger) {
    const { outcome, change_id, tx } = delivery;
    if (outcome === 'held' || outcome === 'conflict' || outcome === 'rejected') sentBack.add(change_id);
    if (outcome !== 'accepted') continue;
    const seq = BigInt(delivery.seq);
    if (seq > (last.get(tx) ?? -1n)) last.set(tx, seq);
    else if (!sentBack.has(change_id)) {
      findings.push(finding('out_of_order', delivery, `seq ${seq} came late in transaction ${tx}`));
    }
  }
  return findings;
}

function risingVersions(arrived: Delivery[]): Finding[] {
  const findings: Finding[] = [];
  let version = 0;
  for (const effect of arrived) {
    if ((effect.cloud_version ?? 0) <= version) {
      findings.push(finding('out_of_order', effect, `version ${effect.cloud_version} after version ${version}`));
    }
    version = Math.max(version, effect.cloud_version ?? 0);
  }
  return findings;
}

/**
 * One entity: the same operations of the same transactions on both sides, in the same order.
 * @param replaced how many changes were contained in others or given up: so many may be missing
 */
function compareEntity(expected: JournalEntry[], arrived: Delivery[], replaced: number): Finding[] {
  const findings: Finding[] = [];
  const label = (of: { tx: string; operation: string }) => `${of.operation} of transaction ${of.tx}`;
  const open = arrived.map(label);
  const missing = expected.filter((change) => {
    const at = open.indexOf(label(change));
    if (at >= 0) open.splice(at, 1);
    return at < 0;
  });
  for (const change of missing.slice(0, Math.max(0, missing.length - replaced))) {
    findings.push(finding('lost', change, `${label(change)} never took effect`));
  }
  const owner = expected[0] ?? arrived[0];
  if (owner) for (const extra of open) findings.push(finding('doubled', owner, `${extra} took effect once too often`));
  if (open.length === 0) {
    const came = expected.filter((change) => !missing.includes(change));
    const at = came.findIndex((change, index) => label(change) !== label(arrived[index] as Delivery));
    const early = arrived[at];
    if (early) findings.push(finding('out_of_order', early, `${label(early)} took effect too early`));
  }
  return findings;
}

/**
 * At the end of every transaction each living child has a living parent at the cloud.
 * @param madeThere entities by name that head office had a hand in: the ledger does not tell when they lived
 */
export function auditReferences(
  references: References,
  ledger: readonly Delivery[],
  madeThere: ReadonlySet<string> = new Set(),
): Finding[] {
  const effects = effectsOf(ledger);
  const lastOf = new Map(effects.map((effect, index) => [effect.tx, index]));
  const parentTypes = new Set(Object.values(references).flatMap((list) => list.map((reference) => reference.type)));
  const alive = new Map<string, Delivery>();
  const byTx = new Map<string, Delivery[]>();
  const findings: Finding[] = [];
  /** The transaction that a parent went in. Transactions interleave: until it has ended, its children may still be on their way out. */
  const goneIn = new Map<string, string>();
  // Each time that a parent goes, all that live are looked at again: their rows are read once.
  const parents = new Map(effects.map((one) => [one, parentsOf(references, one.entity_type, one.data)]));
  const orphaned = (child: Delivery, now: number): Finding[] =>
    (parents.get(child) ?? [])
      .filter((parent) => {
        const name = nameOf({ entity_type: parent.type, entity_id: parent.id });
        return !alive.has(name) && !madeThere.has(name) && (lastOf.get(goneIn.get(name) ?? '') ?? 0) <= now;
      })
      .map(({ type, id }) =>
        finding('out_of_order', child, `${type} ${id} was not there at the end of transaction ${child.tx}`),
      );
  for (const [index, effect] of effects.entries()) {
    if (effect.operation === 'delete') {
      alive.delete(nameOf(effect));
      goneIn.set(nameOf(effect), effect.tx);
    } else alive.set(nameOf(effect), effect);
    const changed = byTx.get(effect.tx) ?? [];
    byTx.set(effect.tx, changed);
    changed.push(effect);
    if (lastOf.get(effect.tx) !== index) continue;
    // A parent that goes may leave orphans anywhere; otherwise only this transaction's own rows can lack one.
    const parentGone = changed.some((one) => one.operation === 'delete' && parentTypes.has(one.entity_type));
    const children = parentGone ? [...alive.values()] : changed.filter((one) => alive.get(nameOf(one)) === one);
    findings.push(...children.flatMap((child) => orphaned(child, index)));
  }
  return findings;
}
