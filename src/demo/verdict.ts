/**
 * Both sides held against each other when all is quiet: the till's journal against the cloud's ledger, the POS's rows against
 * the cloud's, and what the cloud saw the daemon do that a correct outlet never does.
 */
import { auditLedger, auditReferences, effectsOf, type Finding, type FindingKind } from './audit.js';
import type { Violation, ViolationRule } from './cloud/records.js';
import { type ComparedTable, compareRows } from './compare.js';
import { SHOP_ENTITIES, SHOP_REFERENCES } from './shop/schema.js';
import type { Stage } from './stage.js';

export type Verdict = Record<FindingKind, number> & {
  rows: number;
  pushed: number;
  conflicts: number;
  findings: Finding[];
};

const KIND_OF: Record<ViolationRule, FindingKind> = {
  'entity in flight twice': 'out_of_order',
  'after outside the batch': 'out_of_order',
  'other content under a known id': 'different',
};

function findingOf({ rule, detail }: Violation): Finding {
  return { kind: KIND_OF[rule], entity_type: '', entity_id: '', detail: `${rule}: ${detail}` };
}

export async function judge(stage: Pick<Stage, 'cloud' | 'owner' | 'till'>): Promise<Verdict> {
  const { ledger } = stage.cloud;
  const tables: ComparedTable[] = SHOP_ENTITIES;
  const { rows, findings } = await compareRows(stage.owner, tables, stage.cloud.entities());
  findings.push(
    ...auditLedger(stage.till.journal, ledger.deliveries),
    ...auditReferences(SHOP_REFERENCES, ledger.deliveries),
    ...ledger.violations.map(findingOf),
  );
  const conflicts = await stage.owner.query<{ count: number }>(
    'SELECT count(*)::integer AS count FROM syncd.sync_conflicts',
  );
  const count = (kind: FindingKind) => findings.filter((finding) => finding.kind === kind).length;
  return {
    rows,
    pushed: effectsOf(ledger.deliveries).length,
    conflicts: conflicts.rows[0]?.count ?? 0,
    lost: count('lost'),
    doubled: count('doubled'),
    out_of_order: count('out_of_order'),
    different: count('different'),
    findings,
  };
}
