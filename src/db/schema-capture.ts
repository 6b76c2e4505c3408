/**
 * The rows of what is captured, and of what keeps its changes waiting as a whole. Types alone; instants and bigints are the text
 * that Postgres wrote, as in db/schema.
 */
import type { ColumnType, Generated } from 'kysely';
import type { Direction } from '../config/settings.js';

export interface CaptureTable {
  entity_type: string;
  table_name: string;
  direction: Direction;
  keys: string[];
  excluded: Generated<string[]>;
  coalesce: Generated<boolean>;
  keep_previous: Generated<boolean>;
  fingerprint: string;
  shape: ColumnType<number, never, never>;
  trigger_version: string;
  failures: string;
  granted: Generated<string[]>;
  installed_at: Generated<string>;
  functions: Generated<string[]>;
  failures_seen: Generated<string>;
  suspended_at: string | null;
  suspended_by: string | null;
  suspended_reason: string | null;
  older_rows: Generated<boolean>;
  recorded: string | null;
  departed: string;
  generator: string | null;
  drift: string | null;
  drift_kind: string | null;
  drift_at: string | null;
  drift_hint: string | null;
  drift_misses: Generated<boolean>;
  holds_push: Generated<boolean>;
  holds_apply: Generated<boolean>;
  trigger_marks: string | null;
}

export interface HoldsView {
  entity_type: string;
  cause: string;
  reason: string;
  since: string;
  hint: string;
  holds_push: boolean;
  holds_apply: boolean;
}
