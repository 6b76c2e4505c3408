/** What the admin API answers, by the daemon's own types: the one thing that the page shares with it. */
import type { EntitySelf, SelfReport } from '../../http/self.js';
import type { Finding, StatusReport } from '../../ops/verdict.js';
import type { LogItem, QueueItem } from '../../queue/read.js';
import type { Exact } from './exact.js';

export type { EntitySelf, Finding, LogItem, QueueItem, SelfReport, StatusReport };

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
