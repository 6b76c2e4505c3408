/** The rows of walks over tables. Types alone; instants and bigints are the text that Postgres wrote, as in db/schema. */
import type { ColumnType, Generated } from 'kysely';

/** To queue rows from before capture; to find what went by uncaptured; to delete in the cloud what a TRUNCATE took from the table. */
export type WalkKind = 'backfill' | 'reconcile' | 'delete';

export interface BackfillsTable {
  id: ColumnType<string, never, never>;
  entity_type: string;
  kind: WalkKind;
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
