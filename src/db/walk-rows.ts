/** The rows of walks over tables and of the disk's figures, as Kysely sees them; see db/schema for what their texts are. */
import type { ColumnType, Generated } from 'kysely';

export interface BackfillsTable {
  id: ColumnType<string, never, never>;
  entity_type: string;
  kind: 'backfill' | 'reconcile' | 'delete';
  cause: string;
  requested_by: Generated<string>;
  requested_at: Generated<string>;
  started_at: string | null;
  failures: string | null;
  position: string | null;
  walked: Generated<string>;
  queued: Generated<string>;
  deleted: Generated<string>;
  estimate: string | null;
  waits_for: string | null;
  finished_at: string | null;
  error: string | null;
}

export interface DiskReadingsTable {
  at: string;
  path: string;
  free_bytes: string | null;
  total_bytes: string | null;
  database_bytes: string | null;
  days_left: number | null;
  problem: string | null;
}
