/**
 * Everything that the convergence checker compares, as it was found: what PostgreSQL decoded, what the cloud wrote down, and,
 * to be doubted, what syncd claims. Reads only.
 */
import type pg from 'pg';
import type { Delivery, EntityRecord, FeedEntry, Violation } from '../../../src/demo/cloud/records.js';
import type { ComparedTable } from '../../../src/demo/compare.js';
import { type CommittedChange, readCommits } from './journal.js';
import type { Replaced } from './judge.js';

export type Claim = { change_id: string; entity_type: string; entity_id: string };

/** As it stands in syncd.sync_conflicts; rows are JSON text. */
export type ConflictRow = {
  entity_type: string;
  entity_id: string;
  status: 'open' | 'resolved';
  cloud_version: number;
  resolution: string | null;
  resolved_change_id: string | null;
  cloud: string | null;
  local: string | null;
  result: string | null;
  /** How it was found and settled, in words. */
  story: string;
};

export type Evidence = {
  outlet_id: string;
  committed: CommittedChange[];
  deliveries: Delivery[];
  /** What the outlet can see, from the beginning. */
  feed: FeedEntry[];
  entities: EntityRecord[];
  violations: Violation[];
  /** What syncd says the cloud has accepted. */
  settled: Claim[];
  /** Changes that were settled as part of another one, or given up. */
  replaced: Replaced[];
  /** What syncd keeps back because of a conflict. */
  held: Claim[];
  conflicts: ConflictRow[];
  parked: { entity_type: string; entity_id: string; cloud_version: number }[];
};

export type Account = {
  ledger(): Promise<Delivery[]>;
  feed(): Promise<FeedEntry[]>;
  entities(outletId?: string): Promise<EntityRecord[]>;
  violations(): Promise<Violation[]>;
};

export async function gatherEvidence(
  client: pg.Client,
  tables: ComparedTable[],
  cloud: Account,
  outletId: string,
): Promise<Evidence> {
  const claims = async (where: string) =>
    (await client.query<Claim>(`SELECT change_id, entity_type, entity_id FROM syncd.sync_queue WHERE ${where}`)).rows;
  const conflicts = await client.query<ConflictRow>(
    `SELECT entity_type, entity_id, status, cloud_version::float8 AS cloud_version, resolution, resolved_change_id,
       local::text AS local, cloud::text AS cloud, result::text AS result,
       concat_ws(', ', 'found by ' || source, 'of ' || change_id, detected_at, strategy, fields::text, reason, resolved_at) AS story
     FROM syncd.sync_conflicts ORDER BY id`,
  );
  const replaced = await client.query<Replaced>(
    `SELECT change_id, entity_type, entity_id, txid::text AS tx, operation FROM syncd.sync_queue
     WHERE status = 'synced' AND settled_as <> 'accepted'`,
  );
  const parked = await client.query<Evidence['parked'][number]>(
    `SELECT entity_type, entity_id, cloud_version::float8 AS cloud_version FROM syncd.incoming
     WHERE status = 'parked' AND cloud_version IS NOT NULL`,
  );
  return {
    outlet_id: outletId,
    committed: await readCommits(client, tables),
    deliveries: await cloud.ledger(),
    feed: (await cloud.feed()).filter((entry) => (entry.outlet_id ?? outletId) === outletId),
    entities: await cloud.entities(outletId),
    violations: await cloud.violations(),
    settled: await claims("settled_as = 'accepted'"),
    replaced: replaced.rows,
    held: await claims("status = 'conflict'"),
    conflicts: conflicts.rows,
    parked: parked.rows,
  };
}
