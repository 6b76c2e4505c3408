/**
 * The rows of what is written down about syncing itself: samples, the disk, outages, alerts. Types alone; instants and bigints are
 * the text that Postgres wrote, as in db/schema.
 */
import type { ColumnType, Generated } from 'kysely';

export interface SamplesTable {
  minute: string;
  captured: number;
  pushed: number;
  pulled: number;
  refused: number;
  queue_depth: number;
  oldest_pending_ms: number;
  failed: number;
  conflicts: number;
  held: number;
  push_count: number;
  push_ms: number;
  push_bytes: string;
  online: boolean | null;
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

export interface OutagesTable {
  id: ColumnType<string, never, never>;
  began_at: string;
  ended_at: string | null;
  reason: string;
  interruptions: Generated<number>;
  waited: string | null;
  last_change: string | null;
  drained_at: string | null;
  drained_changes: string | null;
}

export interface AlertsTable {
  id: ColumnType<string, never, never>;
  alert: string;
  severity: 'warning' | 'critical';
  raised_at: Generated<string>;
  well_since: string | null;
  cleared_at: string | null;
  value: string;
  detail: string;
  told_at: string | null;
  told_error: string | null;
}

export interface AlertMessagesTable {
  id: ColumnType<string, never, never>;
  alert_id: string;
  event: 'raised' | 'cleared';
  target: string;
  body: string;
  attempts: Generated<number>;
  next_try_at: Generated<string>;
}
