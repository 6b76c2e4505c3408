/**
 * The convergence checker: when all is quiet, do the POS and the cloud agree? It gathers accounts that syncd cannot have
 * written (the POS's tables, PostgreSQL's own decoding of the commits, the cloud's ledger and feed) and holds them against each
 * other and against what syncd claims. An empty list of findings means: nothing lost either way, no phantom, one effect each,
 * in order, no echo, every divergence on record, and every row equal.
 */
import type pg from 'pg';
import { auditReferences } from '../../../src/demo/audit.js';
import type { References } from '../../../src/demo/cloud/references.js';
import { type ComparedTable, compareRows } from '../../../src/demo/compare.js';
import { judgeHeld, judgeResults, judgeSilence } from './conflicts.js';
import type { Evidence } from './evidence.js';
import { type Committed, judgeIncoming, type Recorded } from './incoming.js';
import {
  type Delivered,
  type Finding,
  judgeClaims,
  judgeEffects,
  judgeLedger,
  judgeViolations,
  nameOf,
} from './judge.js';
import { comparable } from './rows.js';

export type CheckOptions = {
  references?: References;
  /** Where bisection, a hold or a retry may have split a transaction. */
  maySplit?: (change: Delivered) => boolean;
  /** False where the cloud was restarted: it does not remember which of its answers had left. */
  words?: boolean;
};

/** @returns what contradicts the invariants I1 to I7; empty where all is well */
export async function checkConvergence(
  client: pg.Client,
  tables: ComparedTable[],
  evidence: Evidence,
  options: CheckOptions = {},
): Promise<Finding[]> {
  const committed = await comparable(client, tables, evidence.committed);
  const deliveries = await comparable(client, tables, evidence.deliveries);
  const parked = new Set(evidence.parked.map((one) => `${nameOf(one)} ${one.cloud_version}`));
  const pulled = new Set(tables.filter((table) => table.pulled === true).map((table) => table.entity_type));
  const readable = evidence.feed.filter(
    (entry) => pulled.has(entry.entity_type) && !parked.has(`${nameOf(entry)} ${entry.cloud_version}`),
  );
  const feed = await comparable(client, tables, readable);
  const conflicts = await recordedOf(client, tables, evidence.conflicts);
  const rows = await compareRows(client, tables, evidence.entities);
  const open = new Set(conflicts.filter((one) => one.status === 'open').map(nameOf));

  const effects = new Map(
    deliveries.filter((one) => one.outcome === 'accepted').map((one) => [placeOf(one), one.cloud_version ?? 0]),
  );
  const ownVersion = (commit: Committed) => effects.get(placeOf(commit));
  const incoming = judgeIncoming(
    { committed, feed, conflicts, parked: evidence.parked, ownVersion },
    evidence.outlet_id,
  );
  const split = splitBy(tables, committed, conflicts, deliveries);
  const madeThere = new Set(feed.filter((one) => one.origin_outlet_id !== evidence.outlet_id).map(nameOf));
  return [
    ...incoming.findings,
    ...judgeEffects(committed, deliveries, { applied: incoming.applied, conflicts, replaced: evidence.replaced }),
    ...judgeResults(committed, deliveries, conflicts, feed),
    ...judgeSilence(deliveries, conflicts, feed),
    ...judgeHeld(evidence.held, conflicts),
    ...judgeLedger(deliveries, (change) => split.has(change.tx) || options.maySplit?.(change) === true),
    ...judgeClaims(evidence.settled, evidence.deliveries, options.words ?? true),
    ...judgeViolations(evidence.violations),
    ...auditReferences(options.references ?? {}, evidence.deliveries, madeThere),
    ...rows.findings.filter((one) => !open.has(nameOf(one))),
  ];
}

const placeOf = (of: { entity_type: string; entity_id: string; tx: string; operation: string }) =>
  `${nameOf(of)} ${of.operation} ${of.tx}`;

async function recordedOf(
  client: pg.Client,
  tables: ComparedTable[],
  conflicts: Evidence['conflicts'],
): Promise<Recorded[]> {
  const side = (name: 'local' | 'result') =>
    comparable(
      client,
      tables,
      conflicts.map((one) => ({ entity_type: one.entity_type, data: one[name] })),
    );
  const [local, result] = [await side('local'), await side('result')];
  return conflicts.map((one, index) => ({
    ...one,
    local: local[index] as Recorded['local'],
    result: result[index] as Recorded['result'],
  }));
}

/**
 * Transactions that a conflict or coalescing may lawfully have taken apart; where head office edits too, also a change that was
 * sent back.
 */
function splitBy(
  tables: ComparedTable[],
  committed: readonly Committed[],
  conflicts: readonly Recorded[],
  deliveries: readonly Delivered[],
): Set<string> {
  const troubled = new Set(conflicts.map(nameOf));
  const folded = new Set(tables.filter((table) => table.coalesced === true).map((table) => table.entity_type));
  const apart = committed.filter((change) => troubled.has(nameOf(change)) || folded.has(change.entity_type));
  const twoWay = tables.some((table) => table.pulled === true);
  const sentBack = deliveries.filter((one) => twoWay && (one.outcome === 'held' || one.outcome === 'conflict'));
  return new Set([...apart, ...sentBack].map((change) => change.tx));
}
