/**
 * Both sides held against each other when all is quiet: the till's journal against the cloud's ledger, the POS's rows against
 * the cloud's, head office's edits against what the shop knows, and what the cloud saw the daemon do that a correct outlet never does.
 */
import type pg from 'pg';
import { auditLedger, auditReferences, effectsOf, type Finding, type FindingKind, type Settlements } from './audit.js';
import type { FeedEntry, Violation, ViolationRule } from './cloud/records.js';
import { compareRows } from './compare.js';
import { SHOP_REFERENCES, TWO_WAY_ENTITIES } from './shop/schema.js';
import type { Stage } from './stage.js';

export type Verdict = Record<FindingKind, number> & {
  rows: number;
  pushed: number;
  /** Edits of head office's that the shop knows of. */
  pulled: number;
  /** Divergences on record, and those that still wait for a person. */
  conflicts: number;
  open: number;
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

/** @param unmet what the story expected and did not see */
export async function judge(
  { cloud, owner, till }: Pick<Stage, 'cloud' | 'owner' | 'till'>,
  unmet: Finding[] = [],
): Promise<Verdict> {
  const { ledger } = cloud;
  const { rows, findings } = await compareRows(owner, TWO_WAY_ENTITIES, cloud.entities());
  const conflicts = await conflictsOf(owner);
  const edits = cloud.feed().filter((entry) => entry.origin_outlet_id === null);
  const madeThere = new Set(edits.map((entry) => `${entry.entity_type} ${entry.entity_id}`));
  findings.push(
    ...unmet,
    ...auditLedger(till.journal, ledger.deliveries, conflicts),
    ...auditReferences(SHOP_REFERENCES, ledger.deliveries, madeThere),
    ...ledger.violations.map(findingOf),
  );
  const count = (kind: FindingKind) => findings.filter((finding) => finding.kind === kind).length;
  return {
    rows,
    pushed: effectsOf(ledger.deliveries).length,
    pulled: await knownOf(owner, edits),
    conflicts: conflicts.recorded,
    open: conflicts.open,
    lost: count('lost'),
    doubled: count('doubled'),
    out_of_order: count('out_of_order'),
    different: count('different'),
    findings,
  };
}

/** What syncd has on record: how many divergences, what was sent for them, what was given up. */
async function conflictsOf(owner: pg.Client): Promise<Settlements & { recorded: number; open: number }> {
  const { rows } = await owner.query<{ status: string; resolved_change_id: string | null }>(
    'SELECT status, resolved_change_id FROM syncd.sync_conflicts',
  );
  const givenUp = await owner.query<Settlements['givenUp'][number]>(
    `SELECT entity_type, entity_id, change_id FROM syncd.sync_queue q
     WHERE settled_as IN ('superseded', 'cloud_won') AND EXISTS (
       SELECT FROM syncd.sync_conflicts c
       WHERE (c.entity_type, c.entity_id) = (q.entity_type, q.entity_id) AND c.status = 'resolved')`,
  );
  return {
    recorded: rows.length,
    open: rows.filter((row) => row.status === 'open').length,
    results: new Set(rows.flatMap((row) => row.resolved_change_id ?? [])),
    givenUp: givenUp.rows,
  };
}

/** How many of head office's edits the shop knows of. */
async function knownOf(owner: pg.Client, edits: readonly FeedEntry[]): Promise<number> {
  const { rows } = await owner.query<{ known: number }>(
    `SELECT count(*)::integer AS known
     FROM unnest($1::text[], $2::text[], $3::bigint[]) edit (entity_type, entity_id, cloud_version)
     JOIN syncd.entity_state s USING (entity_type, entity_id) WHERE s.cloud_version >= edit.cloud_version`,
    [
      edits.map((edit) => edit.entity_type),
      edits.map((edit) => edit.entity_id),
      edits.map((edit) => edit.cloud_version),
    ],
  );
  return rows[0]?.known ?? 0;
}
