/** What the admin API answers, by the daemon's own types: the one thing that the page shares with it. */
import type { Finding as DoctorFinding } from '../../doctor/finding.js';
import type { SampleColumns } from '../../http/admin/figures.js';
import type { EntitySelf, SelfReport } from '../../http/admin/self.js';
import type { CapturedTable } from '../../ops/captured-tables.js';
import type { Outage } from '../../ops/figures/outages.js';
import type { Finding } from '../../ops/status/finding.js';
import type { StatusReport } from '../../ops/status/verdict.js';
import type { EntityStanding, IncomingItem } from '../../queue/history.js';
import type { LogItem, QueueItem } from '../../queue/read.js';
import type { Exact } from './exact.js';

export type {
  CapturedTable,
  DoctorFinding,
  EntitySelf,
  EntityStanding,
  Finding,
  IncomingItem,
  LogItem,
  Outage,
  QueueItem,
  SampleColumns,
  SelfReport,
  StatusReport,
};

export type Page<T> = { items: T[]; next_cursor: string | null };

export type Row = { [column: string]: Exact };

export type Conflict = {
  id: string;
  entity_type: string;
  entity_id: string;
  fields: string[];
  base: Row | null;
  local: Row | null;
  cloud: Row | null;
  cloud_version: number;
  cloud_deleted: boolean;
  source: string;
  strategy: string;
  status: 'open' | 'resolved';
  detected_at: string;
  resolution: 'cloud' | 'local' | 'merged' | 'data' | 'equal' | null;
  result: Row | null;
  resolved_at: string | null;
  resolved_by: string | null;
  reason: string | null;
};

export type Strategy = 'cloud_wins' | 'local_wins' | 'newest_wins' | 'merge';

/** One change of an entity's history: what was captured, and what each exchange that carried it was answered. */
export type PastChange = Pick<
  QueueItem,
  | 'id'
  | 'change_id'
  | 'operation'
  | 'status'
  | 'retry_count'
  | 'next_attempt_at'
  | 'error_message'
  | 'created_at'
  | 'synced_at'
> & {
  settled_as: string | null;
  superseded_by: string | null;
  data: Row | null;
  previous: Row | null;
  answers: { log_id: string; at: string; verdict: string; http_status: number | null; error: string | null }[];
};

export type Timeline = EntityStanding & {
  incoming: IncomingItem[];
  history_since: string | null;
  changes: PastChange[];
};
