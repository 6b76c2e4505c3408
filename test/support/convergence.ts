/**
 * The convergence checker: when all is quiet, do the POS and the cloud agree? It gathers three accounts that syncd cannot have
 * written (the POS's tables, PostgreSQL's own decoding of the commits, the cloud's ledger) and holds them against each other.
 * An empty list of findings means: nothing lost, no phantom, one effect each, in order, and every row equal.
 */
import type pg from 'pg';
import { auditReferences } from '../../src/demo/audit.js';
import type { Delivery, EntityRecord, Violation } from '../../src/demo/cloud/records.js';
import type { References } from '../../src/demo/cloud/references.js';
import { type ComparedTable, compareRows } from '../../src/demo/compare.js';
import { type CommittedChange, readCommits } from './convergence-journal.js';
import {
  type Delivered,
  type Finding,
  judgeClaims,
  judgeEffects,
  judgeLedger,
  judgeViolations,
} from './convergence-judge.js';
import { comparableRows } from './convergence-rows.js';

export type Claim = { change_id: string; entity_type: string; entity_id: string };

/** Everything that is compared, as it was found. */
export type Evidence = {
  committed: CommittedChange[];
  deliveries: Delivery[];
  entities: EntityRecord[];
  violations: Violation[];
  /** What syncd says the cloud has accepted. */
  settled: Claim[];
};

export type Account = {
  ledger(): Promise<Delivery[]>;
  entities(): Promise<EntityRecord[]>;
  violations(): Promise<Violation[]>;
};

export type CheckOptions = {
  references?: References;
  /** Where bisection, a hold or a retry may have split a transaction. */
  maySplit?: (change: Delivered) => boolean;
  /** False where the cloud was restarted: it does not remember which of its answers had left. */
  words?: boolean;
};

export async function gatherEvidence(client: pg.Client, tables: ComparedTable[], cloud: Account): Promise<Evidence> {
  const settled = await client.query<Claim>(
    "SELECT change_id, entity_type, entity_id FROM syncd.sync_queue WHERE settled_as = 'accepted'",
  );
  return {
    committed: await readCommits(client, tables),
    deliveries: await cloud.ledger(),
    entities: await cloud.entities(),
    violations: await cloud.violations(),
    settled: settled.rows,
  };
}

/** @returns what contradicts the invariants I1 to I5; empty where all is well */
export async function checkConvergence(
  client: pg.Client,
  tables: ComparedTable[],
  evidence: Evidence,
  options: CheckOptions = {},
): Promise<Finding[]> {
  const here = await comparableRows(client, tables, evidence.committed);
  const there = await comparableRows(client, tables, evidence.deliveries);
  const committed = evidence.committed.map((change, index) => ({ ...change, row: here[index] ?? null }));
  const deliveries = evidence.deliveries.map((delivery, index) => ({ ...delivery, row: there[index] ?? null }));
  const rows = await compareRows(client, tables, evidence.entities);
  return [
    ...judgeEffects(committed, deliveries),
    ...judgeLedger(deliveries, options.maySplit),
    ...judgeClaims(evidence.settled, evidence.deliveries, options.words ?? true),
    ...judgeViolations(evidence.violations),
    ...auditReferences(options.references ?? {}, evidence.deliveries),
    ...rows.findings,
  ];
}
